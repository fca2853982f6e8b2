"""Correlations over checkpoints and arms: planted ones, those from time alone, and shuffled ones."""

import numpy as np
import pytest

from featdyn_core.analysis.association import (
    Association,
    _shuffled,
    anisotropy_and_memory,
    consistencies,
    planted_link,
    strengths,
)
from featdyn_core.measures.one_step.concentration import participation_ratio
from featdyn_core.measures.one_step.gram import ChangeGram
from featdyn_core.records.changes import Changes
from featdyn_core.records.column import Column

TIME = np.arange(6.0)


@pytest.fixture
def rng():
    return np.random.default_rng(3)


def test_what_goes_together_everywhere_correlates_in_every_way():
    table = np.array([TIME + 10, TIME])
    found = Association(table, 2 * table)
    assert (found.pooled.value, found.pooled.of) == (pytest.approx(1), 66)
    assert (found.within_arms.value, found.within_arms.of) == (
        pytest.approx(1 - 0.5 / 15),
        30,
    )  # half a pair off the end
    assert (found.between_arms.value, found.between_arms.of) == (pytest.approx(0.5), 6)


def test_what_arms_make_is_not_found_within_one():
    wiggle = np.array([0, 1, 0, 1, 0, 1.0])
    found = Association(np.array([10 + TIME, TIME]), np.array([10 + wiggle, 9 - wiggle]))
    assert found.between_arms.value == pytest.approx(0.5)
    assert found.within_arms.value == 0
    assert found.pooled.value > 0.4


def test_what_time_makes_is_not_found_at_one_epoch(rng):
    noise = rng.normal(0, 2, (2, 400, 100))
    time = np.arange(100)
    found = Association(time + noise[0], time + noise[1])
    assert found.pooled.value > 0.8
    assert abs(found.between_arms.value) < 0.05


@pytest.mark.parametrize("within_arms", [False, True])
def test_no_link_is_left_at_shuffled_checkpoints(rng, within_arms):
    table = np.array([TIME + 10, TIME])
    own, stranger = Association(table, table), Association(table, 2 * table)
    found = own.unlinked(stranger, 400, rng, within_arms=within_arms)
    assert abs(found.value) < 0.05
    assert found.of == 400 * (30 if within_arms else 66)


def test_what_a_training_shares_with_a_stranger_stays_in_its_arm(rng):
    """If it shuffled within arms, the correlation over all checkpoints would keep the effect of arms."""
    table = np.array([TIME + 10, TIME])
    assert set(_shuffled(table, rng, within_rows=True)[0]) == set(table[0])
    assert set(_shuffled(table, rng, within_rows=False)[0]) != set(table[0])


def test_one_shuffle_leaves_chance(rng):
    table = np.array([TIME + 10, TIME])
    found = [Association(table, table).unlinked(Association(table, table), 1, rng).value for _ in range(50)]
    assert np.std(found) > 0.1


def test_strength_is_minus_the_log_participation_ratio(rng):
    grams = [[ChangeGram.of(rng.standard_normal((8, 5))) for _ in range(2)] for _ in range(3)]
    found = strengths(Changes((0, 1, 2), grams, grams))
    expected = [-np.mean(np.log([participation_ratio(gram) for gram in pair])) for pair in grams]
    assert found == pytest.approx(expected)


def test_consistency_is_the_mean_agreement_over_the_span():
    columns = {8: Column.planted(range(9), [0.5] * 4 + [0.2] * 4 + [0])}
    assert consistencies(columns, 2) == pytest.approx([(0.8 + 0.8 + 1) / 3])
    assert consistencies(columns, 8) == pytest.approx([(4 * 0.5 + 4 * 0.8 + 1) / 9])


def test_strength_consistency_and_windows_share_arm_and_epoch(rng):
    strong, windows = np.array([[9.0, 3.0], [6.0, 1.0]]), np.array([[8, 4], [6, 2]])
    records = planted_link(strong, windows, rng)
    changes, columns = ([records[name, arm] for arm in ("clean", "noisy")] for name in ("changes", "columns"))
    found = anisotropy_and_memory(changes, [column["held-out"] for column in columns], span=4, level=0.8)
    assert np.array_equal(found["window length"].other, windows)
    assert np.array_equal(found["consistency"].one, found["window length"].one)
    for name in ("consistency", "window length"):
        assert found[name].pooled.value == pytest.approx(1)
        assert found[name].one.shape == found[name].other.shape == (2, 2)
