"""Correlations over checkpoints and arms: planted ones, what time alone makes, and shuffles."""

import numpy as np
import pytest

from featdyn_core.analysis.association import Association, anisotropy_and_memory, consistencies, planted_link, strengths
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
    assert [found.pooled, found.within_arms, found.between_arms] == pytest.approx([1, 1, 1])


def test_what_arms_make_is_not_found_within_one():
    wiggle = np.array([0, 1, 0, 1, 0, 1.0])
    found = Association(np.array([10 + TIME, TIME]), np.array([10 + wiggle, 9 - wiggle]))
    assert found.between_arms == 1
    assert found.within_arms == 0
    assert found.pooled > 0.4


def test_what_time_makes_is_not_found_at_one_epoch(rng):
    noise = rng.normal(0, 2, (2, 400, 100))
    time = np.arange(100)
    found = Association(time + noise[0], time + noise[1])
    assert found.pooled > 0.8
    assert abs(found.between_arms) < 0.05


def test_shuffles_correlate_as_often_as_the_level_says(rng):
    table = np.array([TIME + 10, TIME])
    found = Association(table, table)
    for within_arms, draws in ((False, 800), (True, 1600)):
        count = found.shuffled(800, 0.1, rng, within_arms=within_arms)
        assert count.of == draws
        assert 0.02 < float(count) < 0.14  # of six or twelve checkpoints few p-values are possible
    assert float(Association(table, np.ones((2, 6))).shuffled(10, 0.1, rng)) == 0


def test_strength_is_minus_the_log_participation_ratio(rng):
    grams = [[ChangeGram.of(rng.standard_normal((8, 5))) for _ in range(2)] for _ in range(3)]
    found = strengths(Changes((0, 1, 2), grams, grams))
    expected = [-np.mean(np.log([participation_ratio(gram) for gram in pair])) for pair in grams]
    assert found == pytest.approx(expected)


def test_consistency_is_the_mean_agreement_over_the_span():
    columns = {8: Column.planted(range(9), [0.5] * 4 + [0.2] * 4 + [0])}
    assert consistencies(columns, 2) == pytest.approx([(0.8 + 0.8 + 1) / 3])
    assert consistencies(columns, 8) == pytest.approx([(4 * 0.5 + 4 * 0.8 + 1) / 9])


def test_strength_consistency_and_windows_are_those_of_the_same_arm_and_epoch(rng):
    strong, windows = np.array([[9.0, 3.0], [6.0, 1.0]]), np.array([[8, 4], [6, 2]])
    records = planted_link(strong, windows, rng)
    changes, columns = ([records[name, arm] for arm in ("clean", "noisy")] for name in ("changes", "columns"))
    found = anisotropy_and_memory(changes, [column["held-out"] for column in columns], span=4, level=0.8)
    assert np.array_equal(found["window length"].other, windows)
    assert np.array_equal(found["consistency"].one, found["window length"].one)
    for name in ("consistency", "window length"):
        assert found[name].pooled == pytest.approx(1)
        assert found[name].one.shape == found[name].other.shape == (2, 2)
