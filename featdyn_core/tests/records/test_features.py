"""The path of the features against distances written out."""

import dataclasses

import numpy as np
import pytest
import torch

from featdyn_core.records.features import BATCH, measure, read

MOVING = {"epochs": [0, 2, 4], "split": "held-out", "frozen": False}
STORED = 1e-6  # of a distance kept in single precision, relative


def features_of(trajectory, epoch: int, cut: str, split: str = "held-out") -> torch.Tensor:
    images, _ = trajectory.evaluation_set(split)
    with torch.no_grad():
        return trajectory.network(epoch).shallow(images, cut).double()


@pytest.mark.parametrize("split", ["held-out", "training"])
def test_distances_and_norms_are_over_all_features_of_a_depth(tiny_trajectory, split):
    parameters = MOVING | {"split": split}
    found = read(measure(tiny_trajectory, parameters), parameters)
    assert len(tiny_trajectory.evaluation_set(split)[0]) > BATCH
    assert found.parts == tiny_trajectory.network(4).depths
    assert found.epochs.tolist() == [0, 2, 4]
    for part, one, other in np.ndindex(found.distances.shape):
        first, second = (
            features_of(tiny_trajectory, int(found.epochs[place]), found.parts[part], split) for place in (one, other)
        )
        assert found.distances[part, one, other] == pytest.approx(float((first - second).norm()), rel=STORED), (
            f"{found.parts[part]}, {found.epochs[[one, other]]}"
        )
        assert found.norms[part, one] == pytest.approx(float(first.norm()), rel=STORED), (
            f"{found.parts[part]}, epoch {found.epochs[one]}"
        )


def test_features_of_a_frozen_network_have_not_moved_at_all(tiny_trajectory):
    parameters = MOVING | {"frozen": True}
    still = read(measure(tiny_trajectory, parameters), parameters)
    moving = read(measure(tiny_trajectory, MOVING), MOVING)
    assert not still.distances.any()
    assert (still.norms == moving.norms[:, [-1]]).all()
    assert (moving.relative[:, 0, -1] > 0.01).all()


def test_images_are_those_that_the_trajectory_is_measured_on(tiny_trajectory):
    few = dataclasses.replace(tiny_trajectory, evaluation_images=7)
    found = read(measure(few, MOVING), MOVING)
    assert found.norms[0, 0] == pytest.approx(float(features_of(tiny_trajectory, 0, found.parts[0])[:7].norm()))
