"""Errors of a training's networks, image by image and written out."""

import numpy as np
import pytest

from featdyn_core.data.corruptions import KINDS, SEVERITIES, corrupt
from featdyn_core.errors import MeasurementError
from featdyn_core.measures.composites.composite import predict
from featdyn_core.measures.composites.errors import Errors, corrupted_images, measure_errors, read_errors
from featdyn_core.seeds import numpy_generator


def measured(trajectory, *, corrupted):
    parameters = {"epochs": [1, 4], "corrupted": corrupted}
    return read_errors(measure_errors(trajectory, parameters), parameters)


def test_clean_errors_are_those_of_each_network(tiny_trajectory):
    found = measured(tiny_trajectory, corrupted=False)
    images, labels = tiny_trajectory.evaluation_set("held-out")
    assert found.epochs.tolist() == [1, 4]
    for row, epoch in zip(found.clean, (1, 4), strict=True):
        assert (row == (predict(tiny_trajectory.network(epoch), images) != labels.numpy())).all()
    assert found.accuracy == pytest.approx(1 - found.clean.mean(axis=1))
    assert len(set(found.accuracy)) == 2
    with pytest.raises(MeasurementError, match="clean images only; ask for corrupted = true"):
        _ = found.mean_corruption_error


def test_corrupted_errors_are_those_under_each_corruption_and_severity(tiny_trajectory):
    found = measured(tiny_trajectory, corrupted=True)
    _, labels = tiny_trajectory.evaluation_set("held-out")
    assert found.corrupted.shape == (2, len(KINDS), len(SEVERITIES), len(labels))
    network = tiny_trajectory.network(4)
    for number, seen in enumerate(corrupted_images(tiny_trajectory)):
        kind, severity = divmod(number, len(SEVERITIES))
        assert (found.corrupted[1, kind, severity] == (predict(network, seen) != labels.numpy())).all()
    assert (found.clean == measured(tiny_trajectory, corrupted=False).clean).all()


def test_corrupted_images_are_the_evaluated_ones_under_each_kind_and_the_same_for_every_training(tiny_trajectory):
    images, _ = tiny_trajectory.evaluation_set("held-out")
    sets = list(corrupted_images(tiny_trajectory))
    assert len(sets) == 75
    plain = images.permute(0, 2, 3, 1).contiguous().numpy()
    for number in (0, 13, 74):
        kind, severity = KINDS[number // 5], number % 5 + 1
        expected = corrupt(plain, kind, severity, numpy_generator(0, "corrupt", kind, severity))
        assert (sets[number].permute(0, 2, 3, 1).numpy() == expected).all()


def test_mean_corruption_error_is_the_plain_mean_over_kinds_and_severities():
    rng = np.random.default_rng(0)
    rates = rng.random((2, 15, 5, 1))
    corrupted = np.broadcast_to(np.arange(100) / 100, (2, 15, 5, 100)) < rates
    found = Errors(np.array([1, 2]), np.zeros((2, 100), bool), corrupted)
    by_hand = [np.mean([np.mean(corrupted[e, k, s]) for k in range(15) for s in range(5)]) for e in range(2)]
    assert found.mean_corruption_error == pytest.approx(by_hand)
    assert found.accuracy.tolist() == [1, 1]
