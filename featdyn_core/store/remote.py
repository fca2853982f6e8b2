"""A remote store, at any address that fsspec knows: bytes under their digest, and documents that name them.

Layout of a remote store::

    objects/<sha256>                                     the bytes of one checkpoint, optimiser or record
    trajectories/<key>.json                              the manifest of a finished trajectory
    records/<recipe digest, 12 digits>-<seed>/*.json     descriptions of records
    damaged/<sha256>                                     objects that somebody has found damaged, to be sent again

Writers of a remote store are not trusted: content is limited in size and must match the requested digest.
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

# Limits far above what the store makes. Others may write to the address, and larger content would fill the memory
# before its digest could be checked.
LARGEST_OBJECT = 2**30
"""Most bytes of a checkpoint or record."""

LARGEST_DOCUMENT = 2**24
"""Most bytes of a manifest or description."""

MOST_DOCUMENTS = 1_000
"""Most documents of one folder that are read."""

FOLDERS = ("objects", "trajectories", "records")
"""Folders of a remote store; it has at least one of them."""

_FROM = "from where it was made"


class Remote:
    """A remote store.

    Args:
        url: a path, or an address such as ``s3://bucket/folder``.
        verify: whether existing objects are read and compared, rather than taken as sent.

    Raises:
        StoreError: there is no such kind of address, or its package is not installed.
    """

    def __init__(self, url: str, *, verify: bool = False) -> None:
        self.url, self.verify = url, verify
        local = url.removeprefix("file://") if "://" not in url or url.startswith("file://") else None
        with self._reached():
            if local is not None:  # not through fsspec, which takes `::` for a chain of addresses
                self._system, self._root = LocalFileSystem(), os.path.abspath(os.path.expanduser(local))
            else:
                # Listings are not cached, because another process may push meanwhile.
                self._system, root = fsspec.core.url_to_fs(url, use_listings_cache=False)
                self._root = root.rstrip("/")

    def check_place(self) -> None:
        """Refuse to start a remote store in a place that does not exist, such as a misspelt bucket.

        Raises:
            StoreError: the parent folder or the bucket does not exist.
        """
        place = self._root.rpartition("/")[0] or "/" if self._has_folders else self._root.split("/", 1)[0]
        if not (self._exists(self._root) or self._exists(place)):
            raise StoreError(f"{self.url}: {place} does not exist; check the address, or create it first")

    def check_store(self) -> None:
        """Refuse an address without a remote store.

        Raises:
            StoreError: there is no remote store.
        """
        # Web servers need not list their files.
        if not self._root.startswith("http") and not any(self._exists(self._place(name)) for name in FOLDERS):
            raise StoreError(f"{self.url}: there is no remote store; check the address, or push to it first")

    def put_object(self, content: bytes) -> int:
        """Send bytes, stored under their digest; return how many were sent, 0 if they were there already.

        An object that was found damaged is sent again. A store that cannot be written is a ``StoreError``.
        """
        digest = hashlib.sha256(content).hexdigest()
        name = f"objects/{digest}"
        there = self._size(name) == len(content)  # an interrupted transfer is shorter
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
            DamagedTransferError: they are missing, too many, or other bytes. The next push from where they were made
                sends them again.
        """
        content = self._get(f"objects/{digest}", LARGEST_OBJECT)
        if content is None:
            raise DamagedTransferError(f"{self.url}: the object {digest} is missing; push it again {_FROM}")
        if hashlib.sha256(content).hexdigest() != digest:
            with contextlib.suppress(FeatdynError):  # read access does not imply write access
                self._put(f"damaged/{digest}", b"")
            raise DamagedTransferError(
                f"{self.url}: the object {digest} is damaged: its bytes do not match their sha256; push it again "
                f"{_FROM}, with --verify if nothing may be written there from here"
            )
        return content

    def put_document(self, name: str, content: bytes) -> None:
        """Send a document, after the objects that it names.

        A store that cannot be written is a ``StoreError``.
        """
        # Written even if it exists, because a document, unlike an object, may change under its name.
        self._put(name, content)

    def get_document(self, name: str) -> bytes | None:
        """Return a document; None if there is none.

        A document beyond the limit is a ``DamagedTransferError``. A remote store that cannot be reached is a
        ``StoreError``.
        """
        return self._get(name, LARGEST_DOCUMENT)

    def documents(self, folder: str, pattern: str = ".*", first: str = "") -> list[str]:
        """Return the names of the documents in a folder, in order, at most ``MOST_DOCUMENTS``.

        A remote store that cannot be reached is a ``StoreError``.

        Args:
            folder: folder of the remote store.
            pattern: pattern of a name without ``.json``.
            first: name without ``.json`` that comes before all others, if it exists.
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
        """Whether folders must be created; a bucket has none, and creating one would create the bucket."""
        return self._root.startswith("/")

    def _names(self, folder: str) -> list[str]:
        """Names of the files in a folder; none if there is no such folder."""
        with self._reached():
            try:
                found = self._system.ls(self._place(folder), detail=False)
            except FileNotFoundError:
                return []
        # Only the last part of a path is used, because backends differ in the rest.
        return [path.rsplit("/", 1)[-1] for path in found]

    def _place(self, name: str) -> str:
        return f"{self._root}/{name}"

    def _exists(self, place: str) -> bool:
        with self._reached():
            try:
                return bool(self._system.exists(place))
            except PermissionError:  # write access to a bucket does not imply that it can be listed
                return True

    def _size(self, name: str) -> int | None:
        """Return the bytes that a file has; None if there is none.

        Raises:
            DamagedTransferError: it is not a file, and reading it might never end.
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
        """Return a file's bytes; None if there is none. A file beyond the limit is not read.

        Raises:
            DamagedTransferError: it is larger than the limit.
        """
        size = self._size(name)
        if size is None:
            return None
        if size > most:
            raise DamagedTransferError(f"{self.url}: {name} has {size} bytes; the limit is {most}")
        with self._reached():
            # Up to `size`, because the file may have grown meanwhile.
            return bytes(self._system.cat_file(self._place(name), end=size))

    @contextlib.contextmanager
    def _reached(self) -> Iterator[None]:
        """Turn the errors of any file system into one that names the address and the mend.

        Raises:
            StoreError: for any other error.
            FeatdynError: an error of this project, unchanged.
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
