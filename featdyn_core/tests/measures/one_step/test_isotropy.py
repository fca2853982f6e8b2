"""Sphericity: exact anchors, exact null, size and power, and mutants that the size test must catch."""

import dataclasses
import re
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from featdyn_core.errors import MeasurementError
from featdyn_core.measures.one_step import isotropy
from featdyn_core.measures.one_step.gram import ChangeGram
from featdyn_core.measures.one_step.isotropy import isotropy_test, null_statistics, sign_test, sphericity
from featdyn_core.tests.measures.one_step.test_concentration import BAD_CENTRES, BAD_CHANGES, shapes, with_spectrum

ROUNDING = 1e-9  # relative; two orders of summation of the same float64 sums
KS_LEVEL = 1e-3  # chance that a correct distribution fails its Kolmogorov-Smirnov test


def literal_statistic(changes):
    covariance = np.cov(changes, rowvar=False)
    p = len(covariance)
    return np.linalg.norm(p * covariance / np.trace(covariance) - np.eye(p))


def student_t5(n, p, rng):
    return rng.standard_normal((n, p)) / np.sqrt(rng.chisquare(5, (n, 1)) / 5)


def uniformity(n, p, samples=1000, mean=0.0, centre=None):
    """Return the KS p-value that isotropy_test's p-values are uniform on Gaussian isotropic samples."""
    rng = np.random.default_rng(20)
    centre = None if centre is None else np.full(p, centre)
    p_values = [isotropy_test(rng.standard_normal((n, p)) + mean, centre=centre).p_value for _ in range(samples)]
    return stats.kstest(p_values, "uniform").pvalue


@pytest.fixture
def fresh_null():
    """Keep a monkeypatched null out of the shared cache."""
    isotropy._shared_null.cache_clear()
    yield
    isotropy._shared_null.cache_clear()


@settings(max_examples=25, deadline=None)
@given(shapes, st.integers(0, 2**32))
def test_statistic_is_the_papers_on_either_gram_side(shape, seed):
    changes = np.random.default_rng(seed).standard_normal(shape) + 5
    assert sphericity(changes) == pytest.approx(literal_statistic(changes), rel=ROUNDING)


@settings(max_examples=25, deadline=None)
@given(shapes, st.integers(0, 2**32), st.sampled_from([1e-200, 1e-3, 1e100]))
def test_statistic_ignores_scale_rotation_and_order(shape, seed, scale):
    rng = np.random.default_rng(seed)
    changes = rng.standard_normal(shape)
    rotation, _ = np.linalg.qr(rng.standard_normal((shape[1], shape[1])))
    moved = scale * rng.permutation(changes) @ rotation
    assert sphericity(moved) == pytest.approx(sphericity(changes), rel=1e-6)


def test_anchor_of_john_and_ledoit_wolf():
    changes = with_spectrum(40, [4, 2, 1, 1], np.random.default_rng(0))
    result = isotropy_test(changes, centre=np.zeros(4))
    assert result.degrees_of_freedom == 40
    assert result.john_u == pytest.approx(0.375, rel=ROUNDING)
    assert result.john_p == pytest.approx(stats.chi2.sf(81 * 0.375, 9), rel=1e-6)
    assert result.ledoit_wolf_z == pytest.approx(5.0, rel=ROUNDING)
    assert result.ledoit_wolf_p == pytest.approx(stats.norm.sf(5.0), rel=1e-6)
    assert result.statistic == pytest.approx(np.sqrt(1.5), rel=ROUNDING)


def test_perfectly_isotropic_sample_has_statistic_zero_and_p_one():
    result = isotropy_test(with_spectrum(40, np.ones(8), np.random.default_rng(0)), centre=np.zeros(8))
    assert result.statistic == pytest.approx(0, abs=1e-6)
    assert result.p_value == 1


def test_known_centre_keeps_the_mean_and_a_degree_of_freedom():
    changes = np.random.default_rng(0).standard_normal((30, 5)) * 0.01 + 1
    assert isotropy_test(changes).degrees_of_freedom == 29
    about_zero = isotropy_test(changes, centre=np.zeros(5))
    assert about_zero.degrees_of_freedom == 30
    assert about_zero.statistic > 4  # the mean is one direction: T is near √(p² − p) = √20
    assert isotropy_test(changes).statistic < 2


