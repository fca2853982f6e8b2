"""Linearised training of a perceptron: layer-wise tangent kernels against the explicit Jacobian.

The baseline of "tangent kernels" is per-sample ``torch.func.jacrev`` under ``vmap``, which runs one backward pass per
class, and one matrix product J·Jᵀ for each half. The baseline of "descent, explicit Jacobian" has this Jacobian in
memory and steps in parameters by two matrix-vector products. The baseline of "descent, vjp and jvp" steps in parameters
without a Jacobian, by one reverse and one forward pass of ``torch.func``. The baseline of "loss grid" takes the
log-sum-exp of all deep records at once, for one shallow record after another. All compute in float64 on the same
network, images and rate. A descent is timed from start to end, with its residuals.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.func import functional_call, jacrev, jvp, vjp, vmap

from benchmarks.ratio import NOT_RUN, ResultsDifferError, Row, Scaling, paired_ratio, seconds
from featdyn_core.measures.linearized.descent import LinearizedNetwork, LinearizedTrajectory
from featdyn_core.measures.linearized.kernel import HALVES
from featdyn_core.networks.blocks import BlockNetwork
from featdyn_core.networks.zoo import build_model

CUT = "hidden1"
CLASSES = 10
DEVIATION = 1e-8  # largest absolute difference in kernels' entries (relative to the largest), logits and losses
STEPS = 100
FEW_STEPS = 3  # of the gate, and of the baseline that takes longest
MOST_NUMBERS = 4e7  # of the explicit Jacobian in the scaling table, 305 MiB


class Problem(NamedTuple):
    """A perceptron on N images of 8 × 8 pixels, with labels, in float64."""

    network: BlockNetwork
    images: Tensor
    labels: Tensor

    @property
    def parameters(self) -> dict[str, Tensor]:
        """The network's parameters, detached."""
        return {name: value.detach() for name, value in self.network.named_parameters()}

    def logits(self, parameters: dict[str, Tensor]) -> Tensor:
        """Logits (N, C) at other parameters."""
        return functional_call(self.network, parameters, (self.images,))

    def residual(self, logits: Tensor) -> Tensor:
        """Gradient (N, C) of the mean cross-entropy by the logits."""
        return (logits.softmax(dim=1) - F.one_hot(self.labels, CLASSES)) / len(self.labels)


def problem(samples: int, width: int) -> Problem:
    """Return random images and labels, and a perceptron with two hidden layers of ``width``."""
    generator = torch.Generator().manual_seed(0)
    image = (1, 8, 8)
    network = build_model("mlp", image=image, hidden=(width, width), generator=generator).double().eval()
    images = torch.randint(0, 256, (samples, *image), generator=generator).double()
    return Problem(network, images, torch.randint(0, CLASSES, (samples,), generator=generator))


def layerwise(given: Problem) -> LinearizedNetwork:
    """Form the tangent kernels of both halves as the library does."""
    return LinearizedNetwork(given.network, given.images, cut=CUT, method="kernel")


def explicit_jacobians(given: Problem) -> dict[str, Tensor]:
    """Return each half's Jacobian (N·C, parameters)."""

    def logits(parameters: dict[str, Tensor], image: Tensor) -> Tensor:
        return functional_call(given.network, parameters, (image[None],))[0]

    parts: dict[str, list[Tensor]] = {half: [] for half in HALVES}
    for key, part in vmap(jacrev(logits), (None, 0))(given.parameters, given.images).items():
        half = "shallow" if given.network.in_shallow_part(key, CUT) else "deep"
        parts[half].append(part.flatten(2).flatten(0, 1))
    return {half: torch.cat(parts[half], dim=1) for half in HALVES}


