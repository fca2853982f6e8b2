"""Images that a training's networks misclassify, one by one."""

import itertools

import numpy as np
import pytest

from featdyn_core.data.corruptions import KINDS
from featdyn_core.data.names import SEVERITIES
from featdyn_core.errors import MeasurementError
from featdyn_core.measures.composites.composite import predict
from featdyn_core.measures.composites.unseen import unseen_images
from featdyn_core.records.misclassified import Misclassified, measure, read


def measured(trajectory, *, corrupted):
    parameters = {"epochs": [1, 4], "corrupted": corrupted}
    return read(measure(trajectory, parameters), parameters)


def test_clean_errors_are_those_of_each_network(tiny_trajectory):
    found = measured(tiny_trajectory, corrupted=False)
    images, labels = tiny_trajectory.evaluation_set("held-out")
    assert found.epochs.tolist() == [1, 4]
    for row, epoch in zip(found.clean, (1, 4), strict=True):
        assert (row == (predict(tiny_trajectory.network(epoch), images) != labels.numpy())).all(), f"epoch {epoch}"
    assert found.accuracy == pytest.approx(1 - found.clean.mean(axis=1))
    assert len(set(found.accuracy)) == 2
    with pytest.raises(MeasurementError, match="clean images only; ask for corrupted = true"):
        _ = found.mean_corruption_error


def test_corrupted_errors_are_kept_by_corruption_and_severity(tiny_trajectory):
    found = measured(tiny_trajectory, corrupted=True)
    _, labels = tiny_trajectory.evaluation_set("held-out")
    assert found.corrupted.shape == (len(KINDS), len(SEVERITIES), len(labels))
    network = tiny_trajectory.network(4)
    for kind, severity in itertools.product(KINDS, SEVERITIES):
        seen, _, _ = unseen_images(tiny_trajectory, {"kind": kind, "severity": severity})
        row = found.corrupted[KINDS.index(kind), severity - 1]
        assert (row == (predict(network, seen) != labels.numpy())).all(), f"{kind} at severity {severity}"
    assert (found.clean == measured(tiny_trajectory, corrupted=False).clean).all()


def test_mean_corruption_error_is_the_plain_mean_of_its_cells():
    rates = np.random.default_rng(0).random((15, 5, 1))
    corrupted = np.broadcast_to(np.arange(100) / 100, (15, 5, 100)) < rates
    found = Misclassified(np.array([1]), np.zeros((1, 100), bool), corrupted)
    by_hand = [[np.mean(corrupted[kind, severity]) for kind in range(15)] for severity in range(5)]
    assert found.mean_corruption_error == pytest.approx(np.mean(by_hand))
    assert found.error_by_severity == pytest.approx(np.mean(by_hand, axis=1))


def test_a_part_has_the_epochs_of_the_window():
    clean = np.eye(4, 10, dtype=bool)
    part = Misclassified(np.array([1, 3, 5, 7]), clean).within(2, 5)
    assert part.epochs.tolist() == [3, 5]
    assert (part.clean == clean[1:3]).all()
