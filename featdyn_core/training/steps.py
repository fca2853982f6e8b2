"""The optimiser steps of one epoch, over a training set that stays on the device.

A step reads its place in the epoch from the device and leaves its loss there, so it never waits for the host. It is
therefore a function without arguments that can run as it is, compiled, or on a GPU captured once as a CUDA graph and
replayed. Replaying pays because a small network's step mostly consists of launching many kernels.
"""

import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from featdyn_core.cuda_graphs import capture
from featdyn_core.data.augmentation import CropFlip
from featdyn_core.devices import tell
from featdyn_core.errors import DeviceError, TrainingError
from featdyn_core.networks.blocks import BlockNetwork
from featdyn_core.numerics import seeded_dropout
from featdyn_core.seeds import torch_generator

Evaluate = Callable[[BlockNetwork, Tensor, Tensor, str], tuple[Tensor, Tensor]]
"""The type of ``evaluate``, compiled or not."""

ENGINES = ("eager", "graphs", "compiled")

REPLAY_TOLERANCE = 1e-3
"""Largest distance between the states that a replayed step and the same plain step leave, relative to how far the step
moves this kind of state. At a low rate, parameters move much less than statistics and counters do."""


def resolve_engine(name: str, device: torch.device) -> str:
    """``auto`` (CUDA graphs on a GPU, eager elsewhere) or one of ``ENGINES``.

    ``compiled`` needs a C++ compiler; on a GPU it captures graphs of the compiled steps. It pays for trainings that are
    much longer than compiling takes, about a minute.

    Raises:
        DeviceError: the engine is unknown, or the device has no graphs.
    """
    if name == "auto":
        return "graphs" if device.type == "cuda" else "eager"
    if name not in ENGINES:
        raise DeviceError(f"unknown engine {name!r}; use auto, {', '.join(ENGINES)}")
    if name == "graphs" and device.type != "cuda":
        raise DeviceError(f"{device} has no CUDA graphs; use --engine eager or --engine compiled")
    return name


class ResidentSet:
    """A training set on the device as uint8, with one epoch's order and augmentation.

    Args:
        images: (N, C, H, W) uint8.
        labels: (N,).
        augment: whether images are cropped and flipped at random (see ``CropFlip``).
        seed: the training seed; it and the epoch name the random streams.
        device: where to hold them.
    """

    def __init__(self, images: Tensor, labels: Tensor, *, augment: bool, seed: int, device: torch.device) -> None:
        self.seed, self.labels = seed, labels.to(device)
        self.images = CropFlip(images, device) if augment else images.to(device)
        self.places = torch.arange(len(images), device=device)
        self.order = torch.empty(len(images), dtype=torch.int64, device=device)

    def __len__(self) -> int:
        return len(self.labels)

    def shuffle(self, epoch: int) -> None:
        """Draw order and augmentation of an epoch, from 0."""
        # Drawn on the host, so every device has the same order, and copied to where captured steps read it.
        self.order.copy_(torch.randperm(len(self), generator=torch_generator(self.seed, "order", epoch)))
        if isinstance(self.images, CropFlip):
            self.images.draw(torch_generator(self.seed, "augment", epoch))

    def batch(self, start: Tensor, size: int) -> tuple[Tensor, Tensor]:
        """Images (B, C, H, W) uint8 and labels (B,) from place ``start`` of the epoch on; start (1,) is not read."""
        chosen = self.order[start + self.places[:size]]
        images = self.images.take(chosen) if isinstance(self.images, CropFlip) else self.images[chosen]
        return images, self.labels[chosen]


