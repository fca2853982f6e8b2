"""Recipe and seed to trajectory: the one training loop, with its data, augmentation, schedule and resumption.

The training set stays on the device as uint8. Random crop and flip are one gather from index arrays drawn
once an epoch. Every random stream is named by seed and epoch, so a training that resumes at any epoch goes
on bit for bit as if it had never stopped (same machine, library versions and number of threads).
"""

import contextlib
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from featdyn_core.data.sources import Dataset
from featdyn_core.errors import DeviceError, TrainingError
from featdyn_core.models import BlockNetwork, load_state
from featdyn_core.recipe import Recipe
from featdyn_core.seeds import stream_seed, torch_generator
from featdyn_core.trajectory import EpochRecord, State, new_network, training_set

PROBE_IMAGES = 256
"""Training images on which a checkpoint's loss is logged, to be re-evaluated when the store is verified."""

CROP_PADDING = 4
RESUME_SECONDS = 10.0
"""Least time between two resume points; losing less than this is cheaper than writing more often."""


@dataclass(frozen=True)
class ResumePoint:
    """What a training needs to go on after ``epoch`` epochs: network, optimiser tensors, log."""

    epoch: int
    network: State
    optimizer: State
    log: tuple[EpochRecord, ...]


class Sink(Protocol):
    """Where a training puts what it makes."""

    def resume_point(self) -> ResumePoint | None:
        """Return the last saved resume point, if any."""

    def checkpoint(self, epoch: int, state: State) -> None:
        """Keep the checkpoint after ``epoch`` epochs."""

    def save_resume_point(self, point: ResumePoint) -> None:
        """Keep the resume point, replacing the one before."""

    def progress(self, record: EpochRecord) -> None:
        """Take note that an epoch is done."""


