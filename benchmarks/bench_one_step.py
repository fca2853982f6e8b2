"""The one-step protocol: parameters rewritten in place against a deep copy and an optimiser for every update.

The baseline is the protocol in its direct form: for each update, copy the checkpoint's network, take one step of
``torch.optim.SGD`` on a mini-batch in train mode, and read the features of the samples in eval mode. Both sides draw
the same mini-batches. The gate requires equal feature changes within 1e-8 in float64, with frozen and with updated
running statistics. On a CPU the gradient is nearly all of the cost, so only the cost of the copies can be saved. On a
GPU each call captures two new graphs, inside the measured time. The note reports the cost of a call before its first
update, and the number of updates from which it pays.
"""

import copy
import dataclasses
from collections.abc import Callable
from functools import partial
from statistics import median

import numpy as np
import torch
import torch.nn.functional as F

from benchmarks.bench_training import random_images
from benchmarks.ratio import NOT_RUN, ResultsDifferError, Row, Scaling, paired_ratio, seconds
from featdyn_core.data.sources import Dataset, load_dataset
from featdyn_core.measures.one_step.protocol import STATISTICS, one_step_changes
from featdyn_core.numerics import exact_arithmetic
from featdyn_core.seeds import torch_generator
from featdyn_core.trajectories.recipe import Recipe, load_recipe
from featdyn_core.trajectories.specs import NetworkSpec
from featdyn_core.trajectories.trajectory import Trajectory, new_network

TOLERANCE = 1e-8
LEAST_CHANGE = 1e-3
"""Smallest size of the largest feature change, so that an unchanged network cannot pass the gate."""

SAMPLES = 2
GATE_UPDATES = 10
FEWEST_UPDATES = 2

TIMED = ((10, 1, 8), (20, 1, 8), (10, 8, 8), (10, 1, 16))
"""K, M and width of the network in the quick scaling table; p is 16 times the width."""

TIMED_IN_FULL = (
    (25, 1, 8),
    (100, 1, 8),
    (400, 1, 8),
    (100, 16, 8),
    (100, 128, 8),
    (100, 1, 4),
    (100, 1, 16),
    (100, 1, 32),
)
NOT_TIMED = ((1_000, 1_000, 8), (10_000, 1_000, 8), (10_000, 1_000, 64))
"""Sizes whose memory is computed only: the last two take 10 and 76 GiB."""

Changes = Callable[[Trajectory, int, torch.dtype, str], np.ndarray]


def untrained(recipe: Recipe, dataset: Dataset, device: str) -> Trajectory:
    """A recipe's network at its initial state."""
    state = new_network(recipe, dataset, torch_generator(0, "init")).state_dict()
    return Trajectory(recipe, 0, "", (0,), dataset, lambda _: state, device=device)


@exact_arithmetic()
def literal(trajectory: Trajectory, updates: int, dtype: torch.dtype, statistics: str = "frozen") -> np.ndarray:
    """Feature changes (M, K, p), each update from a fresh copy."""
    rng = np.random.default_rng(0)
    images, labels, fixed = (
        part.to(trajectory.device) for part in (*trajectory.training_set(), trajectory.dataset.test_images[:SAMPLES])
    )
    recipe = trajectory.recipe
    start = trajectory.network(0).to(trajectory.device, dtype)
    cut = start.depths[-1]
    changes = []
    with torch.no_grad():
        before = start.shallow(fixed, cut).flatten(1)
    for _ in range(updates):
        network = copy.deepcopy(start).train()
        if statistics == "frozen":
            for module in network.modules():
                if isinstance(module, torch.nn.BatchNorm2d):
                    module.momentum = 0.0
        optimizer = torch.optim.SGD(
            network.parameters(), lr=recipe.learning_rate(0), weight_decay=recipe.optimizer.weight_decay
        )
        index = torch.from_numpy(rng.choice(len(labels), recipe.training.batch_size, replace=False))
        rng.integers(2**63)  # the library seeds dropout here; this network has none
        F.cross_entropy(network(images[index]), labels[index]).backward()
        optimizer.step()
        with torch.no_grad():
            changes.append(network.eval().shallow(fixed, cut).flatten(1) - before)
    return torch.stack(changes, dim=1).double().cpu().numpy()


def engine(trajectory: Trajectory, updates: int, dtype: torch.dtype, statistics: str = "frozen") -> np.ndarray:
    """Feature changes of the library."""
    return one_step_changes(
        trajectory,
        0,
        trajectory.dataset.test_images[:SAMPLES],
        updates=updates,
        cut=trajectory.network(0).depths[-1],
        rng=np.random.default_rng(0),
        statistics=statistics,
        dtype=dtype,
    )