@pytest.mark.parametrize(("n", "p"), [(13, 8), (7, 20)])
def test_bidiagonal_null_equals_the_literal_bootstrap(n, p):
    rng = np.random.default_rng(1)
    literal = [literal_statistic(rng.standard_normal((n, p))) for _ in range(3000)]
    assert stats.ks_2samp(literal, null_statistics(n - 1, p, 9999, rng)).pvalue > KS_LEVEL


@pytest.mark.parametrize(("dof", "p"), [(2, 3), (39, 8), (19, 50), (8, 8), (99, 1024)])
def test_mean_of_the_null_is_the_closed_form(dof, p):
    u = null_statistics(dof, p, 20_000, np.random.default_rng(2)) ** 2 / p
    error = (u.mean() - (p * (dof + p + 1) / (dof * p + 2) - 1)) / (u.std() / np.sqrt(len(u)))
    assert abs(error) < 4


@pytest.mark.parametrize(("n", "p"), [(40, 8), (100, 64), (100, 1024)])
@pytest.mark.parametrize("known", [False, True], ids=["unknown centre", "known centre"])
def test_analytic_tails_agree_with_the_bootstrap(n, p, known):
    """John's within 0.02 at each size, Ledoit and Wolf's where both are large; Monte Carlo adds 0.005 to either."""
    rng = np.random.default_rng(13)
    centre = np.zeros(p) if known else None
    results = [isotropy_test(rng.standard_normal((n, p)), centre=centre) for _ in range(20)]
    assert max(abs(result.john_p - result.p_value) for result in results) < 0.02
    if p > 8:
        assert max(abs(result.ledoit_wolf_p - result.p_value) for result in results) < 0.03


def test_null_needs_memory_for_its_draws_only():
    tracemalloc.start()
    null_statistics(500, 4096, 1000, np.random.default_rng(0))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20 * 8 * 1000  # a few vectors of draws; 500 × 1000 chi-squares would be 4 MB


@pytest.mark.parametrize(("n", "p"), [(40, 8), (20, 50), (5, 30)])
@pytest.mark.parametrize("centre", [None, 3.0], ids=["unknown centre", "known centre"])
def test_p_is_uniform_under_the_null(n, p, centre):
    assert uniformity(n, p, mean=3.0, centre=centre) > KS_LEVEL


def test_uniformity_catches_a_lost_degree_of_freedom(monkeypatch):
    """A known centre leaves n degrees of freedom, so the null of n − 1 is wrong."""
    shared = isotropy._shared_null
    monkeypatch.setattr(isotropy, "_shared_null", lambda dof, p, draws: shared(dof - 1, p, draws))
    assert uniformity(5, 30, mean=3.0, centre=3.0) < KS_LEVEL


def test_uniformity_catches_a_wrong_centre():
    assert uniformity(40, 8, samples=300, mean=3.3, centre=3.0) < KS_LEVEL


@pytest.mark.parametrize("test", [isotropy_test, sign_test])
def test_a_wrong_centre_is_rejected_and_the_right_one_is_not(test):
    changes = np.random.default_rng(12).standard_normal((200, 16)) + np.linspace(1, 2, 16)
    assert test(changes, centre=np.linspace(1, 2, 16)).p_value > 0.05
    assert test(changes, centre=np.zeros(16)).p_value < 0.001


@pytest.mark.parametrize(
    "mutant",
    [
        pytest.param(lambda null: 0.8 * null, id="null 20 % too narrow"),
        pytest.param(lambda null: 0 * null, id="p always least"),
        pytest.param(lambda null: np.inf + null, id="p always 1"),
    ],
)
@pytest.mark.parametrize(("n", "p"), [(40, 8), (20, 50)])
@pytest.mark.usefixtures("fresh_null")
def test_uniformity_catches_a_wrong_null(n, p, mutant, monkeypatch):
    monkeypatch.setattr(isotropy, "null_statistics", lambda *size: mutant(null_statistics(*size)))
    assert uniformity(n, p, samples=300) < KS_LEVEL


def test_power_against_one_direction_of_four_times_the_variance():
    rng = np.random.default_rng(3)
    scale = np.ones(64)
    scale[0] = 2
    rejected = [isotropy_test(rng.standard_normal((200, 64)) * scale).p_value < 0.05 for _ in range(300)]
    assert np.mean(rejected) >= 0.99


