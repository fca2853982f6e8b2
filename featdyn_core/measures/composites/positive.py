"""A planted network whose past shallow half is better than random displacements, by construction.

One hidden layer has two features that the classifier reads, and others that it does not. From epoch 0 to ``LAST`` only
the others move. So the composite of both agrees with the network everywhere, and a displacement as large that spreads
over all features does not: who compares the two must see the difference.
"""

import numpy as np
import torch

from featdyn_core.trajectories.trajectory import State, Trajectory
from featdyn_core.trajectories.turning_network import CLASSES, circle, circle_recipe, circle_state, sector_centres

LAST = 1
UNREAD = 6
"""Features that the classifier does not read."""


def planted_drift(rng: np.random.Generator) -> Trajectory:
    """Return the planted network's two checkpoints, at the epochs 0 and ``LAST``."""
    states = {epoch: _state(torch.from_numpy(rng.standard_normal((UNREAD, 2))).float()) for epoch in (0, LAST)}
    recipe = circle_recipe(2 + UNREAD, tuple(states))
    return Trajectory(recipe, 0, "", tuple(states), circle(), states.__getitem__)


def _state(unread: torch.Tensor) -> State:
    """A layer that hands the point on beside features nobody reads, under a classifier of sectors."""
    read = torch.cat([sector_centres(), torch.zeros(CLASSES, UNREAD)], dim=1)
    return circle_state(torch.cat([torch.eye(2), unread]), read)
