"""Trainings from elsewhere: a small network on a few digits, trained by another loop."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from featdyn_core.tests.tiny import tiny_digits
from featdyn_core.trajectories.adoption import Adoption

NETWORK = f"{__name__}:small"
EPOCHS = range(8)
CUTS = ("0", "2", "4")


def small(width: int = 6) -> nn.Sequential:
    """Return a network whose cuts lie behind three of its layers."""
    convolutions = nn.Conv2d(1, width, 3, padding=1), nn.MaxPool2d(2), nn.Conv2d(width, width, 3, padding=1), nn.ReLU()
    return nn.Sequential(*convolutions, nn.Flatten(), nn.Linear(16 * width, 12), nn.Linear(12, 10))


def trained(seed: int) -> dict[int, dict[str, Tensor]]:
    """Return the state dicts of one training, by epoch."""
    data, found = tiny_digits(), {}
    images, labels = data.train_images / 255, data.train_labels
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = small()
        optimizer = torch.optim.SGD(network.parameters(), lr=0.05)
        for epoch in EPOCHS:
            found[epoch] = {name: value.detach().clone() for name, value in network.state_dict().items()}
            for batch in torch.randperm(len(images)).split(20):
                optimizer.zero_grad()
                nn.functional.cross_entropy(network(images[batch]), labels[batch]).backward()
                optimizer.step()
    return found


def saved(
    folder: Path, states: Mapping[int, Any], *, wrap: Callable[[Any], Any] = dict, name: str = "epoch_{epoch}.pt"
) -> str:
    """Write state dicts into a folder, one per file; return the pattern of their names."""
    folder.mkdir(parents=True, exist_ok=True)
    for epoch, state in states.items():
        torch.save(wrap(state), folder / name.format(epoch=epoch, step=epoch))
    return str(folder / name)


def adoption(folder: Path, sets: Mapping[int, Mapping[int, Any]], **more: Any) -> Adoption:
    """Return the adoption of saved trainings, each in its own folder."""
    options = {"network": NETWORK, "data": "digits", "cuts": CUTS, "options": {"image_mean": 0, "image_std": 1}}
    seeds = {str(seed): saved(folder / str(seed), states) for seed, states in sets.items()}
    return Adoption(**(options | {"seeds": seeds} | more))
