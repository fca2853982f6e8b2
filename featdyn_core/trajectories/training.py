"""A training by its name, which recipe and which seed; and the command that does it."""

import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from featdyn_core.trajectories.recipe import Recipe


class Training(NamedTuple):
    """One training; with the bytes of the images it determines a trajectory.

    Attributes:
        recipe: what to train.
        seed: the training seed.
    """

    recipe: Recipe
    seed: int

    def __str__(self) -> str:
        return f"{self.recipe.name} seed {self.seed}"


def advice(command: str, recipe: Recipe, seeds: Sequence[int], root: Path) -> str:
    """Return the ``featdyn`` command that makes what is missing, as it can be pasted from any folder."""
    named = ["--only", recipe.source or recipe.name, "--seeds", ",".join(map(str, seeds))]
    return f"featdyn {command} {shlex.join([*named, '--store', os.path.abspath(root)])}"
