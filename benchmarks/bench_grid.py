"""The composite grid of ResNet-20: shared shallow parts and streamed chunks against one composite at a time.

The baseline has one prebuilt network and resident images; for each cell it loads the merged state dict, then
computes the logits in batches of 128 without gradients. Each of its cells costs the same, so it is run on a sample of
them, spread over cuts and epochs, and scaled. "Algorithm alone" gives the baseline the same memory format and the
same chunks, so that only the sharing of shallow parts, the one product at the last cut and the folded normalisation
remain. All sides compute in fp32.

The gate demands the same class for every image in every cell of the sample, except where the baseline's own two
largest logits are nearer than a rounding error of folding; how often that happened stands in the note. The planted
networks differ enough for composites of other epochs or another cut to fail it.
"""

import dataclasses
from functools import partial

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.ratio import ResultsDifferError, Row, Scaling, paired_ratio, seconds
from featdyn_core.composite import merged_state, recalibrate
from featdyn_core.data.sources import Dataset
from featdyn_core.devices import exact_arithmetic
from featdyn_core.grid import CompositeGrid, composite_grid
from featdyn_core.models import build_model
from featdyn_core.recipe import DataSpec, NetworkSpec, OptimizerSpec, Recipe, TrainingSpec
from featdyn_core.trajectory import State, Trajectory

BATCH = 128
DRIFT = 0.1
"""Distance of a checkpoint's weights from the common network's, in standard deviations of each tensor."""

NEAR_TIE = 3e-5
"""Between two logits; folding changed none by more than 2.9e-6, at a standard deviation of 0.34 to 0.39."""

LEAST_CLASSES = 5
"""Different predictions that the gate must see, so that it is none that a constant would pass."""

Cell = tuple[str, int, int]


