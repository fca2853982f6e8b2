"""Training ResNet-20: the library's loop against the usual one.

The baseline is the loop that most code has: a ``DataLoader`` with torchvision's RandomCrop and RandomHorizontalFlip
on single images, fp32, torch's SGD, the loss read at every step, with as many workers as turn out fastest (0, 2 or 4).
The candidate has the images on the device, one gather for crop and flip, bf16 autocast, channels-last weights and the
fused optimiser; on a GPU its steps are replayed as CUDA graphs, compiled ones in one row, on four streams in another.
On a CPU another row compares compiled steps with the library's own eager ones, because that is the choice there. If
steps are captured or compiled, the note reports the time of the first epoch, and the number of epochs from which it
pays. Compiled code of an earlier run on the disk is not used.

The gate trains both in float64 on the same few batches without augmentation. It requires the same mean loss and the
same weights, because in float32 the rounding of one convolution grows within three steps to more than weight decay
does.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch._inductor.utils import fresh_cache
from torch.utils.data import DataLoader, TensorDataset
from torch.utils.data import Dataset as TorchDataset
from torchvision.transforms import v2

from benchmarks.peak_memory import RECIPE
from benchmarks.ratio import NOT_RUN, ResultsDifferError, Row, Scaling, paired_ratio, seconds, with_first_call
from featdyn_core.data.sources import Dataset
from featdyn_core.networks.blocks import BlockNetwork
from featdyn_core.networks.zoo import build_model
from featdyn_core.numerics import exact_arithmetic
from featdyn_core.seeds import torch_generator
from featdyn_core.training.optimizer import new_optimizer
from featdyn_core.training.steps import ResidentSet, Stepper, resolve_engine
from featdyn_core.trajectories.specs import OptimizerSpec

MEAN, STD = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)
BATCH, RATE = 128, 0.1
SPEC = OptimizerSpec("sgd", RATE, momentum=0.9, weight_decay=1e-4)
CPU = torch.device("cpu")

CASES = (("eager", 1, None), ("graphs", 1, 8.0), ("compiled", 1, 16.0), ("compiled", 4, 20.0))
"""Engine, number of trainings at once and ratio to reach of each row on a GPU."""

GATE_IMAGES, GATE_BATCH = 80, 32  # three steps, the last of them short
DEVIATION = 1e-6
"""Largest relative deviation of mean loss and weights; 3e-8 was measured, and 2e-5 if weight decay is 1 % off."""

LEAST_WAY = 1e-3
"""Smallest movement of the weights relative to their norm, so that an unchanged network cannot pass the gate."""

AIM_MIB = 2048
"""Target for the peak memory of one training at the reduced scale."""


class Augmented(TorchDataset[tuple[torch.Tensor, torch.Tensor]]):
    """Single images, cropped, flipped and standardised as torchvision does it."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset
        self.transform = v2.Compose(
            [
                v2.RandomCrop(32, padding=4),
                v2.RandomHorizontalFlip(),
                v2.ToDtype(torch.float32, scale=True),
                v2.Normalize(MEAN, STD),
            ]
        )

    def __len__(self) -> int:
        return len(self.dataset.train_labels)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        return self.transform(self.dataset.train_images[index]), self.dataset.train_labels[index]


def random_images(count: int) -> Dataset:
    """Random images of CIFAR's size; their content does not change the cost."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (count, 3, 32, 32), dtype=torch.uint8, generator=generator)
    labels = torch.randint(0, 10, (count,), generator=generator)
    return Dataset("random", images, labels, images[:64], labels[:64], 10, MEAN, STD, "random", (count, 64))


def resnet20() -> BlockNetwork:
    """Return the initial network, the same each time."""
    return build_model("resnet20", mean=MEAN, std=STD, generator=torch_generator(0, "init"))


def small() -> BlockNetwork:
    """Return a small initial network, the same each time, for the gate of steps that take long to compile."""
    return build_model("resnet8", width=4, mean=MEAN, std=STD, generator=torch_generator(0, "init"))


def library(
    network: BlockNetwork,
    dataset: Dataset,
    precision: str,
    *,
    augment: bool,
    device: torch.device,
    engine: str,
    batch_size: int = BATCH,
) -> Stepper:
    """Return the library's steps over a data set, as ``training.train`` makes them."""
    network = network.to(device, memory_format=torch.channels_last)
    resident = ResidentSet(dataset.train_images, dataset.train_labels, augment=augment, seed=0, device=device)
    optimizer = new_optimizer(SPEC, network, device)
    return Stepper(network, optimizer, resident, batch_size=batch_size, precision=precision, engine=engine)


