"""A folder elsewhere, at any address that fsspec knows: bytes under their own digest, and documents that name them.

Layout of a remote store::

    objects/<sha256>                                     the bytes of one checkpoint, optimiser or record
    trajectories/<key>.json                              the manifest of a finished trajectory
    records/<recipe digest, 12 digits>-<seed>/*.json     descriptions of records
    damaged/<sha256>                                     objects that somebody has found damaged, to be sent again

Whoever writes there is not trusted: what arrives has its limits, and the digest that it was asked for by.
"""

import contextlib
import functools
import hashlib
import os
import re
from collections.abc import Iterator

import fsspec.core
from fsspec.implementations.local import LocalFileSystem

from featdyn_core.errors import DamagedTransferError, FeatdynError, StoreError
from featdyn_core.store.documents import one_line

# Limits far above what the store makes. They are there because others may write to the address, and what is larger
# would fill the memory before its digest could be found wrong.
LARGEST_OBJECT = 2**30
"""Bytes of a checkpoint or record, at most."""

LARGEST_DOCUMENT = 2**24
"""Bytes of a manifest or description, at most."""

MOST_DOCUMENTS = 1_000
"""Of one folder, that are looked at."""

FOLDERS = ("objects", "trajectories", "records")
"""Of which a remote store has at least one."""

_FROM = "from where it was made"


