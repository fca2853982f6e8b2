"""Whether a stored trajectory is what it says it is: byte for byte, and as a trajectory."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor

from featdyn_core.errors import FeatdynError
from featdyn_core.networks.blocks import load_state
from featdyn_core.networks.names import is_factory
from featdyn_core.store.documents import one_line
from featdyn_core.store.manifest import read_manifest
from featdyn_core.store.supply import Store
from featdyn_core.training.optimizer import load_optimizer, new_optimizer
from featdyn_core.trajectories.checkpoints import together
from featdyn_core.trajectories.probe import PROBE_IMAGES, evaluate_loss
from featdyn_core.trajectories.training import Training
from featdyn_core.trajectories.trajectory import Trajectory, new_network

PROBE_TOLERANCE = 1e-3
"""Largest difference between a logged probe loss and its re-evaluation elsewhere, relative to the larger."""

PROBE_FLOOR = 1e-4
"""Largest absolute difference between the two, in nats, of losses so small that rounding decides them."""


def verify_store(store: Store) -> Iterator[tuple[str, list[str]]]:
    """Check every folder of a store that is, or by its name should be, a finished trajectory.

    Yields:
        The folder's name, and what is wrong with it, in words; nothing stops at the first.
    """
    for folder in store.layout.trajectories():
        yield folder.name, verify_folder(store, folder)


def verify_trainings(store: Store, trainings: Sequence[Training]) -> Iterator[tuple[str, list[str] | None]]:
    """Check the trajectories of some trainings.

    Yields:
        Recipe and seed, and what is wrong with the trajectory, in words; None where it is not complete, and so not
        checked.
    """
    for recipe, seed in trainings:
        label = str(Training(recipe, seed))
        try:
            complete = store.status(recipe, seed) == "complete"
            yield label, verify_folder(store, store.folder(recipe, seed), Training(recipe, seed)) if complete else None
        except FeatdynError as error:  # of its data set, which keeps no other from being checked
            yield label, [str(error)]


def verify_folder(store: Store, folder: Path, request: Training | None = None) -> list[str]:
    """Check the trajectory in a folder of the store, whatever else has its key; return what is wrong, in words.

    Args:
        store: that it is in.
        folder: of the trajectory.
        request: what it must be; if left out, what its manifest says it is. A manifest gets no code run.
    """
    try:
        trajectory = store.open_folder(folder, request)
    except FeatdynError as error:
        return [str(error)]
    name = trajectory.recipe.network.name
    if request is None and is_factory(name):
        return [f"not checked: its network is made by {name}, code that runs for its recipe only; verify it by --only"]
    problems = []
    if not folder.name.endswith(f"-{trajectory.seed}-{trajectory.key[:12]}"):
        problems.append(one_line(f"it holds seed {trajectory.seed} of {trajectory.recipe.name}"))
    problems += verify(trajectory)
    if read_manifest(folder).optimizer and (wrong := _wrong_optimizer(trajectory)):
        problems.append(f"optimizer: {wrong}")
    return problems


def verify(trajectory: Trajectory) -> list[str]:
    """Check a trajectory byte for byte and as a trajectory; return what is wrong with it, in words.

    Every checkpoint matches its digest, fits the network as it was trained and is finite; checkpoints at different
    epochs differ (unless nothing was learned: rate 0); the logged probe loss is that of the checkpoint. What was
    trained elsewhere has no log; its checkpoints are together those of the recipe.
    """
    probe = {record.epoch: record.probe_loss for record in trajectory.log}
    images, labels = trajectory.training_set()
    probe_set = images[:PROBE_IMAGES], labels[:PROBE_IMAGES]
    found = {epoch: _wrong(trajectory, epoch, probe.get(epoch), probe_set) for epoch in trajectory.epochs}
    problems = [f"epoch {epoch}: {wrong}" for epoch, wrong in found.items() if wrong]
    distinct = len(set(trajectory.digests.values()))
    adopted = trajectory.recipe.adopted
    if adopted and together(trajectory.digests.values()) != adopted.checkpoints.get(str(trajectory.seed)):
        problems.append(f"its checkpoints are not those that were adopted as seed {trajectory.seed}")
    if distinct != len(trajectory.epochs) and (adopted or trajectory.recipe.optimizer.learning_rate > 0):
        problems.append(f"only {distinct} of {len(trajectory.epochs)} checkpoints are distinct")
    return problems


def _wrong(trajectory: Trajectory, epoch: int, logged: float | None, probe_set: tuple[Tensor, Tensor]) -> str:
    """Return what is wrong with a checkpoint; empty if nothing is."""
    try:
        network = new_network(trajectory.recipe, trajectory.dataset)
        state = trajectory.state(epoch)
        load_state(network, state)
    except FeatdynError as error:
        return str(error)
    for name, expected in network.state_dict().items():
        if state[name].dtype != expected.dtype:
            return f"{name} is of type {state[name].dtype}, the network's of {expected.dtype}"
        if not state[name].isfinite().all():
            return f"{name} is not finite"
    if trajectory.recipe.adopted:
        return ""
    if logged is None:
        return "no probe loss in the log"
    loss = evaluate_loss(network, *probe_set)
    if not math.isclose(loss, logged, rel_tol=PROBE_TOLERANCE, abs_tol=PROBE_FLOOR):
        return f"loss {loss:.6f} where the log has {logged:.6f}"
    return ""


def _wrong_optimizer(trajectory: Trajectory) -> str:
    """Return what is wrong with the optimiser that a training left; empty if nothing is."""
    try:
        tensors = trajectory.load_optimizer()
        network = new_network(trajectory.recipe, trajectory.dataset)
        load_optimizer(new_optimizer(trajectory.recipe.optimizer, network, torch.device("cpu")), tensors)
    except FeatdynError as error:
        return str(error)
    return next((f"{name} is not finite" for name, value in tensors.items() if not value.isfinite().all()), "")
