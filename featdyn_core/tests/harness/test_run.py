"""A claim's view of one seed, and the stacking of its results."""

import numpy as np
import pytest

from featdyn_core import planted
from featdyn_core.errors import MeasurementError
from featdyn_core.harness.run import Run, gather
from featdyn_core.records.column import Column
from featdyn_core.register.register import Window
from featdyn_core.verdicts.claim import Claim
from featdyn_core.verdicts.criterion import Criterion, Role
from featdyn_core.verdicts.measured import Lines, Measured
from featdyn_core.verdicts.units import Counted

CLAIM = Claim(
    "demo",
    "1",
    "It holds.",
    (Criterion("effect", "q", "above", 0.5), Criterion("null", "q", "below", 0.1, Role.CONTROL)),
)


def line(x, y, label="a") -> Lines:
    return Lines(x, {label: y}, "x axis", "y axis")


def measured(effect=0.9, null=0.0, **more) -> Measured:
    return Measured({"effect": effect, "null": null}, **more)


def run_of(columns, other=None) -> Run:
    views = {("column", "clean"): columns, ("stranger", "clean"): {"": other}}
    return Run(3, {"late": Window(1, 4)}, {"draws": 2}, lambda name, arm: views[name, arm])


def test_a_run_passes_on_the_protocol_and_the_measurements():
    columns = planted.on_both_splits(Column.planted([1, 2], 0.1))
    run = run_of(columns, "a stranger")
    assert (run.seed, run.window("late"), run.protocol["draws"]) == (3, Window(1, 4), 2)
    assert run.columns("column") == columns
    assert run.record("stranger") == "a stranger"
    with pytest.raises(ValueError, match="too many values"):
        run.record("column")  # it has splits


def test_a_neighbour_is_the_next_seeds_run():
    other = run_of({})
    assert Run(0, {}, {}, dict, lambda: other).neighbour() is other
    with pytest.raises(MeasurementError, match="seed 3 has no neighbour"):
        run_of({}).neighbour()


def test_numbers_of_items_and_splits_are_called_after_them():
    found = Measured({"n": 1.0, "a": {"depth 1": {"held-out": 2.0, "training": 3.0}, "depth 2": {"held-out": 4.0}}})
    assert found.values == {
        "n": 1.0,
        "a, depth 1, held-out": 2.0,
        "a, depth 1, training": 3.0,
        "a, depth 2, held-out": 4.0,
    }


# Stacking


def test_numbers_and_lines_are_stacked_seed_by_seed():
    seeds = [measured(0.9, Counted(1 / 9, 9), curves={"f": line([1, 2], [seed, 0.5])}) for seed in (7, 8, 9)]
    values, curves, *_ = gather(CLAIM, seeds)
    assert values == {"effect": [0.9] * 3, "null": [Counted(1 / 9, 9)] * 3}
    curve = curves["f"]
    assert (curve.x, curve.x_label, curve.y_label) == ([1.0, 2.0], "x axis", "y axis")
    assert curve.series == {"a": [[7.0, 0.5], [8.0, 0.5], [9.0, 0.5]]}


def test_the_first_counter_example_is_the_rows():
    found = [measured(counter_example=example) for example in ("", "z = 0", "z = 1")]
    assert gather(CLAIM, found).counter_example == "z = 0"
    assert gather(CLAIM, [measured()]).counter_example == ""


def test_the_picture_is_that_of_the_first_seed():
    one, other = (measured(planes={"regions": seed}) for seed in ("first", "second"))
    assert gather(CLAIM, [one, other]).planes == {"regions": "first"}
    assert gather(CLAIM, [measured()]).planes == {}


@pytest.mark.parametrize(
    ("numbers", "wrong"),
    [
        pytest.param({"effect": 1.0}, "measure returns no 'null'", id="lacks"),
        pytest.param({"effect": 1.0, "null": 0.0, "efect": 1.0}, "the register has no 'efect'", id="unknown"),
    ],
)
def test_names_are_checked_before_a_second_seed_is_measured(numbers, wrong):
    measurements = []

    def seeds():
        for seed in range(3):
            measurements.append(seed)
            yield Measured(numbers)

    with pytest.raises(MeasurementError, match=wrong):
        gather(CLAIM, seeds())
    assert measurements == [0]


@pytest.mark.parametrize(
    "value", [[0.9] * 100, np.full(3, 0.9), "0.9", None, 1j], ids=lambda value: type(value).__name__
)
def test_a_seed_has_one_number_for_each_criterion(value):
    with pytest.raises(MeasurementError, match=r"'effect' of one seed is a \w+, and not one number"):
        gather(CLAIM, [measured(value)])


@pytest.mark.parametrize("value", [1, 0.5, np.float64(0.5), np.float32(0.5), np.int64(1), True])
def test_every_kind_of_number_is_one(value):
    assert gather(CLAIM, [measured(value)])[0]["effect"] == [value]


@pytest.mark.parametrize("value", [None, {"effect": 0.9, "null": 0.0}])
def test_what_is_no_measurement_is_named(value):
    with pytest.raises(MeasurementError, match=r"claim 'demo': measure returned a \w+, and no Measured"):
        gather(CLAIM, [value])


def test_lines_of_all_seeds_have_the_same_abscissae():
    seeds = [measured(curves={"f": line([1, 2], [0, 0])}), measured(curves={"f": line([1, 3], [0, 0])})]
    with pytest.raises(MeasurementError, match="the figure 'f' has other abscissae"):
        gather(CLAIM, seeds)


def test_a_figure_has_what_it_shows_of_its_claim():
    lines = Lines([0, 10, 20], {"a": [1, 2, 3]}, "x", "y", bound="effect", window="late", over_epochs=True, log=True)
    seeds = [measured(curves={"f": lines})] * 3
    curve = gather(CLAIM, seeds, windows=["late"], steps=[5.0, 15.0, 30.0])[1]["f"]
    assert (curve.bound, curve.window, curve.steps, curve.log) == ("effect", "late", [5.0, 15.0], True)


def test_steps_of_the_learning_rate_are_drawn_over_epochs_alone():
    seeds = [measured(curves={"f": line([0, 10, 20], [0, 0, 0])})]
    assert gather(CLAIM, seeds, steps=[5.0])[1]["f"].steps == []


@pytest.mark.parametrize(
    ("marks", "message"),
    [
        ({"bound": "efect"}, "the figure 'f' draws the bound of no criterion 'efect'"),
        ({"window": "early"}, "the figure 'f' shades no window 'early'"),
    ],
)
def test_a_figure_that_names_what_its_claim_has_not_is_refused(marks, message):
    seeds = [measured(curves={"f": Lines([1], {"a": [1]}, "x", "y", **marks)})]
    with pytest.raises(MeasurementError, match=message):
        gather(CLAIM, seeds, windows=["late"])
