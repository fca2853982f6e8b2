"""Checkpoints of trainings that were done elsewhere become trajectories of a store.

Every file is looked at, of each training all of them (see ``trajectories.oneness``); what is kept are the epochs that
all trainings have, under the names of the cut network.
"""

import datetime
import hashlib
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from featdyn_core.data.sources import Dataset
from featdyn_core.errors import CheckpointError, StoreError
from featdyn_core.networks.blocks import BlockNetwork, running_norms
from featdyn_core.provenance import environment
from featdyn_core.store import locks
from featdyn_core.store.conditions import made_by
from featdyn_core.store.folder import FolderSink
from featdyn_core.store.layout import named_errors
from featdyn_core.store.supply import Store
from featdyn_core.trajectories.adoption import Adoption
from featdyn_core.trajectories.checkpoints import read_state, tensor_bytes, together
from featdyn_core.trajectories.oneness import Findings, examined
from featdyn_core.trajectories.probe import PROBE_IMAGES
from featdyn_core.trajectories.recipe import Recipe
from featdyn_core.trajectories.specs import AdoptedSpec
from featdyn_core.trajectories.trajectory import State, new_network

FEWEST = 3
"""Checkpoints that all trainings must have: two are a beginning and an end, and nothing between."""

CHANCE = 1.5
"""Times the accuracy of chance below which the last checkpoint seems to see other images than it was trained on."""

Say = Callable[[str], None]


@dataclass
class _Seed:
    """One training: its files, and what was found of them.

    Attributes:
        files: epoch to path, those that are taken.
        findings: see ``Findings``.
        digests: epoch to the hex sha256 of the checkpoint as a store holds it.
        originals: epoch to that of its file.
        accuracy: accuracy of the last checkpoint on training images.
    """

    files: dict[int, Path]
    findings: Findings = field(default_factory=Findings)
    digests: dict[int, str] = field(default_factory=dict)
    originals: dict[int, str] = field(default_factory=dict)
    accuracy: float = 0.0


def adopt(
    store: Store, name: str, adoption: Adoption, *, accept_order: bool = False, say: Say = lambda _: None
) -> Recipe:
    """Bring checkpoints from elsewhere into a store; return the recipe under which they are found there.

    What does not fit the network is a ``ModelError``, what cannot be asked for a ``RecipeError``, images that are not
    here a ``DataError``, a store that cannot be written a ``StoreError``.

    Args:
        store: that they are to be in.
        name: name of the recipe.
        adoption: which checkpoints, and what is known of them.
        accept_order: whether an order of epochs that looks wrong is a suspicion rather than an error.
        say: is told of each training.

    Raises:
        CheckpointError: a training's checkpoints are not those of one training, two trainings are one, or there are
            fewer than ``FEWEST`` epochs that all have.
    """
    found = {
        seed: _Seed({epoch: files[epoch] for epoch in adoption.span(seed, [*files])})
        for seed, files in adoption.files().items()
    }
    draft = adoption.recipe(name, [*next(iter(found.values())).files], AdoptedSpec({"0": "0" * 64}))
    dataset = store.dataset(draft)
    network = new_network(draft, dataset)
    for seed, one in found.items():
        _examine(one, network, dataset, accept_order=accept_order)
        say(_told(seed, one, adoption.counted_in()))
    faults = [fault for seed, one in found.items() for fault in _faults(seed, one)] + list(_shared(found))
    if faults:
        raise CheckpointError("; ".join(faults))
    epochs = _common(found)
    suspicions = {str(seed): "; ".join(one.findings.suspicions) for seed, one in found.items()}
    adopted = AdoptedSpec(
        {str(seed): together(one.digests[epoch] for epoch in epochs) for seed, one in found.items()},
        adoption.unknown,
        bool(running_norms(network)),
        adoption.counted_in(),
        adoption.sources,
        {seed: told for seed, told in suspicions.items() if told},
    )
    recipe = adoption.recipe(name, epochs, adopted)
    for seed, one in found.items():
        _keep(store, recipe, seed, one, network)
    return recipe


