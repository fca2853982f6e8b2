"""Paths turned about their ends: where they go, and what real ones gain over them."""

import numpy as np
import pytest

from featdyn_core.analysis.regions.turning import (
    MIRRORED,
    RIGHT_ANGLES,
    all_round,
    gained_at_random,
    gained_over,
    inside_by_epoch,
    planted_paths,
    shares_by_epoch,
    turned,
)
from featdyn_core.records.last_layer import LastLayer

PAST = np.array([[[3.0, 1.0], [0.0, 0.0]], [[1.0, 1.0], [2.0, 0.0]]])
LAST = np.array([[1.0, 1.0], [0.0, 2.0]])


def test_a_quarter_turn_by_hand():
    expected = [[[1, 3], [2, 2]], [[1, 1], [2, 4]]]
    assert turned(PAST, LAST, np.pi / 2) == pytest.approx(np.array(expected, float))


def test_half_a_turn_mirrors_and_a_whole_one_changes_nothing():
    assert turned(PAST, LAST, np.pi) == pytest.approx(2 * LAST - PAST)
    assert turned(PAST, LAST, 2 * np.pi) == pytest.approx(PAST)


def test_each_image_may_have_an_angle_of_its_own():
    found = turned(PAST, LAST, np.array([np.pi, 0.0]))
    assert found[:, 0] == pytest.approx(2 * LAST[0] - PAST[:, 0])
    assert found[:, 1] == pytest.approx(PAST[:, 1])


@pytest.mark.parametrize("angle", [0.3, 2.0, -1.0])
def test_turned_points_are_as_far_from_the_end(angle):
    before, after = (np.linalg.norm(points - LAST, axis=-1) for points in (PAST, turned(PAST, LAST, angle)))
    assert after == pytest.approx(before)


def test_angles_all_round_are_equal_parts_of_a_turn_without_none():
    assert all_round(4) == pytest.approx(np.array([0.5, 1, 1.5]) * np.pi)


def test_paths_along_regions_beat_those_across_not_the_mirror():
    features = planted_paths(
        np.zeros(50), length=4.0
    )  # of the two past points of a path the earlier leaves across the sector
    assert gained_over(features, features.past, RIGHT_ANGLES) == 0.5
    assert gained_over(features, features.past, MIRRORED) == 0
    assert gained_over(features, features.past, [*MIRRORED, *RIGHT_ANGLES]) == pytest.approx(1 / 3)


def test_a_path_loses_where_only_it_leaves_and_not_its_mirror():
    features = planted_paths(np.full(50, np.radians(60)), length=4.0)
    assert gained_over(features, features.past, MIRRORED) == -0.5


def test_randomly_turned_paths_gain_nothing_unlike_real_ones():
    features, rng = planted_paths(np.full(1000, np.radians(60))), np.random.default_rng(0)
    assert abs(gained_at_random(features, MIRRORED, 64, rng)) < 0.01
    assert abs(gained_over(features, features.past, MIRRORED)) > 0.01


def test_the_gain_at_random_has_either_sign_and_falls_with_draws():
    features = planted_paths(np.zeros(40))
    few, many = (
        [gained_at_random(features, MIRRORED, draws, np.random.default_rng(seed)) for seed in range(20)]
        for draws in (1, 25)
    )
    assert min(few) < 0 < max(few)
    assert np.std(many) < np.std(few) / 2


@pytest.fixture
def drawn() -> LastLayer:
    """Draw paths of all lengths among regions of all shapes; some regions are half-planes."""
    rng = np.random.default_rng(1)
    points = rng.normal(size=(4, 60, 2)) * rng.exponential(size=(60, 1))
    return LastLayer(np.arange(4), points, rng.normal(size=(5, 2)), rng.normal(size=5), np.zeros(60, int))


def share_turned(features, past, angle):
    """Return the share by definition: turn and classify every point."""
    inside = features.classes(turned(past, features.last, angle)) == features.reference
    return inside.mean()


def test_the_gain_is_that_of_all_points_by_definition(drawn):
    shares = [share_turned(drawn, drawn.past, angle) for angle in all_round(7)]
    expected = share_turned(drawn, drawn.past, 0.0) - np.mean(shares)
    assert gained_over(drawn, drawn.past, all_round(7)) == pytest.approx(expected, abs=1e-12)


def test_the_gain_at_random_is_that_of_all_points_by_definition(drawn):
    directions = np.random.default_rng(5).uniform(0, 2 * np.pi, (3, 60))
    pasts = [turned(drawn.past, drawn.last, angle) for angle in directions]
    expected = np.mean([share_turned(drawn, past, 0.0) - share_turned(drawn, past, np.pi) for past in pasts])
    assert gained_at_random(drawn, MIRRORED, 3, np.random.default_rng(5)) == pytest.approx(expected, abs=1e-12)


def test_paths_without_length_gain_exactly_nothing():
    still = LastLayer(np.arange(3), np.repeat(PAST[:1], 3, axis=0), np.eye(2), np.zeros(2), np.zeros(2, int))
    assert gained_over(still, still.past, all_round(8)) == 0
    assert gained_at_random(still, all_round(8), 3, np.random.default_rng(0)) == 0


def test_by_epoch_it_is_the_same_share():
    features = planted_paths(np.radians([60, 0, 120, 90]), length=4.0)
    found = shares_by_epoch(features)
    assert found == {"real": [0.5, 1], "mirrored": [0.5, 1], "at right angles": [0.75, 1]}
    for name, angles in (("mirrored", MIRRORED), ("at right angles", RIGHT_ANGLES)):
        difference = np.mean(found["real"]) - np.mean(found[name])
        assert gained_over(features, features.past, angles) == pytest.approx(difference), name


def test_paths_end_inside_their_sectors_and_start_as_requested():
    found = planted_paths(np.radians([0, 90, 180, 60]), length=4.0)
    assert found.classes(found.last).tolist() == found.labels.tolist() == [0, 1, 2, 3]
    assert np.linalg.norm(found.past - found.last, axis=-1) == pytest.approx(np.array([[4.0] * 4, [2.0] * 4]))
    assert np.linalg.norm(found.past[0, [0, 2]], axis=-1) == pytest.approx([6, 14])
    assert (found.classes(found.past[0]) == found.labels).tolist() == [True, False, True, False]


def test_paths_among_other_sectors_are_a_strangers():
    one, other = (planted_paths(np.zeros(20), others=number) for number in (0, 1))
    assert one.share_inside(other.past) == 0


def test_the_figure_over_epochs_leaves_out_the_last():
    features = planted_paths(np.zeros(20))
    lines = inside_by_epoch(features, bound="share")
    assert lines.x.tolist() == [0, 1]
    assert lines.series == shares_by_epoch(features)
    assert (lines.over_epochs, lines.bound) == (True, "share")
