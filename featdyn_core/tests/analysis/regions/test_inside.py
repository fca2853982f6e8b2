"""Shares of past features with what they were counted from."""

import numpy as np

from featdyn_core.analysis.regions.inside import counted_inside
from featdyn_core.analysis.regions.turning import planted_paths
from featdyn_core.verdicts.units import Counted


def test_a_share_of_each_split_is_counted_from_its_own_features():
    found = {"held-out": planted_paths(np.zeros(50)), "training": planted_paths(np.full(20, np.pi / 2))}
    shares = counted_inside(found, lambda one: one.share_inside(one.past))
    assert shares == {"held-out": Counted(1.0, 100), "training": Counted(0.5, 40)}