def epoch_of(steppers: Sequence[Stepper]) -> list[float]:
    """Train one epoch of each, on separate streams where the device has them; return their mean losses."""
    device = steppers[0].device
    on_gpu = device.type == "cuda"
    tallies = []
    if on_gpu:
        torch.cuda.synchronize(device)  # wait for tensors made on another stream
    contexts = [torch.cuda.stream(item) for item in streams(len(steppers))] if on_gpu else [nullcontext()]
    for stepper, context in zip(steppers, contexts, strict=True):
        with context, exact_arithmetic():
            tallies.append(stepper.run_epoch(0, RATE))
    if on_gpu:
        torch.cuda.synchronize(device)
    return [tally.losses.mean().item() for tally in tallies]


@cache
def streams(count: int) -> list[torch.cuda.Stream]:
    """Return ``count`` streams, the same each time, because memory is cached per stream."""
    return [torch.cuda.Stream() for _ in range(count)]


def usual(network: BlockNetwork, loader: DataLoader, device: torch.device) -> float:
    """Train one epoch with the usual loop; return its mean loss."""
    optimizer = torch.optim.SGD(network.parameters(), lr=RATE, momentum=0.9, weight_decay=1e-4)
    network.train()
    total = 0.0
    for images, labels in loader:
        loss = F.cross_entropy(network(images.to(device)), labels.to(device))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item()
    return total / len(loader)


class Trained(NamedTuple):
    """The result of a training: its mean loss, in nats, and its weights (P,) on the CPU."""

    loss: float
    weights: Tensor


def weights(network: BlockNetwork) -> Tensor:
    """All parameters (P,) of a network, on the CPU."""
    return torch.cat([parameter.detach().flatten() for parameter in network.parameters()]).cpu()


@exact_arithmetic()
def gate(device: torch.device, engine: str, build: Callable[[], BlockNetwork] = resnet20) -> None:
    """Compare the two loops in float64, without augmentation, in the same order."""
    dataset = random_images(GATE_IMAGES)
    order = torch.randperm(GATE_IMAGES, generator=torch_generator(0, "order", 0))
    batches = TensorDataset(dataset.train_images[order], dataset.train_labels[order])
    start, plain, ours = (build().double() for _ in range(3))
    loss = usual(plain.to(device), DataLoader(batches, batch_size=GATE_BATCH), device)
    options = {"augment": False, "device": device, "engine": engine, "batch_size": GATE_BATCH}
    (found,) = epoch_of([library(ours, dataset, "fp32", **options)])
    sides = (Trained(loss, weights(plain)), Trained(found, weights(ours)))
    require_equal(f"trainings on {device} with engine {engine}", weights(start), *sides)


def require_equal(name: str, start: Tensor, expected: Trained, found: Trained) -> None:
    """Raise unless two trainings from the same weights (P,) have equal mean losses and final weights.

    Weights are compared by their distance, relative to the distance that they moved.
    """
    way = float((expected.weights - start).norm())
    if not way >= LEAST_WAY * float(start.norm()):
        raise ResultsDifferError(f"{name}: the weights moved by {way / start.norm():.2g} of their norm: no evidence")
    apart = float((expected.weights - found.weights).norm()) / way
    if not abs(expected.loss - found.loss) <= DEVIATION * expected.loss or not apart <= DEVIATION:
        raise ResultsDifferError(
            f"{name}: mean losses {expected.loss} and {found.loss}, weights apart by {apart:.2g} of their way"
        )


def baseline(
    dataset: Dataset, device: torch.device, choices: Sequence[int], build: Callable[[], BlockNetwork] = resnet20
) -> tuple[partial[float], int]:
    """Return the usual loop with the number of DataLoader workers that turns out fastest, and that number."""
    network = build().to(device)
    network.standardize = torch.nn.Identity()  # the loader standardises

    def loop(workers: int) -> partial[float]:
        options = {"num_workers": workers, "persistent_workers": workers > 0, "pin_memory": device.type == "cuda"}
        loader = DataLoader(Augmented(dataset), batch_size=BATCH, shuffle=True, **options)
        return partial(usual, network, loader, device)

    timed = {workers: seconds(loop(workers)) for workers in choices}
    best = min(timed, key=timed.__getitem__)
    return loop(best), best


