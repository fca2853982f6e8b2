"""Training ResNet-20 on the CPU: the library's loop against the usual one.

The baseline is the usual loop: fp32, contiguous memory, torchvision's random crop, flip and normalisation on each
image in a DataLoader, eager SGD. It may use worker processes; the number that was fastest here (0, 2 or 4) is in
the row. The candidate is one epoch of the library's training of the same images: resident uint8 images, crop and
flip as one gather, channels-last, bf16 autocast with fp32 weights, normalisation statistics and loss.

Gate: in fp32 and without augmentation both loops give the same loss at every step, within 1e-3 relative, from the same
initial network and order. With bf16 the two are different arithmetic by design.
"""

import dataclasses
from functools import partial

import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset
from torch.utils.data import Dataset as TorchDataset

from benchmarks.ratio import ResultsDifferError, Row, paired_ratio, seconds
from featdyn_core.data.sources import Dataset
from featdyn_core.models import BlockNetwork
from featdyn_core.recipe import Recipe, load_recipe
from featdyn_core.seeds import torch_generator
from featdyn_core.training import ResumePoint, train
from featdyn_core.trajectory import EpochRecord, State, new_network

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Discard:
    """A sink that keeps nothing but the log."""

    def resume_point(self) -> ResumePoint | None:
        """Nothing to resume."""

    def checkpoint(self, epoch: int, state: State) -> None:
        """Forget the checkpoint."""

    def save_resume_point(self, point: ResumePoint) -> None:
        """Forget the resume point."""

    def progress(self, record: EpochRecord) -> None:
        """Say nothing."""


class Augmented(TorchDataset):
    """The usual data set: one image at a time, through torchvision's transforms."""

    def __init__(self, dataset: Dataset) -> None:
        from torchvision.transforms import v2

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


def recipe(precision: str, augmentation: str) -> Recipe:
    """One epoch of the reduced CIFAR-10 recipe."""
    plain = load_recipe("cifar10-reduced")
    return plain.replace(
        data=dataclasses.replace(plain.data, subset=None, augmentation=augmentation),
        training=dataclasses.replace(plain.training, epochs=1, checkpoints=(1,), precision=precision),
    )


def engine(dataset: Dataset, chosen: Recipe) -> float:
    """Train one epoch with the library; return its mean loss."""
    return train(chosen, 0, dataset, Discard())[-1].train_loss


def usual(network: BlockNetwork, loader: DataLoader) -> float:
    """Train one epoch with the usual loop on standardised images; return its mean loss."""
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
    network.train()
    total = 0.0
    for images, labels in loader:
        loss = F.cross_entropy(network(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item()
    return total / len(loader)


def fresh(dataset: Dataset, *, standardised: bool) -> BlockNetwork:
    """Build the initial network that the library builds; standardised images need no standardising block."""
    network = new_network(recipe("fp32", "none"), dataset, torch_generator(0, "init"))
    if standardised:
        network.standardize = torch.nn.Identity()
    return network


def gate(dataset: Dataset) -> None:
    """Compare the two loops in fp32, without augmentation, in the same order."""
    order = torch.randperm(len(dataset.train_labels), generator=torch_generator(0, "order", 0))
    batches = TensorDataset(dataset.train_images[order], dataset.train_labels[order])
    plain = usual(fresh(dataset, standardised=False), DataLoader(batches, batch_size=128))
    ours = engine(dataset, recipe("fp32", "none"))
    if abs(plain - ours) > 1e-3 * plain:
        raise ResultsDifferError(f"mean losses differ: {plain} and {ours}")


def run(quick: bool) -> list[Row]:
    """Compare one epoch, after the gate; the baseline has the fastest number of workers."""
    gate(random_images(512))
    dataset = random_images(512 if quick else 2048)
    network = fresh(dataset, standardised=True)

    def baseline(workers: int) -> float:
        loader = DataLoader(Augmented(dataset), batch_size=128, shuffle=True, num_workers=workers)
        return usual(network, loader)

    timed = {workers: seconds(partial(baseline, workers)) for workers in ((0,) if quick else (0, 2, 4))}
    workers = min(timed, key=timed.__getitem__)
    setting = f"ResNet-20, batch 128, {len(dataset.train_labels):,} images, CPU, {torch.get_num_threads()} threads"
    candidate = partial(engine, dataset, recipe("bf16", "crop-flip"))
    candidate()
    rows = [
        paired_ratio(
            "training, one epoch",
            setting,
            partial(baseline, workers),
            candidate,
            pairs=2 if quick else 5,
            to_reach=1.5,
            note=f"baseline with {workers} DataLoader workers; the candidate also builds its network and probes it",
        )
    ]
    skipped = "no GPU" if not torch.cuda.is_available() else "not written for this device yet"
    for name, goal in (("one trajectory, graphs", 8.0), ("one trajectory, compiled", 16.0), ("four at once", 20.0)):
        rows.append(Row(f"training, {name}", "ResNet-20, GPU", to_reach=goal, skipped=skipped))
    return rows
