"""The one-step protocol (section 6): feature changes after single SGD updates from one checkpoint.

Updates are plain SGD steps, ``θ' = θ − η (g + λ θ)``, for every optimiser of a recipe. They use the recipe's learning
rate for that epoch and its weight decay ``λ``. Each starts from the same checkpoint with another mini-batch. Momentum
starts at zero, so it has no effect.

**Reading:** gradients are taken in train mode (batch statistics, dropout on) on training images without augmentation.
Features before and after are read in eval mode. With ``statistics="frozen"`` they are read with the checkpoint's
running statistics, so that only the parameters move. With ``statistics="updated"`` features after the update are read
with the running statistics that the mini-batch's pass in train mode leaves. These are the checkpoint's statistics,
moved by the layers' momentum (0.1 in the recipes' networks) towards the batch's. Every update starts from the
checkpoint's statistics.

The protocol never uses TF32 or bfloat16, even if the recipe trained with them or the caller's autocast asks for them.
Rounding in half precision would be a large part of changes this small.
"""

import functools
from collections.abc import Callable, Iterable

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from featdyn_core.cuda_graphs import capture
from featdyn_core.devices import resolve_device
from featdyn_core.errors import MeasurementError
from featdyn_core.networks.images import grey_levels
from featdyn_core.numerics import exact_arithmetic, seeded_dropout, undisturbed
from featdyn_core.trajectories.trajectory import Trajectory

STATISTICS = ("frozen", "updated")
PRECISIONS = (torch.float32, torch.float64)
NORM_SAMPLES = 10

Step = list[Tensor]
"""Change of each tensor that an update moves, in the order of ``_Checkpoint.moving``; valid until the next step."""


@undisturbed()
def one_step_changes(
    trajectory: Trajectory,
    epoch: int,
    samples: Tensor | npt.ArrayLike,
    *,
    updates: int,
    cut: str,
    rng: np.random.Generator,
    statistics: str = "frozen",
    dtype: torch.dtype = torch.float32,
    device: torch.device | str | None = None,
) -> npt.NDArray[np.float64]:
    """Feature changes of fixed samples after each of several independent one-step updates.

    A ``MeasurementError`` is raised for fewer than 2 updates, no samples, samples that are not grey levels with the
    network's channels, an epoch without checkpoint, unknown statistics, or half precision. An unknown cut is a
    ``ModelError``.

    Args:
        trajectory: source of checkpoint, training set, batch size, learning rate and weight decay.
        epoch: the checkpoint.
        samples: M images (M, C, H, W) in grey levels 0..255.
        updates: K, the number of mini-batches, each drawn without replacement.
        cut: the cut where the features are read.
        rng: draws the mini-batches.
        statistics: ``frozen`` or ``updated`` running statistics (see the module's docstring).
        dtype: float32, or float64 to keep rounding out of small changes.
        device: where to compute; by default the trajectory's device.

    Returns:
        Change of the p flattened features of each sample by each update, (M, K, p).
    """
    _require_repetitions(updates)
    seen = _seen(trajectory, samples)
    checkpoint = _Checkpoint(trajectory, epoch, cut, statistics, dtype, device)
    return checkpoint.changes(seen, (checkpoint.sgd_step(rng) for _ in range(updates)), updates)


@undisturbed()
def full_batch_change(
    trajectory: Trajectory,
    epoch: int,
    samples: Tensor | npt.ArrayLike,
    *,
    cut: str,
    rng: np.random.Generator,
    statistics: str = "frozen",
    dtype: torch.dtype = torch.float32,
    device: torch.device | str | None = None,
) -> npt.NDArray[np.float64]:
    """Feature change of fixed samples by the mean one-step update: a known centre for the changes.

    The step is the mean over mini-batches that partition the training set at random, as evenly as possible. Their
    number is the nearest to N / batch size. **Reading:** each mini-batch keeps its own batch statistics, as in a
    one-step update, and not those of all N images. So the mean step estimates the expectation of the one-step update.
    Without batch normalisation and dropout it equals that expectation. With ``updated`` running statistics, their moves
    are averaged in the same way.

    The step is the mean of the *parameters'* changes. For features that are not linear in the parameters, it gives
    their mean change to first order in the learning rate only. If ``isotropy.isotropy_test`` takes it as ``centre``,
    the remainder counts as variance along one direction.

    A ``MeasurementError`` is raised for no samples, samples that are not grey levels, an epoch without checkpoint,
    unknown statistics, or half precision. An unknown cut is a ``ModelError``.

    Args:
        trajectory: as in ``one_step_changes``, whose other arguments must be the same here.
        epoch: the checkpoint.
        samples: M images (M, C, H, W) in grey levels 0..255.
        cut: the cut where the features are read.
        rng: draws the partition.
        statistics: ``frozen`` or ``updated`` running statistics.
        dtype: float32 or float64.
        device: where to compute; by default the trajectory's device.

    Returns:
        Change of the p flattened features of each sample, (M, p).
    """
    seen = _seen(trajectory, samples)
    checkpoint = _Checkpoint(trajectory, epoch, cut, statistics, dtype, device)
    return checkpoint.changes(seen, [checkpoint.mean_step(rng)], 1)[:, 0]