def run(quick: bool) -> list[Row]:
    """Compare one epoch, after the gate, on the CPU and on a GPU where there is one."""
    gate(CPU, "eager")
    dataset = random_images(512 if quick else 2048)
    plain, workers = baseline(dataset, CPU, (0,) if quick else (0, 2, 4))
    stepper = library(resnet20(), dataset, "bf16", augment=True, device=CPU, engine="eager")
    eager = partial(epoch_of, [stepper])
    eager()
    row = paired_ratio(
        "training, one epoch",
        cpu_setting(dataset),
        plain,
        eager,
        pairs=2 if quick else 5,
        to_reach=1.5,
        note=f"baseline with {workers} DataLoader workers",
    )
    there = on_gpu(5_000, (4,), pairs=2) if quick else on_gpu(50_000, (4, 8), pairs=3)
    return [row, compiled_on_cpu(dataset, eager, pairs=1 if quick else 3), *there]


def cpu_setting(dataset: Dataset) -> str:
    """Return the setting of an epoch on the CPU."""
    images, threads = len(dataset.train_labels), torch.get_num_threads()
    return f"ResNet-20, batch {BATCH}, {images:,} images, CPU, {threads} threads"


@contextmanager
def compiled_anew() -> Iterator[None]:
    """Remove compiled code, in memory and on the disk, so that the first epoch has the whole cost of compiling."""
    torch.compiler.reset()
    with fresh_cache():
        yield


def compiled_on_cpu(dataset: Dataset, eager: Callable[[], object], pairs: int) -> Row:
    """Compare an epoch of compiled steps with one of eager steps, both the library's."""
    name, setting = "training, compiled steps against eager ones", f"{cpu_setting(dataset)}, bf16"
    if not shutil.which(os.environ.get("CXX", "g++")):
        return Row(name, setting, skipped="no C++ compiler")
    gate(CPU, "compiled", small)
    stepper = library(resnet20(), dataset, "bf16", augment=True, device=CPU, engine="compiled")
    candidate = partial(epoch_of, [stepper])
    with compiled_anew():
        first = seconds(candidate)
        row = paired_ratio(name, setting, eager, candidate, pairs=pairs)
    return with_first_call(row, first, "epoch")


def on_gpu(
    images: int,
    choices: Sequence[int],
    *,
    pairs: int,
    cases: Sequence[tuple[str, int, float | None]] = CASES,
    build: Callable[[], BlockNetwork] = resnet20,
) -> list[Row]:
    """Compare one epoch on a GPU; for four trajectories at once, their four epochs with four of the baseline.

    Args:
        images: number of images in an epoch.
        choices: numbers of DataLoader workers of the baseline, of which the fastest is taken.
        pairs: number of timed pairs.
        cases: engine, number of trainings at once and the ratio aimed at.
        build: makes the network; that of the table is ResNet-20.
    """
    name, setting = "training, one epoch", f"ResNet-20, batch {BATCH}, {images:,} images, GPU, bf16 against fp32"
    if not torch.cuda.is_available():
        skipped = [(f"{name}, {count} × {engine}", goal) for engine, count, goal in cases]
        return [Row(title, setting, to_reach=goal, skipped="no GPU") for title, goal in skipped]
    device = torch.device("cuda")
    dataset = random_images(images)
    plain, workers = baseline(dataset, device, choices, build)
    rows = []
    for engine, count, goal in cases:
        gate(device, resolve_engine(engine, device), build)
        options = {"augment": True, "device": device, "engine": engine}
        candidate = partial(epoch_of, [library(build(), dataset, "bf16", **options) for _ in range(count)])
        with compiled_anew():
            first = seconds(candidate)
            row = paired_ratio(
                f"{name}, {count} × {engine}",
                setting,
                plain,
                candidate,
                pairs=pairs,
                share=1 / count,
                to_reach=goal,
                note=f"baseline with {workers} DataLoader workers",
            )
        rows.append(with_first_call(row, first, "epoch"))
    return rows


def scaling(quick: bool) -> Scaling:
    """Return the peak memory of a training at the reduced scale, of one epoch in a process of its own.

    The one epoch has all of the training's images, its augmentation, two checkpoints and, if it lasts long enough for
    one, a resume point; what 60 epochs might add to that is not seen.
    """
    command = [sys.executable, "-m", "benchmarks.peak_memory", *(["--quick"] if quick else [])]
    done = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed: {done.stderr.strip()}")
    row = json.loads(done.stdout)
    peak = NOT_RUN if row["peak MiB"] is None else row["peak MiB"]
    columns = ("recipe", "data", "training images", "peak MiB", "aim MiB")
    return Scaling(
        "Peak resident memory of training one epoch", columns, ((RECIPE, row["data"], row["images"], peak, AIM_MIB),)
    )
