"""Messages about a trajectory that is not in a store, with the command that makes it."""

import os
import shlex
from collections.abc import Sequence
from pathlib import Path

from featdyn_core.trajectories.recipe import Recipe


def advice(command: str, recipe: Recipe, seeds: Sequence[int], root: Path) -> str:
    """Return the ``featdyn`` command that makes a missing trajectory; it works from any folder."""
    named = ["--only", recipe.source or recipe.name, "--seeds", ",".join(map(str, seeds))]
    return f"featdyn {command} {shlex.join([*named, '--store', os.path.abspath(root)])}"


def absence(recipe: Recipe, seed: int, root: Path) -> str:
    """Return the message for a trajectory that is not in the store at ``root``."""
    lack = f"{recipe.name} seed {seed} is not in the store {root}"
    if recipe.adopted:
        return f"{lack}, and was trained elsewhere; bring it in with featdyn adopt or pull"
    return f"{lack}; train it with: {advice('train', recipe, [seed], root)}"
