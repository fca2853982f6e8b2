"""The engine of composite grids: it turns checkpoints and images into predictions and losses.

A shallow part runs once for all cuts and deep parts. Normalisation is folded into the convolutions. After the last
block before the head, all deep parts are one batched product. Images are processed in chunks.
"""

import copy
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.modules.module import register_module_forward_hook

from featdyn_core.errors import MeasurementError
from featdyn_core.measures.composites.composite import class_type
from featdyn_core.measures.composites.statistics import (
    reset_statistics,
    statistics_batches,
    statistics_images,
    weigh_next_batch,
)
from featdyn_core.networks.blocks import BlockNetwork, LinearHead, fold, running_norms
from featdyn_core.networks.layout import fastest
from featdyn_core.numerics import exact_arithmetic
from featdyn_core.trajectories.trajectory import Trajectory

CHUNK_BYTES = {"cpu": 2**21, "cuda": 2**28}
"""Size in fp32 of the largest tensor that a layer returns for one chunk, which should fit the cache of a CPU core."""

CHUNK_IMAGES = (4, 2048)
"""Smallest and largest number of images in a chunk; convolutions of fewer images are slow."""

PRECISIONS = {"fp32": torch.float32, "tf32": torch.float32, "fp16": torch.float16}

Progress = Callable[[int, int], None]
"""Called with (done, total) composites."""


class GridEngine:
    """The tensors of one grid during its evaluation, on the device.

    Args:
        trajectory: source of the checkpoints.
        images: (N, C, H, W) in grey levels.
        labels: (N,), or None.
        cuts: distinct cuts.
        shallow_epochs: S ascending epochs.
        deep_epochs: T ascending epochs.
        evaluated: whether to evaluate each pair, (S, T).
        batchnorm: ``carry`` or ``recalibrate``.
        device: where to compute.
        precision: see ``check_precision``.

    Attributes:
        predictions: (cuts, S, T, N), see ``class_type``.
        losses: sums of cross-entropy over the images, in nats, float64, (cuts, S, T); 0 without labels.
        reference: predictions of the networks themselves, (T, N).
    """

    def __init__(
        self,
        trajectory: Trajectory,
        images: Tensor,
        labels: Tensor | None,
        cuts: tuple[str, ...],
        shallow_epochs: Sequence[int],
        deep_epochs: Sequence[int],
        evaluated: npt.NDArray[np.bool_],
        batchnorm: str,
        device: torch.device,
        precision: str,
    ) -> None:
        self.trajectory, self.cuts, self.evaluated = trajectory, cuts, evaluated
        self.shallow_epochs, self.deep_epochs = shallow_epochs, deep_epochs
        self.device, self.precision = device, precision
        networks = dict(enumerate(map(trajectory.network, deep_epochs)))
        self.renewed = [cut for cut in cuts if batchnorm == "recalibrate" and _normalises(networks[0], cut)]
        if self.renewed:
            self.unfolded = {column: copy.deepcopy(network).to(device) for column, network in networks.items()}
            self.shown = statistics_images(trajectory).to(device)
        self.images = images.to(device)
        self.layout = fastest(networks[0].to(device), self.images)
        self.deep = {column: self._folded(network) for column, network in networks.items()}
        self.labels = None if labels is None else labels.to(device)
        size, classes = self._chunk_size()
        self.chunks = [slice(start, start + size) for start in range(0, len(images), size)]
        shape = (len(cuts), *evaluated.shape)
        kind = class_type(classes)
        self.predictions = torch.zeros((*shape, len(images)), dtype=kind, device=device)
        self.losses = torch.zeros(shape, dtype=torch.float64, device=device)
        self.reference = torch.zeros((len(deep_epochs), len(images)), dtype=kind, device=device)

    def _folded(self, network: BlockNetwork) -> BlockNetwork:
        return fold(network).to(self.device, PRECISIONS[self.precision]).to(memory_format=self.layout)

    @torch.no_grad()
    def _chunk_size(self) -> tuple[int, int]:
        """Return images per chunk, so that the largest tensor of a layer fills ``CHUNK_BYTES``, and classes."""
        elements: list[int] = []

        def count(_module: object, _inputs: object, output: object) -> None:
            outputs = output if isinstance(output, tuple) else (output,)
            elements.extend(part.numel() for part in outputs if isinstance(part, Tensor))

        with register_module_forward_hook(count):
            logits = self.deep[0](self.images[:1])
        fewest, most = CHUNK_IMAGES
        wanted = CHUNK_BYTES.get(self.device.type, CHUNK_BYTES["cpu"]) // (4 * max(elements))
        return min(max(fewest, wanted), most), logits.shape[1]

    @torch.no_grad()
    def run(self, progress: Progress | None) -> None:
        """Evaluate all pairs, and the networks themselves."""
        total = len(self.cuts) * int(self.evaluated.sum())
        with exact_arithmetic(tf32=self.precision == "tf32"):
            for done in _computed(self._run_rows(), self.device):
                if progress:
                    progress(done, total)

    def _run_rows(self) -> Iterator[int]:
        """Evaluate row by row, one shallow epoch each, then the networks themselves.

        Yields:
            Composites evaluated so far, after each row.
        """
        done = 0
        for row in np.flatnonzero(self.evaluated.any(axis=1)).tolist():
            self._run_row(row)
            done += len(self.cuts) * int(self.evaluated[row].sum())
            yield done
        self._run_reference()

    def _run_row(self, row: int) -> None:
        """Evaluate the composites of one shallow epoch, with re-estimated statistics at the cuts ``renewed``."""
        epoch, columns = self.shallow_epochs[row], np.flatnonzero(self.evaluated[row]).tolist()
        if epoch in self.deep_epochs:
            shallow = self.deep[self.deep_epochs.index(epoch)]
        else:
            shallow = self._folded(self.trajectory.network(epoch))
        deep = dict.fromkeys(self.cuts, self.deep)
        if self.renewed:
            deep |= self._reestimated(shallow, columns)
        for part in self.chunks:
            for number, (cut, hidden) in enumerate(shallow.features(self.images[part], self.cuts).items()):
                found = _logits([deep[cut][column] for column in columns], hidden, cut)
                for column, logits in zip(columns, found, strict=True):
                    self.predictions[number, row, column, part] = logits.argmax(1)
                    if self.labels is not None:
                        loss = F.cross_entropy(logits.float(), self.labels[part], reduction="sum")
                        self.losses[number, row, column] += loss

    def _reestimated(self, shallow: BlockNetwork, columns: Sequence[int]) -> dict[str, dict[int, BlockNetwork]]:
        """Deep parts of the columns for each renewed cut, with statistics of this shallow part's features."""
        deep = {cut: {column: copy.deepcopy(self.unfolded[column]) for column in columns} for cut in self.renewed}
        norms = [
            norm
            for cut, networks in deep.items()
            for network in networks.values()
            for norm in reset_statistics(network.blocks[name] for name in network.deep_blocks(cut))
        ]
        for batch, share in statistics_batches(self.shown, self.trajectory.recipe.training.batch_size):
            weigh_next_batch(norms, share)
            for cut, hidden in shallow.features(batch, self.renewed).items():
                for network in deep[cut].values():
                    network.deep(hidden.float(), cut)
        return {cut: {c: self._folded(network) for c, network in networks.items()} for cut, networks in deep.items()}

    def _run_reference(self) -> None:
        """Predictions of the networks themselves, taken from the grid if it has the composite (t, t).

        The composite (t, t) is the network only at a cut whose statistics are not re-estimated.
        """
        carried = [number for number, cut in enumerate(self.cuts) if cut not in self.renewed]
        for column, epoch in enumerate(self.deep_epochs):
            row = self.shallow_epochs.index(epoch) if epoch in self.shallow_epochs else None
            if carried and row is not None and self.evaluated[row, column]:
                self.reference[column] = self.predictions[carried[0], row, column]
                continue
            for part in self.chunks:
                self.reference[column, part] = self.deep[column](self.images[part]).argmax(1)


