"""A training: a recipe and a seed."""

from typing import NamedTuple

from featdyn_core.trajectories.recipe import Recipe


class Training(NamedTuple):
    """One training. Together with the bytes of the images it determines a trajectory.

    Attributes:
        recipe: what to train.
        seed: the training seed.
    """

    recipe: Recipe
    seed: int

    def __str__(self) -> str:
        return f"{self.recipe.name} seed {self.seed}"