def test_least_p_value_is_one_over_draws_plus_one():
    changes = np.random.default_rng(0).standard_normal((50, 1)) * np.ones(6)
    assert isotropy_test(changes, draws=999).p_value == 1 / 1000


@pytest.mark.usefixtures("fresh_null")
def test_a_null_statistic_equal_to_the_samples_counts(monkeypatch):
    changes = np.random.default_rng(0).standard_normal((30, 10))
    statistic = sphericity(changes)
    monkeypatch.setattr(isotropy, "null_statistics", lambda *_: np.array([0, statistic, statistic]))
    assert isotropy_test(changes, draws=3).p_value == 3 / 4


def test_without_a_generator_the_null_is_shared_and_repeatable():
    changes = np.random.default_rng(0).standard_normal((30, 10))
    first = isotropy_test(changes)
    isotropy._shared_null.cache_clear()
    assert isotropy_test(changes) == first
    assert isotropy_test(changes + 1).p_value == first.p_value
    assert isotropy._shared_null.cache_info().misses == 1
    with pytest.raises(ValueError, match="read-only"):
        isotropy._shared_null(29, 10, 9999)[0] = 0


def test_a_generator_draws_a_null_of_its_own():
    changes = np.random.default_rng(0).standard_normal((30, 10))
    values = [isotropy_test(changes, draws=499, rng=np.random.default_rng(s)).p_value for s in (1, 1, 2)]
    assert values[0] == values[1] != values[2]


@pytest.mark.parametrize("known", [False, True], ids=["unknown centre", "known centre"])
def test_the_sign_test_keeps_its_size_where_the_gaussian_fails(known):
    rng = np.random.default_rng(4)
    samples = [student_t5(60, 16, rng) + 3 for _ in range(1500)]
    centre = np.full(16, 3) if known else None
    assert 0.03 < np.mean([sign_test(s, centre=centre).p_value < 0.05 for s in samples]) < 0.07
    wide = [student_t5(100, 64, rng) + 3 for _ in range(100)]
    centre = np.full(64, 3) if known else None
    assert all(isotropy_test(s, centre=centre).p_value < 0.001 for s in wide)


@pytest.mark.parametrize(("n", "p"), [(40, 4), (30, 60)])
def test_sign_test_has_exact_mean_and_variance(n, p):
    rng = np.random.default_rng(5)
    z = np.array([sign_test(student_t5(n, p, rng), centre=np.zeros(p)).statistic for _ in range(4000)])
    assert abs(z.mean()) < 4 / np.sqrt(len(z))
    assert z.std() == pytest.approx(1, abs=0.06)


def test_sign_test_resolves_very_small_p_values():
    changes = np.random.default_rng(16).standard_normal((48, 128)) * np.r_[7.0, np.ones(127)]
    assert 0 < sign_test(changes).p_value < 1e-50


def test_sign_statistic_is_the_sum_over_pairs_of_rows():
    changes = np.random.default_rng(7).standard_normal((7, 3))
    units = [row / np.linalg.norm(row) for row in changes]
    total = sum((a @ b) ** 2 for i, a in enumerate(units) for j, b in enumerate(units) if i != j)
    expected = (3 / 42 * total - 1) / np.sqrt(4 * 2 / (42 * 5))
    assert sign_test(changes, centre=np.zeros(3)).statistic == pytest.approx(expected, rel=ROUNDING)


def test_sign_test_without_a_centre_takes_disjoint_pairs():
    changes = np.random.default_rng(8).standard_normal((9, 3))
    differences = [changes[i] - changes[i + 1] for i in (0, 2, 4, 6)]
    assert sign_test(changes) == sign_test(differences, centre=np.zeros(3))
    assert sign_test(changes).directions == 4


def test_the_sign_test_rejects_an_elliptical_nonspherical_law():
    changes = student_t5(200, 16, np.random.default_rng(9)) * np.linspace(1, 2, 16)
    assert sign_test(changes).p_value < 0.001


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32), st.floats(1e-200, 1e100))
def test_sign_test_ignores_the_lengths_of_the_rows(seed, scale):
    rng = np.random.default_rng(seed)
    changes, zero = rng.standard_normal((8, 5)), np.zeros(5)
    lengths = scale * rng.uniform(0.1, 10, (8, 1))
    expected = sign_test(changes, centre=zero).statistic
    assert sign_test(changes * lengths, centre=zero).statistic == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("shape", [(4, 2), (9, 40), (40, 9), (12, 12), (48, 128)])
