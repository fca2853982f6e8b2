"""A grid of composites of your own network.

State dicts of any network that `torch.fx` can trace make a trajectory. This example trains a network for six epochs on
the digits. [The guide](../docs/your-own.md) shows how to use your own files instead.
"""

# %%
# The training saves one file per epoch.
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
# The trajectory names two places at which the network is cut.
trajectory = Trajectory.from_checkpoints(
    {epoch: folder / f"{epoch}.pt" for epoch in range(7)},
    network=BlockNetwork.from_module(network, cuts=["0", "1"]),
    dataset=dataset,
    batch_size=64,
    learning_rate=0.1,
)
print(trajectory)

# %%
# The grid holds every shallow part under every deep part. The figure shows the agreement of each composite with the
# network of its deep part.
images, labels = trajectory.evaluation_set("held-out")
epochs = trajectory.epochs
grid = composite_grid(trajectory, images, labels=labels, cuts=["0", "1"], shallow_epochs=epochs, deep_epochs=epochs)
print(grid)
axes = plot_grid(grid, "0")
