"""Training ResNet-20: the library's loop against the usual one.

The baseline is the loop that most code has: a ``DataLoader`` with torchvision's RandomCrop and RandomHorizontalFlip
on single images, fp32, torch's SGD, the loss read at every step, with as many workers as turn out fastest (0, 2 or 4).
The candidate has the images on the device, one gather for crop and flip, bf16 autocast, channels-last weights and the
fused optimiser; on a GPU its steps are replayed as CUDA graphs, compiled ones in one row, on four streams in another.
The gate trains both in fp32 on the same batches without augmentation and demands the same mean loss.
"""

import time
from collections.abc import Sequence
from contextlib import nullcontext
from functools import cache, partial

import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset
from torch.utils.data import Dataset as TorchDataset
from torchvision.transforms import v2

from benchmarks.ratio import ResultsDifferError, Row, paired_ratio
from featdyn_core.data.sources import Dataset
from featdyn_core.devices import exact_arithmetic
from featdyn_core.models import BlockNetwork, build_model
from featdyn_core.optimizer import new_optimizer
from featdyn_core.recipe import OptimizerSpec
from featdyn_core.seeds import torch_generator
from featdyn_core.stepping import ResidentSet, Stepper, resolve_engine

MEAN, STD = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)
BATCH, RATE = 128, 0.1
SPEC = OptimizerSpec("sgd", RATE, momentum=0.9, weight_decay=1e-4)
CPU = torch.device("cpu")


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
    """Random images of CIFAR's size: what they show does not change what they cost."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (count, 3, 32, 32), dtype=torch.uint8, generator=generator)
    labels = torch.randint(0, 10, (count,), generator=generator)
    return Dataset("random", images, labels, images[:64], labels[:64], 10, MEAN, STD, "random", (count, 64))


def resnet20() -> BlockNetwork:
    """Return the initial network, the same each time."""
    return build_model("resnet20", mean=MEAN, std=STD, generator=torch_generator(0, "init"))


def library(dataset: Dataset, precision: str, *, augment: bool, device: torch.device, engine: str) -> Stepper:
    """Return the library's steps over a data set, as ``training.train`` makes them."""
    network = resnet20().to(device, memory_format=torch.channels_last)
    resident = ResidentSet(dataset.train_images, dataset.train_labels, augment=augment, seed=0, device=device)
    optimizer = new_optimizer(SPEC, network, device)
    return Stepper(network, optimizer, resident, batch_size=BATCH, precision=precision, engine=engine)


def epoch_of(steppers: Sequence[Stepper]) -> list[float]:
    """Train one epoch of each, on a stream of its own where there are such; return their mean losses."""
    device = steppers[0].device
    on_gpu = device.type == "cuda"
    tallies = []
    contexts = [torch.cuda.stream(item) for item in streams(len(steppers))] if on_gpu else [nullcontext()]
    for stepper, context in zip(steppers, contexts, strict=True):
        with context, exact_arithmetic():
            tallies.append(stepper.run_epoch(0, RATE))
    if on_gpu:
        torch.cuda.synchronize(device)
    return [tally.losses.mean().item() for tally in tallies]


@cache
def streams(count: int) -> list[torch.cuda.Stream]:
    """Return so many streams, the same each time, because memory is kept by stream."""
    torch.cuda.synchronize()  # what was made on another stream is there
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


@exact_arithmetic()
def gate(dataset: Dataset, device: torch.device, engine: str) -> None:
    """Compare the two loops in fp32, without augmentation, in the same order."""
    order = torch.randperm(len(dataset.train_labels), generator=torch_generator(0, "order", 0))
    batches = TensorDataset(dataset.train_images[order], dataset.train_labels[order])
    plain = usual(resnet20().to(device), DataLoader(batches, batch_size=BATCH), device)
    (ours,) = epoch_of([library(dataset, "fp32", augment=False, device=device, engine=engine)])
    if abs(plain - ours) > 1e-3 * plain:
        raise ResultsDifferError(f"mean losses on {device} with engine {engine} differ: {plain} and {ours}")


def baseline(dataset: Dataset, device: torch.device, choices: Sequence[int]) -> tuple[partial[float], int]:
    """Return the usual loop with the number of DataLoader workers that turns out fastest, and that number."""
    network = resnet20().to(device)
    network.standardize = torch.nn.Identity()  # the loader standardises

    def loop(workers: int) -> partial[float]:
        options = {"num_workers": workers, "persistent_workers": workers > 0, "pin_memory": device.type == "cuda"}
        loader = DataLoader(Augmented(dataset), batch_size=BATCH, shuffle=True, **options)
        return partial(usual, network, loader, device)

    timed = {}
    for workers in choices:
        start = time.perf_counter()
        loop(workers)()
        timed[workers] = time.perf_counter() - start
    best = min(timed, key=timed.__getitem__)
    return loop(best), best


def run(quick: bool) -> list[Row]:
    """Compare one epoch, after the gate, on the CPU and on a GPU where there is one."""
    gate(random_images(512), CPU, "eager")
    dataset = random_images(512 if quick else 2048)
    plain, workers = baseline(dataset, CPU, (0,) if quick else (0, 2, 4))
    stepper = library(dataset, "bf16", augment=True, device=CPU, engine="eager")
    epoch_of([stepper])
    row = paired_ratio(
        "training, one epoch",
        f"ResNet-20, batch {BATCH}, {len(dataset.train_labels):,} images, CPU, {torch.get_num_threads()} threads",
        plain,
        partial(epoch_of, [stepper]),
        pairs=2 if quick else 5,
        to_reach=1.5,
        note=f"baseline with {workers} DataLoader workers",
    )
    return [row, *on_gpu(quick)]


def on_gpu(quick: bool) -> list[Row]:
    """Compare one epoch on a GPU; for four trajectories at once, their four epochs with four of the baseline."""
    name, setting = "training, one epoch", "ResNet-20, batch 128, 50,000 images, GPU, bf16 against fp32"
    cases = (("eager", 1, None), ("graphs", 1, 8.0), ("compiled", 1, 16.0), ("compiled", 4, 20.0))
    if not torch.cuda.is_available():
        skipped = [(f"{name}, {count} × {engine}", goal) for engine, count, goal in cases]
        return [Row(title, setting, to_reach=goal, skipped="no GPU") for title, goal in skipped]
    device = torch.device("cuda")
    dataset = random_images(5_000 if quick else 50_000)
    plain, workers = baseline(dataset, device, (4,) if quick else (4, 8))
    rows = []
    for engine, count, goal in cases:
        gate(random_images(512), device, resolve_engine(engine, device))
        steppers = [library(dataset, "bf16", augment=True, device=device, engine=engine) for _ in range(count)]
        start = time.perf_counter()
        epoch_of(steppers)  # captures and compiles
        first = time.perf_counter() - start
        row = paired_ratio(
            f"{name}, {count} × {engine}",
            setting,
            plain,
            partial(epoch_of, steppers),
            pairs=2 if quick else 3,
            share=1 / count,
            to_reach=goal,
            note=f"baseline with {workers} DataLoader workers; first epoch with capture and compiling {first:.1f} s",
        )
        rows.append(row)
    return rows
