"""Surrogates of total variation by class, against their definitions and in worlds with a known answer."""

import dataclasses

import numpy as np
import pytest

from featdyn_core.errors import MeasurementError
from featdyn_core.measures.distances.discrepancies import energy_distance, mmd
from featdyn_core.measures.distances.features import classes_at, features_at
from featdyn_core.records.surrogates import DISTANCE_NAMES, measure, read

PARAMETERS = {"epochs": [2, 4], "projections": 8, "shuffles": 5}
ROUNDING = 1e-9


def measured(trajectory, **changes):
    parameters = PARAMETERS | changes
    return read(measure(trajectory, parameters), parameters)


@pytest.fixture(scope="module")
def found(tiny_trajectory):
    return measured(tiny_trajectory)


def test_a_class_has_a_number_of_each_kind_at_each_cut(found, tiny_trajectory):
    cuts, classes = tiny_trajectory.network(4).depths, tiny_trajectory.dataset.classes
    assert found.cuts == cuts
    assert found.gap.shape == (classes,)
    tables = [*found.augmented.values(), *found.plain.values(), found.separated, found.certified, found.missed]
    assert {table.shape for table in tables} == {(len(cuts), classes)}
    assert tuple(found.augmented) == tuple(found.plain) == DISTANCE_NAMES
    assert (found.certified <= found.separated).all()
    assert ((found.missed >= 0) & (found.missed <= 1)).all()


def test_the_gap_is_that_of_the_network_at_the_end(found, tiny_trajectory):
    network, accuracies = tiny_trajectory.network(4), []
    for split in ("held-out", "training"):
        images, labels = tiny_trajectory.evaluation_set(split)
        right = (network(images).argmax(1) == labels).numpy()
        accuracies.append([right[labels == number].mean() for number in range(10)])
    assert found.gap == pytest.approx(np.abs(np.subtract(*accuracies)))
    assert found.gap.max() > 0


def test_plain_distances_are_between_the_final_split_features(found, tiny_trajectory):
    (held_out, labels), (training, known) = map(tiny_trajectory.evaluation_set, ("held-out", "training"))
    for depth, cut in enumerate(found.cuts):
        x, y = (features_at(tiny_trajectory, images, 4, cut).flatten(1).numpy() for images in (training, held_out))
        for number in range(10):
            pair = x[known == number], y[labels == number]
            assert found.plain["MMD²"][depth, number] == pytest.approx(mmd(*pair).statistic, rel=ROUNDING), (
                f"class {number} at {cut}"
            )
            assert found.plain["energy distance"][depth, number] == pytest.approx(
                energy_distance(*pair), rel=ROUNDING
            ), f"class {number} at {cut}"


def test_directions_are_the_same_for_every_class(tiny_trajectory):
    """Classes that have the same features are equally far away."""
    (held_out, labels), (training, known) = map(tiny_trajectory.evaluation_set, ("held-out", "training"))
    few = dataclasses.replace(
        tiny_trajectory.dataset,
        train_images=training[known == 1][:5].repeat(10, 1, 1, 1),
        train_labels=labels.new_tensor(range(10)).repeat_interleave(5),
        test_images=held_out[labels == 2][:5].repeat(10, 1, 1, 1),
        test_labels=labels.new_tensor(range(10)).repeat_interleave(5),
    )
    sliced = measured(dataclasses.replace(tiny_trajectory, dataset=few)).plain["sliced Wasserstein"]
    assert np.ptp(sliced, axis=1) == pytest.approx(0, abs=ROUNDING)
    assert (sliced > 0).all()


def test_a_network_that_stands_still_is_not_augmented(tiny_trajectory):
    still = measured(tiny_trajectory.frozen_at(4))
    for name in DISTANCE_NAMES:
        assert still.augmented[name] == pytest.approx(still.plain[name], rel=ROUNDING), name
    assert (still.missed == 0).all()


def test_training_features_are_drawn_from_the_whole_window(found, tiny_trajectory):
    for name in DISTANCE_NAMES:
        assert (found.augmented[name] != found.plain[name]).all(), name
    alone = measured(tiny_trajectory, epochs=[4])
    for name in DISTANCE_NAMES:
        assert alone.augmented[name] == pytest.approx(alone.plain[name], rel=ROUNDING), name


def test_features_that_the_deep_part_reclassifies_are_missed(tiny_trajectory):
    """With one early epoch and the end, the share lies between 0 and what this epoch misses."""
    found = measured(tiny_trajectory, epochs=[0, 4])
    training, known = tiny_trajectory.evaluation_set("training")
    for depth, cut in enumerate(found.cuts):
        end, early = (
            classes_at(tiny_trajectory, features_at(tiny_trajectory, training, epoch, cut), 4, cut) for epoch in (4, 0)
        )
        most = np.array([(end != early)[known == number].mean() for number in range(10)])
        assert (found.missed[depth] <= most + ROUNDING).all(), cut
        assert 0 < found.missed[depth].sum() < most.sum(), cut


def test_the_same_images_in_both_splits_are_no_distance_apart(tiny_trajectory):
    images, labels = tiny_trajectory.evaluation_set("training")
    same = dataclasses.replace(tiny_trajectory.dataset, test_images=images, test_labels=labels)
    found = measured(dataclasses.replace(tiny_trajectory, dataset=same))
    assert (found.gap == 0).all()
    assert found.plain["energy distance"] == pytest.approx(0, abs=1e-6)
    assert (found.plain["sliced Wasserstein"] == 0).all()


def test_shuffles_are_orders_of_the_classes(found):
    assert found.shuffles.shape == (5, 10)
    assert (np.sort(found.shuffles, axis=1) == np.arange(10)).all()
    assert len(np.unique(found.shuffles, axis=0)) > 1


def test_the_same_seed_gives_the_same_numbers(found, tiny_trajectory):
    again = measured(tiny_trajectory)
    for name in DISTANCE_NAMES:
        assert (again.augmented[name] == found.augmented[name]).all(), name
    assert (again.shuffles == found.shuffles).all()
    other = measured(dataclasses.replace(tiny_trajectory, seed=7))
    assert (other.shuffles != found.shuffles).any()


def test_a_class_without_images_of_a_split_is_an_error(tiny_trajectory):
    data = tiny_trajectory.dataset
    kept = data.test_labels != 3
    few = dataclasses.replace(data, test_images=data.test_images[kept], test_labels=data.test_labels[kept])
    with pytest.raises(MeasurementError, match="0 rows"):
        measured(dataclasses.replace(tiny_trajectory, dataset=few))