def gate(trajectory: Trajectory, baseline: Changes = literal, candidate: Changes = engine) -> None:
    """Compare the two sides in float64, with frozen and with updated running statistics."""
    for statistics in STATISTICS:
        sides = (side(trajectory, GATE_UPDATES, torch.float64, statistics) for side in (baseline, candidate))
        require_equal(*sides, statistics)


def require_equal(expected: np.ndarray, found: np.ndarray, statistics: str) -> None:
    """Raise unless feature changes (M, K, p) agree entry by entry, and something has changed."""
    what = f"feature changes with {statistics} statistics"
    if expected.shape != found.shape:
        raise ResultsDifferError(f"{what} have the shapes {expected.shape} and {found.shape}")
    largest, gap = np.abs(expected).max(), np.abs(expected - found).max()
    if not largest >= LEAST_CHANGE:
        raise ResultsDifferError(f"{what} are at most {largest:.2g}, less than {LEAST_CHANGE:g}: no evidence")
    if not gap <= TOLERANCE:
        raise ResultsDifferError(f"{what} differ by up to {gap:.2g}")


def compare(trajectory: Trajectory, setting: str, *, updates: int, pairs: int, to_reach: float) -> Row:
    """Time pairs after the gate: equal changes in float64."""
    gate(trajectory)
    sides = [partial(side, trajectory, updates, torch.float32) for side in (literal, engine)]
    for side in sides:
        side()
    setting = f"{setting}, K = {updates}, M = {SAMPLES}, fp32"
    row = paired_ratio("one-step protocol", setting, *sides, pairs=pairs, to_reach=to_reach)
    fewest = seconds(partial(engine, trajectory, FEWEST_UPDATES, torch.float32))
    return dataclasses.replace(row, note=fixed_cost(row, fewest, updates))


def fixed_cost(row: Row, fewest: float, updates: int) -> str:
    """Say what a call of the library costs before its first update, and from how many updates on it pays.

    Args:
        row: the comparison at ``updates`` updates a call.
        fewest: seconds of a call with ``FEWEST_UPDATES``.
        updates: number of updates per call in the row, more than ``FEWEST_UPDATES``.
    """
    baseline, call = (median(side) for side in (row.baseline_seconds, row.candidate_seconds))
    update = (call - fewest) / (updates - FEWEST_UPDATES)
    before = max(fewest - FEWEST_UPDATES * update, 0.0)
    gain = baseline / updates - update
    pays = f"pays from K = {before / gain:.3g} on" if gain > 0 else "never pays"
    return f"each call costs {before:.2g} s before its first update: {pays}"


def run(quick: bool) -> list[Row]:
    """Compare on the CPU, and on a GPU where there is one."""
    options = {"updates": 20 if quick else 100, "pairs": 2 if quick else 5}
    digits = untrained(load_recipe("digits-small"), load_dataset("digits"), "cpu")
    row = compare(digits, "ResNet-8 of width 8 on digits, CPU", to_reach=1.0, **options)
    return [row, on_gpu(load_recipe("cifar10-reduced"), random_images(2048), **options)]


def on_gpu(recipe: Recipe, dataset: Dataset, *, updates: int, pairs: int) -> Row:
    """Compare on a GPU; the recipe of the table is ResNet-20's."""
    setting, to_reach = "ResNet-20, batch 128, GPU", 8.0
    if not torch.cuda.is_available():
        return Row("one-step protocol", setting, to_reach=to_reach, skipped="no GPU")
    return compare(untrained(recipe, dataset, "cuda"), setting, updates=updates, pairs=pairs, to_reach=to_reach)


def scaling(quick: bool) -> Scaling:
    """Memory and seconds over the numbers of updates, of samples and of features at the last cut.

    The network's width decides the number of features there, and what a gradient costs. The result is in float64;
    while it is made, a copy in float32 stands beside it, half as large.
    """
    recipe, digits, rng = load_recipe("digits-small"), load_dataset("digits"), np.random.default_rng(0)
    timed = TIMED if quick else TIMED_IN_FULL
    rows: list[tuple[float | int | str, ...]] = []
    for updates, samples, width in timed + NOT_TIMED:
        network = NetworkSpec("resnet8", {"width": width})
        trajectory = untrained(recipe.replace(network=network), digits, "cpu")
        fixed, (*_, cut) = digits.test_images[:samples], trajectory.network(0).cuts
        features = trajectory.network(0).shallow(fixed[:1], cut).numel()
        cost: tuple[float | str, float | str] = (NOT_RUN, NOT_RUN)
        if (updates, samples, width) in timed:
            spent = seconds(partial(one_step_changes, trajectory, 0, fixed, updates=updates, cut=cut, rng=rng))
            cost = (spent, 1e3 * spent / updates)
        rows.append((updates, samples, width, features, samples * updates * features * 8 / 2**20, *cost))
    columns = ("K", "M", "width", "p", "result MiB", "seconds", "ms per update")
    return Scaling("One-step protocol at the last cut, MiB by formula, one timing each", columns, tuple(rows))
