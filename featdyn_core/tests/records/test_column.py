"""A column against composites evaluated one by one, and what follows from its predictions."""

import dataclasses

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from featdyn_core.errors import MeasurementError, RecipeError
from featdyn_core.measures.composites import grid
from featdyn_core.measures.composites.composite import composite, predict
from featdyn_core.measures.composites.grid import composite_grid
from featdyn_core.records.column import (
    KIND,
    Column,
    Options,
    covers,
    joined,
    measure,
    read,
    resolve,
    together,
)
from featdyn_core.records.kind import Scope
from featdyn_core.records.planting import DEPTHS, IMAGES
from featdyn_core.register.register import Window
from featdyn_core.tests.tiny import tiny_recipe
from featdyn_core.trajectories.specs import AdoptedSpec, NetworkSpec
from featdyn_core.trajectories.turning_network import TURN

GRAIN = 0.5 / IMAGES
"""Of a share of planted images."""

PARAMETERS = {
    "deep": 2,
    "shallow": [1, 2, 4],
    "split": "held-out",
    "policy": "carry",
    "precision": "fp32",
    "frozen": False,
}
PROTOCOL = {"severity": 5, "deep_epochs": 2, "kinds": ["fog", "snow"]}
LOSS_TOLERANCE = 1e-5  # of a mean cross-entropy in single precision, relative


def measured(trajectory, parameters, **options):
    """Measure one column."""
    (arrays,) = measure(trajectory, [parameters], **options)
    return arrays


@pytest.fixture(scope="module")
def column(tiny_trajectory):
    return read(measured(tiny_trajectory, PARAMETERS), PARAMETERS)


@pytest.fixture
def small():
    """A column of two depths, two shallow epochs and four images; ``f_t`` is right on three of them."""
    return Column(
        cuts=("a", "b"),
        epochs=np.array([3, 5]),
        deep=5,
        predictions=np.array([[[0, 1, 2, 0], [0, 1, 2, 3]], [[1, 0, 2, 3], [0, 1, 1, 3]]]),
        reference=np.array([0, 1, 2, 3]),
        labels=np.array([0, 1, 2, 0]),
        cross_entropy=np.array([[0.1, 0.2], [0.4, 0.3]]),
    )


@pytest.mark.parametrize("policy", ["carry", "recalibrate"])
@pytest.mark.parametrize("split", ["held-out", "training"])
def test_each_composite_is_the_one_of_its_definition(tiny_trajectory, split, policy):
    parameters = PARAMETERS | {"split": split, "policy": policy}
    found = read(measured(tiny_trajectory, parameters), parameters)
    images, labels = tiny_trajectory.evaluation_set(split)
    assert (found.cuts, found.deep, found.flip_rate) == (tiny_trajectory.network(2).depths, 2, 0.0)
    assert found.epochs.tolist() == [1, 2, 4]
    assert (found.labels == labels.numpy()).all()
    assert (found.reference == predict(tiny_trajectory.network(2), images)).all()
    for (row, number), predicted in zip(np.ndindex(3, 3), found.predictions.reshape(9, -1), strict=True):
        network = composite(tiny_trajectory, (1, 2, 4)[number], 2, found.cuts[row], batchnorm=policy)
        assert (predicted == predict(network, images)).all(), f"{found.cuts[row]}, epoch {(1, 2, 4)[number]}"
        with torch.no_grad():
            loss = float(F.cross_entropy(network(images), labels))
        assert found.cross_entropy[row, number] == pytest.approx(loss, rel=LOSS_TOLERANCE), (
            f"{found.cuts[row]}, epoch {(1, 2, 4)[number]}"
        )


def test_a_frozen_network_agrees_with_itself_at_every_epoch(tiny_trajectory):
    parameters = PARAMETERS | {"frozen": True}
    found = read(measured(tiny_trajectory, parameters), parameters)
    assert (found.agreement == 1).all()
    assert (found.accuracy == found.reference_accuracy).all()