@pytest.mark.parametrize("scale", [1e-60, 1.0])
def test_gram_has_the_same_tests_as_its_changes(shape, scale):
    changes = scale * (student_t5(*shape, np.random.default_rng(14)) + 3) * np.linspace(1, 3, shape[1])
    gram = ChangeGram.of(changes)
    for test in (isotropy_test, sign_test):
        expected = dataclasses.asdict(test(changes))
        assert dataclasses.asdict(test(gram)) == pytest.approx(expected, rel=ROUNDING), test.__name__
    assert sphericity(gram) == pytest.approx(sphericity(changes), rel=ROUNDING)


def test_gram_is_refused_as_its_changes_are():
    changes = np.random.default_rng(0).standard_normal((6, 3))
    gram = ChangeGram.of(changes)
    for test in (isotropy_test, sign_test, sphericity):
        with pytest.raises(MeasurementError, match="kept changes are about the sample mean"):
            test(gram, centre=np.zeros(3))
    for test in (isotropy_test, sign_test):
        with pytest.raises(MeasurementError, match="at least 2 features"):
            test(ChangeGram.of(changes[:, :1]))
    with pytest.raises(MeasurementError, match="3 changes make one pair; give at least 4"):
        sign_test(ChangeGram.of(changes[:3]))
    changes[:4] = changes[0]
    with pytest.raises(MeasurementError, match=r"2 of 3 directions are undefined, .* equal their partner"):
        sign_test(ChangeGram.of(changes))
    with pytest.raises(MeasurementError, match="all 6 changes are equal, without variance"):
        isotropy_test(ChangeGram.of(changes[:1].repeat(6, axis=0)))


def test_no_p_by_p_matrix_when_rows_are_fewer():
    changes = np.random.default_rng(0).standard_normal((5, 20_000))
    tracemalloc.start()
    for measure in (isotropy_test, sign_test, sphericity):
        measure(changes)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10 * changes.nbytes  # 20,000² numbers would be 3.2 GB


@pytest.mark.parametrize("measure", [isotropy_test, sign_test, sphericity])
@pytest.mark.parametrize(("changes", "message"), BAD_CHANGES)
def test_bad_changes(measure, changes, message):
    with pytest.raises(MeasurementError, match=re.escape(message)):
        measure(changes)


@pytest.mark.parametrize("measure", [isotropy_test, sphericity])
def test_frozen_layer(measure):
    frozen = np.full((7, 3), 0.1)  # the mean of seven 0.1 is not 0.1 in floating point
    with pytest.raises(MeasurementError, match="all 7 changes are equal, without variance; is"):
        measure(frozen)
    with pytest.raises(MeasurementError, match="all 7 changes are equal to the centre"):
        measure(frozen, centre=frozen[0])


@pytest.mark.parametrize("centre", BAD_CENTRES)
@pytest.mark.parametrize("measure", [isotropy_test, sign_test, sphericity])
def test_bad_centre(measure, centre):
    with pytest.raises(MeasurementError, match="must be 3 finite numbers, one per feature"):
        measure(np.random.default_rng(0).standard_normal((5, 3)), centre=centre)


def test_errors_of_the_tests():
    changes = np.random.default_rng(0).standard_normal((6, 3))
    with pytest.raises(MeasurementError, match="at least 1 draw"):
        isotropy_test(changes, draws=0)
    for test in (isotropy_test, sign_test):
        with pytest.raises(MeasurementError, match="at least 2 features"):
            test(changes[:, :1])
    with pytest.raises(MeasurementError, match="3 changes make one pair; give at least 4"):
        sign_test(changes[:3])
    changes[:4] = 1
    with pytest.raises(MeasurementError, match=r"2 of 3 directions are undefined, .* equal their partner"):
        sign_test(changes)
    with pytest.raises(MeasurementError, match=r"4 of 6 directions are undefined, .* equal the centre"):
        sign_test(changes, centre=np.ones(3))


@pytest.mark.parametrize("draws", [1.5, 0, True, "9"])
def test_draws_are_a_whole_number(draws):
    changes = np.random.default_rng(0).standard_normal((6, 3))
    with pytest.raises(MeasurementError, match="the bootstrap needs at least 1 draw, a whole number"):
        isotropy_test(changes, draws=draws)
    assert isotropy_test(changes, draws=np.int64(9)) == isotropy_test(changes, draws=9)
