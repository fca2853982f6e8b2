"""Means of point-wise consistency over depths and between halves of the images, and their distributions."""

import dataclasses

import numpy as np
import pytest

from featdyn_core.analysis.columns import WHOLE, mean_consistency
from featdyn_core.analysis.consistency import between_halves, distributions, over_depths
from featdyn_core.records.column import Column
from featdyn_core.records.path import WHOLE_NETWORK
from featdyn_core.records.planting import IMAGES

EPOCHS = [2, 3, 4]
COLUMN = Column.planted(EPOCHS, [[0.1, 0.2, 0], [0.3, 0.3, 0], [0.6, 0, 0]])


def test_the_mean_over_images_is_taken_at_each_depth():
    found = mean_consistency(COLUMN)
    assert [float(number) for number in found.values()] == pytest.approx([0.9, 0.8, 0.8])
    assert {number.of for number in found.values()} == {IMAGES}


def test_the_mean_over_depths_counts_each_image_once():
    assert over_depths(COLUMN).value == pytest.approx(2.5 / 3)
    assert over_depths(COLUMN).of == IMAGES


def test_halves_of_the_images_are_alternate_ones():
    even = np.arange(IMAGES) % 2 == 0
    missed = np.where(even, COLUMN.reference, COLUMN.predictions)
    assert between_halves(dataclasses.replace(COLUMN, predictions=missed)).value == pytest.approx(0.5 / 3)
    assert between_halves(COLUMN).value == pytest.approx(0, abs=1 / IMAGES)
    assert between_halves(COLUMN).of == IMAGES // 2


def test_distributions_have_the_whole_networks_beside_them():
    whole = Column.planted(EPOCHS, [0.9, 0.9, 0], cuts=(WHOLE_NETWORK,))
    found = distributions({"clean": COLUMN}, {"clean": whole})
    assert list(found) == ["consistency at depth 1", "consistency at depth 2", "consistency at depth 3"]
    last = found["consistency at depth 3"]
    assert list(last.series) == ["clean", f"clean, {WHOLE}"]
    below_one = [series[-2] for series in last.series.values()]
    assert below_one == pytest.approx([0.6, 0.9])