def test_a_planted_network_misses_the_share_of_its_turned_sector(tiny_trajectory):
    parameters = PARAMETERS | {"shallow": [0, 1, 2], "planted": {"pace": "steady", "duration": 4}}
    found = read(measured(tiny_trajectory, parameters), parameters)
    assert found.cuts == ("hidden1",)
    assert found.agreement[0] == pytest.approx(1 - TURN * np.array([0.5, 0.25, 0]), abs=1 / 50)  # points of a sector


def test_images_are_those_that_the_trajectory_is_measured_on(tiny_trajectory):
    few = dataclasses.replace(tiny_trajectory, evaluation_images=7)
    assert read(measured(few, PARAMETERS), PARAMETERS).predictions.shape == (3, 3, 7)


def test_agreement_with_the_reference_is_nought_in_the_record(tiny_trajectory):
    """Records of networks that forget little therefore compress well."""
    arrays = measured(tiny_trajectory, PARAMETERS)
    assert not arrays["changed"][:, 1].any()  # (2, 2) is the network itself
    assert arrays["changed"].dtype == np.uint8


def test_shares_are_counted_over_images(small):
    assert small.agreement.tolist() == [[0.75, 1.0], [0.5, 0.75]]
    assert small.accuracy.tolist() == [[1.0, 0.75], [0.25, 0.5]]
    assert small.reference_accuracy == 0.75
    assert small.accuracy_kept.tolist() == [[4 / 3, 1.0], [1 / 3, 2 / 3]]
    assert small.consistency.tolist() == [[1, 1, 1, 0.5], [0.5, 0.5, 0.5, 1]]


def test_nothing_is_kept_of_no_accuracy(small):
    never_right = dataclasses.replace(small, labels=np.full(4, 9))
    with pytest.raises(MeasurementError, match="f_t at epoch 5 classifies no image as its label"):
        _ = never_right.accuracy_kept


def test_a_part_has_the_rows_of_its_epochs(column):
    part = column.at([4, 1])
    assert part.epochs.tolist() == [1, 4]
    assert (part.predictions == column.predictions[:, [0, 2]]).all()
    assert (part.cross_entropy == column.cross_entropy[:, [0, 2]]).all()
    assert (part.deep, part.cuts) == (column.deep, column.cuts)
    assert column.within(2, 4).epochs.tolist() == [2, 4]


def test_a_part_that_is_not_there_is_refused(column):
    with pytest.raises(MeasurementError, match=r"shallow epoch 3 is not in the column; it has \[1, 2, 4\]"):
        column.at([2, 3])


def test_a_part_equals_what_is_measured_alone(tiny_trajectory, column):
    parameters = PARAMETERS | {"shallow": [1]}
    alone, part = read(measured(tiny_trajectory, parameters), parameters), column.at([1])
    for field in dataclasses.fields(Column):
        assert np.array_equal(getattr(alone, field.name), getattr(part, field.name)), field.name


SEVERAL = [PARAMETERS, PARAMETERS | {"deep": 4, "shallow": [0, 4]}, PARAMETERS | {"deep": 1}]


@pytest.mark.parametrize("policy", ["carry", "recalibrate"])
def test_columns_measured_together_equal_those_measured_alone(tiny_trajectory, policy):
    several = [parameters | {"policy": policy} for parameters in SEVERAL]
    for found, parameters in zip(measure(tiny_trajectory, several), several, strict=True):
        alone = measured(tiny_trajectory, parameters)
        assert found.keys() == alone.keys()
        for name, array in found.items():
            assert np.array_equal(array, alone[name]), name


def test_a_column_runs_only_its_pairs_and_each_shallow_part_once(tiny_trajectory):
    seen, asked = [], []
    counted = dataclasses.replace(
        tiny_trajectory, load=lambda epoch: asked.append(epoch) or tiny_trajectory.load(epoch)
    )
    measure(counted, SEVERAL, progress=lambda *counts: seen.append(counts))
    assert seen[-1] == (3 * 8, 3 * 8)  # three depths, and not the 12 pairs of all epochs
    assert asked.count(0) == asked.count(1) == 1


