"""The composite grid of ResNet-20: shared shallow parts and streamed chunks against one composite at a time.

The baseline has one prebuilt network and resident images, made before the clock starts. For each cell it loads the
merged state dict, then computes the logits in batches of 128 without gradients. Each of its cells costs the same, so it
runs on a sample of cells, spread over cuts and epochs, and its time is scaled. "Algorithm alone" gives the baseline the
same memory format and the same chunks, so that only the sharing of shallow parts, the one product at the last cut and
the folded normalisation remain. All sides compute in fp32.

The gate requires the same class for every image in every cell of the sample, except where the baseline's two largest
logits are nearer than a rounding error of folding. The note reports how often that happens. The planted networks differ
enough that composites of other epochs or another cut fail the gate, which a test shows.
"""

import dataclasses
from functools import partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.ratio import NOT_RUN, ResultsDifferError, Row, Scaling, paired_ratio, seconds
from featdyn_core.data.sources import Dataset
from featdyn_core.measures.composites.composite import merged_state
from featdyn_core.measures.composites.grid import CompositeGrid, composite_grid
from featdyn_core.measures.composites.statistics import reestimate
from featdyn_core.networks.blocks import BlockNetwork
from featdyn_core.networks.zoo import build_model
from featdyn_core.numerics import exact_arithmetic
from featdyn_core.trajectories.recipe import Recipe
from featdyn_core.trajectories.specs import DataSpec, NetworkSpec, OptimizerSpec, TrainingSpec
from featdyn_core.trajectories.trajectory import State, Trajectory

BATCH = 128
DRIFT = 0.1
"""Distance of a checkpoint's weights from the common network's, in standard deviations of each tensor."""

NEAR_TIE = 3e-5
"""Difference between two logits; folding changed none by more than 2.9e-6, at a standard deviation of 0.34 to 0.39."""

MOST_TIES = 0.01
"""Share of predictions that may be near ties, about which the gate says nothing."""

RESNET20 = NetworkSpec("resnet20")

LEAST_CLASSES = 5
"""Number of different predictions that the gate requires in each cell, so that a constant cannot pass it."""

TIMED = ((2, 64, 3), (4, 64, 3), (4, 64, 1), (8, 64, 3), (4, 32, 3), (4, 128, 3), (4, 64, 2), (4, 64, 10))
"""T, N and number of cuts of the scaling table; the quick table has only the first three."""

NOT_TIMED = ((100, 10_000, 3), (1_000, 500, 3), (1_000, 10_000, 3), (1_000, 10_000, 10))
"""Sizes whose memory is computed only: the first two would take hours, and the last two 28 and 93 GiB."""


class Sample(NamedTuple):
    """Cells of a grid that the baseline is run on.

    Attributes:
        cuts: cuts of the grid.
        index: (cells, 3) positions of cut, shallow and deep epoch, spread over the grid.
        share: cells of the sample over those of the grid.
    """

    cuts: tuple[str, ...]
    index: npt.NDArray[np.int64]
    share: float

    def of(self, grid: CompositeGrid) -> npt.NDArray[np.uint8]:
        """Predictions (cells, N) in a grid."""
        return grid.predictions[tuple(self.index.T)]