def planted(epochs: int, images: int) -> Trajectory:
    """A trajectory of ResNet-20 on images of random smooth patterns, its checkpoints scattered around one network."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.randint(0, 256, (images, 3, 4, 4), generator=generator).float()
    pixels = F.interpolate(coarse, size=32, mode="bilinear").to(torch.uint8)
    labels = torch.randint(0, 10, (images,), generator=generator)
    scale = (0.5,) * 3
    dataset = Dataset("random", pixels, labels, pixels, labels, 10, scale, scale, "random", (images, images))
    recipe = Recipe(
        "random",
        DataSpec("cifar10"),
        NetworkSpec("resnet20"),
        OptimizerSpec("sgd", 0.1),
        TrainingSpec(max(epochs - 1, 1), BATCH, tuple(range(epochs))),
    )
    states = [scattered(pixels[:64], generator) for _ in range(epochs)]
    return Trajectory(recipe, 0, "", tuple(range(epochs)), dataset, states.__getitem__)


@torch.no_grad()
def scattered(images: Tensor, generator: torch.Generator) -> State:
    """State of a ResNet-20 near a fixed one, with statistics of the images and all classes equally likely."""
    network = build_model("resnet20", generator=torch.Generator().manual_seed(0)).eval()
    for parameter in network.parameters():
        if parameter.ndim > 1:
            parameter += DRIFT * parameter.std() * torch.randn(parameter.shape, generator=generator)
    recalibrate(network, images, list(network.blocks), len(images))
    network.head.linear.bias -= network(images).mean(0)
    return network.state_dict()


@torch.no_grad()
def cell_by_cell(trajectory: Trajectory, cells: list[Cell], batch: int, memory: torch.memory_format) -> Tensor:
    """Logits (cells, N, classes) of composites, one at a time, on the trajectory's device."""
    network = trajectory.network(0).to(trajectory.device, memory_format=memory)
    images = trajectory.dataset.test_images.to(trajectory.device)
    found = []
    with exact_arithmetic():
        for cut, s, t in cells:
            network.load_state_dict(merged_state(network, trajectory.state(s), trajectory.state(t), cut))
            found.append(torch.cat([network(part) for part in images.split(batch)]))
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
        ResultsDifferError: a prediction differs that is no near tie, or there is too little to tell apart.
    """
    if len(np.unique(found)) < LEAST_CLASSES:
        raise ResultsDifferError(f"{name}: fewer than {LEAST_CLASSES} classes are predicted, which shows nothing")
    largest = logits.topk(2, dim=-1)
    differing = largest.indices[..., 0].numpy() != found
    ties = (largest.values[..., 0] - largest.values[..., 1]).numpy() < NEAR_TIE
    wrong = int((differing & ~ties).sum())
    if wrong:
        raise ResultsDifferError(f"{name}: {wrong} of {found.size} predictions differ that are no near ties")
    return f"gate: {int(differing.sum())} of {found.size} predictions differ, {int(ties.sum())} are near ties"


def compare(name: str, memory: torch.memory_format, batch: int, *, images: int, quick: bool, to_reach: float) -> Row:
    """Pass the gate, then time pairs."""
    epochs, step, pairs = (4, 5, 2) if quick else (10, 19, 5)
    trajectory = planted(epochs, images)
    cuts = trajectory.network(0).depths
    index = list(np.ndindex(len(cuts), epochs, epochs))[::step]
    cells = [(cuts[number], s, t) for number, s, t in index]
    baseline = partial(cell_by_cell, trajectory, cells, batch, memory)
    candidate = partial(engine, trajectory, cuts, epochs, images)
    return paired_ratio(
        name,
        f"ResNet-20, T = {epochs}, 3 cuts, N = {images}, fp32, CPU",
        baseline,
        candidate,
        pairs=pairs,
        share=len(cells) / (len(cuts) * epochs**2),
        to_reach=to_reach,
        note=gate(name, baseline(), candidate().predictions[tuple(np.transpose(index))]),
    )


def run(quick: bool) -> list[Row]:
    """Compare at three cuts."""
    loop, alone = "grid against batch-128 loop", "grid, algorithm alone"
    return [
        compare(loop, torch.contiguous_format, BATCH, images=BATCH, quick=quick, to_reach=4.0),
        compare(alone, torch.channels_last, 32, images=64, quick=quick, to_reach=2.5),
        *on_gpu(quick),
    ]


def on_gpu(quick: bool) -> list[Row]:
    """Compare on a GPU, the library in fp16; the gate is passed in fp32."""
    epochs, images, step = (4, 2_000, 5) if quick else (10, 10_000, 19)
    setting = f"ResNet-20, T = {epochs}, 3 cuts, N = {images:,}, GPU, fp16 against fp32"
    loops = {"grid against batch-128 loop": (BATCH, 30.0), "grid against batch-2000 loop": (2000, 8.0)}
    if not torch.cuda.is_available():
        return [Row(name, setting, to_reach=goal, skipped="no GPU") for name, (_, goal) in loops.items()]
    trajectory = dataclasses.replace(planted(epochs, images), device="cuda")
    cuts = trajectory.network(0).depths
    index = list(np.ndindex(len(cuts), epochs, epochs))[::step]
    cells = [(cuts[number], s, t) for number, s, t in index]
    rows = []
    for name, (batch, goal) in loops.items():
        baseline = partial(cell_by_cell, trajectory, cells, batch, torch.contiguous_format)
        exact = engine(trajectory, cuts, epochs, images).predictions[tuple(np.transpose(index))]
        note = gate(name, baseline(), exact)
        candidate = partial(engine, trajectory, cuts, epochs, images, "fp16")
        flips = f"flip rate in fp16 {candidate().flip_rate:.2%}"
        share = len(cells) / (len(cuts) * epochs**2)
        rows.append(
            paired_ratio(
                name, setting, baseline, candidate, pairs=3, share=share, to_reach=goal, note=f"{note}; {flips}"
            )
        )
    return rows


def scaling(quick: bool) -> Scaling:
    """Seconds of the engine over the number of epochs, of images and of cuts (the first ones; ten are all)."""
    sizes = [(2, 64, 3), (4, 64, 3), (4, 64, 1)]
    if not quick:
        sizes += [(8, 64, 3), (4, 32, 3), (4, 128, 3), (4, 64, 2), (4, 64, 10)]
    trajectory = planted(*np.max(sizes, axis=0)[:2].tolist())
    network = trajectory.network(0)
    rows = []
    for epochs, images, count in sizes:
        cuts = (network.depths if count <= 3 else network.cuts)[:count]
        spent = seconds(partial(engine, trajectory, cuts, epochs, images))
        rows.append((epochs, images, count, spent, 1e6 * spent / (epochs**2 * images * count)))
    return Scaling("composite grid", ("T", "N", "cuts", "seconds", "µs per composite and image"), tuple(rows))
