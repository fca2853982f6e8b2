"""The one-step protocol: parameters rewritten in place against a deep copy and an optimiser for every update.

The baseline is the protocol as one would write it: for each update copy the checkpoint's network, take one step of
``torch.optim.SGD`` on a mini-batch in train mode, and read the features of the samples in eval mode. Both sides
draw the same mini-batches; the gate demands equal feature changes within 1e-8 in float64, with frozen and with
updated running statistics. On a CPU the gradient is nearly all of the cost, so that no more than the copies can be
had.
"""

import copy
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F

from benchmarks.bench_training import random_images
from benchmarks.ratio import ResultsDifferError, Row, Scaling, paired_ratio, seconds
from featdyn_core.data.sources import Dataset, load_dataset
from featdyn_core.devices import exact_arithmetic
from featdyn_core.noise import STATISTICS, one_step_changes
from featdyn_core.recipe import load_recipe
from featdyn_core.seeds import torch_generator
from featdyn_core.trajectory import Trajectory, new_network

TOLERANCE = 1e-8
SAMPLES = 2


def untrained(name: str, dataset: Dataset, device: str) -> Trajectory:
    """A recipe's network at its initial state."""
    recipe = load_recipe(name)
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
        rng.integers(2**63)  # the library seeds dropout here, which this network has none of
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


def compare(trajectory: Trajectory, setting: str, *, updates: int, pairs: int, to_reach: float) -> Row:
    """Time pairs after the gate: equal changes in float64."""
    for statistics in STATISTICS:
        literally, found = (side(trajectory, 10, torch.float64, statistics) for side in (literal, engine))
        gap = np.abs(literally - found).max()
        if not gap <= TOLERANCE:
            raise ResultsDifferError(f"feature changes with {statistics} statistics differ by up to {gap:.2g}")
    sides = [partial(side, trajectory, updates, torch.float32) for side in (literal, engine)]
    for side in sides:
        side()
    setting = f"{setting}, K = {updates}, M = {SAMPLES}, fp32"
    return paired_ratio("one-step protocol", setting, *sides, pairs=pairs, to_reach=to_reach)


def run(quick: bool) -> list[Row]:
    """Compare on the CPU, and on a GPU where there is one."""
    options = {"updates": 20 if quick else 100, "pairs": 2 if quick else 5}
    digits = untrained("digits-small", load_dataset("digits"), "cpu")
    rows = [compare(digits, "ResNet-8 of width 8 on digits, CPU", to_reach=1.0, **options)]
    if torch.cuda.is_available():
        resnet20 = untrained("cifar10-reduced", random_images(2048), "cuda")
        rows.append(compare(resnet20, "ResNet-20, batch 128, GPU", to_reach=8.0, **options))
    else:
        rows.append(Row("one-step protocol", "ResNet-20, batch 128, GPU", to_reach=8.0, skipped="no GPU"))
    return rows


def scaling(quick: bool) -> Scaling:
    """Seconds over the number of updates, of samples and of features, which the cut decides."""
    trajectory = untrained("digits-small", load_dataset("digits"), "cpu")
    network, rng = trajectory.network(0), np.random.default_rng(0)
    shallowest, deepest = network.cuts[0], network.cuts[-1]
    sizes = [(10, 1, deepest), (20, 1, deepest)] if quick else [(k, 1, deepest) for k in (25, 50, 100)]
    sizes += [(10, 8, shallowest)] if quick else [(100, m, cut) for m in (16, 128) for cut in (deepest, shallowest)]
    rows = []
    for updates, samples, cut in sizes:
        fixed = trajectory.dataset.test_images[:samples]
        features = network.shallow(fixed[:1], cut).numel()
        spent = seconds(partial(one_step_changes, trajectory, 0, fixed, updates=updates, cut=cut, rng=rng))
        rows.append((updates, samples, cut, features, spent, 1e3 * spent / updates))
    return Scaling(
        "One-step protocol, one timing each", ("K", "M", "cut", "p", "seconds", "ms per update"), tuple(rows)
    )
