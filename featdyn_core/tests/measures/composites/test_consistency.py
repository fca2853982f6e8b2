"""Consistency and windows against their definitions; App. G's theorem 2 as a law of prediction cubes."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featdyn_core.errors import MeasurementError
from featdyn_core.measures.composites.consistency import (
    epsilon_window,
    memory_window,
    pointwise_consistency,
    share_at_one,
    tail_mass,
    transfer_window,
    window_consistency,
    window_length,
    window_misses,
)

LAW = settings(max_examples=50, deadline=None)
ROUNDING = 1e-12

levels = st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0])


@st.composite
def cubes(draw):
    """Predictions (U, N) of three classes, and a reference (N,)."""
    windows, samples = draw(st.integers(1, 6)), draw(st.integers(1, 8))
    classes = st.integers(0, 2)
    rows = st.lists(classes, min_size=samples, max_size=samples)
    return np.array(draw(st.lists(rows, min_size=windows, max_size=windows))), np.array(draw(rows))


@st.composite
def columns(draw):
    """Agreements, many of them equal to a level, with ascending epochs."""
    values = draw(st.lists(levels | st.floats(0, 1), min_size=1, max_size=8))
    steps = draw(st.lists(st.integers(1, 9), min_size=len(values), max_size=len(values)))
    return values, np.cumsum(steps).tolist()


# Point-wise consistency


@LAW
@given(cubes())
def test_consistency_is_the_share_of_the_window_that_agrees(cube):
    predictions, reference = cube
    found = pointwise_consistency(predictions, reference)
    for sample, value in enumerate(found):
        agreeing = [row for row in predictions if row[sample] == reference[sample]]
        assert value == pytest.approx(len(agreeing) / len(predictions), abs=ROUNDING), f"sample {sample}"
    assert ((found >= 0) & (found <= 1)).all()


@LAW
@given(cubes(), st.randoms(use_true_random=False))
def test_consistency_ignores_checkpoint_order_and_class_names(cube, random):
    predictions, reference = cube
    expected = pointwise_consistency(predictions, reference)
    rows, samples, names = list(range(len(predictions))), list(range(len(reference))), [0, 1, 2]
    for order in (rows, samples, names):
        random.shuffle(order)
    renamed = np.array(names)
    np.testing.assert_array_equal(pointwise_consistency(predictions[rows], reference), expected)
    np.testing.assert_array_equal(pointwise_consistency(renamed[predictions], renamed[reference]), expected)
    np.testing.assert_array_equal(pointwise_consistency(predictions[:, samples], reference[samples]), expected[samples])


def test_consistency_of_the_reference_itself_is_one():
    reference = np.array([2, 0, 1])
    assert pointwise_consistency([reference, reference], reference).tolist() == [1.0, 1.0, 1.0]
    assert pointwise_consistency([reference, reference + 1], reference).tolist() == [0.5, 0.5, 0.5]


@pytest.mark.parametrize("function", [pointwise_consistency, window_consistency, window_misses])
@pytest.mark.parametrize(
    ("predictions", "reference"),
    [
        pytest.param(np.zeros((2, 3)), np.zeros(2), id="other samples"),
        pytest.param(np.zeros((2, 3)), np.zeros((2, 3)), id="reference of rows"),
        pytest.param(np.zeros(3), np.zeros(3), id="no axis of checkpoints"),
        pytest.param(np.zeros((0, 3)), np.zeros(3), id="empty window"),
        pytest.param(np.zeros((2, 0)), np.zeros(0), id="no samples"),
    ],
)
def test_shapes_that_do_not_match_are_shown(function, predictions, reference):
    with pytest.raises(MeasurementError, match=r"predictions \(U, N\) and a reference \(N,\), found \("):
        function(predictions, reference)


def test_summaries_count_samples_at_one_and_below_the_level():
    consistency = [1.0, 1.0 - 1e-9, 0.8, 0.5]
    assert share_at_one(consistency) == 0.25
    assert tail_mass(consistency, level=0.8) == 0.25
    assert tail_mass(consistency, level=0.9) == 0.5


# Windows


def literal_memory_window(column, epochs, level):
    """Longest t - s such that every u in [s, t) reaches the level; the last entry is u = t itself."""
    reaching = [start for start in range(len(column)) if all(value >= level for value in column[start:-1])]
    return epochs[-1] - epochs[min(reaching)]


@LAW
@given(columns(), levels)
def test_memory_window_is_its_definition(column, level):
    values, epochs = column
    assert memory_window(values, epochs, level) == literal_memory_window(values, epochs, level)


@LAW
@given(columns(), levels)
def test_transfer_window_mirrors_memory_window(column, level):
    values, epochs = column
    mirrored = [-epoch for epoch in reversed(epochs)]
    assert transfer_window(values, epochs, level) == memory_window(values[::-1], mirrored, level)


@pytest.mark.parametrize("window", [memory_window, transfer_window])
@LAW
@given(columns(), levels, levels)
def test_windows_do_not_grow_with_the_level(window, column, one, other):
    values, epochs = column
    assert window(values, epochs, max(one, other)) <= window(values, epochs, min(one, other))


def test_a_window_along_a_path_ends_where_agreement_meets_level():
    places = [0.0, 4.0, 5.0, 5.5]
    assert window_length([0.9, 0.2, 0.8, 1.0], places, 0.8) == pytest.approx(0.5)
    assert window_length([0.9, 0.2, 1.0, 1.0], places, 0.8) == pytest.approx(0.5 + 0.25)
    assert window_length([0.0, 1.0, 1.0, 1.0], places, 0.75) == pytest.approx(1.5 + 0.25 * 4)
    assert window_length([0.9, 0.9, 0.6, 1.0], places, 0.8) == pytest.approx(0.25)
    assert window_length([0.9, 0.9, 0.6, 0.5], places, 0.8) == 0
    assert window_length([0.9, 0.8, 0.8, 1.0], places, 0.8) == 5.5


@LAW
@given(columns(), levels)
def test_along_a_path_a_window_ends_between_two_checkpoints(column, level):
    values, epochs = column
    found, least = window_length(values, epochs, level), memory_window(values, epochs, level)
    earlier = [epochs[-1] - epoch for epoch in epochs if epochs[-1] - epoch > least]
    assert least <= found <= min(earlier, default=least) + ROUNDING


def test_windows_end_where_the_run_breaks():
    epochs = [10, 20, 40, 50]
    assert memory_window([0.9, 0.2, 0.8, 1.0], epochs, 0.8) == 10
    assert memory_window([0.9, 0.8, 0.8, 1.0], epochs, 0.8) == 40
    assert memory_window([0.9, 0.9, 0.7, 1.0], epochs, 0.8) == 0
    assert transfer_window([1.0, 0.8, 0.2, 0.9], epochs, 0.8) == 10
    assert transfer_window([1.0, 0.8, 0.9, 0.9], epochs, 0.8) == 40
    assert transfer_window([1.0], [10], 0.8) == 0


@pytest.mark.parametrize("window", [memory_window, transfer_window])
@pytest.mark.parametrize(
    ("column", "epochs", "level", "message"),
    [
        pytest.param([1, 1], [0], 0.8, "as many agreements as epochs", id="lengths"),
        pytest.param([], [], 0.8, "as many agreements as epochs", id="empty"),
        pytest.param([[1.0]], [[0]], 0.8, "as many agreements as epochs", id="two axes"),
        pytest.param([1, 1], [5, 5], 0.8, r"ascending epochs, found \[5, 5\]", id="epochs"),
        pytest.param([1, 1.1], [0, 1], 0.8, r"in \[0, 1\]", id="agreement"),
        pytest.param([float("nan"), 1], [0, 1], 0.8, r"in \[0, 1\]", id="not evaluated"),
        pytest.param([1, 1], [0, 1], 80, r"in \[0, 1\]", id="level"),
    ],
)
def test_windows_name_what_they_need(window, column, epochs, level, message):
    with pytest.raises(MeasurementError, match=message):
        window(column, epochs, level)


@LAW
@given(cubes())
def test_window_consistency_is_that_of_every_window(cube):
    predictions, reference = cube
    found = window_consistency(predictions, reference)
    assert found.shape == predictions.shape
    for start, row in enumerate(found):
        np.testing.assert_array_equal(row, pointwise_consistency(predictions[start:], reference))


@LAW
@given(cubes())
def test_reversed_rows_give_the_transfer_windows(cube):
    predictions, reference = cube  # rows u ascending from t
    for end, row in enumerate(window_consistency(predictions[::-1], reference)[::-1]):
        np.testing.assert_array_equal(row, pointwise_consistency(predictions[: end + 1], reference))
    for end, value in enumerate(window_misses(predictions[::-1], reference)[::-1]):
        misses = 1 - pointwise_consistency(predictions[: end + 1], reference)
        assert value == pytest.approx(misses.mean(), abs=ROUNDING), f"window of {end + 1} rows"


# Theorem 2 (App. G)


def literal_misses(predictions, reference):
    """Exact miss rate (N,) of each sample over the window."""
    return [
        Fraction(sum(int(row[sample] != label) for row in predictions), len(predictions))
        for sample, label in enumerate(reference)
    ]


def share_within(misses, level):
    """Exact share of the samples that miss on at most the share ``level`` of the window."""
    return Fraction(sum(miss <= level for miss in misses), len(misses))


@LAW
@given(cubes())
def test_window_misses_are_means_over_samples_and_later_epochs(cube):
    predictions, reference = cube
    found = window_misses(predictions, reference)
    assert found.shape == (len(predictions),)
    for start, value in enumerate(found):
        misses = literal_misses(predictions[start:], reference)
        assert value == pytest.approx(float(sum(misses) / len(misses)), abs=ROUNDING), f"window from row {start}"


@LAW
@given(cubes())
def test_particle_level_for_every_sample_implies_empirical_level(cube):
    predictions, reference = cube
    epsilon = max(1 - pointwise_consistency(predictions, reference))
    assert window_misses(predictions, reference)[0] <= epsilon + ROUNDING


@LAW
@given(cubes(), st.fractions(min_value=Fraction(1, 10), max_value=1, max_denominator=10))
def test_empirical_level_implies_particle_level_for_most_samples(cube, level):
    """Markov: at mean miss rate ε more than 1 - ε/a of the samples miss on at most the share a."""
    predictions, reference = cube
    misses = literal_misses(predictions, reference)
    epsilon = sum(misses) / len(misses)
    assert float(epsilon) == pytest.approx(window_misses(predictions, reference)[0], abs=ROUNDING)
    share = share_within(misses, level)
    assert share > 1 - epsilon / level or share == 1


def test_empirical_level_does_not_imply_particle_level():
    """One sample of four always misses: the share is below 1, and the reverse inequality fails."""
    reference = np.zeros(4, int)
    predictions = np.array([[0, 0, 0, 1], [0, 0, 0, 1]])
    misses = literal_misses(predictions, reference)
    level, epsilon = Fraction(1, 2), Fraction(1, 4)
    assert window_misses(predictions, reference).tolist() == [0.25, 0.25]
    assert share_within(misses, level) == Fraction(3, 4)
    assert not share_within(misses, level) <= 1 - epsilon / level


# Tolerances


def literal_epsilon_window(predictions, reference, epochs, epsilon):
    """Longest t - s such that the mean over u in [s, t] and over samples misses at most epsilon (definition 2)."""
    rates = [np.mean([row != reference for row in predictions[start:]]) for start in range(len(predictions))]
    return max(epochs[-1] - epoch for epoch, rate in zip(epochs, rates, strict=True) if rate <= epsilon + ROUNDING)


@LAW
@given(cubes(), levels)
def test_epsilon_window_is_its_definition_at_both_levels(cube, epsilon):
    predictions, reference = cube
    predictions = np.concatenate([predictions, reference[None]])
    epochs = np.cumsum(np.arange(1, len(predictions) + 1))
    margin = epsilon + ROUNDING
    empirical = epsilon_window(window_misses(predictions, reference), epochs, margin)
    assert empirical == literal_epsilon_window(predictions, reference, epochs, epsilon)
    particle = epsilon_window(1 - window_consistency(predictions, reference), epochs, margin)
    for sample, window in enumerate(particle):
        part = predictions[:, [sample]], reference[[sample]]
        assert window == literal_epsilon_window(*part, epochs, epsilon), f"sample {sample}"


@LAW
@given(cubes(), levels, levels)
def test_epsilon_window_does_not_fall_as_the_tolerance_grows(cube, one, other):
    misses, epochs = window_misses(*cube), np.arange(len(cube[0]))
    assert epsilon_window(misses, epochs, min(one, other)) <= epsilon_window(misses, epochs, max(one, other))


def test_the_epsilon_window_is_0_where_the_reference_misses_more():
    assert epsilon_window([0.5, 0.4], [0, 1], 0.1) == 0


@pytest.mark.parametrize("epsilon", ["0.05", "0.1", "0.15", "0.2", "0.3", "0.35", "0.6", "0.7", "0.85"])
def test_ties_of_rate_and_tolerance_are_decided_as_for_integers(epsilon):
    """Each window of up to 60 epochs misses as often as the tolerance allows, and once more."""
    for size in range(2, 61):
        allowed = int(Fraction(epsilon) * size)
        reference, epochs = np.zeros(2, int), np.arange(size)
        predictions = (np.arange(size)[::-1, None] >= size - np.array([allowed, allowed + 1])).astype(int)
        found = epsilon_window(1 - window_consistency(predictions, reference), epochs, float(epsilon))
        assert found[0] == size - 1, f"{allowed} of {size}"
        assert found[1] < size - 1, f"{allowed + 1} of {size}"
        for column, window in enumerate(found):
            together = window_misses(np.repeat(predictions[:, [column]], 3, axis=1), np.zeros(3, int))
            assert epsilon_window(together, epochs, float(epsilon)) == window, f"{size} epochs together"


@pytest.mark.parametrize(("misses", "epochs"), [([0.1], [0, 1]), ([], []), ([0.1, 0.1], [1, 1])])
def test_the_epsilon_window_needs_one_rate_for_each_rising_epoch(misses, epochs):
    with pytest.raises(MeasurementError, match="a miss rate for each of its ascending epochs"):
        epsilon_window(misses, epochs, 0.1)