def test_columns_go_together_that_differ_in_their_deep_epoch():
    one = PARAMETERS
    assert together(one, one | {"deep": 4})
    assert together(one, one | {"deep": 4, "shallow": [0]})
    assert not together(one, one | {"shallow": [0]})  # they are joined
    assert not together(one | {"frozen": True}, one | {"frozen": True, "deep": 4})
    for name, value in {"split": "training", "policy": "recalibrate", "frozen": True, "cuts": "all"}.items():
        assert not together(one, one | {"deep": 4, name: value}), name


def test_columns_are_covered_and_joined_over_shallow_epochs():
    fewer, other = PARAMETERS | {"shallow": [4, 1]}, PARAMETERS | {"shallow": [3]}
    assert covers(PARAMETERS, fewer)
    assert not covers(fewer, PARAMETERS)
    assert joined(fewer, other) == PARAMETERS | {"shallow": [1, 3, 4]}
    for name, value in {"deep": 4, "split": "training", "policy": "recalibrate", "frozen": True}.items():
        assert not covers(PARAMETERS, PARAMETERS | {name: value}), name
        assert joined(PARAMETERS, PARAMETERS | {name: value}) is None, name
    assert joined(PARAMETERS, PARAMETERS | {"more": 1}) is None
    assert joined(PARAMETERS | {"more": 1}, PARAMETERS) is None


def test_precision_progress_and_flip_rate_are_passed_on(tiny_trajectory, monkeypatch):
    asked, seen = [], []

    def in_half(*arguments, precision, **options):
        asked.append(precision)
        return dataclasses.replace(composite_grid(*arguments, precision="fp32", **options), flip_rate=0.25)

    monkeypatch.setattr(grid, "composite_grid", in_half)
    parameters = PARAMETERS | {"precision": "fp16"}
    found = measured(tiny_trajectory, parameters, progress=lambda *counts: seen.append(counts))
    assert asked == ["fp16"]
    assert read(found, parameters).flip_rate == 0.25
    assert seen == [(3, 9), (6, 9), (9, 9)]


def test_all_cuts_are_evaluated_where_that_is_asked_for(tiny_trajectory, column):
    found = read(measured(tiny_trajectory, PARAMETERS | {"cuts": "all"}), PARAMETERS)
    assert found.cuts == tiny_trajectory.network(2).cuts == ("stem", *column.cuts)
    assert (found.predictions[1:] == column.predictions).all()
    images, _ = tiny_trajectory.evaluation_set("held-out")
    assert (found.predictions[0, 0] == predict(composite(tiny_trajectory, 1, 2, "stem"), images)).all()
    assert not covers(PARAMETERS | {"cuts": "all"}, PARAMETERS)


@pytest.mark.parametrize("missed", [[0.0, 0.25, 1.0], [0.1234, 0.5, 0.0]])
def test_a_planted_column_misses_as_many_as_requested(missed):
    found = Column.planted([2, 4, 6], missed)
    assert found.cuts == DEPTHS
    assert (found.epochs.tolist(), found.deep) == ([2, 4, 6], 6)
    assert found.agreement == pytest.approx(np.tile(1 - np.array(missed), (3, 1)), abs=GRAIN)
    assert (found.accuracy == found.agreement).all()
    assert found.reference_accuracy == 1
    assert found.cross_entropy == pytest.approx(5 * np.tile(missed, (3, 1)))


def test_depths_may_differ_and_shares_are_clipped():
    found = Column.planted([1, 2], [[0.1, 0], [0.2, 0], [1.5, -0.5]], deep=1)
    assert found.deep == 1
    assert found.agreement == pytest.approx(np.array([[0.9, 1], [0.8, 1], [0, 1]]), abs=GRAIN)


def test_shares_may_differ_in_the_depth_alone():
    found = Column.planted([1, 2], [[0.1], [0.2], [0.3]])
    assert found.agreement == pytest.approx(np.array([[0.9] * 2, [0.8] * 2, [0.7] * 2]), abs=GRAIN)


