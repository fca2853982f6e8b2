"""A planted network whose past shallow part is better than random displacements, by construction.

One hidden layer has two features that the classifier reads, and others that it does not read. From epoch 0 to ``LAST``
only the others move. So the composite of the two epochs agrees with the network everywhere. A displacement of the same
size that spreads over all features does not. A valid comparison of the two must show the difference.
"""

import numpy as np
import torch

from featdyn_core.trajectories.trajectory import State, Trajectory
from featdyn_core.trajectories.turning_network import CLASSES, circle, circle_recipe, circle_state, sector_centres

LAST = 1
UNREAD = 6
"""Number of features that the classifier does not read."""


def planted_drift(rng: np.random.Generator) -> Trajectory:
    """Return the planted network's two checkpoints, at the epochs 0 and ``LAST``."""
    states = {epoch: _state(torch.from_numpy(rng.standard_normal((UNREAD, 2))).float()) for epoch in (0, LAST)}
    recipe = circle_recipe(2 + UNREAD, tuple(states))
    return Trajectory(recipe, 0, "", tuple(states), circle(), states.__getitem__)


def _state(unread: torch.Tensor) -> State:
    """A layer that passes the point on, beside unread features, followed by a classifier of sectors."""
    read = torch.cat([sector_centres(), torch.zeros(CLASSES, UNREAD)], dim=1)
    return circle_state(torch.cat([torch.eye(2), unread]), read)
