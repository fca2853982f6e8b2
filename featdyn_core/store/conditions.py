"""What the bits of a training depend on beside its key: a resumption under other conditions is refused."""

from pathlib import Path

import torch

from featdyn_core.errors import OtherCodeError
from featdyn_core.numerics import cpu_arithmetic
from featdyn_core.store.factories import factory_source
from featdyn_core.store.manifest import Manifest
from featdyn_core.trajectories.recipe import Recipe
from featdyn_core.trajectories.trajectory import Trajectory

FACTORY = "network's code"
"""Name of the condition that says which source made the network, where a function of the user's does."""


def conditions(recipe: Recipe, device: torch.device, engine: str, parent: Trajectory | None) -> dict[str, str]:
    """Return the conditions of a training that begins now, by name.

    Args:
        recipe: what is trained.
        device: where.
        engine: how (see ``steps.resolve_engine``).
        parent: what it branches off, if it does.
    """
    cuda = device.type == "cuda"
    found = {
        "device": torch.cuda.get_device_name(device) if cuda else str(device),
        "engine": engine,
        "torch": torch.__version__,
    }
    if not cuda:  # a GPU's numbers are its own, whatever processor feeds it
        found |= cpu_arithmetic()
    if parent:
        # Named by its bytes: a parent that was trained again on another machine is another beginning.
        found["parent"] = parent.digests[recipe.first_epoch]
    return found | made_by(recipe)


def made_by(recipe: Recipe) -> dict[str, str]:
    """Return the condition that the code of a recipe's network is; none where it is no function of the user's."""
    source = factory_source(recipe.network.name)
    return {FACTORY: source} if source else {}


def check_code(folder: Path, manifest: Manifest) -> None:
    """Refuse a trajectory whose network was made by other code than the present.

    Those of earlier versions do not say which code it was.

    Raises:
        OtherCodeError: it was.
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
