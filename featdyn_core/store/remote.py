"""A folder elsewhere, at any address that fsspec knows: bytes under their own digest, and documents that name them.

Layout of a remote store::

    objects/<sha256>                                     the bytes of one checkpoint, optimiser or record
    trajectories/<key>.json                              the manifest of a finished trajectory
    records/<recipe digest, 12 digits>-<seed>/*.json     descriptions of records

Whoever writes there is not trusted: what arrives has its limits, and the digest that it was asked for by.
"""

import contextlib
import hashlib
from collections.abc import Iterator

import fsspec.core

from featdyn_core.errors import DamagedTransferError, FeatdynError, StoreError
from featdyn_core.store.documents import one_line

# Limits far above what the store makes. They are there because others may write to the address, and what is larger
# would fill the memory before its digest could be found wrong.
LARGEST_OBJECT = 2**30
"""Bytes of a checkpoint or record, at most."""

LARGEST_DOCUMENT = 2**24
"""Bytes of a manifest or description, at most."""

MOST_DOCUMENTS = 10_000
"""In one folder."""


class Remote:
    """A remote store.

    Args:
        url: a path, or an address such as ``s3://bucket/folder``.

    Raises:
        StoreError: no such kind of address, or the package for it is not installed.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        with self._reached():
            # Listings are not remembered: another process may push meanwhile.
            self._system, root = fsspec.core.url_to_fs(url, use_listings_cache=False)
            self._root = root.rstrip("/")

    def put_object(self, content: bytes) -> int:
        """Keep bytes under their digest; return how many went there, none if they are there already.

        What cannot be written is a ``StoreError``.
        """
        digest = hashlib.sha256(content).hexdigest()
        if self._size(f"objects/{digest}") == len(content):  # what was cut off is shorter
            return 0
        self._put(f"objects/{digest}", content)
        return len(content)

    def get_object(self, digest: str) -> bytes:
        """Return the bytes with a hex sha256.

        A remote store that cannot be reached is a ``StoreError``.

        Raises:
            DamagedTransferError: they are not there, too many, or others.
        """
        content = self._get(f"objects/{digest}", LARGEST_OBJECT)
        if content is None or hashlib.sha256(content).hexdigest() != digest:
            what = "is missing" if content is None else "is damaged: its bytes do not match their sha256"
            raise DamagedTransferError(f"{self.url}: the object {digest} {what}; push it again from where it was made")
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

    def documents(self, folder: str) -> list[str]:
        """Return the names of the documents in a folder, in order.

        A remote store that cannot be reached is a ``StoreError``.

        Raises:
            DamagedTransferError: more than any store has.
        """
        with self._reached():
            try:
                found = self._system.ls(self._place(folder), detail=False)
            except FileNotFoundError:
                return []
        if len(found) > MOST_DOCUMENTS:
            raise DamagedTransferError(f"{self.url}: {folder} holds {len(found)} files, and no store has as many")
        # Only the last part of a path is used: each backend writes what stands before it in its own way.
        return sorted(f"{folder}/{path.rsplit('/', 1)[-1]}" for path in found if path.endswith(".json"))

    def _place(self, name: str) -> str:
        return f"{self._root}/{name}"

    def _size(self, name: str) -> int | None:
        with self._reached():
            try:
                return int(self._system.info(self._place(name))["size"])
            except FileNotFoundError:
                return None

    def _put(self, name: str, content: bytes) -> None:
        with self._reached():
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
            raise DamagedTransferError(f"{self.url}: {name} has {size} bytes, and {most} are the most that it may have")
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