def planted(epochs: int, images: int, network: NetworkSpec = RESNET20) -> Trajectory:
    """A trajectory of a network on images of random smooth patterns, its checkpoints scattered around one state."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.randint(0, 256, (images, 3, 4, 4), generator=generator).float()
    pixels = F.interpolate(coarse, size=32, mode="bilinear").to(torch.uint8)
    labels = torch.randint(0, 10, (images,), generator=generator)
    scale = (0.5,) * 3
    dataset = Dataset("random", pixels, labels, pixels, labels, 10, scale, scale, "random", (images, images))
    recipe = Recipe(
        "random",
        DataSpec("cifar10"),
        network,
        OptimizerSpec("sgd", 0.1),
        TrainingSpec(max(epochs - 1, 1), BATCH, tuple(range(epochs))),
    )
    states = [scattered(network, pixels[:64], generator) for _ in range(epochs)]
    return Trajectory(recipe, 0, "", tuple(range(epochs)), dataset, states.__getitem__)


@torch.no_grad()
def scattered(spec: NetworkSpec, images: Tensor, generator: torch.Generator) -> State:
    """State of a network near a fixed one, with statistics of the images and all classes equally likely."""
    network = build_model(spec.name, **spec.options, generator=torch.Generator().manual_seed(0)).eval()
    for parameter in network.parameters():
        if parameter.ndim > 1:
            parameter += DRIFT * parameter.std() * torch.randn(parameter.shape, generator=generator)
    reestimate(network, images, list(network.blocks), len(images))
    network.head.linear.bias -= network(images).mean(0)
    return network.state_dict()


def every(step: int, cuts: tuple[str, ...], epochs: int) -> Sample:
    """Take evenly spaced cells of a grid of all epochs."""
    index = np.array(list(np.ndindex(len(cuts), epochs, epochs))[::step])
    return Sample(cuts, index, len(index) / (len(cuts) * epochs**2))


class Loop:
    """The baseline: composites one at a time, on one prebuilt network and resident images.

    Args:
        trajectory: source of the checkpoints; its device computes.
        sample: the cells to evaluate.
        batch: number of images in a batch.
        memory: memory order of the weights.
    """

    def __init__(self, trajectory: Trajectory, sample: Sample, batch: int, memory: torch.memory_format) -> None:
        self.trajectory, self.sample, self.batch = trajectory, sample, batch
        self.network = trajectory.network(0).to(trajectory.device, memory_format=memory)
        self.images = trajectory.dataset.test_images.to(trajectory.device)

    @torch.no_grad()
    def __call__(self) -> Tensor:
        """Logits (cells, N, classes)."""
        found = []
        state = self.trajectory.state
        with exact_arithmetic():
            for cut, s, t in self.sample.index.tolist():
                self.network.load_state_dict(merged_state(self.network, state(s), state(t), self.sample.cuts[cut]))
                found.append(torch.cat([self.network(part) for part in self.images.split(self.batch)]))
        return torch.stack(found).cpu()


def engine(
    trajectory: Trajectory, cuts: tuple[str, ...], epochs: int, images: int, precision: str = "fp32"
) -> CompositeGrid:
    """Return the library's grid, for the first epochs and images."""
    found, chosen = trajectory.dataset.test_images[:images], range(epochs)
    return composite_grid(trajectory, found, cuts=cuts, shallow_epochs=chosen, deep_epochs=chosen, precision=precision)


def gate(name: str, logits: Tensor, found: npt.NDArray[np.uint8]) -> str:
    """Compare the baseline's logits (cells, N, classes) with predictions (cells, N), and say how near they are.

    Raises:
        ResultsDifferError: a prediction differs and is not a near tie, or the predictions are too alike to compare.
    """
    classes = min((len(np.unique(cell)) for cell in found), default=0)
    if classes < LEAST_CLASSES:
        raise ResultsDifferError(f"{name}: a cell predicts {classes} classes, fewer than {LEAST_CLASSES}: no evidence")
    largest = logits.topk(2, dim=-1)
    ties = (largest.values[..., 0] - largest.values[..., 1]).numpy() < NEAR_TIE
    if ties.mean() > MOST_TIES:
        raise ResultsDifferError(f"{name}: {ties.mean():.1%} of the predictions are near ties: no evidence")
    differing = largest.indices[..., 0].numpy() != found
    wrong = int((differing & ~ties).sum())
    if wrong:
        raise ResultsDifferError(f"{name}: {wrong} of {found.size} predictions differ that are no near ties")
    return f"gate: {int(differing.sum())} of {found.size} predictions differ, {int(ties.sum())} are near ties"


def compare(name: str, memory: torch.memory_format, batch: int, *, images: int, quick: bool, to_reach: float) -> Row:
    """Pass the gate, then time pairs."""
    epochs, step, pairs = (4, 5, 2) if quick else (10, 19, 5)
    trajectory = planted(epochs, images)
    sample = every(step, tuple(trajectory.network(0).depths), epochs)
    baseline = Loop(trajectory, sample, batch, memory)
    candidate = partial(engine, trajectory, sample.cuts, epochs, images)
    return paired_ratio(
        name,
        f"ResNet-20, T = {epochs}, 3 cuts, N = {images}, fp32, CPU",
        baseline,
        candidate,
        pairs=pairs,
        share=sample.share,
        to_reach=to_reach,
        note=gate(name, baseline(), sample.of(candidate())),
    )


