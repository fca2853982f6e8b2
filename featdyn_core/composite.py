"""Composite networks: the shallow part of one checkpoint under the deep part of another (section 3).

Composite ``(s, t)`` is ``g_t ∘ h_s``. Memory looks at ``s < t``, transfer at ``s > t``; ``(t, t)`` is the
network itself.

**Reading** (the paper does not say what becomes of batch normalisation): under the policy ``carry`` each half
keeps the running statistics of its own checkpoint; under ``recalibrate`` those of the deep half are
re-estimated on the features that it now receives, from training images only, as the plain average over
batches.
"""

import copy
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from featdyn_core.errors import MeasurementError
from featdyn_core.models import BlockNetwork, fold, load_state
from featdyn_core.trajectory import State, Trajectory

POLICIES = ("carry", "recalibrate")
CALIBRATION_IMAGES = 500
"""Training images, the first ones, from which normalisation statistics are re-estimated."""

CHUNK_BYTES = {"cpu": 2**21, "cuda": 2**28}
"""Size of the largest feature map of one chunk: it should stay in the cache of a CPU core."""


def merged_state(network: BlockNetwork, shallow: State, deep: State, cut: str) -> State:
    """State dict with the entries of ``shallow`` before the cut and those of ``deep`` after it."""
    return {key: (shallow if network.in_shallow_part(key, cut) else deep)[key] for key in deep}


def composite(
    trajectory: Trajectory, shallow_epoch: int, deep_epoch: int, cut: str, *, batchnorm: str = "carry"
) -> BlockNetwork:
    """Return the composite ``(shallow_epoch, deep_epoch)`` at ``cut`` as a network in eval mode.

    Args:
        trajectory: where the two checkpoints come from.
        shallow_epoch: epoch of the part before the cut.
        deep_epoch: epoch of the part after it.
        cut: one of the network's cuts.
        batchnorm: ``carry`` or ``recalibrate`` (see the module's docstring).

    Raises:
        MeasurementError: an epoch without checkpoint, or an unknown policy.
        ModelError: unknown cut.
    """
    _check_policy(batchnorm)
    network = trajectory.network(deep_epoch)
    state = merged_state(network, trajectory.state(shallow_epoch), trajectory.state(deep_epoch), cut)
    load_state(network, state)
    if batchnorm == "recalibrate":
        recalibrate(
            network,
            calibration_images(trajectory),
            network.deep_blocks(cut),
            trajectory.recipe.training.batch_size,
        )
    return network


def calibration_images(trajectory: Trajectory) -> Tensor:
    """Training images (N, C, H, W) for the re-estimation of normalisation statistics."""
    return trajectory.training_set()[0][:CALIBRATION_IMAGES]


@torch.no_grad()
def predict(network: BlockNetwork, images: Tensor, batch_size: int = 256) -> npt.NDArray[np.uint8]:
    """Classes (N,) predicted by a network in eval mode."""
    parts = [network.eval()(batch).argmax(1) for batch in images.split(batch_size)]
    return torch.cat(parts).to(torch.uint8).numpy()


def recalibrate(network: BlockNetwork, images: Tensor, blocks: Iterable[str], batch_size: int) -> None:
    """Re-estimate the running statistics of the named blocks as the plain average over batches, in place.

    Everything else stays in eval mode, dropout included. The result is that of a pass in train mode with
    ``momentum=None``.
    """
    names = list(blocks)
    norms = reset_statistics(network.blocks[name] for name in names)
    with torch.no_grad():
        for batch in images.split(batch_size):
            network.features(batch, names[-1:]) if names[-1] in network.cuts else network(batch)
    for norm in norms:
        norm.eval()


