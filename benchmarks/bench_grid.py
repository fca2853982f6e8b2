"""The composite grid of ResNet-20: shared shallow parts and streamed chunks against one composite at a time.

The baseline has one prebuilt network and resident images; for each cell it loads the merged state dict, then
predicts in batches of 128 without gradients. "Algorithm alone" gives the baseline the same memory format and the
same chunks, so that only the sharing of shallow parts, the one product at the last cut and the folded normalisation
remain. All sides compute in fp32, and the gate demands identical predictions in every cell.
"""

from functools import partial

import numpy as np
import torch
from torch import Tensor

from benchmarks.ratio import ResultsDifferError, Row, Scaling, paired_ratio, seconds
from featdyn_core.composite import composite_grid, merged_state
from featdyn_core.data.sources import Dataset
from featdyn_core.models import build_model
from featdyn_core.recipe import DataSpec, NetworkSpec, OptimizerSpec, Recipe, TrainingSpec
from featdyn_core.trajectory import Trajectory

BATCH = 128


def planted(epochs: int, images: int) -> Trajectory:
    """A trajectory of ResNet-20 on random images whose checkpoints are independent perturbations of one network."""
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (images, 3, 32, 32), dtype=torch.uint8, generator=generator)
    labels = torch.randint(0, 10, (images,), generator=generator)
    network = build_model("resnet20", generator=generator).train()
    with torch.no_grad():
        network(pixels[:64])
    states = {}
    for epoch in range(epochs):
        states[epoch] = {
            name: value + 0.02 * torch.randn(value.shape, generator=generator).abs() * value.abs()
            if value.is_floating_point()
            else value.clone()
            for name, value in network.state_dict().items()
        }
    dataset = Dataset("random", pixels, labels, pixels, labels, 10, (0.5,) * 3, (0.5,) * 3, "random", (images, images))
    recipe = Recipe(
        "random",
        DataSpec("cifar10"),
        NetworkSpec("resnet20"),
        OptimizerSpec("sgd", 0.1),
        TrainingSpec(max(epochs - 1, 1), BATCH, tuple(range(epochs))),
    )
    return Trajectory(recipe, 0, "", tuple(range(epochs)), dataset, states.__getitem__)


@torch.no_grad()
def cell_by_cell(trajectory: Trajectory, cuts: tuple[str, ...], batch: int, memory: torch.memory_format) -> Tensor:
    """Predictions (cuts, T, T, N) of all composites, one at a time."""
    network = trajectory.network(0).to(memory_format=memory)
    images = trajectory.dataset.test_images
    states = {epoch: trajectory.state(epoch) for epoch in trajectory.epochs}
    count = len(trajectory.epochs)
    found = torch.zeros((len(cuts), count, count, len(images)), dtype=torch.uint8)
    for number, cut in enumerate(cuts):
        for s in trajectory.epochs:
            for t in trajectory.epochs:
                network.load_state_dict(merged_state(network, states[s], states[t], cut))
                parts = [network(part).argmax(1) for part in images.split(batch)]
                found[number, s, t] = torch.cat(parts)
    return found


def engine(trajectory: Trajectory, cuts: tuple[str, ...]) -> np.ndarray:
    """Predictions of the library's grid."""
    epochs = trajectory.epochs
    grid = composite_grid(
        trajectory, trajectory.dataset.test_images, cuts=cuts, shallow_epochs=epochs, deep_epochs=epochs
    )
    return grid.predictions


def run(quick: bool) -> list[Row]:
    """Compare at three cuts, after the gate: the same class in every cell."""
    epochs, images = (4, 64) if quick else (10, 128)
    trajectory = planted(epochs, images)
    cuts = trajectory.network(0).depths
    candidate = partial(engine, trajectory, cuts)
    sides = {
        "grid against batch-128 loop": (torch.contiguous_format, BATCH, 4.0),
        "grid, algorithm alone": (torch.channels_last, 32, 2.5),
    }
    rows = []
    for name, (memory, batch, goal) in sides.items():
        baseline = partial(cell_by_cell, trajectory, cuts, batch, memory)
        differing = int((baseline().numpy() != candidate()).sum())
        if differing:
            raise ResultsDifferError(f"{name}: {differing} predictions differ")
        setting = f"ResNet-20, T = {epochs}, 3 cuts, N = {images}, fp32, CPU"
        rows.append(paired_ratio(name, setting, baseline, candidate, pairs=2 if quick else 5, to_reach=goal))
    rows.append(Row("grid against batch-2000 loop", "N = 10,000, GPU", to_reach=8.0, skipped=gpu_note()))
    return rows


def gpu_note() -> str:
    """Why the GPU comparison is not run."""
    return "no GPU" if not torch.cuda.is_available() else "not written for this device yet"


def scaling(quick: bool) -> Scaling:
    """Seconds of the engine over the number of epochs and of images."""
    sizes = [(2, 64), (4, 64)] if quick else [(2, 128), (4, 128), (8, 128), (4, 256), (4, 512)]
    rows = []
    for epochs, images in sizes:
        trajectory = planted(epochs, images)
        cuts = trajectory.network(0).depths
        spent = seconds(partial(engine, trajectory, cuts))
        rows.append((epochs, images, spent, 1e6 * spent / (epochs**2 * images * len(cuts))))
    return Scaling("composite grid, three cuts", ("T", "N", "seconds", "µs per composite and image"), tuple(rows))
