"""The share of cells of a plane that contain points."""

import numpy as np
import pytest

from featdyn_core.analysis.regions.coverage import CELLS, coverage

CORNERS = np.array([[0.0, 0.0], [CELLS, CELLS]])


def test_a_cell_counts_once_however_many_points_it_has():
    inside = np.array([[0.5, 0.5], [0.6, 0.4], [3.5, 7.5]])
    assert coverage(inside, CORNERS) == pytest.approx(2 / CELLS**2)


def test_a_point_in_every_cell_covers_the_plane():
    x, y = np.meshgrid(np.arange(CELLS) + 0.5, np.arange(CELLS) + 0.5)
    assert coverage(np.stack([x, y], axis=-1), CORNERS) == 1


def test_the_box_follows_what_it_is_around_and_no_scale():
    points = np.random.default_rng(0).normal(size=(4, 30, 2))
    assert coverage(points, points) == coverage(1000 * points, 1000 * points)
    assert coverage(points[:1], points) < coverage(points, points)