@undisturbed()
def parameter_noise_changes(
    trajectory: Trajectory,
    epoch: int,
    samples: Tensor | npt.ArrayLike,
    *,
    updates: int,
    cut: str,
    rng: np.random.Generator,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str | None = None,
) -> npt.NDArray[np.float64]:
    """Feature changes as in ``one_step_changes``, by isotropic Gaussian parameter noise of the same norm.

    Each noise update draws its norm from those of ``NORM_SAMPLES`` SGD updates. Noise passes no mini-batch through the
    network, so its statistics are always frozen. The changes that it is compared with should have frozen statistics
    too.

    The Jacobian of the features shapes even isotropic parameter noise. So the spectrum of SGD must be compared with
    this one before its concentration can be attributed to SGD.
    """
    _require_repetitions(updates)
    seen = _seen(trajectory, samples)
    checkpoint = _Checkpoint(trajectory, epoch, cut, "frozen", dtype, device)
    norms = [_norm(checkpoint.sgd_step(rng)) for _ in range(NORM_SAMPLES)]

    def isotropic() -> Step:
        noise = [torch.from_numpy(rng.standard_normal(p.shape)).to(p) for p in checkpoint.moving]
        scale = norms[int(rng.integers(len(norms)))] / _norm(noise)
        return [part * scale for part in noise]

    return checkpoint.changes(seen, (isotropic() for _ in range(updates)), updates)