def run(quick: bool) -> list[Row]:
    """Compare at three cuts."""
    loop, alone = "grid against batch-128 loop", "grid, algorithm alone"
    return [
        compare(loop, torch.contiguous_format, BATCH, images=BATCH, quick=quick, to_reach=4.0),
        compare(alone, torch.channels_last, 32, images=64, quick=quick, to_reach=2.5),
        *on_gpu((4, 2_000, 5) if quick else (10, 10_000, 19)),
    ]


def on_gpu(size: tuple[int, int, int], network: NetworkSpec = RESNET20) -> list[Row]:
    """Compare on a GPU, the library in fp16; the gate is passed in fp32.

    Args:
        size: number of epochs and of images, and every which cell the baseline is run on.
        network: the network; those of the table are ResNet-20.
    """
    epochs, images, step = size
    setting = f"ResNet-20, T = {epochs}, 3 cuts, N = {images:,}, GPU, fp16 against fp32"
    loops = {"grid against batch-128 loop": (BATCH, 30.0), "grid against batch-2000 loop": (2000, 8.0)}
    if not torch.cuda.is_available():
        return [Row(name, setting, to_reach=goal, skipped="no GPU") for name, (_, goal) in loops.items()]
    trajectory = dataclasses.replace(planted(epochs, images, network), device="cuda")
    sample = every(step, tuple(trajectory.network(0).depths), epochs)
    exact = sample.of(engine(trajectory, sample.cuts, epochs, images))
    candidate = partial(engine, trajectory, sample.cuts, epochs, images, "fp16")
    flips = f"flip rate in fp16 {candidate().flip_rate:.2%}"
    rows = []
    for name, (batch, goal) in loops.items():
        baseline = Loop(trajectory, sample, batch, torch.contiguous_format)
        note = f"{gate(name, baseline(), exact)}; {flips}"
        rows.append(
            paired_ratio(name, setting, baseline, candidate, pairs=3, share=sample.share, to_reach=goal, note=note)
        )
    return rows


def scaling(quick: bool) -> Scaling:
    """Memory and seconds of the engine over the numbers of epochs, of images and of cuts (the first ones; ten are all).

    The total is what grows with them: networks, images and the grid. The features of a chunk of images come on top.
    """
    timed = TIMED[:3] if quick else TIMED
    trajectory = planted(*np.max(timed, axis=0)[:2].tolist())
    network = trajectory.network(0)
    rows: list[tuple[float | int | str, ...]] = []
    for epochs, images, count in timed + NOT_TIMED:
        predictions, total = (size / 2**20 for size in memory(network, epochs, images, count))
        cost: tuple[float | str, float | str] = (NOT_RUN, NOT_RUN)
        if (epochs, images, count) in timed:
            cuts = (network.depths if count <= 3 else network.cuts)[:count]
            spent = seconds(partial(engine, trajectory, cuts, epochs, images))
            cost = (spent, 1e6 * spent / (epochs**2 * images * count))
        rows.append((epochs, images, count, predictions, total, *cost))
    columns = ("T", "N", "cuts", "predictions MiB", "total MiB", "seconds", "µs per composite and image")
    return Scaling("composite grid, MiB by formula, one timing each", columns, tuple(rows))


def memory(network: BlockNetwork, epochs: int, images: int, cuts: int) -> tuple[int, int]:
    """Bytes of a grid's predictions, and of all that grows with T, N or cuts (see ``composite_grid``), in fp32."""
    predictions, reference, losses = cuts * epochs**2 * images, epochs * images, 8 * cuts * epochs**2
    weights = sum(value.nbytes for value in network.state_dict().values())
    pixels = images * 3 * 32 * 32
    return predictions, (epochs + 2) * weights + pixels + predictions + reference + losses
