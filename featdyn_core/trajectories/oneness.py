"""Checks that checkpoints belong to one training, in its order, as far as their tensors show it.

Public collections are often mixtures: two runs under one name, a file twice, or halves of two networks. Accuracy does
not show this. Within a training a tensor keeps most of its direction from one checkpoint to the next. The least cosine
is above 0.6 over the first epochs of small networks, and usually above 0.9. Between two runs it is about 0.
"""

import hashlib
import itertools
import math
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from featdyn_core.data.sources import Dataset
from featdyn_core.networks.blocks import BlockNetwork, load_state
from featdyn_core.trajectories.probe import PROBE_IMAGES, evaluate_loss

SEAM = 0.2
"""Smallest median cosine of a part's weights between neighbouring checkpoints of one training."""

ODD = 0.5
"""Cosine of a single tensor below which it is reported."""

DETOUR = 0.5
"""Smallest distance of the outer two of three checkpoints in a row, over the shorter of the two steps."""

SWAPPED = 0.9
"""Threshold below which two neighbouring checkpoints are reported as swapped. The number is the ratio of distances from
an outer neighbour to the further and to the nearer of the two, as the geometric mean of both sides. In the right order
it is 1.26 or more in 34 trainings of ten recipes, two of them with falls of the rate. So it is 0.79 or less if two
checkpoints are swapped."""

SWAPPED_AT_AN_END = 0.8
"""The same threshold for the first two and the last two, which have neighbours on one side only."""

BACK = 0.02
"""Share of the largest angle to the first checkpoint by which a later one may be nearer to it again."""

SAMPLE = 200_000
"""Largest number of evenly chosen parameters for the distances between all checkpoints."""

SHOWN = 4
"""Largest number of epochs that are listed one by one."""

WHOLE = "as a whole"
"""Name of the part that is the whole network."""

PROBES = 6
"""Number of evenly chosen checkpoints whose loss is evaluated."""

RISE = 0.6
"""Smallest Kendall's tau between epoch and loss that counts as a rising loss."""


@dataclass
class Findings:
    """Findings about one training's checkpoints.

    Attributes:
        seams: pairs of neighbouring epochs that come from different runs, each with its evidence.
        faults: other reasons why the checkpoints are not one training.
        suspicions: observations that look odd and may still be right.
        cosines: median cosine of the weights of each pair of neighbouring epochs.
        of_order: whether one of the faults concerns the order of the epochs.
    """

    seams: dict[tuple[int, int], str] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    suspicions: list[str] = field(default_factory=list)
    cosines: dict[tuple[int, int], float] = field(default_factory=dict)
    of_order: bool = False

    def told(self) -> list[str]:
        """Return the reasons why the checkpoints are not one training; the seams count as one."""
        seams = [f"between {before} and {after} {what}" for (before, after), what in self.seams.items()]
        others = [cosine for pair, cosine in self.cosines.items() if pair not in self.seams]
        usual = f" ({statistics.median(others):.2f} elsewhere)" if others else ""
        together = [", ".join(seams) + usual] if seams else []
        return [*together, *([", ".join(self.faults)] if self.faults else [])]

    def sides(self, epochs: Sequence[int]) -> list[tuple[int, int]]:
        """Return the first and the last epoch of each span between the seams."""
        starts = [epochs[0], *(later for _, later in self.seams)]
        ends = [*(earlier for earlier, _ in self.seams), epochs[-1]]
        return list(zip(starts, ends, strict=True))