@dataclass
class Tally:
    """The results of an epoch's steps on the device.

    Attributes:
        start: (1,) place in the epoch of the next step's first sample.
        step: (1,) number of the next step.
        losses: (steps,) mean cross-entropy of each step, in nats.
        correct: () samples classified as their label.
    """

    start: Tensor
    step: Tensor
    losses: Tensor
    correct: Tensor

    @classmethod
    def zeros(cls, steps: int, device: torch.device) -> "Tally":
        """Return a tally of an epoch that has not begun."""
        start, step = (torch.zeros(1, dtype=torch.int64, device=device) for _ in range(2))
        return cls(start, step, torch.zeros(steps, device=device), torch.zeros((), dtype=torch.int64, device=device))

    def clear(self) -> None:
        """Begin an epoch."""
        for tensor in (self.start, self.step, self.losses, self.correct):
            tensor.zero_()


class Stepper:
    """Runs epochs of optimiser steps.

    Args:
        network: network on the device.
        optimizer: optimiser from ``optimizer.new_optimizer``, over the network's parameters.
        data: the training set.
        batch_size: samples per step; the last step of an epoch takes the rest.
        precision: precision of the forward pass, ``fp32`` or ``bf16``; loss, weights and normalisation stay in fp32.
        engine: one of ``ENGINES``.
    """

    def __init__(
        self,
        network: BlockNetwork,
        optimizer: torch.optim.Optimizer,
        data: ResidentSet,
        *,
        batch_size: int,
        precision: str,
        engine: str,
    ) -> None:
        self.network, self.optimizer, self.data, self.precision = network, optimizer, data, precision
        self.device = data.labels.device
        whole, rest = divmod(len(data), batch_size)
        self.sizes = [batch_size] * whole + [rest] * (rest > 0)
        self.tally = Tally.zeros(len(self.sizes), self.device)
        self.captures = self.device.type == "cuda" and engine != "eager"
        self.evaluate: Evaluate = _compiled() if engine == "compiled" else evaluate
        self.replays: dict[int, Callable[[], object]] = {}
        self.frozen: list[nn.Module] = []

    def freeze(self, cut: str) -> None:
        """Freeze the part before ``cut`` from now on: parameters and normalisation statistics stay, without dropout."""
        self.frozen = [self.network.blocks[name] for name in self.network.shallow_blocks(cut)]
        for block in self.frozen:
            block.requires_grad_(False)
        self.optimizer.zero_grad()  # momentum and weight decay move a parameter only where there is a gradient
        # A step that was captured before would keep moving the frozen part.
        self.replays.clear()

    def run_epoch(self, epoch: int, rate: float) -> Tally:
        """Start all steps of an epoch, from 0, at a learning rate; on a GPU they may still run on return."""
        self.network.train()
        for block in self.frozen:
            block.eval()
        for group in self.optimizer.param_groups:
            # In place: a captured step reads its rate from this tensor.
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(rate)
            else:
                group["lr"] = rate
        self.data.shuffle(epoch)
        if self.captures:
            self.replays |= {size: self._captured(size) for size in set(self.sizes) - set(self.replays)}
        self.tally.clear()
        for size in self.sizes:
            if self.captures:
                self.replays[size]()
            else:
                self._step(size)
        return self.tally

    def _step(self, size: int) -> None:
        images, labels = self.data.batch(self.tally.start, size)
        loss, correct = self.evaluate(self.network, images, labels, self.precision)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.tally.losses.index_copy_(0, self.tally.step, loss.detach()[None])
        self.tally.correct += correct
        self.tally.start += size
        self.tally.step += 1

    def _captured(self, size: int) -> Callable[[], object]:
        """Return a function that replays the step for batches of one size; capturing it does not change the training.

        The replay is compared with the plain step. If they differ, this training uses plain steps from then on.
        """
        self.tally.clear()
        before = {id(tensor): tensor.detach().clone() for tensor in self._moving()}
        replay = capture(lambda: self._step(size), self.device, self.tally.clear)
        self._put_back(before)
        if told := self._difference(lambda: self._step(size), replay, before):
            self.captures = False
            tell(
                f"on {self.device} a replayed step {told}: this training continues with plain steps; "
                "choose them with --engine eager"
            )
        return replay

    def _difference(
        self, step: Callable[[], object], replay: Callable[[], object], before: Mapping[int, Tensor]
    ) -> str:
        """Return which kind of state differs between a replay and its plain step; neither changes the training."""
        ends = []
        for run in (step, replay):
            # Step and replay drop out the same units; the random numbers of the training are not affected.
            with seeded_dropout(0, self.device):
                run()
            ends.append({kind: [tensor.detach().clone() for tensor in some] for kind, some in self._kinds().items()})
            self._put_back(before)
        for kind, begin in self._kinds().items():  # the state has been put back
            plain, replayed = (end[kind] for end in ends)
            moved, distance = _distance(plain, begin), _distance(plain, replayed)
            if not distance <= REPLAY_TOLERANCE * moved:
                return f"differs in {kind} from the same step run plainly, by {distance:.2g} where it moves {moved:.2g}"
        return ""

    def _put_back(self, before: Mapping[int, Tensor]) -> None:
        """Restore what a step has changed; state that the optimiser created meanwhile is set to zero."""
        with torch.no_grad():
            for tensor in self._moving():
                tensor.copy_(before.get(id(tensor), torch.zeros_like(tensor)))

    def _moving(self) -> Iterator[Tensor]:
        """Go through the tensors that a step changes.

        Yields:
            A tensor of the network, of the optimiser or of the tally.
        """
        for tensors in self._kinds().values():
            yield from tensors

    def _kinds(self) -> dict[str, list[Tensor]]:
        """Tensors that a step changes, by kind: parameters, and by name statistics, optimiser state and counters.

        The count of correct images is left out, because rounding decides between equally likely classes.
        """
        kinds: dict[str, list[Tensor]] = {"parameters": list(self.network.parameters())}
        named = [(name.rpartition(".")[2], tensor) for name, tensor in self.network.named_buffers()]
        for state in self.optimizer.state.values():
            named += [(f"the optimiser's {name}", value) for name, value in state.items() if isinstance(value, Tensor)]
        named += [("losses", self.tally.losses), ("place", self.tally.start), ("place", self.tally.step)]
        for kind, tensor in named:
            kinds.setdefault(kind, []).append(tensor)
        return kinds


