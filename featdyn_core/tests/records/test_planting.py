"""Planted shares of images are exact."""

import numpy as np
import pytest

from featdyn_core.records.planting import IMAGES, LABELS, classified, composed, fading

GRAIN = 0.5 / IMAGES
"""Of a share of planted images."""


@pytest.mark.parametrize("share", [0.0, 0.1234, 1.0])
def test_a_share_of_the_images_is_classified_rightly(share):
    assert (classified(share) == LABELS).mean() == pytest.approx(share, abs=GRAIN)


def test_composites_miss_right_and_stray_from_wrong_predictions():
    predictions, reference = composed([0.3, 0.1], [0.0, 0.1], wrong=0.2)
    assert (reference == LABELS).mean() == 0.8
    assert (predictions == reference).mean(axis=1).tolist() == [0.7, 0.8]
    assert (predictions == LABELS).mean(axis=1).tolist() == [0.5, 0.7]
    assert set(np.flatnonzero(predictions[1] != LABELS)) >= set(np.flatnonzero(reference != LABELS))


def test_shares_fade_from_each_depths_own_to_none():
    assert fading([0.1, 0.2, 0.4], [2, 3, 6]) == pytest.approx(np.outer([0.1, 0.2, 0.4], [1, 0.75, 0]))
    assert (fading(0.2, [1, 2]) == [[0.2, 0]] * 3).all()
