"""Keys of trajectories, and how to find them without reading the images.

The digest of an image set is stored with the stamp of its files, so looking something up in a store reads no image and
imports no torch.
"""

import contextlib
import hashlib
import json
from pathlib import Path

import filelock

from featdyn_core.data.stamps import stamp
from featdyn_core.errors import DataError
from featdyn_core.files import LARGEST_DOCUMENT, read_file, write_atomically
from featdyn_core.store.layout import sweep
from featdyn_core.trajectories.recipe import Recipe

SCHEMA = 1
FILE = "data-digests.json"
LONGEST_WAIT = 10.0
"""Seconds to wait for another writer, which writes for milliseconds."""


def trajectory_key(recipe: Recipe, seed: int, data_digest: str) -> str:
    """Hex digest of everything that determines the trajectory: recipe, seed and the bytes of the data."""
    text = json.dumps([SCHEMA, recipe.digest, seed, data_digest])
    return hashlib.sha256(text.encode()).hexdigest()


class DataDigests:
    """Digests of image sets that a store has met, by stamp.

    Args:
        root: the store.
    """

    def __init__(self, root: Path) -> None:
        self.path = root / FILE

    def find(self, recipe: Recipe) -> str | None:
        """Return the digest of the recipe's images; None if they must be read for it."""
        known = self._read().get(stamp(recipe.data.set, recipe.data.subset))
        return known if isinstance(known, str) else None

    def learn(self, recipe: Recipe, digest: str) -> None:
        """Store the digest of the recipe's images; a store that cannot be written does without.

        Raises:
            DataError: the same stamp had another digest, so the files were replaced by files of the same size and time.
                The new digest is stored all the same.
        """
        text = stamp(recipe.data.set, recipe.data.subset)
        known = self._read()
        if text and known.get(text) != digest and self.path.parent.is_dir():
            sweep(self.path.parent, f".{FILE}.*")
            with contextlib.suppress(OSError), contextlib.ExitStack() as alone:
                # Without a lock, as on some file servers, one of two writers at a time is lost, and learns again.
                with contextlib.suppress(OSError, NotImplementedError):
                    alone.enter_context(self._lock())
                learned = self._read() | {text: digest}
                write_atomically(self.path, json.dumps(learned, indent=1, sort_keys=True).encode())
        if isinstance(known.get(text), str) and known[text] != digest:
            raise DataError(
                f"the images of {recipe.data.set} have changed, although their files have the "
                "same size and time; run again to use the new images, or restore the old ones"
            )

    def key(self, recipe: Recipe, seed: int) -> str | None:
        """Return the key of a trajectory; None if the images must be read for it."""
        digest = self.find(recipe)
        return None if digest is None else trajectory_key(recipe, seed, digest)

    def _lock(self) -> contextlib.AbstractContextManager[object]:
        """Lock the file for one writer, so that none overwrites what another has just learned."""
        place = self.path.parent / "locks"
        place.mkdir(exist_ok=True)
        return filelock.FileLock(place / "data-digests.lock").acquire(timeout=LONGEST_WAIT)

    def _read(self) -> dict[str, object]:
        try:
            known = json.loads(read_file(self.path, LARGEST_DOCUMENT))
        except (OSError, ValueError, RecursionError):
            return {}
        return known if isinstance(known, dict) else {}