def _examine(one: _Seed, network: BlockNetwork, dataset: Dataset, *, accept_order: bool) -> None:
    """Look at all checkpoints of a training, in the order of their epochs."""
    broken: list[str] = []

    def checkpoints() -> Iterator[tuple[int, State]]:
        for epoch, state, original in _read(one, network):
            one.originals[epoch], one.digests[epoch] = original, hashlib.sha256(tensor_bytes(state)).hexdigest()
            broken.extend(f"epoch {epoch}: {name} is not finite" for name in state if not state[name].isfinite().all())
            yield epoch, state

    one.findings = examined(network, checkpoints(), [*one.files], dataset, accept_order=accept_order)
    one.findings.faults += broken[:1]
    images, labels = dataset.train_images[:PROBE_IMAGES], dataset.train_labels[:PROBE_IMAGES]
    one.accuracy = float((network(images).argmax(1) == labels).double().mean())
    if one.accuracy < CHANCE / dataset.classes:
        one.findings.suspicions.append(
            f"accuracy {one.accuracy:.2f} on training images is that of chance: other images, classes or scaling"
        )


def _read(one: _Seed, network: BlockNetwork) -> Iterator[tuple[int, State, str]]:
    """Yield the epoch, the state under the network's names and the file's hex sha256 of each checkpoint."""
    for epoch, path in one.files.items():
        yield epoch, *read_state(path, network)


def _told(seed: int, one: _Seed, unit: str) -> str:
    """Say what a training is, in a line."""
    epochs, cosines = [*one.files], [*one.findings.cosines.values()]
    least = math.floor(100 * min(cosines, default=1.0)) / 100  # never above what is seen
    unlike = f", weights from one to the next at cosine {least:.2f} or more" if cosines else ""
    line = f"seed {seed}: {len(epochs)} checkpoints, {unit}s {epochs[0]} to {epochs[-1]}{unlike}"
    line += f"; accuracy {one.accuracy:.2f} of the last on training images"
    return "; ".join([line, *(f"suspicion: {told}" for told in one.findings.suspicions)])


def _faults(seed: int, one: _Seed) -> Iterator[str]:
    """Yield what keeps checkpoints from being those of one training, and how to mend it."""
    found = one.findings
    if not (told := found.told()):
        return
    sides = [f"--take {seed}={first}-{last}" for first, last in found.sides([*one.files]) if first < last]
    mends = [f"take one side: {' or '.join(sides)}"] if found.seams and sides else []
    mends += ["give it with --accept-order if it is right"] if found.of_order else []
    yield "; ".join([f"seed {seed} is not one training: {', '.join(told)}", *mends])


def _shared(found: Mapping[int, _Seed]) -> Iterator[str]:
    """Yield which trainings have a checkpoint in common, so that they are one, or began as one."""
    owners: dict[str, tuple[int, int]] = {}
    for seed, one in found.items():
        for epoch, digest in one.digests.items():
            other, at = owners.setdefault(digest, (seed, epoch))
            if other != seed:
                yield f"seed {other} at {at} and seed {seed} at {epoch} are one checkpoint; leave one of the two out"
                break


def _common(found: Mapping[int, _Seed]) -> list[int]:
    """Return the epochs that all trainings have.

    Raises:
        CheckpointError: too few.
    """
    shared = sorted(set.intersection(*(set(one.files) for one in found.values())))
    if len(shared) < FEWEST:
        spans = ", ".join(f"seed {seed} {min(one.files)} to {max(one.files)}" for seed, one in found.items())
        raise CheckpointError(
            f"the trainings have {len(shared)} epochs in common ({spans}), and need {FEWEST}; leave one of them out"
        )
    return shared


def _keep(store: Store, recipe: Recipe, seed: int, one: _Seed, network: BlockNetwork) -> None:
    """Write a training's checkpoints into the store, if they are not there.

    Raises:
        StoreError: they are being written by another process, or their files have changed meanwhile.
    """
    key, epochs, dataset = store.key(recipe, seed), recipe.training.checkpoints, store.dataset(recipe)
    with named_errors(store.root), locks.hold(store.layout.lock(key)) as free:
        if store.folder(recipe, seed).is_dir():
            return
        if not free:
            raise StoreError(f"{recipe.name} seed {seed} is being written by another process; wait for it")
        store.layout.prepare(key, store.folder(recipe, seed))
        sink = FolderSink(store.layout, key, recipe, seed, made_by(recipe), environment())
        chosen = _Seed({epoch: one.files[epoch] for epoch in epochs})
        for epoch, state, original in _read(chosen, network):
            if original != one.originals[epoch]:
                raise StoreError(f"{one.files[epoch]} has changed while it was adopted; adopt it again")
            sink.checkpoint(epoch, state)
        facts = {
            "data": {"digest": dataset.digest, "description": dataset.describe()},
            "files": {str(epoch): {"name": one.files[epoch].name, "sha256": one.originals[epoch]} for epoch in epochs},
            "finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        }
        sink.finish(store.folder(recipe, seed), (), facts)
