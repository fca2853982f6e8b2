"""Training in the linearised (NTK) regime, where the paper says nothing is forgotten (section 4.2, App. D).

The linearised network is ``f(θ) = f_0 + J·(θ − θ_0)``, J the Jacobian at the start (Jacot et al. 2018).
A cut splits the parameters: ``f = f_0 + J_shallow·Δθ_shallow + J_deep·Δθ_deep``. So the composite of the shallow part
at step s and the deep part at step t is the sum of two recorded arrays. Descent on the mean cross-entropy of N samples
changes half h's part of the logits by ``−learning_rate·Θ_h·r``, with the residual ``r = (softmax(f) − onehot) / N`` and
the tangent kernel ``Θ_h = J_h·J_hᵀ``; no parameter has to move.

One statement is a theorem: *training* with a half frozen is convex, so its loss falls at every step (``train`` with
``freeze``). The other is not: the loss of *composites* of one joint training may rise, in either reading of the paper's
claim (see ``monotonicity``).
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from featdyn_core.errors import DataError, MeasurementError, TrainingError
from featdyn_core.measures.linearized.kernel import (
    HALVES,
    Half,
    JacobianProducts,
    Kernel,
    LayerwiseKernels,
    foreign_layers,
)
from featdyn_core.networks.blocks import BlockNetwork
from featdyn_core.networks.images import images_for
from featdyn_core.numerics import exactly

POWER_ITERATIONS = 30
LARGEST_SPAN = 600.0  # of logits, in nats: exp(-600) is still far above the smallest double


@dataclass(frozen=True, eq=False)
class LinearizedTrajectory:
    """Gradient descent in the linearised regime, recorded in function space.

    Attributes:
        steps: (R,) gradient steps taken at each record, ascending.
        initial: (N, C) logits ``f_0`` of the network at initialisation.
        shallow: (R, N, C) ``J_shallow·Δθ_shallow``.
        deep: (R, N, C) ``J_deep·Δθ_deep``.
        losses: (R,) mean cross-entropy on the training labels, in nats.
        learning_rate: learning rate of the descent.
    """

    steps: NDArray[np.int64]
    initial: NDArray[np.floating]
    shallow: NDArray[np.floating]
    deep: NDArray[np.floating]
    losses: NDArray[np.float64]
    learning_rate: float

    def until(self, step: int) -> "LinearizedTrajectory":
        """Return the records up to and including ``step``, as a point to train on from.

        Raises:
            MeasurementError: ``step`` was not recorded.
        """
        if step not in self.steps:
            raise MeasurementError(f"step {step} was not recorded; the records are at {self.steps.tolist()}")
        kept = self.steps <= step
        return replace(
            self,
            steps=self.steps[kept],
            shallow=self.shallow[kept],
            deep=self.deep[kept],
            losses=self.losses[kept],
        )

    def loss_grid(self, labels: ArrayLike) -> NDArray[np.float64]:
        """Mean cross-entropy of every composite, (R, R): shallow record × deep record, in nats.

        Let a be the logits of the shallow side and b those of the deep side. Then ``Σ_c exp(a_c + b_c)`` for all pairs
        of records is one matrix product for each sample. After the largest logit of each side is taken out, the sum is
        at least ``exp(−min(span(a), span(b)))``. It can only underflow if both sides span hundreds of nats.

        Labels of the wrong shape or range are a ``DataError``.

        Args:
            labels: (N,) integers in 0..C-1.

        Raises:
            MeasurementError: the logits are so far apart that the sum would underflow.
        """
        sides = [np.asarray(side, np.float64) for side in (self.initial + self.shallow, self.deep)]
        records, samples, classes = self.deep.shape
        target = checked_labels(labels, samples, classes).numpy()
        span = min(np.ptp(side, axis=-1).max() for side in sides)
        if not span <= LARGEST_SPAN:
            raise MeasurementError(
                f"the logits of both halves span {span:.3g} nats, the loss grid resolves {LARGEST_SPAN:g}; "
                "train with a smaller learning rate"
            )
        tops = [side.max(axis=-1) for side in sides]
        rows, columns = (np.exp(side - top[..., None]) for side, top in zip(sides, tops, strict=True))
        total = np.zeros((records, records))
        for sample in range(samples):
            total += np.log(rows[:, sample] @ columns[:, sample].T)
        first, second = (
            (top - side[:, np.arange(samples), target]).mean(axis=1) for side, top in zip(sides, tops, strict=True)
        )
        return total / samples + first[:, None] + second


class LinearizedNetwork:
    """A network made linear in its parameters about their present values, on fixed images.

    The network is taken in eval mode with its buffers fixed, and is not changed.

    Args:
        network: network in the state to linearise at.
        images: (N, channels, height, width) in grey levels 0..255.
        cut: divides the parameters into a shallow and a deep part.
        method: "kernel" forms the tangent kernels of networks of linear layers, ReLU, flattening and dropout,
            and keeps one array of (N·C)² numbers for each half, plus a third array with their sum while both halves
            move; "jvp" serves every network, by Jacobian-vector products; "auto" takes the kernel if it is available.
        dtype: type of all computation.

    Attributes:
        initial: (N, C) logits ``f_0``.

    Raises:
        MeasurementError: images are not grey levels, or the network cannot take them.
        ModelError: unknown cut, or the kernel method for a network with other layers.
        TrainingError: unknown method.
    """

    @exactly
    def __init__(
        self,
        network: BlockNetwork,
        images: Tensor | ArrayLike,
        *,
        cut: str,
        method: str = "auto",
        dtype: torch.dtype = torch.float64,
    ) -> None:
        if method not in ("auto", "kernel", "jvp"):
            raise TrainingError(f"unknown method {method!r}; the methods are auto, kernel, jvp")
        blocks: dict[Half, list[str]] = {
            "shallow": network.shallow_blocks(cut),
            "deep": network.deep_blocks(cut),
        }
        fixed = copy.deepcopy(network).to(dtype).eval().requires_grad_(False)
        images = images_for(fixed, images)
        by_kernel = method == "kernel" or (method == "auto" and not foreign_layers(fixed))
        tangents = LayerwiseKernels if by_kernel else JacobianProducts
        self._tangents: LayerwiseKernels | JacobianProducts = tangents(fixed, images, blocks)
        self.initial = self._tangents.initial

    def kernel(self, halves: Sequence[Half] = HALVES) -> Kernel:
        """Return ``Θ``, summed over ``halves``, as a function of (R, N, C) arrays of logits."""
        return exactly(exactly(self._tangents.kernel)(halves))

    @cached_property
    @exactly
    def stable_learning_rate(self) -> float:
        """The rate ``2·N / λ_max(Θ)``; the loss then falls at every step, with either half frozen or none.

        The Hessian of the mean cross-entropy in the parameters is ``Jᵀ·diag(H_1..H_N)·J / N``, and each
        ``H_i = diag(q_i) − q_i·q_iᵀ`` has its eigenvalues in [0, 1/2] (Böhning 1992). So the gradient has the
        Lipschitz constant ``L ≤ λ_max(Θ) / (2·N)``, and freezing a half takes a positive semi-definite term from Θ and
        can only lower it. Descent is monotone at every rate below ``2 / L`` (Nesterov 2004, section 1.2.3). This rate
        is ``1 / L``, because power iteration approaches λ_max from below and may reach only half of it.
        """
        # The start is fixed, because the rate depends on network and images and not on a random draw.
        start = np.random.default_rng(0).standard_normal((1, *self.initial.shape))
        vector = torch.from_numpy(start).to(self.initial)
        kernel = self._tangents.kernel(HALVES)
        for _ in range(POWER_ITERATIONS):
            vector = kernel(vector / vector.norm())
        return 2 * len(self.initial) / float(vector.norm())

    @exactly
    def train(
        self,
        labels: ArrayLike,
        *,
        steps: int,
        every: int = 1,
        learning_rate: float | None = None,
        freeze: Half | None = None,
        start: LinearizedTrajectory | None = None,
    ) -> LinearizedTrajectory:
        """Full-batch gradient descent on the mean cross-entropy.

        To train jointly for 20 steps and then with the shallow part frozen::

            joint = linear.train(labels, steps=100)
            frozen = linear.train(labels, steps=50, freeze="shallow", start=joint.until(20))

        Labels of the wrong shape or range are a ``DataError``.

        Args:
            labels: (N,) integers in 0..C-1.
            steps: number of gradient steps.
            every: steps between records; the first and the last point are always recorded.
            learning_rate: by default ``stable_learning_rate``.
            freeze: the half that does not move.
            start: an earlier training of this linearised network. This training starts from its last record and
                continues its count of steps. Without it, training starts at initialisation.

        Raises:
            TrainingError: a number is unusable, the half is unknown, the start belongs to another network, or the loss
                is not finite.
        """
        rate = self.stable_learning_rate if learning_rate is None else learning_rate
        check_schedule(rate, steps, every, freeze)
        target = checked_labels(labels, *self.initial.shape).to(self.initial.device)
        first, offsets = self._point(start)
        moving = [half for half in HALVES if half != freeze]
        kernel = self._tangents.kernel(moving)
        logits = self.initial + offsets["shallow"] + offsets["deep"]
        onehot = F.one_hot(target, logits.shape[1])
        pushes = torch.zeros_like(logits)
        records: list[tuple[int, float, Tensor, Tensor]] = []
        for step in range(steps + 1):
            if step % every == 0 or step == steps:
                loss = float(F.cross_entropy(logits, target))
                if not np.isfinite(loss):
                    raise TrainingError(
                        f"the loss at step {first + step} is {loss}, with learning rate {rate:g}; "
                        "lower it, or leave it out for a stable one"
                    )
                records.append((first + step, loss, logits, pushes))
            if step < steps:
                push = -rate * (logits.softmax(dim=1) - onehot) / len(target)
                logits, pushes = logits + kernel(push[None])[0], pushes + push
        taken, losses, outputs, pushed = zip(*records, strict=True)
        moved = self._split(moving, torch.stack(outputs) - outputs[0], torch.stack(pushed))
        shallow, deep = ((offsets[half] + moved[half]).cpu().numpy() for half in HALVES)
        initial = self.initial.cpu().numpy()
        return LinearizedTrajectory(np.array(taken), initial, shallow, deep, np.array(losses), rate)

    def _point(self, start: LinearizedTrajectory | None) -> tuple[int, dict[Half, Tensor]]:
        """Return the step at the end of ``start``, and each half's (N, C) part of the logits there.

        Raises:
            TrainingError: the start belongs to another network, or to other images.
        """
        if start is None:
            return 0, {half: torch.zeros_like(self.initial) for half in HALVES}
        if not np.array_equal(start.initial, self.initial.cpu().numpy()):
            raise TrainingError("start was trained on another network or other images; use one trained on these")
        ends = zip(HALVES, (start.shallow[-1], start.deep[-1]), strict=True)
        return int(start.steps[-1]), {half: torch.from_numpy(end).to(self.initial) for half, end in ends}

    def _split(self, moving: Sequence[Half], moved: Tensor, pushed: Tensor) -> dict[Half, Tensor]:
        """Divide the (R, N, C) movement of the logits between the halves.

        All kernels act on the same sum of pushes, so the split costs one product a record, not one a step.
        """
        if len(moving) == 1:
            return {half: moved if half in moving else torch.zeros_like(moved) for half in HALVES}
        shallow = self._tangents.kernel(["shallow"])(pushed)
        return {"shallow": shallow, "deep": moved - shallow}


def linearized_trajectory(
    network: BlockNetwork,
    images: Tensor | ArrayLike,
    labels: ArrayLike,
    *,
    cut: str,
    steps: int,
    every: int = 1,
    learning_rate: float | None = None,
    freeze: Half | None = None,
    method: str = "auto",
    dtype: torch.dtype = torch.float64,
) -> LinearizedTrajectory:
    """Linearise ``network`` at its present state and train it: ``LinearizedNetwork`` and ``train`` in one."""
    linear = LinearizedNetwork(network, images, cut=cut, method=method, dtype=dtype)
    return linear.train(labels, steps=steps, every=every, learning_rate=learning_rate, freeze=freeze)


def checked_labels(labels: ArrayLike, samples: int, classes: int) -> Tensor:
    """Return labels (N,) as int64 on the CPU.

    Raises:
        DataError: their number is wrong, they are not integers, or they lie outside 0..C-1.
    """
    target = torch.as_tensor(labels).cpu()
    if target.is_floating_point() or target.shape != (samples,):
        raise DataError(f"labels must be {samples} integers; got {target.dtype} of shape {tuple(target.shape)}")
    low, high = int(target.min()), int(target.max())
    if low < 0 or high >= classes:
        raise DataError(f"labels must lie in 0..{classes - 1}; these run from {low} to {high}")
    return target.long()


def check_schedule(learning_rate: float, steps: int, every: int, freeze: str | None) -> None:
    """Refuse arguments that define no descent.

    Raises:
        TrainingError: the rate, the numbers of steps or the half is invalid.
    """
    if not learning_rate > 0:
        raise TrainingError(f"learning rate {learning_rate} is not positive; leave it out for a stable one")
    if steps < 0 or every < 1:
        raise TrainingError(f"{steps} steps, a record every {every}: steps must be ≥ 0 and every ≥ 1")
    if freeze not in (None, *HALVES):
        raise TrainingError(f"no half {freeze!r} to freeze; the halves are shallow, deep")