def resolve_device(name: str) -> torch.device:
    """``auto`` (CUDA where there is one, else the CPU) or a torch device name.

    Raises:
        DeviceError: unknown name, or a CUDA device that this machine does not have.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise DeviceError(f"unknown device {name!r}; use auto, cpu or cuda") from error
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        found = torch.cuda.device_count()
        raise DeviceError(f"there is no device {name!r} (CUDA devices found: {found}); use --device cpu")
    return device


def train(
    recipe: Recipe, seed: int, dataset: Dataset, sink: Sink, *, device: torch.device | str = "cpu"
) -> tuple[EpochRecord, ...]:
    """Train a trajectory into ``sink``, from its resume point if it has one.

    Returns:
        The log, one record an epoch, the first for the initial network.

    Raises:
        TrainingError: a loss that is not finite (named by epoch and step), or a device out of memory.
    """
    device = torch.device(device)
    try:
        return _Training(recipe, seed, dataset, device).run(sink)
    except torch.cuda.OutOfMemoryError as error:
        raise TrainingError(
            f"{recipe.name} seed {seed}: {device} is out of memory; free it or train fewer trajectories at "
            "once. The next run goes on from the last resume point."
        ) from error


class _Training:
    """One training: network, optimiser and data on the device."""

    def __init__(self, recipe: Recipe, seed: int, dataset: Dataset, device: torch.device) -> None:
        self.recipe, self.seed, self.device = recipe, seed, device
        images, labels = training_set(recipe, seed, dataset)
        self.labels = labels.to(device)
        self.augment = recipe.data.augmentation == "crop-flip"
        self.probe_images, self.probe_labels = images[:PROBE_IMAGES].to(device), self.labels[:PROBE_IMAGES]
        self.size = tuple(images.shape[2:])
        padding = (CROP_PADDING,) * 4 if self.augment else (0,) * 4
        self.images = F.pad(images, padding).to(device)
        self.network = new_network(recipe, dataset, torch_generator(seed, "init")).to(device)
        if images.shape[1] > 1:
            self.network = self.network.to(memory_format=torch.channels_last)
        self.optimizer = _optimizer(recipe, self.network)

    def run(self, sink: Sink) -> tuple[EpochRecord, ...]:
        point = sink.resume_point()
        if point is None:
            rate = self.recipe.learning_rate(0)
            log = [EpochRecord(0, math.nan, self._accuracy(), rate, self._probe(0), 0.0)]
            if 0 in self.recipe.training.checkpoints:
                sink.checkpoint(0, self._state())
        else:
            load_state(self.network, point.network)
            _load_optimizer(self.optimizer, point.optimizer)
            log = list(point.log)
        saved = time.monotonic()
        for epoch in range(log[-1].epoch, self.recipe.training.epochs):
            record = self._epoch(epoch)
            log.append(record)
            if record.epoch in self.recipe.training.checkpoints:
                sink.checkpoint(record.epoch, self._state())
            if time.monotonic() - saved >= RESUME_SECONDS:
                sink.save_resume_point(
                    ResumePoint(record.epoch, self._state(), _optimizer_tensors(self.optimizer), tuple(log))
                )
                saved = time.monotonic()
            sink.progress(record)
        return tuple(log)

    def _epoch(self, epoch: int) -> EpochRecord:
        """Train epoch number ``epoch`` (from 0)."""
        started = time.monotonic()
        rate = self.recipe.learning_rate(epoch)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.network.train()
        losses, correct = [], torch.zeros((), dtype=torch.int64, device=self.device)
        with _seeded(stream_seed(self.seed, "dropout", epoch), self.device):
            for images, labels in self._batches(epoch):
                with self._autocast():
                    logits = self.network(images)
                loss = F.cross_entropy(logits.float(), labels)
                self.optimizer.zero_grad()
                loss.backward()
                self.optimizer.step()
                losses.append(loss.detach())
                correct += (logits.detach().argmax(1) == labels).sum()
        series = torch.stack(losses).cpu()
        if not series.isfinite().all():
            step = int((~series.isfinite()).nonzero()[0])
            raise TrainingError(
                f"{self.recipe.name} seed {self.seed}: loss is {series[step].item()} at epoch {epoch + 1}, "
                f"step {step + 1} of {len(series)}; lower the learning rate (now {rate:g})"
            )
        done = epoch + 1
        return EpochRecord(
            epoch=done,
            train_loss=series.double().mean().item(),
            train_accuracy=correct.item() / len(self.labels),
            learning_rate=rate,
            probe_loss=self._probe(done),
            seconds=time.monotonic() - started,
        )

    def _batches(self, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Shuffled batches of images (B, C, H, W) uint8 and labels (B,)."""
        count = len(self.labels)
        order = torch.randperm(count, generator=torch_generator(self.seed, "order", epoch)).to(self.device)
        size = self.recipe.training.batch_size
        if not self.augment:
            for index in order.split(size):
                yield self.images[index], self.labels[index]
            return
        rows, columns = (part.to(self.device) for part in self._crops(epoch, count))
        channels = torch.arange(self.images.shape[1], device=self.device)[None, :, None, None]
        for index in order.split(size):
            row, column = rows[index, None, :, None], columns[index, None, None, :]
            yield self.images[index[:, None, None, None], channels, row, column], self.labels[index]

    def _crops(self, epoch: int, count: int) -> tuple[Tensor, Tensor]:
        """Row (N, H) and column indices (N, W) of each image's random crop and flip in its padded image."""
        generator = torch_generator(self.seed, "augment", epoch)
        height, width = self.size
        offsets = torch.randint(0, 2 * CROP_PADDING + 1, (2, count, 1), generator=generator)
        rows = offsets[0] + torch.arange(height)
        columns = offsets[1] + torch.arange(width)
        flip = torch.rand((count, 1), generator=generator) < 0.5
        return rows, torch.where(flip, columns.flip(1), columns)

    def _autocast(self) -> contextlib.AbstractContextManager[object]:
        enabled = self.recipe.training.precision == "bf16"
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=enabled)

    def _probe(self, epoch: int) -> float | None:
        if epoch not in self.recipe.training.checkpoints:
            return None
        return evaluate_loss(self.network, self.probe_images, self.probe_labels)

    @torch.no_grad()
    def _accuracy(self) -> float:
        self.network.eval()
        predicted = self.network(self.probe_images).argmax(1)
        return (predicted == self.probe_labels).double().mean().item()

    def _state(self) -> State:
        return {name: value.detach().cpu().clone() for name, value in self.network.state_dict().items()}


@torch.no_grad()
def evaluate_loss(network: BlockNetwork, images: Tensor, labels: Tensor) -> float:
    """Mean cross-entropy, in nats, of the network in eval mode and fp32."""
    return F.cross_entropy(network.eval()(images), labels).item()


@contextlib.contextmanager
def _seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Seed torch's global generators, which dropout draws from, and restore them afterwards."""
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield


def _optimizer(recipe: Recipe, network: nn.Module) -> torch.optim.Optimizer:
    spec = recipe.optimizer
    if spec.name == "adam":
        return torch.optim.Adam(network.parameters(), lr=spec.learning_rate, weight_decay=spec.weight_decay, fused=True)
    return torch.optim.SGD(
        network.parameters(),
        lr=spec.learning_rate,
        momentum=spec.momentum,
        weight_decay=spec.weight_decay,
        fused=True,
    )


def _optimizer_tensors(optimizer: torch.optim.Optimizer) -> State:
    """Flatten the optimiser's per-parameter tensors to names such as ``3.momentum_buffer``."""
    return {
        f"{index}.{name}": value.detach().cpu().clone()
        for index, entries in optimizer.state_dict()["state"].items()
        for name, value in entries.items()
        if isinstance(value, Tensor)
    }


def _load_optimizer(optimizer: torch.optim.Optimizer, tensors: State) -> None:
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        index, name = key.split(".", 1)
        parameter = parameters[int(index)]
        if value.shape == parameter.shape:
            # The fused kernels walk raw memory: a buffer must lie in memory as its parameter does.
            value = torch.empty_like(parameter, requires_grad=False).copy_(value)
        state.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
