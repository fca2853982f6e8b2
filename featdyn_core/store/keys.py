"""Keys of trajectories: what they are, and how they are known without reading the images.

The digest of an image set is remembered beside the stamp of its files, so that who only looks something up in a store
reads no image and imports no torch.
"""

import contextlib
import hashlib
import json
from pathlib import Path

from featdyn_core.data.stamps import stamp
from featdyn_core.errors import DataError
from featdyn_core.files import LARGEST_DOCUMENT, read_file, write_atomically
from featdyn_core.store.layout import sweep
from featdyn_core.trajectories.recipe import Recipe

SCHEMA = 1
FILE = "data-digests.json"


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
        """Return the digest of the recipe's images; None where they must be read to be known."""
        known = self._read().get(stamp(recipe.data.set, recipe.data.subset))
        return known if isinstance(known, str) else None

    def learn(self, recipe: Recipe, digest: str) -> None:
        """Remember the digest of the recipe's images; a store that cannot be written goes on without.

        Raises:
            DataError: keys were made of another digest, by the same stamp: the files were replaced, and have the size
                and time of before. The digest is remembered all the same.
        """
        text = stamp(recipe.data.set, recipe.data.subset)
        known = self._read()
        if text and known.get(text) != digest and self.path.parent.is_dir():
            sweep(self.path.parent, f".{FILE}.*")
            with contextlib.suppress(OSError):
                write_atomically(self.path, json.dumps(known | {text: digest}, indent=1, sort_keys=True).encode())
        if isinstance(known.get(text), str) and known[text] != digest:
            raise DataError(
                f"the images of {recipe.data.set} are not those that were here before, though their files have the "
                "same size and time; run again to use these, or restore the old ones"
            )

    def key(self, recipe: Recipe, seed: int) -> str | None:
        """Return the key of a trajectory; None where the images must be read to know it."""
        digest = self.find(recipe)
        return None if digest is None else trajectory_key(recipe, seed, digest)

    def _read(self) -> dict[str, object]:
        try:
            known = json.loads(read_file(self.path, LARGEST_DOCUMENT))
        except (OSError, ValueError, RecursionError):
            return {}
        return known if isinstance(known, dict) else {}
