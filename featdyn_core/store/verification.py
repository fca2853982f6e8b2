"""Verify stored trajectories and records: their bytes, and whether they make sense."""

import functools
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from featdyn_core.errors import AbsentDataError, DamagedRecordError, FeatdynError, OtherCodeError
from featdyn_core.files import sha256_of, visible
from featdyn_core.networks.blocks import load_state
from featdyn_core.networks.names import is_factory
from featdyn_core.store.agreement import Agreement
from featdyn_core.store.documents import one_line
from featdyn_core.store.manifest import Manifest, read_manifest
from featdyn_core.store.published import PublishedRecords, strays
from featdyn_core.store.records import Record, RecordFolder
from featdyn_core.store.supply import Store
from featdyn_core.training.optimizer import load_optimizer, new_optimizer
from featdyn_core.trajectories.checkpoints import together
from featdyn_core.trajectories.probe import PROBE_IMAGES, evaluate_loss
from featdyn_core.trajectories.training import Training
from featdyn_core.trajectories.trajectory import Trajectory, new_network

PROBE_TOLERANCE = 1e-3
"""Largest relative difference between a logged probe loss and its re-evaluation."""

Facts = dict[str, Any]
"""Description of a record."""

PROBE_FLOOR = 1e-4
"""Largest absolute difference between the two, in nats, for losses so small that rounding decides them."""


class Check(NamedTuple):
    """The result of a check.

    Attributes:
        name: name of the checked item.
        problems: what is wrong with it, in words.
        unchecked: why it could not be checked; empty if it was.
    """

    name: str
    problems: list[str]
    unchecked: str = ""


class NotCheckedError(FeatdynError):
    """An item that cannot be checked as it is, whether or not it is in order."""


def verify_store(store: Store) -> Iterator[Check]:
    """Check every folder of a store that is a finished trajectory, or should be by its name.

    Yields:
        The result of each; a failure does not stop the others.
    """
    for folder in store.layout.trajectories():
        yield _checked(folder.name, functools.partial(verify_folder, store, folder))


def verify_trainings(store: Store, trainings: Sequence[Training]) -> Iterator[Check]:
    """Check the trajectories of some trainings.

    Yields:
        The result of each; an incomplete one is not checked.
    """
    for training in map(Training._make, trainings):
        yield _checked(str(training), functools.partial(_verify_training, store, training))


def _checked(name: str, check: Callable[[], list[str]]) -> Check:
    try:
        return Check(name, check())
    except (AbsentDataError, NotCheckedError, OtherCodeError) as error:
        return Check(name, [], str(error))
    except FeatdynError as error:  # it concerns one data set; the others are still checked
        return Check(name, [str(error)])


def _verify_training(store: Store, training: Training) -> list[str]:
    if store.status(*training) != "complete":
        raise NotCheckedError("it is not complete")
    return verify_folder(store, store.folder(*training), training)


def verify_records(records: RecordFolder, agreement: Agreement) -> Iterator[tuple[Check, Facts]]:
    """Check every record that was measured here, and that those of one network agree.

    Args:
        records: the folder.
        agreement: with what was checked before.

    Yields:
        What came of each, with its description, which is empty where it cannot be read.
    """
    described = visible(records.root, "*/*.json")
    for path in described:
        name = f"records/{path.parent.name}/{path.stem}"
        try:
            facts = records.description(path)
        except DamagedRecordError as error:
            yield Check(name, [str(error)]), {}
            continue
        if facts is None:
            yield Check(name, [], "another version of featdyn wrote it"), {}
        else:
            yield _verify_record(name, records.read, facts, agreement), facts
    known = set(described)
    for path in visible(records.root, "*/*.npz"):
        if path.with_suffix(".json") not in known:
            name = f"records/{path.parent.name}/{path.stem}"
            yield Check(name, [f"{path} has no description; remove it, and it is measured again"]), {}


def verify_published(folder: Path, agreement: Agreement) -> Iterator[tuple[Check, Facts]]:
    """Check every published record of a scale, that there are no others, and that those of one network agree.

    Args:
        folder: folder of the scale.
        agreement: with what was checked before.

    Yields:
        What came of each, with its description, which is empty where it cannot be read.
    """
    found, place = PublishedRecords(folder), f"published/{folder.name}"
    for fault in found.faults:
        yield Check(place, [fault]), {}
    for facts in found.facts:
        yield _verify_record(f"{place}/{facts['file']}", found.read, facts, agreement), facts
    for path in strays(folder, found.files) if not found.fault else ():
        name = f"{place}/{path.relative_to(folder)}"
        yield Check(name, [f"{path} is not in the manifest of {folder}; remove it"]), {}


def _verify_record(name: str, read: Callable[[Facts], Record], facts: Facts, agreement: Agreement) -> Check:
    return _checked(name, lambda: agreement.differing(read(facts), name))


def verify_folder(store: Store, folder: Path, request: Training | None = None) -> list[str]:
    """Check the trajectory in a folder of the store; return in words what is wrong.

    Args:
        store: the store.
        folder: folder of the trajectory.
        request: the training that it must be; if left out, the one that its manifest names.

    Raises:
        AbsentDataError: its images, which the check needs, cannot be obtained.
        NotCheckedError: its bytes are those that were written, and its network is made by code that runs only for its
            own recipe.
        OtherCodeError: the code of its network has changed.
    """
    try:
        manifest = read_manifest(folder)
        if request is None and is_factory(manifest.recipe.network.name):
            return _verify_bytes(folder, manifest)
        trajectory = store.open_folder(folder, request)
    except (AbsentDataError, NotCheckedError, OtherCodeError):
        raise
    except FeatdynError as error:
        return [str(error)]
    problems = []
    if not folder.name.endswith(f"-{trajectory.seed}-{trajectory.key[:12]}"):
        problems.append(one_line(f"it holds seed {trajectory.seed} of {trajectory.recipe.name}"))
    problems += verify(trajectory)
    if manifest.optimizer and (wrong := _wrong_optimizer(trajectory)):
        problems.append(f"optimizer: {wrong}")
    return problems


def _verify_bytes(folder: Path, manifest: Manifest) -> list[str]:
    """Compare the bytes of a trajectory whose network may not be made; return what is wrong with them.

    Raises:
        NotCheckedError: nothing is wrong with the bytes, and more cannot be checked.
    """
    problems = []
    for name, digest in manifest.files.items():
        try:
            if sha256_of(folder / name) != digest:
                problems.append(f"{name}: its bytes do not match the recorded sha256")
        except OSError as error:
            problems.append(f"{name}: {error.strerror or error}")
    if problems:
        return problems
    raise NotCheckedError(
        f"its bytes are those that were written, but its network is made by {manifest.recipe.network.name}, code that "
        "runs only for its own recipe; verify it with --only"
    )


def verify(trajectory: Trajectory) -> list[str]:
    """Check a trajectory byte for byte and for consistency; return in words what is wrong with it.

    Every checkpoint must match its digest, fit the network and be finite. Checkpoints of different epochs must differ
    (unless the rate is 0). The logged probe loss must be that of the checkpoint. An adopted training has no log; its
    checkpoints must be those that the recipe names.
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