def products(jacobians: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return each half's tangent kernel (N·C, N·C)."""
    return {half: jacobian @ jacobian.T for half, jacobian in jacobians.items()}


def explicit_kernels(given: Problem) -> dict[str, Tensor]:
    """Form the tangent kernels of both halves from the explicit Jacobian."""
    return products(explicit_jacobians(given))


def descend_layerwise(given: Problem, linear: LinearizedNetwork, rate: float, steps: int) -> Tensor:
    """Return the logits (N, C) after descent in function space."""
    end = linear.train(given.labels, steps=steps, every=steps, learning_rate=rate)
    return torch.from_numpy(end.initial + end.shallow[-1] + end.deep[-1])


def descend_explicit(given: Problem, jacobian: Tensor, rate: float, steps: int) -> Tensor:
    """Return the logits (N, C) after descent in parameters with the Jacobian of both halves."""
    initial = logits = given.network(given.images).detach()
    moved = jacobian.new_zeros(jacobian.shape[1])
    for _ in range(steps):
        moved -= rate * (given.residual(logits).flatten() @ jacobian)
        logits = initial + (jacobian @ moved).view_as(initial)
    return logits


def descend_by_products(given: Problem, rate: float, steps: int) -> Tensor:
    """Return the logits (N, C) after descent in parameters, by Jacobian-vector products."""
    parameters = given.parameters
    initial, pull = given.logits(parameters), vjp(given.logits, parameters)[1]
    moved = {name: torch.zeros_like(value) for name, value in parameters.items()}
    logits = initial
    for _ in range(steps):
        slopes = pull(given.residual(logits))[0]
        moved = {name: value - rate * slopes[name] for name, value in moved.items()}
        logits = initial + jvp(given.logits, (parameters,), (moved,))[1]
    return logits


def grid_by_rows(trajectory: LinearizedTrajectory, labels: Tensor) -> np.ndarray:
    """Return the loss (R, R) of every composite, one shallow record after the other."""
    shallow = torch.from_numpy(trajectory.initial + trajectory.shallow)
    deep = torch.from_numpy(trajectory.deep)
    samples = torch.arange(len(labels))
    rows = [torch.logsumexp(one + deep, dim=2).mean(dim=1) for one in shallow]
    targets = [side[:, samples, labels].mean(dim=1) for side in (shallow, deep)]
    return (torch.stack(rows) - targets[0][:, None] - targets[1]).numpy()


def run(quick: bool) -> list[Row]:
    """Compare kernels, descents and the loss grid, after a gate each: equal results."""
    samples, width, pairs = (32, 32, 1) if quick else (128, 256, 5)
    given = problem(samples, width)
    setting = f"N={samples}, 64-{width}-{width}-{CLASSES}, float64, CPU"
    linear = layerwise(given)
    jacobians = explicit_jacobians(given)
    require_equal_kernels(linear, products(jacobians))
    kernels = paired_ratio(
        "tangent kernels",
        setting,
        partial(explicit_kernels, given),
        partial(layerwise, given),
        pairs=pairs,
        to_reach=100.0,
        note="the ratio grows with the width: see the scaling table",
    )
    jacobian = torch.cat(list(jacobians.values()), dim=1)
    return [
        kernels,
        *descents(given, linear, jacobian, setting, pairs),
        loss_grid(given, linear, setting, pairs),
    ]


def descents(given: Problem, linear: LinearizedNetwork, jacobian: Tensor, setting: str, pairs: int) -> list[Row]:
    """Compare descent in function space with descent in parameters."""
    rate = linear.stable_learning_rate
    baselines: list[tuple[str, Callable[[int], Tensor], int, float | None]] = [
        ("explicit Jacobian", partial(descend_explicit, given, jacobian, rate), FEW_STEPS, 10.0),
        ("vjp and jvp", partial(descend_by_products, given, rate), STEPS, None),
    ]
    rows = []
    for name, baseline, steps, aim in baselines:
        require_equal(f"logits, {name}", baseline(FEW_STEPS), descend_layerwise(given, linear, rate, FEW_STEPS))
        rows.append(
            paired_ratio(
                f"descent, {name}",
                f"{setting}, {STEPS} steps",
                partial(baseline, steps),
                partial(descend_layerwise, given, linear, rate, STEPS),
                pairs=pairs,
                share=steps / STEPS,
                to_reach=aim,
            )
        )
    return rows


def loss_grid(given: Problem, linear: LinearizedNetwork, setting: str, pairs: int) -> Row:
    """Compare the grid by matrix products over classes with the grid by rows."""
    trajectory = linear.train(given.labels, steps=STEPS)
    by_rows, by_products = (
        partial(grid_by_rows, trajectory, given.labels),
        partial(trajectory.loss_grid, given.labels),
    )
    require_equal("loss grids", torch.from_numpy(by_rows()), torch.from_numpy(by_products()))
    return paired_ratio("loss grid", f"{setting}, {STEPS + 1}² composites", by_rows, by_products, pairs=pairs)


def scaling(quick: bool) -> Scaling:
    """Return the cost of kernels and of one step over the number of samples and the width.

    The kernels grow as N², in memory and in time per step. Parameters and their products grow as N. So with many
    samples of a narrow network, descent in function space is no longer cheaper.
    """
    sizes = [(32, 64), (64, 64)] + [(128, 64), (128, 128), (512, 64)] * (not quick)
    rows: list[tuple[float | int | str, ...]] = []
    for samples, width in sizes:
        given = problem(samples, width)
        linear = layerwise(given)
        by_layer = seconds(partial(layerwise, given))
        count, logits = sum(value.numel() for value in given.parameters.values()), samples * CLASSES
        affordable = logits * count <= MOST_NUMBERS
        explicit = seconds(partial(explicit_kernels, given)) if affordable else None
        rate = linear.stable_learning_rate
        by_products = seconds(partial(descend_by_products, given, rate, STEPS)) / STEPS
        in_functions = seconds(partial(descend_layerwise, given, linear, rate, STEPS)) / STEPS
        ratio = [explicit, by_layer, explicit / by_layer] if explicit else [NOT_RUN, by_layer, NOT_RUN]
        memory = [logits * count * 8 / 2**20, 2 * logits**2 * 8 / 2**20]
        rows.append((samples, width, count, *memory, *ratio, by_products * 1e3, in_functions * 1e3))
    columns = (
        "N",
        "width",
        "parameters",
        "J MiB",
        "kernels MiB",
        "explicit s",
        "layer-wise s",
        "ratio",
        "vjp, jvp step ms",
        "function step ms",
    )
    return Scaling("Tangent kernels of both halves and one step, one timing each", columns, tuple(rows))


def require_equal_kernels(linear: LinearizedNetwork, expected: dict[str, Tensor]) -> None:
    """Raise unless the kernels of both halves agree entry by entry."""
    size = linear.initial.numel()
    basis = torch.eye(size, dtype=torch.float64).view(size, *linear.initial.shape)
    for half in HALVES:
        found, scale = linear.kernel([half])(basis).flatten(1), expected[half].abs().max()
        require_equal(f"{half} kernels", expected[half] / scale, found / scale)


def require_equal(name: str, expected: Tensor, found: Tensor) -> None:
    """Raise unless two arrays agree entry by entry."""
    if expected.shape != found.shape:
        raise ResultsDifferError(f"{name} have the shapes {tuple(expected.shape)} and {tuple(found.shape)}")
    largest = float((expected - found).abs().max())
    if not largest <= DEVIATION:
        raise ResultsDifferError(f"{name} differ by up to {largest:.2g}, more than {DEVIATION:g}")