def reset_statistics(blocks: Iterable[nn.Module]) -> list[nn.BatchNorm2d]:
    """Set the normalisation layers to collect cumulative averages from nothing, and return them."""
    norms = [module for block in blocks for module in block.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = None
        norm.reset_running_stats()
        norm.train()
    return norms


@dataclass(frozen=True)
class CompositeGrid:
    """Composites over a grid of shallow and deep epochs.

    Attributes:
        cuts: the cuts, first axis.
        shallow_epochs: S ascending epochs, second axis.
        deep_epochs: T ascending epochs, third axis.
        predictions: predicted classes (cuts, S, T, N), uint8; undefined where ``evaluated`` is False.
        reference: predictions (T, N) of the networks ``f_t`` themselves.
        evaluated: which of the (S, T) pairs were evaluated.
        cross_entropy: mean cross-entropy (cuts, S, T) in nats against the labels; NaN without labels.
        labels: labels (N,), if given.
    """

    cuts: tuple[str, ...]
    shallow_epochs: npt.NDArray[np.int64]
    deep_epochs: npt.NDArray[np.int64]
    predictions: npt.NDArray[np.uint8]
    reference: npt.NDArray[np.uint8]
    evaluated: npt.NDArray[np.bool_]
    cross_entropy: npt.NDArray[np.float64]
    labels: npt.NDArray[np.int64] | None

    @property
    def agreement(self) -> npt.NDArray[np.float64]:
        """Data-set consistency ``C_d(s, t)`` (4.1), (cuts, S, T): share of images classified as by f_t."""
        return self._masked((self.predictions == self.reference).mean(axis=-1))

    @property
    def accuracy(self) -> npt.NDArray[np.float64]:
        """Share of images classified as their label (*correctness*); (cuts, S, T)."""
        if self.labels is None:
            raise MeasurementError("accuracy needs labels: pass labels= to composite_grid")
        return self._masked((self.predictions == self.labels).mean(axis=-1))

    def _masked(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.where(self.evaluated, values, np.nan)

    def memory(self, cut: str, deep_epoch: int) -> npt.NDArray[np.uint8]:
        """Predictions (U, N) of the composites (u, deep_epoch), u ≤ deep_epoch, ascending in u."""
        return self._column(cut, deep_epoch, self.shallow_epochs <= deep_epoch)

    def transfer(self, cut: str, deep_epoch: int) -> npt.NDArray[np.uint8]:
        """Predictions (U, N) of the composites (u, deep_epoch), u ≥ deep_epoch, ascending in u."""
        return self._column(cut, deep_epoch, self.shallow_epochs >= deep_epoch)

    def index(self, cut: str) -> int:
        """Position of ``cut`` on the first axis."""
        if cut not in self.cuts:
            raise MeasurementError(f"cut {cut!r} is not in this grid; it has {', '.join(self.cuts)}")
        return self.cuts.index(cut)

    def reference_at(self, deep_epoch: int) -> npt.NDArray[np.uint8]:
        """Predictions (N,) of ``f_t`` at ``deep_epoch``."""
        return self.reference[self._deep_index(deep_epoch)]

    def _deep_index(self, epoch: int) -> int:
        found = np.flatnonzero(self.deep_epochs == epoch)
        if not len(found):
            raise MeasurementError(f"deep epoch {epoch} is not in this grid; it has {self.deep_epochs.tolist()}")
        return int(found[0])

    def _column(self, cut: str, epoch: int, rows: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint8]:
        column = self._deep_index(epoch)
        if not self.evaluated[rows, column].all():
            raise MeasurementError(f"deep epoch {epoch} was evaluated on a part of its shallow epochs only")
        return self.predictions[self.index(cut), rows, column]


def composite_grid(
    trajectory: Trajectory,
    images: Tensor,
    *,
    cuts: Sequence[str],
    shallow_epochs: Sequence[int],
    deep_epochs: Sequence[int],
    labels: Tensor | None = None,
    batchnorm: str = "carry",
    device: torch.device | str = "cpu",
    pairs: npt.NDArray[np.bool_] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> CompositeGrid:
    """Evaluate the composites of every shallow with every deep epoch at several cuts.

    A shallow part runs once for all cuts and deep parts; normalisation is folded into the convolutions; after
    the last block before the head, all deep parts are one matrix product. Features are streamed: memory is
    that of S + T networks, one chunk's features and the predictions, cuts · S · T · N bytes.

    Args:
        trajectory: where the checkpoints come from.
        images: (N, C, H, W) in grey levels.
        cuts: cuts to divide at.
        shallow_epochs: S epochs of the part before the cut.
        deep_epochs: T epochs of the part after it.
        labels: (N,) true labels, for accuracy and cross-entropy.
        batchnorm: ``carry`` or ``recalibrate``.
        device: where to compute.
        pairs: (S, T), which pairs of the ascending epochs to evaluate; all if left out.
        progress: called with (done, total) shallow epochs.

    Raises:
        MeasurementError: an epoch without checkpoint, no images, labels or pairs of another shape, an unknown
            policy.
        ModelError: unknown cut.
    """
    _check_policy(batchnorm)
    if not len(images) or not len(cuts) or not len(shallow_epochs) or not len(deep_epochs):
        raise MeasurementError("a composite grid needs at least one image, cut, shallow epoch and deep epoch")
    if labels is not None and len(labels) != len(images):
        raise MeasurementError(f"a composite grid needs one label an image, found {len(labels)} for {len(images)}")
    cuts = tuple(dict.fromkeys(cuts))
    shallow_epochs, deep_epochs = sorted(set(shallow_epochs)), sorted(set(deep_epochs))
    shape = (len(shallow_epochs), len(deep_epochs))
    evaluated = np.ones(shape, bool) if pairs is None else np.asarray(pairs, bool)
    if evaluated.shape != shape:
        raise MeasurementError(f"pairs must have the shape (S, T) = {shape} of the epochs, found {evaluated.shape}")
    engine = _GridEngine(trajectory, images, labels, cuts, shallow_epochs, deep_epochs, evaluated, device)
    for row in range(len(shallow_epochs)):
        if evaluated[row].any():
            engine.run_row(row, engine.recalibrated(row) if batchnorm == "recalibrate" else engine.carried())
        if progress:
            progress(row + 1, len(shallow_epochs))
    return engine.result(reuse=batchnorm == "carry")


def depth_grid(trajectory: Trajectory, split: str, shallow_epochs: Sequence[int], deep_epoch: int) -> CompositeGrid:
    """Evaluate the composites of several shallow epochs with one deep epoch, at the paper's depths.

    Args:
        trajectory: where the checkpoints come from.
        split: images and true labels to evaluate on, ``held-out`` or ``training`` (see
            ``Trajectory.evaluation_set``).
        shallow_epochs: S epochs of the part before the cut.
        deep_epoch: epoch of the part after it.
    """
    images, labels = trajectory.evaluation_set(split)
    return composite_grid(
        trajectory,
        images,
        labels=labels,
        cuts=trajectory.network(deep_epoch).depths,
        shallow_epochs=shallow_epochs,
        deep_epochs=[deep_epoch],
    )


class _GridEngine:
    """The tensors of one grid in the making, on the device."""

    def __init__(
        self,
        trajectory: Trajectory,
        images: Tensor,
        labels: Tensor | None,
        cuts: Sequence[str],
        shallow_epochs: Sequence[int],
        deep_epochs: Sequence[int],
        evaluated: npt.NDArray[np.bool_],
        device: torch.device | str,
    ) -> None:
        self.trajectory, self.cuts, self.device = trajectory, tuple(cuts), torch.device(device)
        self.shallow_epochs, self.deep_epochs, self.evaluated = shallow_epochs, deep_epochs, evaluated
        self.networks = {epoch: self._prepared(epoch) for epoch in {*shallow_epochs, *deep_epochs}}
        first = self.networks[deep_epochs[0]]
        self.heads_only = {cut: first.deep_blocks(cut) == ["head"] for cut in cuts}
        self.images = images.to(self.device)
        self.labels = None if labels is None else labels.to(self.device)
        self.chunk = self._chunk(first)
        shape = (len(cuts), len(shallow_epochs), len(deep_epochs))
        self.predictions = torch.zeros((*shape, len(images)), dtype=torch.uint8, device=self.device)
        self.losses = torch.zeros(shape, dtype=torch.float64, device=self.device)
        self.reference = torch.zeros((len(deep_epochs), len(images)), dtype=torch.uint8, device=self.device)

    def _prepared(self, epoch: int) -> BlockNetwork:
        network = fold(self.trajectory.network(epoch)).to(self.device)
        return network.to(memory_format=torch.channels_last)

    def _chunk(self, network: BlockNetwork) -> int:
        """Images at a time, so that the largest feature map at a cut fills ``CHUNK_BYTES``."""
        with torch.no_grad():
            found = network.features(self.images[:1], network.cuts)
        largest = max(feature.numel() * feature.element_size() for feature in found.values())
        return max(16, CHUNK_BYTES[self.device.type] // largest)

    def carried(self) -> dict[str, list[BlockNetwork]]:
        """The deep parts, the same for every cut and row."""
        networks = [self.networks[epoch] for epoch in self.deep_epochs]
        return dict.fromkeys(self.cuts, networks)

    @torch.no_grad()
    def recalibrated(self, row: int) -> dict[str, list[BlockNetwork]]:
        """For each cut the deep parts with statistics re-estimated on this row's shallow features."""
        plain = [self.trajectory.network(epoch).to(self.device) for epoch in self.deep_epochs]
        deep = {cut: [copy.deepcopy(network) for network in plain] for cut in self.cuts}
        for cut, networks in deep.items():
            for network in networks:
                reset_statistics(network.blocks[name] for name in network.deep_blocks(cut))
        shallow = self.networks[self.shallow_epochs[row]]
        images = calibration_images(self.trajectory).to(self.device)
        for batch in images.split(self.trajectory.recipe.training.batch_size):
            for cut, hidden in shallow.features(batch, self.cuts).items():
                for column in np.flatnonzero(self.evaluated[row]):
                    deep[cut][column].deep(hidden, cut)
        return {cut: [fold(network) for network in networks] for cut, networks in deep.items()}

    @torch.no_grad()
    def run_row(self, row: int, deep: dict[str, list[BlockNetwork]]) -> None:
        """Evaluate all composites of one shallow epoch."""
        columns = np.flatnonzero(self.evaluated[row])
        shallow = self.networks[self.shallow_epochs[row]]
        for start in range(0, len(self.images), self.chunk):
            part = slice(start, start + self.chunk)
            for number, (cut, hidden) in enumerate(shallow.features(self.images[part], self.cuts).items()):
                found = self._logits(hidden, cut, deep[cut], columns)
                for column, logits in zip(columns, found, strict=True):
                    self.predictions[number, row, column, part] = logits.argmax(1)
                    if self.labels is not None:
                        self.losses[number, row, column] += F.cross_entropy(logits, self.labels[part], reduction="sum")

    def _logits(
        self, hidden: Tensor, cut: str, deep: Sequence[BlockNetwork], columns: npt.NDArray[np.intp]
    ) -> Iterable[Tensor]:
        """Logits (chunk, classes) of each of the columns' deep parts."""
        if not self.heads_only[cut]:
            return (deep[column].deep(hidden, cut) for column in columns)
        linears = [deep[column].head.linear for column in columns]
        weight = torch.cat([linear.weight for linear in linears])
        bias = torch.cat([linear.bias for linear in linears])
        together = F.linear(deep[0].head.pool(hidden), weight, bias)
        return together.split(len(linears[0].bias), dim=1)

    @torch.no_grad()
    def result(self, *, reuse: bool) -> CompositeGrid:
        """Return the finished grid.

        ``reuse``: the composite (t, t) is the network itself, so the reference's predictions may be at hand.
        """
        for column, epoch in enumerate(self.deep_epochs):
            row = self.shallow_epochs.index(epoch) if epoch in self.shallow_epochs else None
            if reuse and row is not None and self.evaluated[row, column]:
                self.reference[column] = self.predictions[0, row, column]
            else:
                parts = [self.networks[epoch](part).argmax(1) for part in self.images.split(self.chunk)]
                self.reference[column] = torch.cat(parts)
        losses = self.losses / (len(self.images) if self.labels is not None else torch.nan)
        return CompositeGrid(
            cuts=self.cuts,
            shallow_epochs=np.array(self.shallow_epochs),
            deep_epochs=np.array(self.deep_epochs),
            predictions=self.predictions.cpu().numpy(),
            reference=self.reference.cpu().numpy(),
            evaluated=self.evaluated,
            cross_entropy=np.where(self.evaluated, losses.cpu().numpy(), np.nan),
            labels=None if self.labels is None else self.labels.cpu().numpy(),
        )


def _check_policy(batchnorm: str) -> None:
    if batchnorm not in POLICIES:
        raise MeasurementError(f"unknown batchnorm policy {batchnorm!r}; it is one of {', '.join(POLICIES)}")
