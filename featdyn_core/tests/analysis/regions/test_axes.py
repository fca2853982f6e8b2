"""Axes with known answers, and noise that is the same along all of them."""

import dataclasses

import numpy as np
import pytest

from featdyn_core.analysis.regions.axes import (
    Noise,
    controls_of_noise,
    inside_by_size,
    planted_sectors,
    principal_axes,
    unread_axes,
)
from featdyn_core.records.last_layer import LastLayer
from featdyn_core.verdicts.units import Counted

SPREAD = np.array([5.0, 3.0, 1.0, 0.1])


def features_of(points, weight):
    return LastLayer(np.arange(len(points)), points, weight, np.zeros(len(weight)), np.zeros(points.shape[1], int))


@pytest.fixture
def features():
    rng = np.random.default_rng(0)
    return features_of(rng.normal(size=(3, 200, 4)), rng.normal(size=(5, 4)))


def test_principal_axes_of_points_with_known_spread():
    """Points at plus and minus each standard deviation, along axes that are turned."""
    turn, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(4, 4)))
    points = np.concatenate([np.diag(SPREAD), -np.diag(SPREAD)]) @ turn.T
    found, axes = principal_axes(points.reshape(2, 4, 4) + 7.0)
    assert found == pytest.approx(SPREAD / 2)
    assert np.abs(axes @ turn) == pytest.approx(np.eye(4), abs=1e-9)


def test_no_difference_of_logits_changes_along_unread_axes():
    weight = np.random.default_rng(0).normal(size=(4, 9))
    axes = unread_axes(weight)
    assert axes @ axes.T == pytest.approx(np.eye(6))
    assert (weight - weight[0]) @ axes.T == pytest.approx(np.zeros((4, 6)), abs=1e-12)


def test_only_axes_that_all_classes_share_are_unread():
    assert unread_axes(np.array([[1.0, 5.0], [-1.0, 5.0]])) == pytest.approx(np.array([[0.0, 1.0]]), abs=1e-12)
    assert unread_axes(np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]])).shape == (0, 2)


def test_noise_is_the_same_along_all_axes_and_repeatable(features):
    one, other = (Noise(features, 6, np.random.default_rng(3)) for _ in range(2))
    assert one.coordinates.shape == (6, 2, 200, 2)
    assert np.abs(one.coordinates).max() <= 1
    assert np.var(one.coordinates) == pytest.approx(1 / 3, rel=0.05)
    before = one.share_inside(np.eye(4)[:2], 1.0)
    one.share_inside(one.random_axes, 2.0)
    assert one.share_inside(np.eye(4)[:2], 1.0) == before == other.share_inside(np.eye(4)[:2], 1.0)


def test_random_axes_are_orthonormal_and_uniform_in_each_draw(features):
    axes = Noise(features, 4000, np.random.default_rng(0)).random_axes
    assert axes.shape == (4000, 1, 2, 4)
    assert axes @ np.swapaxes(axes, -1, -2) == pytest.approx(np.tile(np.eye(2), (4000, 1, 1, 1)))
    assert (axes**2).mean(axis=(0, 1, 2)) == pytest.approx(np.full(4, 1 / 4), abs=0.01)


def test_noise_takes_out_what_the_moved_points_say(features):
    noise = Noise(features, 6, np.random.default_rng(0))
    for axes in (np.eye(4)[1:3], noise.random_axes):
        assert noise.share_inside(axes, 0.7) == features.share_inside(features.past + 0.7 * noise.coordinates @ axes)


def test_noise_moves_features_along_axes_by_coordinates_and_size():
    """One point at the border's side: it stays inside exactly while its first coordinate does not fall below -0.2."""
    features = features_of(np.tile([0.2, 0.0, 0.0], (2, 1, 1)), np.array([[1.0, 0, 0], [-1.0, 0, 0]]))
    noise = Noise(features, 500, np.random.default_rng(0))
    for size in (0.1, 1.0, 2.0):
        expected = np.mean(0.2 + size * noise.coordinates[..., 0] > 0)
        assert noise.share_inside(np.eye(3)[:2], size) == expected
    assert noise.share_inside(unread_axes(features.weight)[:2], 100.0) == 1