class Remote:
    """A remote store.

    Args:
        url: a path, or an address such as ``s3://bucket/folder``.
        verify: whether objects that are there already are read and compared before they are taken for sent.

    Raises:
        StoreError: no such kind of address, or the package for it is not installed.
    """

    def __init__(self, url: str, *, verify: bool = False) -> None:
        self.url, self.verify = url, verify
        local = url.removeprefix("file://") if "://" not in url or url.startswith("file://") else None
        with self._reached():
            if local is not None:  # whatever is in it: fsspec takes `::` for a chain of addresses
                self._system, self._root = LocalFileSystem(), os.path.abspath(os.path.expanduser(local))
            else:
                # Listings are not remembered: another process may push meanwhile.
                self._system, root = fsspec.core.url_to_fs(url, use_listings_cache=False)
                self._root = root.rstrip("/")

    def check_place(self) -> None:
        """Refuse to begin a remote store in a place that is not there, such as a bucket whose name is misspelt.

        Raises:
            StoreError: the folder that it would lie in is not there, or the bucket.
        """
        place = self._root.rpartition("/")[0] or "/" if self._has_folders else self._root.split("/", 1)[0]
        if not (self._exists(self._root) or self._exists(place)):
            raise StoreError(f"{self.url}: {place} does not exist; check the address, or create it first")

    def check_store(self) -> None:
        """Refuse to look for something where no remote store is.

        Raises:
            StoreError: there is none.
        """
        # Web servers need not list what they have.
        if not self._root.startswith("http") and not any(self._exists(self._place(name)) for name in FOLDERS):
            raise StoreError(f"{self.url}: there is no remote store; check the address, or push to it first")

    def put_object(self, content: bytes) -> int:
        """Keep bytes under their digest; return how many went there, none if they are there already.

        What is there and was found damaged is sent again. What cannot be written is a ``StoreError``.
        """
        digest = hashlib.sha256(content).hexdigest()
        name = f"objects/{digest}"
        there = self._size(name) == len(content)  # what was cut off is shorter
        if there and (self.verify or digest in self._reported):
            there = self._get(name, len(content)) == content
        if not there:
            self._put(name, content)
        if digest in self._reported:  # whoever sent it again may have been killed before this, or must not do it
            with contextlib.suppress(FeatdynError), self._reached():
                self._system.rm_file(self._place(f"damaged/{digest}"))
        return 0 if there else len(content)

    def get_object(self, digest: str) -> bytes:
        """Return the bytes with a hex sha256.

        A remote store that cannot be reached is a ``StoreError``.

        Raises:
            DamagedTransferError: they are not there, too many, or others. The next push from where they were made
                sends them again.
        """
        content = self._get(f"objects/{digest}", LARGEST_OBJECT)
        if content is None:
            raise DamagedTransferError(f"{self.url}: the object {digest} is missing; push it again {_FROM}")
        if hashlib.sha256(content).hexdigest() != digest:
            with contextlib.suppress(FeatdynError):  # who may read there need not be allowed to write
                self._put(f"damaged/{digest}", b"")
            raise DamagedTransferError(
                f"{self.url}: the object {digest} is damaged: its bytes do not match their sha256; push it again "
                f"{_FROM}, with --verify if nothing may be written there from here"
            )
        return content

    def put_document(self, name: str, content: bytes) -> None:
        """Keep a document, after the objects that it names.

        What cannot be written is a ``StoreError``.
        """
        # Written even if it is there: unlike an object, a document may have changed under its name.
        self._put(name, content)

    def get_document(self, name: str) -> bytes | None:
        """Return a document; None if there is none.

        One that is longer than any is a ``DamagedTransferError``; a remote store that cannot be reached, a
        ``StoreError``.
        """
        return self._get(name, LARGEST_DOCUMENT)

    def documents(self, folder: str, pattern: str = ".*", first: str = "") -> list[str]:
        """Return the names of the documents in a folder, in order, of ``MOST_DOCUMENTS`` at most.

        A remote store that cannot be reached is a ``StoreError``.

        Args:
            folder: of the remote store.
            pattern: of a name in it without ``.json``.
            first: a name in it without ``.json`` that comes before all others, if it is there.
        """
        found = [name[:-5] for name in self._names(folder) if name.endswith(".json")]
        chosen = sorted((name for name in found if re.fullmatch(pattern, name)), key=lambda name: (name != first, name))
        return [f"{folder}/{name}.json" for name in chosen[:MOST_DOCUMENTS]]

    @functools.cached_property
    def _reported(self) -> frozenset[str]:
        """Digests of objects that were found damaged."""
        return frozenset(self._names("damaged"))

    @property
    def _has_folders(self) -> bool:
        """Whether folders must be made there; a bucket has none, and would itself be made in their place."""
        return self._root.startswith("/")

    def _names(self, folder: str) -> list[str]:
        """Names of the files in a folder; none where there is no such folder."""
        with self._reached():
            try:
                found = self._system.ls(self._place(folder), detail=False)
            except FileNotFoundError:
                return []
        # Only the last part of a path is used: each backend writes what stands before it in its own way.
        return [path.rsplit("/", 1)[-1] for path in found]

    def _place(self, name: str) -> str:
        return f"{self._root}/{name}"

    def _exists(self, place: str) -> bool:
        with self._reached():
            try:
                return bool(self._system.exists(place))
            except PermissionError:  # who may write into a bucket need not be allowed to list it
                return True

    def _size(self, name: str) -> int | None:
        """Return the bytes that a file has; None if there is none.

        Raises:
            DamagedTransferError: it is no file, and reading it might never end.
        """
        with self._reached():
            try:
                found = self._system.info(self._place(name))
            except FileNotFoundError:
                return None
        if found["type"] != "file":
            raise DamagedTransferError(f"{self.url}: {name} is not a file; remove it, and push again {_FROM}")
        return int(found["size"])

    def _put(self, name: str, content: bytes) -> None:
        self._size(name)
        with self._reached():
            if self._has_folders:
                self._system.makedirs(self._place(name).rsplit("/", 1)[0], exist_ok=True)
            self._system.pipe_file(self._place(name), content)

    def _get(self, name: str, most: int) -> bytes | None:
        """Return a file's bytes; None if there is none. One that is larger than it may be is not read.

        Raises:
            DamagedTransferError: it is larger than it may be.
        """
        size = self._size(name)
        if size is None:
            return None
        if size > most:
            raise DamagedTransferError(f"{self.url}: {name} has {size} bytes; the limit is {most}")
        with self._reached():
            # Up to `size`: a file may have grown since it was asked for.
            return bytes(self._system.cat_file(self._place(name), end=size))

    @contextlib.contextmanager
    def _reached(self) -> Iterator[None]:
        """Turn the errors of a file system, whichever it is, into one that names the address and the mend.

        Raises:
            StoreError: in place of any other.
            FeatdynError: this project's own, as it came.
        """
        try:
            yield
        except FeatdynError:
            raise
        except ImportError as error:
            raise StoreError(f"{self.url}: {error}; for s3 addresses install featdyn[s3]") from error
        except Exception as error:  # every backend has its own
            raise StoreError(
                f"{self.url} cannot be used ({one_line(f'{type(error).__name__}: {error}')}); check the address, "
                "the rights there and the connection, and run again: what has arrived is not sent twice"
            ) from error
