"""The path of the parameters against distances written out."""

import numpy as np
import pytest
import torch

from featdyn_core.records.path import WHOLE_NETWORK, TrainingPath, measure, read
from featdyn_core.trajectories.turning_network import SECTOR, TURN

MOVING, FROZEN = {"frozen": False}, {"frozen": True}
STORED = 1e-6  # of a distance kept in single precision, relative


@pytest.fixture(scope="module")
def path(tiny_trajectory) -> TrainingPath:
    return read(measure(tiny_trajectory, MOVING), MOVING)


@pytest.fixture
def corner() -> TrainingPath:
    """Three steps along the axes of a plane, of lengths 3, 4 and 1: (0, 1), (3, 1), (3, 5), (3, 4)."""
    points = np.array([[0, 1], [3, 1], [3, 5], [3, 4]])
    distances = np.linalg.norm(points[:, None] - points, axis=-1)
    return TrainingPath((WHOLE_NETWORK,), np.array([0, 1, 2, 4]), distances[None], np.linalg.norm(points, axis=1)[None])


def parameters_of(trajectory, epoch: int, part: str) -> torch.Tensor:
    network = trajectory.network(epoch)
    chosen = [
        value
        for name, value in network.named_parameters()
        if part == WHOLE_NETWORK or network.in_shallow_part(name, part)
    ]
    return torch.cat([value.detach().double().flatten() for value in chosen])


def test_distances_and_norms_are_over_all_parameters_of_a_part(tiny_trajectory, path):
    assert path.parts == (*tiny_trajectory.network(4).depths, WHOLE_NETWORK)
    assert path.epochs.tolist() == [0, 1, 2, 4]
    assert path.distances.shape == (4, 4, 4)
    for part, one, other in np.ndindex(path.distances.shape):
        first, second = (
            parameters_of(tiny_trajectory, int(path.epochs[place]), path.parts[part]) for place in (one, other)
        )
        assert path.distances[part, one, other] == pytest.approx(float((first - second).norm()), rel=STORED), (
            f"{path.parts[part]}, {path.epochs[[one, other]]}"
        )
        assert path.norms[part, one] == pytest.approx(float(first.norm()), rel=STORED), (
            f"{path.parts[part]}, epoch {path.epochs[one]}"
        )


def test_running_statistics_are_no_parameters(tiny_trajectory):
    states = {epoch: tiny_trajectory.state(epoch) for epoch in tiny_trajectory.epochs}
    assert any("running" in name for name in states[0])
    names = [name for name, _ in tiny_trajectory.network(0).named_parameters()]
    squares = sum(float((states[0][name].double() - states[4][name].double()).square().sum()) for name in names)
    assert measure(tiny_trajectory, MOVING)["distances"][-1, 2] == pytest.approx(squares**0.5, rel=STORED)


def test_a_frozen_network_has_not_moved_at_all(tiny_trajectory, path):
    still = read(measure(tiny_trajectory, FROZEN), FROZEN)
    assert not still.distances.any()
    assert not still.length.any()
    assert (still.norms == path.norms[:, [-1]]).all()


@pytest.mark.parametrize(("pace", "turned"), [("steady", [0, 0.25, 0.5, 1]), ("slowing", [0, 0.25, 0.5, 0.75])])
def test_a_planted_networks_path_is_that_of_its_turning(tiny_trajectory, pace, turned):
    parameters = MOVING | {"planted": {"pace": pace, "duration": 4}}
    found = read(measure(tiny_trajectory, parameters), parameters)
    assert (found.parts, found.epochs.tolist()) == (("hidden1", WHOLE_NETWORK), [0, 1, 2, 4])
    chords = 2 * np.sqrt(2) * np.sin(TURN * SECTOR * np.diff(turned) / 2)
    assert found.length[0] == pytest.approx(np.cumsum([0, *chords]), rel=1e-5)


def test_drift_is_relative_to_the_norm_of_the_later_epoch(corner):
    assert corner.relative[0, 0, 2] == pytest.approx(5 / 34**0.5)
    assert corner.relative[0, 2, 0] == pytest.approx(5)


def test_the_length_is_the_sum_of_the_steps_and_no_distance(corner, path):
    assert corner.length[0] == pytest.approx([0, 3, 7, 8])
    assert (path.length[:, -1] > path.distances[:, 0, -1]).all()


def test_a_path_drifts_as_far_as_requested_at_even_speed():
    found = TrainingPath.planted([0, 1, 4], 0.2, parts=["whole"])
    assert found.relative[0, :, -1] == pytest.approx([0.2, 0.15, 0])
    assert found.length[0, -1] == pytest.approx(0.2)
