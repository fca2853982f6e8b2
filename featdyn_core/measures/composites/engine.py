"""The engine of composite grids: checkpoints and images in, predictions and losses out.

A shallow part runs once for all cuts and deep parts; normalisation is folded into the convolutions; after the
last block before the head, all deep parts are one batched product. Images are streamed in chunks.
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
from featdyn_core.measures.composites.composite import (
    calibration_batches,
    calibration_images,
    class_type,
    reset_statistics,
    weigh_next_batch,
)
from featdyn_core.networks.blocks import BlockNetwork, LinearHead, fold, running_norms
from featdyn_core.networks.layout import fastest
from featdyn_core.numerics import exact_arithmetic
from featdyn_core.trajectories.trajectory import Trajectory

CHUNK_BYTES = {"cpu": 2**21, "cuda": 2**28}
"""Size in fp32 of the largest tensor that a layer returns for one chunk: it should stay in the cache of a CPU core."""

CHUNK_IMAGES = (4, 2048)
"""Fewest and most images of a chunk, whatever their size: convolutions of fewer are slow."""

PRECISIONS = {"fp32": torch.float32, "tf32": torch.float32, "fp16": torch.float16}

Progress = Callable[[int, int], None]
"""Called with (done, total) composites."""


class GridEngine:
    """The tensors of one grid in the making, on the device.

    Args:
        trajectory: where the checkpoints come from.
        images: (N, C, H, W) in grey levels.
        labels: (N,), or None.
        cuts: distinct cuts.
        shallow_epochs: S ascending epochs.
        deep_epochs: T ascending epochs.
        evaluated: (S, T), the pairs to evaluate.
        batchnorm: ``carry`` or ``recalibrate``.
        device: where to compute.
        precision: see ``check_precision``.

    Attributes:
        predictions: (cuts, S, T, N), see ``class_type``.
        losses: (cuts, S, T) sums of cross-entropy over the images, in nats, float64; 0 without labels.
        reference: (T, N): predictions of the networks themselves.
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
            self.calibration = calibration_images(trajectory).to(device)
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
        """Images at a time, so that the largest tensor which a layer returns fills ``CHUNK_BYTES``; and classes."""
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
        """Evaluate row by row, a shallow epoch each, then the networks themselves.

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
        """Evaluate the composites of one shallow epoch, those at the cuts ``renewed`` with fresh statistics."""
        epoch, columns = self.shallow_epochs[row], np.flatnonzero(self.evaluated[row]).tolist()
        if epoch in self.deep_epochs:
            shallow = self.deep[self.deep_epochs.index(epoch)]
        else:
            shallow = self._folded(self.trajectory.network(epoch))
        deep = dict.fromkeys(self.cuts, self.deep)
        if self.renewed:
            deep |= self._recalibrated(shallow, columns)
        for part in self.chunks:
            for number, (cut, hidden) in enumerate(shallow.features(self.images[part], self.cuts).items()):
                found = _logits([deep[cut][column] for column in columns], hidden, cut)
                for column, logits in zip(columns, found, strict=True):
                    self.predictions[number, row, column, part] = logits.argmax(1)
                    if self.labels is not None:
                        loss = F.cross_entropy(logits.float(), self.labels[part], reduction="sum")
                        self.losses[number, row, column] += loss

    def _recalibrated(self, shallow: BlockNetwork, columns: Sequence[int]) -> dict[str, dict[int, BlockNetwork]]:
        """For each renewed cut the columns' deep parts, their statistics those of this shallow part's features."""
        deep = {cut: {column: copy.deepcopy(self.unfolded[column]) for column in columns} for cut in self.renewed}
        norms = [
            norm
            for cut, networks in deep.items()
            for network in networks.values()
            for norm in reset_statistics(network.blocks[name] for name in network.deep_blocks(cut))
        ]
        for batch, share in calibration_batches(self.calibration, self.trajectory.recipe.training.batch_size):
            weigh_next_batch(norms, share)
            for cut, hidden in shallow.features(batch, self.renewed).items():
                for network in deep[cut].values():
                    network.deep(hidden.float(), cut)
        return {cut: {c: self._folded(network) for c, network in networks.items()} for cut, networks in deep.items()}

    def _run_reference(self) -> None:
        """Predictions of the networks themselves, taken from the grid where it has the composite (t, t).

        That is the network only at a cut that is not renewed.
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
    """Pass on each count once the device has computed what was queued before it.

    A GPU's counts are passed on one late, so that it is at work on the next while the host waits for the last.

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
    """Wait for each count until its event has come to pass.

    Yields:
        The count.
    """
    for count, event in queued:
        event.synchronize()
        yield count


def _logits(deep: Sequence[BlockNetwork], hidden: Tensor, cut: str) -> Iterator[Tensor]:
    """Logits (chunk, classes) of each of the deep parts; if these are heads only, by one batched product.

    Batched, and not of all their rows in one matrix: so the bits of a head's logits do not depend on the others.
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
    """Refuse a precision that cannot be had.

    Raises:
        MeasurementError: it is unknown, or not to be had on the device.
    """
    if precision == "bf16":
        raise MeasurementError("bf16 is not offered: its 8 bits of significand flip too many predictions; take fp16")
    if precision not in PRECISIONS:
        raise MeasurementError(f"unknown precision {precision!r}; it is one of {', '.join(PRECISIONS)}")
    if precision == "tf32" and device.type != "cuda":
        raise MeasurementError(f"precision tf32 needs a CUDA device, found {str(device)!r}; take fp32 or fp16")