def _distance(one: Sequence[Tensor], other: Sequence[Tensor]) -> float:
    """Euclidean distance between two lists of tensors."""
    pairs = zip(one, other, strict=True)
    return sum(float((a.detach().double() - b.detach().double()).square().sum()) for a, b in pairs) ** 0.5


def _compiled() -> Evaluate:
    """Compile ``evaluate``, for one training.

    torch counts how often a code object is compiled, and beyond a limit silently runs it uncompiled. Each training
    therefore has its own copy of the code, whose batch sizes and frozen parts stay within the limit. A call beyond it
    is a ``TrainingError``.
    """
    from torch import _dynamo as dynamo  # only this engine needs it

    own = types.FunctionType(evaluate.__code__.replace(), evaluate.__globals__, evaluate.__name__)
    compiled = torch.compile(own, dynamic=False)

    def call(network: BlockNetwork, images: Tensor, labels: Tensor, precision: str) -> tuple[Tensor, Tensor]:
        with dynamo.config.patch(fail_on_recompile_limit_hit=True):
            try:
                found: tuple[Tensor, Tensor] = compiled(network, images, labels, precision)
            except dynamo.exc.FailOnRecompileLimitHit as error:
                raise TrainingError(
                    f"torch would run steps uncompiled from now on ({str(error).splitlines()[0]}); "
                    "train with --engine eager, or fewer trainings in a process"
                ) from error
        return found

    return call


def evaluate(network: BlockNetwork, images: Tensor, labels: Tensor, precision: str) -> tuple[Tensor, Tensor]:
    """Mean cross-entropy (), in nats, and number of images classified as their label ()."""
    with torch.autocast(images.device.type, dtype=torch.bfloat16, enabled=precision == "bf16"):
        logits = network(images)
    correct = (logits.detach().argmax(1) == labels).sum()
    return F.cross_entropy(logits.float(), labels), correct