def test_pairs_are_principal_of_the_drift_and_of_least_variance():
    """Images differ along the first two axes, epochs along the last two, and nothing along the third."""
    rng = np.random.default_rng(0)
    images, epochs = rng.normal(size=(1, 400, 2)) * [5.0, 4.0], rng.normal(size=(3, 400, 2)) * [1.0, 0.8]
    points = np.concatenate([np.broadcast_to(images, (3, 400, 2)), np.zeros((3, 400, 1)), epochs], axis=-1)
    noise = Noise(features_of(points, rng.normal(size=(3, 5))), 2, rng)
    planes = {name: np.swapaxes(pair, -1, -2) @ pair for name, pair in noise.pairs.items()}
    assert planes["principal"] == pytest.approx(np.diag([1.0, 1, 0, 0, 0]), abs=0.05)
    assert planes["of the drift"] == pytest.approx(np.diag([0.0, 0, 0, 1, 1]), abs=0.05)
    assert planes["least variance"][2, 2] == pytest.approx(1)
    assert noise.pairs["random"] is noise.random_axes
    assert noise.unit == pytest.approx(np.sqrt((25 + 16) / 2), rel=0.05)


def test_a_pair_gets_noise_of_one_unit_by_default(features):
    noise = Noise(features, 6, np.random.default_rng(0))
    axes = noise.pairs["principal"]
    assert noise.inside("principal") == Counted(noise.share_inside(axes, noise.unit), 400)
    assert noise.inside("principal", 0) == Counted(features.share_inside(features.past), 400)
    assert noise.inside("principal", 0.3) == Counted(noise.share_inside(axes, 0.3), 400)
    assert noise.inside("principal", 0) != noise.inside("principal", 0.3)


def test_a_pair_gains_what_it_keeps_more_than_random_axes(features):
    noise = Noise(features, 6, np.random.default_rng(0))
    kept = {pair: float(noise.inside(pair)) for pair in noise.pairs}
    assert noise.gained("least variance") == Counted(kept["least variance"] - kept["random"], 400)
    assert float(noise.gained("random")) == 0


def test_controls_of_noise_tell_strangers_and_unread_axes():
    features = planted_sectors(np.random.default_rng(0), 5, 10)
    noise = Noise(features, 4, np.random.default_rng(0))
    opposite = dataclasses.replace(features, points=-features.points)
    own, other = (controls_of_noise(noise, stranger) for stranger in (features, opposite))
    assert [float(found["share inside of a stranger's features"]) for found in (own, other)] == [1, 0]
    lost = float(own["gained along unread axes, strong noise"])
    assert lost == 1 - noise.share_inside(noise.random_axes, 4 * noise.unit) > 0.3


def test_planted_sectors_are_read_in_their_plane_alone():
    features = planted_sectors(np.random.default_rng(0), 5, 10, unread=3, missed=0.25)
    assert features.points.shape == (2, 1000, 5)
    assert features.last[:, 2:].std() == pytest.approx(10, rel=0.05)
    assert np.hypot(*features.last[:, :2].T) == pytest.approx(np.full(1000, 5.0))
    assert unread_axes(features.weight).shape == (3, 5)
    assert features.share_inside(features.past) == pytest.approx(0.75, abs=0.05)


def test_the_figure_over_the_size_has_each_pair_at_each_size(features):
    noise = Noise(features, 3, np.random.default_rng(0))
    lines = inside_by_size(noise, bound="share")
    assert list(lines.series) == list(noise.pairs)
    assert lines.series["principal"][4] == noise.share_inside(noise.pairs["principal"], lines.x[4] * noise.unit)
    assert (lines.x[4], lines.x[-1], lines.bound) == (1, 4, "share")