def examined(
    network: BlockNetwork,
    checkpoints: Iterable[tuple[int, Mapping[str, Tensor]]],
    epochs: Sequence[int],
    dataset: Dataset,
    *,
    accept_order: bool = False,
) -> Findings:
    """Examine the checkpoints of one training, and the loss of a few of them.

    Afterwards the network has the state of the last checkpoint.

    Args:
        network: network of the state dicts.
        checkpoints: epoch and state dict of each checkpoint, in ascending order.
        epochs: epochs of all checkpoints.
        dataset: data set whose first training images show whether the loss rises.
        accept_order: whether an order that looks wrong is a suspicion instead of a fault.
    """
    examiner, losses = Examiner(network), dict[int, float]()
    probed = {*epochs[:: max(1, (len(epochs) - 1) // (PROBES - 1))], epochs[-1]}
    images, labels = dataset.train_images[:PROBE_IMAGES], dataset.train_labels[:PROBE_IMAGES]
    for epoch, state in checkpoints:
        examiner.look(epoch, state)
        if epoch in probed:
            load_state(network, state)
            losses[epoch] = evaluate_loss(network, images, labels)
    return examiner.conclude(losses, accept_order=accept_order)


class Examiner:
    """Examines the checkpoints of one training, one after the other, and keeps only the last of them.

    Args:
        network: network whose cuts divide the tensors into parts.
    """

    def __init__(self, network: BlockNetwork) -> None:
        self.parts = _parts(network)
        shapes = {name: value.shape for name, value in network.named_parameters()}
        self.weights = [name for name, shape in shapes.items() if len(shape) > 1] or [*shapes]
        self.found = Findings()
        self._seen: dict[str, dict[str, list[int]]] = {part: {} for part in self.parts}
        self._last: tuple[int, Mapping[str, Tensor]] | None = None
        self._samples: dict[int, Tensor] = {}
        self._names = [*shapes]

    def look(self, epoch: int, state: Mapping[str, Tensor]) -> None:
        """Examine the next checkpoint.

        Args:
            epoch: its epoch, later than the ones before.
            state: state dict under the network's names.
        """
        for part, names in self.parts.items():
            self._seen[part].setdefault(_digest(state, names), []).append(epoch)
        if self._last is not None:
            self._compare(*self._last, epoch, state)
        self._last = epoch, state
        self._samples[epoch] = _sample([state[name] for name in self._names])

    def _compare(self, before: int, one: Mapping[str, Tensor], epoch: int, other: Mapping[str, Tensor]) -> None:
        cosines = {name: _cosine(one[name], other[name]) for name in self.weights}
        medians = {
            part: statistics.median(chosen)
            for part, names in self.parts.items()
            if (chosen := [cosines[name] for name in names if name in cosines])
        }
        self.found.cosines[before, epoch] = medians[WHOLE]
        part = min(medians, key=lambda name: (medians[name], name != WHOLE))
        least = min(cosines, key=cosines.__getitem__)
        if medians[part] < SEAM:
            where = "" if part == WHOLE or medians[WHOLE] < SEAM else f" {part}"
            self.found.seams[before, epoch] = (
                f"the weights{where} have nothing in common: median cosine {medians[part]:.2f}"
            )
        elif cosines[least] < ODD:
            self.found.suspicions.append(f"epochs {before} and {epoch}: cosine {cosines[least]:.2f} of {least}")

    def conclude(self, losses: Mapping[int, float] | None = None, *, accept_order: bool = False) -> Findings:
        """Return the findings.

        Args:
            losses: cross-entropy on training images at some epochs, which shows a reversed order.
            accept_order: whether an order that looks wrong is a suspicion instead of a fault.
        """
        self._tell_repeated()
        # There is no order across a seam, nor between copies of a checkpoint.
        wrong: list[str] = []
        odd: list[str] = []
        if not (self.found.seams or self.found.faults):
            swapped, odd = _swapped(self._samples)
            wrong = [*swapped, *self._disordered(), *_rising(losses or {})]
        self.found.of_order = bool(wrong) and not accept_order
        (self.found.suspicions if accept_order else self.found.faults).extend(wrong)
        self.found.suspicions += odd
        return self.found

    def _tell_repeated(self) -> None:
        whole = self._seen.pop(WHOLE)
        self.found.faults += [
            f"epochs {_and(epochs)} are one checkpoint" for epochs in whole.values() if len(epochs) > 1
        ]
        told = [*whole.values()]
        for part, seen in self._seen.items():
            for epochs in seen.values():
                if len(epochs) > 1 and epochs not in told:
                    told.append(epochs)
                    # A frozen tensor stays equal for consecutive epochs; a tensor that returns to an earlier value was
                    # put there.
                    still = epochs == [epoch for epoch in self._samples if epochs[0] <= epoch <= epochs[-1]]
                    kind = self.found.suspicions if still else self.found.faults
                    kind.append(f"epochs {_and(epochs)} are alike {part}")

    def _disordered(self) -> Iterator[str]:
        """Yield faults of the order: a detour, or a way back towards the first checkpoint."""
        epochs, samples = [*self._samples], [*self._samples.values()]
        for place, (one, other, third) in enumerate(zip(samples, samples[1:], samples[2:], strict=False), start=1):
            if _distance(one, third) < DETOUR * min(_distance(one, other), _distance(other, third)):
                yield f"epoch {epochs[place]} lies off the way from {epochs[place - 1]} to {epochs[place + 1]}"
        angles = [math.acos(min(1.0, _cosine(samples[0], sample))) for sample in samples]
        for place, angle in enumerate(angles):
            furthest = max(range(place + 1), key=angles.__getitem__)
            if angles[furthest] - angle > BACK * max(angles):
                yield f"epoch {epochs[place]} is nearer to {epochs[0]} than {epochs[furthest]} is"
                break


def _parts(network: BlockNetwork) -> dict[str, list[str]]:
    """Return the names of the parameters of the whole network, and of each part at each cut."""
    names = [name for name, _ in network.named_parameters()]
    found = {WHOLE: names}
    for cut in network.cuts:
        before = {name for name in names if network.in_shallow_part(name, cut)}
        found[f"before the cut {cut!r}"] = [name for name in names if name in before]
        found[f"behind the cut {cut!r}"] = [name for name in names if name not in before]
    return {part: inside for part, inside in found.items() if inside}


def _digest(state: Mapping[str, Tensor], names: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for name in names:
        digest.update(state[name].contiguous().view(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _sample(tensors: Sequence[Tensor]) -> Tensor:
    every = max(1, -(-sum(tensor.numel() for tensor in tensors) // SAMPLE))
    return torch.cat([tensor.flatten() for tensor in tensors])[::every].double()


def _cosine(one: Tensor, other: Tensor) -> float:
    """Cosine of the angle between two tensors; 1 if they are equal, also if both are 0."""
    first, second = one.double().flatten(), other.double().flatten()
    norms = float(first.norm() * second.norm())
    return float(first @ second) / norms if norms else float(torch.equal(first, second))


def _distance(one: Tensor, other: Tensor) -> float:
    return float((one - other).norm())


def _swapped(samples: Mapping[int, Tensor]) -> tuple[list[str], list[str]]:
    """Return faults of the order of neighbours, and suspicions about those at an end.

    In the right order, the first of two neighbours is nearer to the checkpoint before them, and the second is nearer to
    the checkpoint after them. Each side counts by the ratio of its two distances, not by their difference. If the rate
    falls, the steps before the fall are long and oscillate, and their differences would outweigh the short steps after
    it, which are more informative. At an end one side is missing. If the rate falls at the end of a training, the last
    checkpoint may lie on a way back. Swaps over larger distances show in other signs, if at all.
    """
    epochs, points = [*samples], [*samples.values()]
    wrong: list[str] = []
    odd: list[str] = []
    for place in range(len(epochs) - 1 if len(epochs) > 2 else 0):
        sides = [(place - 1, place, place + 1), (place + 2, place + 1, place)]
        there = [[points[index] for index in side] for side in sides if 0 <= side[0] < len(points)]
        ratios = [_ratio(_distance(outer, far), _distance(outer, near)) for outer, near, far in there]
        if statistics.geometric_mean(ratios) < (SWAPPED if len(there) == 2 else SWAPPED_AT_AN_END):
            told = f"epochs {epochs[place]} and {epochs[place + 1]} seem to be swapped"
            (wrong if len(there) == 2 else odd).append(told)
    return wrong, odd


def _ratio(one: float, other: float) -> float:
    """Ratio of two distances; 1, which is neutral, if checkpoints are equal or not finite."""
    found = one / other if other else 1.0
    return found if 0 < found < math.inf else 1.0


def _rising(losses: Mapping[int, float]) -> list[str]:
    """Return the fault of losses that rise from the first epoch to the last; empty if they do not rise."""
    epochs = sorted(losses)
    if len(epochs) < 2 or losses[epochs[0]] >= losses[epochs[-1]]:
        return []
    signs = [math.copysign(1, losses[later] - losses[earlier]) for earlier, later in itertools.combinations(epochs, 2)]
    if statistics.mean(signs) < RISE:
        return []
    ends = f"from {losses[epochs[0]]:.3f} at epoch {epochs[0]} to {losses[epochs[-1]]:.3f} at epoch {epochs[-1]}"
    return [f"the loss on training images rises, {ends}: the order of epochs is reversed, or the labels are others"]


def _and(epochs: Sequence[int]) -> str:
    listed = [*epochs[:1], "…"] if len(epochs) > SHOWN else epochs[:-1]
    return f"{', '.join(map(str, listed))} and {epochs[-1]}"