class _Checkpoint:
    """The network at one epoch, rewritten in place for each step and put back after it.

    Attributes:
        moving: the tensors before the cut that an update moves: parameters, and running statistics if they are updated.
        step: tensors that receive the change of each of them from a mini-batch's pass.
    """

    def __init__(
        self,
        trajectory: Trajectory,
        epoch: int,
        cut: str,
        statistics: str,
        dtype: torch.dtype,
        device: torch.device | str | None,
    ) -> None:
        if statistics not in STATISTICS:
            raise MeasurementError(f"statistics {statistics!r} is none of {', '.join(STATISTICS)}")
        if dtype not in PRECISIONS:
            raise MeasurementError(f"{dtype} rounds changes this small away; use torch.float32 or torch.float64")
        device = resolve_device(trajectory.device if device is None else device)
        self.network, self.cut = trajectory.network(epoch).to(device, dtype), cut
        self.images, self.labels = (part.to(device) for part in trajectory.training_set())
        recipe = trajectory.recipe
        self.rate = recipe.learning_rate(min(epoch, recipe.training.epochs - 1))
        self.decay = recipe.optimizer.weight_decay
        self.batch_size = min(recipe.training.batch_size, len(self.labels))
        self.parameters = self._before_cut(self.network.named_parameters())
        # Statistics after the cut move from batch to batch, but nothing in train mode reads them.
        self.running = [b for b in self._before_cut(self.network.named_buffers()) if b.is_floating_point()]
        self.updated = self.running if statistics == "updated" else []
        self.moving = self.parameters + self.updated
        self.step = [torch.zeros_like(tensor) for tensor in self.moving]
        self.passes: dict[int, tuple[Tensor, Callable[[], object]]] = {}
        self.origins = {tensor: tensor.detach().clone() for tensor in (*self.parameters, *self.running)}

    def _before_cut(self, named: Iterable[tuple[str, Tensor]]) -> list[Tensor]:
        return [tensor for name, tensor in named if self.network.in_shallow_part(name, self.cut)]

    def sgd_step(self, rng: np.random.Generator) -> Step:
        """Return the step by a mini-batch drawn without replacement."""
        return self._step(rng.choice(len(self.labels), self.batch_size, replace=False), rng)

    def mean_step(self, rng: np.random.Generator) -> Step:
        """Return the mean of the steps by mini-batches that partition the training set, weighted by size."""
        count = len(self.labels)
        mean = [torch.zeros_like(tensor) for tensor in self.moving]
        for index in np.array_split(rng.permutation(count), round(count / self.batch_size)):
            for total, part in zip(mean, self._step(index, rng), strict=True):
                total.add_(part, alpha=len(index) / count)
        return mean

    def _step(self, index: npt.NDArray[np.int64], rng: np.random.Generator) -> Step:
        """Return the SGD step by a mini-batch, and how its pass in train mode moves the running statistics."""
        device, seed = self.labels.device, int(rng.integers(2**63))
        if len(index) not in self.passes:
            batch = torch.zeros(len(index), dtype=torch.int64, device=device)
            with exact_arithmetic():
                self.passes[len(index)] = batch, self._prepared(functools.partial(self._pass, batch))
        batch, run = self.passes[len(index)]
        batch.copy_(torch.from_numpy(index))
        with seeded_dropout(seed, device), exact_arithmetic():
            run()
        return self.step

    def _pass(self, batch: Tensor) -> None:
        """Write the step by the mini-batch with these indices into ``step``."""
        loss = F.cross_entropy(self.network.train()(self.images[batch]), self.labels[batch])
        gradients = torch.autograd.grad(loss, self.parameters)
        with torch.no_grad():
            for step, gradient, parameter in zip(self.step, gradients, self.parameters, strict=False):
                torch.mul(gradient + self.decay * parameter, -self.rate, out=step)
            for step, tensor in zip(self.step[len(self.parameters) :], self.updated, strict=True):
                torch.sub(tensor, self.origins[tensor], out=step)
        self._restore()

    def changes(self, samples: Tensor, steps: Iterable[Step], count: int) -> npt.NDArray[np.float64]:
        """Return the changes (M, count, p) of the samples' features by each of the steps."""
        samples = samples.to(self.labels.device)
        with exact_arithmetic():
            before = self._features(samples)
            after = torch.empty_like(before)
            move = self._prepared(functools.partial(self._move, samples, after))
            changes = before.new_empty((len(samples), count, before.shape[1]))
            for number, step in enumerate(steps):
                torch._foreach_copy_(self.step, step)
                move()
                torch.sub(after, before, out=changes[:, number])
        return changes.double().cpu().numpy()

    @torch.no_grad()
    def _move(self, samples: Tensor, after: Tensor) -> None:
        """Write the samples' features (M, p), after the network moves by ``step``, into ``after``."""
        for tensor, part in zip(self.moving, self.step, strict=True):
            tensor.add_(part)
        after.copy_(self._features(samples))
        self._restore()

    def _prepared(self, run: Callable[[], object]) -> Callable[[], object]:
        """Return an equal function, which replays a graph on a GPU; both leave the network as it was."""
        return capture(run, self.labels.device) if self.labels.is_cuda else run

    @torch.no_grad()
    def _features(self, samples: Tensor) -> Tensor:
        """Return the features (M, p) of the present network in eval mode."""
        return self.network.eval().shallow(samples, self.cut).flatten(1)

    @torch.no_grad()
    def _restore(self) -> None:
        for tensor, origin in self.origins.items():
            tensor.copy_(origin)


def _seen(trajectory: Trajectory, samples: Tensor | npt.ArrayLike) -> Tensor:
    """Return the samples as a tensor.

    The errors of ``grey_levels`` are a ``MeasurementError``, too.

    Raises:
        MeasurementError: there are no samples.
    """
    seen = grey_levels(samples, trajectory.dataset.train_images.shape[1])
    if not len(seen):
        raise MeasurementError("the one-step protocol needs at least 1 sample, found none")
    return seen


def _require_repetitions(updates: int) -> None:
    if updates < 2:
        raise MeasurementError(f"the one-step protocol needs at least 2 updates, found {updates}")


def _norm(parts: Step) -> Tensor:
    return torch.sqrt(torch.stack([part.square().sum() for part in parts]).sum())
