"""Conditions on which the bits of a training depend besides its key; resuming under other conditions is refused."""

from pathlib import Path

import torch

from featdyn_core.errors import OtherCodeError
from featdyn_core.numerics import cpu_arithmetic
from featdyn_core.store.factories import factory_source
from featdyn_core.store.manifest import Manifest
from featdyn_core.trajectories.recipe import Recipe
from featdyn_core.trajectories.trajectory import Trajectory

FACTORY = "network's code"
"""Name of the condition for the source of a network that a user's function makes."""


def conditions(recipe: Recipe, device: torch.device, engine: str, parent: Trajectory | None) -> dict[str, str]:
    """Return the conditions of a training that begins now, by name.

    Args:
        recipe: recipe of the training.
        device: device of the training.
        engine: its engine (see ``steps.resolve_engine``).
        parent: parent of a branch; None otherwise.
    """
    cuda = device.type == "cuda"
    found = {
        "device": torch.cuda.get_device_name(device) if cuda else str(device),
        "engine": engine,
        "torch": torch.__version__,
    }
    if not cuda:  # numbers of a GPU do not depend on the processor
        found |= cpu_arithmetic()
    if parent:
        # By its bytes: a parent that was trained again on another machine may be another starting point.
        found["parent"] = parent.digests[recipe.first_epoch]
    return found | made_by(recipe)


def made_by(recipe: Recipe) -> dict[str, str]:
    """Return the condition for the code of a recipe's network; empty if no user's function makes it."""
    source = factory_source(recipe.network.name)
    return {FACTORY: source} if source else {}


def check_code(folder: Path, manifest: Manifest) -> None:
    """Refuse a trajectory whose network was made by other code than the present code.

    Trajectories of earlier versions do not record their code and are accepted.

    Raises:
        OtherCodeError: the code differs.
    """
    known = manifest.facts.get("conditions")
    made = known.get(FACTORY) if isinstance(known, dict) else None
    present = made_by(manifest.recipe)
    if made and present and present[FACTORY] != made:
        name = manifest.recipe.network.name
        raise OtherCodeError(
            f"{folder} was trained with other code of {name}, which was edited since; restore the code, give the "
            "edited function a new name, or remove this folder, and the next run trains it again"
        )