def _computed(counts: Iterator[int], device: torch.device) -> Iterator[int]:
    """Pass on each count after the device has finished all earlier work.

    On a GPU each count is passed on one step late, so that the GPU works on the next row while the host waits.

    Yields:
        The counts, in their order.
    """
    if device.type != "cuda":
        yield from counts
        return
    queued: list[tuple[int, torch.cuda.Event]] = []
    for count in counts:
        event = torch.cuda.Event(blocking=True)  # the host sleeps while it waits
        event.record(torch.cuda.current_stream(device))
        yield from _waited(queued)
        queued = [(count, event)]
    yield from _waited(queued)


def _waited(queued: list[tuple[int, torch.cuda.Event]]) -> Iterator[int]:
    """Wait for each count until its event is complete.

    Yields:
        The count.
    """
    for count, event in queued:
        event.synchronize()
        yield count


def _logits(deep: Sequence[BlockNetwork], hidden: Tensor, cut: str) -> Iterator[Tensor]:
    """Logits (chunk, classes) of each deep part; if the parts are heads only, by one batched product.

    The product is batched, not one matrix with all their rows, so that the bits of a head's logits do not depend on the
    other heads.
    """
    first, *others = deep[0].deep_blocks(cut)
    if others or type(deep[0].blocks[first]) is not LinearHead:
        return (network.deep(hidden, cut) for network in deep)
    linears = [network.head.linear for network in deep]
    weight = torch.stack([linear.weight.T for linear in linears])
    bias = torch.stack([linear.bias for linear in linears])
    pooled = deep[0].head.pool(hidden)
    return iter(torch.baddbmm(bias[:, None], pooled.expand(len(deep), *pooled.shape), weight))


def _normalises(network: BlockNetwork, cut: str) -> bool:
    """Whether there is normalisation after the cut."""
    return any(running_norms(network.blocks[name]) for name in network.deep_blocks(cut))


def check_precision(precision: str, device: torch.device) -> None:
    """Refuse a precision that is not available.

    Raises:
        MeasurementError: the precision is unknown, or not available on the device.
    """
    if precision == "bf16":
        raise MeasurementError("bf16 is not offered: its 8 bits of significand flip too many predictions; use fp16")
    if precision not in PRECISIONS:
        raise MeasurementError(f"unknown precision {precision!r}; use one of {', '.join(PRECISIONS)}")
    if precision == "tf32" and device.type != "cuda":
        raise MeasurementError(f"precision tf32 needs a CUDA device, found {str(device)!r}; use fp32 or fp16")