def test_agreement_is_lost_without_accuracy_where_both_are_wrong():
    found = Column.planted([1, 2], [[0.1], [0], [0]], wrong=0.2, astray=[[0.05], [0.2], [0.3]])
    assert found.reference_accuracy == pytest.approx(0.8, abs=GRAIN)
    assert found.agreement[:, 0] == pytest.approx([0.85, 0.8, 0.8], abs=GRAIN)  # no more than f_t is wrong on
    assert found.accuracy[:, 0] == pytest.approx([0.7, 0.8, 0.8], abs=GRAIN)


def test_a_share_has_all_images_as_its_count(small):
    assert small.images == 4
    assert Column.planted([1], 0, cuts=("whole",)).predictions.shape == (1, 1, IMAGES)


def test_a_composite_misses_all_that_a_better_one_misses():
    """The worst composite therefore sets the share of images at consistency 1."""
    found = Column.planted([1, 2, 3], [0.3, 0.1, 0])
    assert (found.consistency == 1).mean() == pytest.approx(0.7, abs=GRAIN)


def resolved(changes=None, recipe=None, **options):
    """Parameters of a column over epochs 1 to 3, under a protocol with some numbers changed."""
    protocol = PROTOCOL | (changes or {})
    scope = Scope(recipe or tiny_recipe(), 0, 1, {"late": Window(1, 3)}, protocol, images=20)
    return resolve(Options(**{"window": "late", "deep": "last"} | options), scope)


def test_the_deep_epoch_is_the_end_that_is_asked_for():
    assert {part["deep"] for part in resolved(deep="first").values()} == {1}
    assert {part["deep"] for part in resolved(deep="last").values()} == {3}


def test_under_each_deep_epoch_lie_those_before_it_thinned():
    found = resolved(deep="each", splits=("training",), every=2)
    assert {part: parameters["shallow"] for part, parameters in found.items()} == {
        ("training", 1): [1],
        ("training", 3): [1, 3],
    }


@pytest.mark.parametrize(("normalised", "policy"), [(True, "recalibrate"), (False, "carry")])
def test_where_no_statistics_are_one_column_serves_both(normalised, policy):
    adopted = AdoptedSpec({"0": "0" * 64}, normalised=normalised)
    recipe = tiny_recipe(adopted=adopted, network=NetworkSpec("nets:made", {"cuts": ["0"]}))
    found = resolved(policy="recalibrate", recipe=recipe)
    assert {parameters["policy"] for parameters in found.values()} == {policy}


@pytest.mark.parametrize(
    ("changes", "options", "message"),
    [
        ({}, {"policy": "keep"}, "policy = 'keep' is neither carry nor recalibrate"),
        ({}, {"splits": ()}, "the list of splits is empty"),
        ({"deep_epochs": 0}, {"deep": "each"}, "deep_epochs = 0 of the protocol"),
        ({"kinds": 5}, {"corruption": "kinds"}, "kinds of the protocol: expected a list of str, found 5"),
        ({"kinds": "fog"}, {"corruption": "kinds"}, "kinds of the protocol: expected a list of str, found 'fog'"),
        ({"kinds": ["fog", 2]}, {"corruption": "kinds"}, "kinds of the protocol, item 2: expected str, found 2"),
        ({"kinds": []}, {"corruption": "kinds"}, "kinds of the protocol lists no corruption"),
        ({"severity": 6}, {"corruption": "kinds"}, "severity = 6 of the protocol is none of 1, 2, 3, 4, 5"),
        ({"severity": True}, {"corruption": "kinds"}, "severity = True of the protocol is none of 1"),
    ],
)
def test_a_column_that_cannot_be_measured_is_refused(changes, options, message):
    with pytest.raises(RecipeError, match=message):
        resolved(changes, **options)


def test_evidence_says_where_corrupted_images_come_from(small):
    found = dataclasses.replace(small, flip_rate=0.25, source="synthesised")
    plain = {"precision of grids": "fp32", "flip rate": 0.25}
    assert KIND.remarks(found, PARAMETERS) == plain
    assert KIND.remarks(found, PARAMETERS | {"corruption": {}}) == plain | {"corrupted images": "synthesised"}


def test_of_a_record_that_holds_more_a_claim_sees_its_epochs(small):
    assert KIND.part(small, {"shallow": [5]}).epochs.tolist() == [5]
