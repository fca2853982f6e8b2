"""A grid of composites of a network of your own.

Any state dicts of a network that `torch.fx` can follow are a trajectory. This one is trained for six epochs on the
digits; [the guide](../docs/your-own.md) says how files of your own take its place.
"""

# %%
# The training: one file an epoch.
import tempfile
from pathlib import Path

import torch
from torch import nn

from featdyn_core import BlockNetwork, Trajectory, composite_grid, load_dataset, plot_grid

torch.manual_seed(0)
dataset, folder = load_dataset("digits"), Path(tempfile.mkdtemp())
first = nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.ReLU())
second = nn.Sequential(nn.Linear(64, 32), nn.ReLU())
network = nn.Sequential(first, second, nn.Linear(32, 10))
optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
for epoch in range(7):
    torch.save(network.state_dict(), folder / f"{epoch}.pt")
    for batch in torch.randperm(len(dataset.train_labels)).split(64):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(network(dataset.train_images[batch] / 255), dataset.train_labels[batch])
        loss.backward()
        optimizer.step()

# %%
# The trajectory, with two places at which the network is cut.
trajectory = Trajectory.from_checkpoints(
    {epoch: folder / f"{epoch}.pt" for epoch in range(7)},
    network=BlockNetwork.from_module(network, cuts=["0", "1"]),
    dataset=dataset,
    batch_size=64,
    learning_rate=0.1,
)
print(trajectory)

# %%
# Every shallow half under every deep half: agreement with the network whose deep half it is.
images, labels = trajectory.evaluation_set("held-out")
epochs = trajectory.epochs
grid = composite_grid(trajectory, images, labels=labels, cuts=["0", "1"], shallow_epochs=epochs, deep_epochs=epochs)
print(grid)
axes = plot_grid(grid, "0")
