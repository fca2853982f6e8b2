"""The one-step protocol (section 6): feature changes after single SGD updates from one checkpoint.

Updates are plain SGD steps, ``θ' = θ − η (g + λ θ)``, whatever the recipe's optimiser, at its learning rate
for that epoch and its weight decay ``λ``, each from the same checkpoint with another mini-batch; momentum
starts at zero, so it plays no part.

**Reading:** gradients are taken in train mode (batch statistics, dropout on) on training images as they are,
without augmentation, and features before and after in eval mode. With ``statistics="frozen"`` they are read
with the checkpoint's running statistics, so that only the parameters move. With ``statistics="updated"`` those
after the update are read with the running statistics as the mini-batch's pass in train mode leaves them: the
checkpoint's, moved by the layers' momentum (0.1 in the recipes' networks) towards the batch's. Every update
starts from the checkpoint's.

Neither TF32 nor bfloat16 is used, whatever the recipe trained with or the caller's autocast asks for: the rounding of
half precision would be a large part of changes this small.
"""

import functools
from collections.abc import Callable, Iterable

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from featdyn_core.errors import MeasurementError
from featdyn_core.networks.images import grey_levels
from featdyn_core.numerics import capture, exact_arithmetic, resolve_device, seeded_dropout, undisturbed
from featdyn_core.trajectories.trajectory import Trajectory

STATISTICS = ("frozen", "updated")
PRECISIONS = (torch.float32, torch.float64)
NORM_SAMPLES = 10

Step = list[Tensor]
"""Change of each tensor that an update moves, in the order of ``_Checkpoint.moving``; good until the next step."""


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

    Fewer than 2 updates, no samples or none that are grey levels of the network's channels, an epoch without
    checkpoint, unknown statistics and half precision are each a ``MeasurementError``, an unknown cut is a
    ``ModelError``.

    Args:
        trajectory: supplies checkpoint, training set, batch size, learning rate and weight decay.
        epoch: the checkpoint.
        samples: M images (M, C, H, W) in grey levels 0..255.
        updates: K, the number of mini-batches, each drawn without replacement.
        cut: where the features are read.
        rng: draws the mini-batches.
        statistics: ``frozen`` or ``updated`` running statistics (see the module's docstring).
        dtype: float32, or float64 to keep rounding out of small changes.
        device: where to compute; the trajectory's device if left out.

    Returns:
        (M, K, p): change of the p flattened features of each sample by each update.
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
    """Feature change of fixed samples by the mean of the one-step updates: a known centre for their changes.

    The step is the mean over mini-batches that partition the training set at random, as evenly as their number,
    the nearest to N / batch size, allows. **Reading:** each keeps its own batch statistics, as a one-step
    update has them, and not those of all N images at once. So the mean step estimates the expectation of the
    one-step update; without batch normalisation and dropout it is that expectation. With ``updated`` running
    statistics their moves are averaged likewise.

    It is the mean of the *parameters'* changes. Features are not linear in parameters, so for theirs it is the
    mean to first order in the learning rate only, except where they are linear. Handed to
    ``isotropy.isotropy_test`` as ``centre``, what is missing counts as variance along one direction.

    No samples or none that are grey levels, an epoch without checkpoint, unknown statistics and half precision are each
    a ``MeasurementError``, an unknown cut is a ``ModelError``.

    Args:
        trajectory: as in ``one_step_changes``, whose other arguments must be the same here.
        epoch: the checkpoint.
        samples: M images (M, C, H, W) in grey levels 0..255.
        cut: where the features are read.
        rng: draws the partition.
        statistics: ``frozen`` or ``updated`` running statistics.
        dtype: float32 or float64.
        device: where to compute; the trajectory's device if left out.

    Returns:
        (M, p): change of the p flattened features of each sample.
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
    """As ``one_step_changes``, each update replaced by isotropic Gaussian parameter noise of equal norm.

    Norms are those of ``NORM_SAMPLES`` SGD updates, drawn from anew for each noise update. Noise passes no
    mini-batch through the network, so there are no ``statistics`` to update: they are always frozen, and what
    this is compared with should have them frozen too.

    The Jacobian of the features shapes even isotropic parameter noise, so this is what SGD's spectrum must be
    compared with before its concentration can be ascribed to SGD.
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
        moving: the tensors before the cut that an update moves: parameters, and running statistics if they
            are to be updated.
        step: where a mini-batch's pass leaves the change of each of them.
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
        # Those after the cut move on from batch to batch, but nothing in train mode reads them.
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
        """Leave in ``step`` what the mini-batch of these indices gives."""
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
        """Leave in ``after`` the samples' features (M, p) once the network has moved by ``step``."""
        for tensor, part in zip(self.moving, self.step, strict=True):
            tensor.add_(part)
        after.copy_(self._features(samples))
        self._restore()

    def _prepared(self, run: Callable[[], object]) -> Callable[[], object]:
        """Return what does the same, on a GPU by replaying a graph; both kinds of run leave the network as it was."""
        return capture(run, self.labels.device) if self.labels.is_cuda else run

    @torch.no_grad()
    def _features(self, samples: Tensor) -> Tensor:
        """Return the features (M, p) in eval mode, as the network stands."""
        return self.network.eval().shallow(samples, self.cut).flatten(1)

    @torch.no_grad()
    def _restore(self) -> None:
        for tensor, origin in self.origins.items():
            tensor.copy_(origin)


def _seen(trajectory: Trajectory, samples: Tensor | npt.ArrayLike) -> Tensor:
    """Return the samples as a tensor.

    What ``grey_levels`` refuses is a ``MeasurementError``, too.

    Raises:
        MeasurementError: no samples.
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
