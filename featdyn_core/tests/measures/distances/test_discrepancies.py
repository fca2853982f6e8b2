"""Distances: brute force and other libraries, laws, size of the test.

What only development needs is imported where it is used: the fast tier is collected without it.
"""

import re
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from featdyn_core.errors import MeasurementError
from featdyn_core.measures.distances import discrepancies as distances
from featdyn_core.measures.distances.discrepancies import energy_distance, mmd, sliced_wasserstein

ROUNDING = 1e-9  # relative; two orders of summation of the same float64 sums
KS_LEVEL = 1e-3  # chance that a correct distribution fails its Kolmogorov-Smirnov test
sizes = st.tuples(st.integers(2, 7), st.integers(2, 7), st.integers(1, 4))
seeds = st.integers(0, 2**32)


def two_samples(size, seed, shift=0.5):
    n, m, p = size
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, p)), rng.standard_normal((m, p)) + shift


def sliced(x, y, seed=0, **options):
    return sliced_wasserstein(x, y, rng=np.random.default_rng(seed), **options)


def literal_mmd(x, y, bandwidths, images=None):
    """Return the mean over all pairs of rows of different images; ``images`` are the labels of x, then of y."""

    def kernel(a, b):
        return np.mean([np.exp(-np.sum((a - b) ** 2) / (2 * h**2)) for h in bandwidths])

    def within(rows, labels):
        pairs = list(zip(rows, labels, strict=True))
        return np.mean([kernel(a, b) for a, i in pairs for b, j in pairs if i != j])

    of_x, of_y = images or (range(len(x)), range(len(y)))
    return within(x, of_x) + within(y, of_y) - 2 * np.mean([kernel(a, b) for a in x for b in y])


# Maximum mean discrepancy


@settings(max_examples=25, deadline=None)
@given(sizes, seeds)
def test_mmd_is_its_definition(size, seed):
    x, y = two_samples(size, seed)
    result = mmd(x, y, bandwidths=[0.5, 2.0])
    assert result.statistic == pytest.approx(literal_mmd(x, y, [0.5, 2.0]), abs=1e-12)
    assert result.p_value is None


@settings(max_examples=25, deadline=None)
@given(sizes, seeds)
def test_mmd_is_symmetric_and_ignores_order_offset_and_scale(size, seed):
    x, y = two_samples(size, seed)
    expected = pytest.approx(mmd(x, y).statistic, abs=1e-9)
    assert mmd(y, x).statistic == expected
    assert mmd(x[::-1] * 3 + 100, y * 3 + 100).statistic == expected


def test_mmd_is_unbiased():
    rng = np.random.default_rng(0)
    values = [
        mmd(rng.standard_normal((6, 3)), rng.standard_normal((9, 3)), bandwidths=[1]).statistic for _ in range(2000)
    ]
    assert abs(np.mean(values)) < 4 * np.std(values) / np.sqrt(len(values))


def null_samples(rng, copies):
    """Return two samples of one law, with 8 images each, every one in several nearly equal rows."""
    return (
        np.repeat(rng.standard_normal((8, 2)), copies, axis=0) + 0.01 * rng.standard_normal((8 * copies, 2))
        for _ in range(2)
    )


def test_mmd_of_several_rows_an_image_is_unbiased():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(16), 4)
    samples = [tuple(null_samples(rng, 4)) for _ in range(1000)]
    values = [mmd(x, y, bandwidths=[1], groups=groups).statistic for x, y in samples]
    error = np.std(values) / np.sqrt(len(values))
    assert abs(np.mean(values)) < 4 * error
    assert np.mean([mmd(x, y, bandwidths=[1]).statistic for x, y in samples]) > 10 * error  # pairs of one image


def test_mmd_is_the_same_with_and_without_permutations():
    x, y = null_samples(np.random.default_rng(0), 4)
    groups = np.repeat(np.arange(16), 4)
    tested = mmd(x, y, groups=groups, permutations=19, rng=np.random.default_rng(0))
    assert tested.statistic == pytest.approx(mmd(x, y, groups=groups).statistic, abs=1e-12)
    assert tested.statistic != pytest.approx(mmd(x, y).statistic, abs=1e-3)


def test_default_bandwidths_are_multiples_of_the_median_distance():
    x, y = two_samples((4, 3, 2), 0)
    pooled = np.concatenate([x, y])
    pairs = [np.linalg.norm(a - b) for i, a in enumerate(pooled) for b in pooled[:i]]
    np.testing.assert_allclose(mmd(x, y).bandwidths, np.median(pairs) * np.array([0.25, 0.5, 1, 2, 4]))


def test_permutation_p_is_the_loop_over_permutations():
    x, y = two_samples((6, 4, 2), 1)
    pooled = np.concatenate([x, y])
    side = np.repeat([1.0, 0.0], [6, 4])
    observed = literal_mmd(x, y, [1.0])
    sides = np.random.default_rng(2).permuted(np.tile(side, (99, 1)), axis=1) == 1
    null = np.array([literal_mmd(pooled[s], pooled[~s], [1.0]) for s in sides])
    result = mmd(x, y, bandwidths=[1.0], permutations=99, rng=np.random.default_rng(2))
    assert result.p_value == (1 + (null >= observed - 1e-12).sum()) / 100


def test_grouped_permutation_p_equals_the_loop_over_permutations():
    x, y = two_samples((8, 6, 2), 1)
    pooled = np.concatenate([x, y])
    groups = np.array(["d", "a", "a", "d", "b", "b", "g", "g", "c", "e", "f", "f", "c", "e"])
    names, row_group = np.unique(groups, return_inverse=True)
    side = np.isin(names, ["a", "b", "d", "g"]).astype(float)
    sides = np.random.default_rng(2).permuted(np.tile(side, (199, 1)), axis=1)[:, row_group] == 1
    null = np.array([literal_mmd(pooled[s], pooled[~s], [1.0], (groups[s], groups[~s])) for s in sides])
    result = mmd(x, y, bandwidths=[1.0], permutations=199, groups=groups, rng=np.random.default_rng(2))
    observed = literal_mmd(x, y, [1.0], (groups[:8], groups[8:]))
    assert result.p_value == (1 + (null >= observed - 1e-12).sum()) / 200
    assert result.statistic == pytest.approx(observed, abs=1e-12)


def null_p_values(samples, copies, groups):
    rng = np.random.default_rng(3)
    return [mmd(*null_samples(rng, copies), permutations=99, groups=groups, rng=rng).p_value for _ in range(samples)]


@pytest.mark.parametrize("copies", [1, 4])
def test_permutation_p_is_uniform_under_the_null(copies):
    groups = None if copies == 1 else np.repeat(np.arange(16), copies)
    assert stats.kstest(null_p_values(600, copies, groups), "uniform").pvalue > KS_LEVEL


def test_permuting_rows_of_images_would_reject_equal_laws():
    assert np.mean(np.array(null_p_values(100, 4, None)) <= 0.05) > 0.3


def peak_bytes(permutations, groups):
    x, y = two_samples((groups // 2, groups // 2, 2), 0)
    tracemalloc.start()
    mmd(x, y, permutations=permutations, rng=np.random.default_rng(0))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def test_memory_is_three_numbers_for_each_group_and_permutation():
    groups, permutations = 60, 4000  # so many that memory quadratic in the groups is small in comparison
    once, twice = peak_bytes(permutations, groups), peak_bytes(2 * permutations, groups)
    assert once < twice < 2.05 * once
    assert once < 3.2 * groups * permutations * 8


def test_permutation_test_has_power():
    x, y = two_samples((40, 40, 5), 0, shift=1)
    assert mmd(x, y, permutations=999, rng=np.random.default_rng(0)).p_value == 1 / 1000


def test_all_permutations_tie_when_samples_cannot_differ():
    x = np.array([[0.0], [1.0]])
    assert mmd(x, x, bandwidths=[1], permutations=50, rng=np.random.default_rng(0)).statistic < 0
    swaps = mmd([[0.0], [0.0]], [[1.0], [1.0]], bandwidths=[1], permutations=600, rng=np.random.default_rng(0))
    assert swaps.p_value == pytest.approx(1 / 3, abs=0.08)  # of the six splits, the observed one and its mirror


@pytest.mark.parametrize("gap", [0.0, 1e6, 1e9, 1e200])
def test_mmd_of_far_clusters_keeps_the_digits_of_near_pairs(gap):
    """Two clusters in each sample, with bandwidths of their own size; across clusters the kernel is 0."""
    x, y = two_samples((6, 8, 3), 4)
    far = np.arange(8) % 2 * gap
    x, y = x + far[:6, None], y + far[:, None]
    found = mmd(x, y, bandwidths=[0.5, 1.0]).statistic
    with np.errstate(over="ignore"):
        assert found == pytest.approx(literal_mmd(x, y, [0.5, 1.0]), abs=1e-12)


@pytest.mark.parametrize("scale", [1e-200, 1e200, 1e300])
def test_mmd_has_no_unit(scale):
    x, y = two_samples((6, 8, 3), 4)
    expected = mmd(x, y, bandwidths=[0.5, 1.0])
    assert mmd(scale * x, scale * y, bandwidths=[0.5 * scale, scale]).statistic == pytest.approx(expected.statistic)
    default, scaled = mmd(x, y), mmd(scale * x, scale * y)
    assert scaled.statistic == pytest.approx(default.statistic)
    np.testing.assert_allclose(scaled.bandwidths, np.array(default.bandwidths) * scale)


# Energy distance


@settings(max_examples=25, deadline=None)
@given(sizes, seeds)
def test_energy_distance_is_a_metric(size, seed):
    x, y = two_samples(size, seed)
    z, _ = two_samples(size, seed + 1)
    assert energy_distance(x, y) == pytest.approx(energy_distance(y, x), rel=ROUNDING)
    assert energy_distance(x, x[::-1]) == pytest.approx(0, abs=1e-7)
    assert energy_distance(x, np.repeat(x, 2, axis=0)) == pytest.approx(0, abs=1e-7)
    assert energy_distance(x, y) > 0
    assert energy_distance(x, y) <= energy_distance(x, z) + energy_distance(z, y) + 1e-12


@settings(max_examples=25, deadline=None)
@given(sizes, seeds)
def test_energy_distance_on_a_line_is_scipys(size, seed):
    x, y = two_samples((*size[:2], 1), seed)
    assert energy_distance(x, y) == pytest.approx(stats.energy_distance(x[:, 0], y[:, 0]), abs=1e-7)


def test_energy_distance_is_its_definition():
    x, y = two_samples((5, 3, 4), 0)

    def mean_gap(a, b):
        return np.mean([np.linalg.norm(u - v) for u in a for v in b])

    assert energy_distance(x, y) ** 2 == pytest.approx(2 * mean_gap(x, y) - mean_gap(x, x) - mean_gap(y, y))


@pytest.mark.parametrize("scale", [1e-200, 1e200])
@pytest.mark.parametrize("function", [energy_distance, sliced])
def test_distances_have_the_unit_of_the_features(function, scale):
    x, y = two_samples((6, 8, 3), 4)
    unit = np.sqrt(scale) if function is energy_distance else scale
    assert function(scale * x, scale * y) == pytest.approx(unit * function(x, y), rel=ROUNDING)


# Sliced Wasserstein distance


@settings(max_examples=25, deadline=None)
@given(sizes, seeds, st.sampled_from([1, 2, 3]))
def test_sliced_wasserstein_is_a_metric_along_its_directions(size, seed, order):
    x, y = two_samples(size, seed)
    z, _ = two_samples(size, seed + 1)
    distance = sliced(x, y, order=order)
    assert sliced(y, x, order=order) == pytest.approx(distance, rel=ROUNDING)
    assert sliced(x[::-1], x, order=order) == pytest.approx(0, abs=1e-12)
    assert sliced(x, np.repeat(x, 3, axis=0), order=order) == pytest.approx(0, abs=1e-12)
    assert 0 < distance <= sliced(x, z, order=order) + sliced(z, y, order=order) + 1e-12
    assert sliced(3 * x + 1, 3 * y + 1, order=order) == pytest.approx(3 * distance, rel=1e-6)


@settings(max_examples=25, deadline=None)
@given(sizes, seeds)
def test_sliced_wasserstein_on_a_line_is_scipys(size, seed):
    x, y = two_samples((*size[:2], 1), seed)
    expected = stats.wasserstein_distance(x[:, 0], y[:, 0])
    assert sliced(x, y, order=1, projections=3) == pytest.approx(expected, rel=ROUNDING)


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("size", [(20, 20, 3), (12, 35, 6)])
def test_sliced_wasserstein_is_pots(size, order):
    import ot

    x, y = two_samples(size, 0)
    theta = distances._directions(size[2], 50, np.random.default_rng(0))
    expected = ot.sliced_wasserstein_distance(x, y, projections=theta, p=order)
    assert sliced(x, y, projections=50, order=order) == pytest.approx(expected, rel=ROUNDING)


@pytest.mark.parametrize("size", [(20, 20, 3), (12, 35, 6)])
def test_sliced_wasserstein_is_at_most_pots_exact_distance(size):
    import ot

    x, y = two_samples(size, 0)
    assert sliced(x, y, order=1) <= ot.emd2([], [], ot.dist(x, y, metric="euclidean"))
    assert sliced(x, y, order=2) <= np.sqrt(ot.emd2([], [], ot.dist(x, y)))


def test_sliced_wasserstein_of_a_shift_is_its_mean_projection():
    shift = np.array([3.0, 4.0, 0.0])
    x = np.random.default_rng(0).standard_normal((10, 3))
    # The squared cosine to a uniform direction has mean 1/p.
    assert sliced(x, x + shift, projections=20_000) == pytest.approx(5 / np.sqrt(3), rel=0.02)


def test_sliced_wasserstein_of_high_order_nears_the_largest_gap():
    x, y = two_samples((20, 12, 3), 0)
    distances_of = [sliced(x, y, order=order, projections=5) for order in (2, 40, 400, 1e6)]
    assert distances_of == sorted(distances_of)
    assert distances_of[2] == pytest.approx(distances_of[3], rel=0.02)
    assert np.isfinite(distances_of).all()


def test_same_generator_same_result():
    x, y = two_samples((9, 8, 3), 0)
    assert sliced(x, y, seed=1) == sliced(x, y, seed=1) != sliced(x, y, seed=2)
    first, second = (mmd(x, y, permutations=19, rng=np.random.default_rng(1)) for _ in range(2))
    assert first == second


# Errors

good = np.random.default_rng(0).standard_normal((6, 3))
BAD_SAMPLES = [
    (np.ones(3), "y has shape (3,); give a matrix (rows, features)"),
    (np.ones((3, 0)), "y has shape (3, 0)"),
    (np.ones((1, 3)), "y has 1 rows; a distance of laws needs at least 2"),
    (np.full((3, 3), np.nan), "y holds NaN or infinity"),
    (np.ones((4, 2)), "x has 3 features and y 2; compare samples from one cut"),
]


@pytest.mark.parametrize("function", [mmd, energy_distance, sliced], ids=["mmd", "energy", "sliced"])
@pytest.mark.parametrize(("bad", "message"), BAD_SAMPLES)
def test_bad_samples(function, bad, message):
    with pytest.raises(MeasurementError, match=re.escape(message)):
        function(good, bad)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bandwidths": []}, "bandwidths [] must be one or more positive numbers"),
        ({"bandwidths": [1.0, 0.0]}, "bandwidths [1.0, 0.0] must be"),
        ({"bandwidths": [np.nan]}, "bandwidths [nan] must be"),
        ({"bandwidths": [-1.0]}, "bandwidths [-1.0] must be"),
        ({"bandwidths": [np.inf]}, "bandwidths [inf] must be"),
        ({"permutations": 9}, "9 permutations asked for; give 0, or a positive number and rng"),
        ({"permutations": -1}, "-1 permutations asked for"),
        ({"groups": np.zeros(5)}, "groups have shape (5,); give 12 labels, the rows of x then of y"),
        ({"groups": [0] * 5 + [1] * 7}, "groups have 5 to 7 rows; only groups of one size are exchangeable"),
        ({"groups": [0, 0, 1, 1, 2, 3, 2, 3, 4, 4, 5, 5]}, "2 of 6 groups lie in both samples"),
        ({"groups": [0] * 6 + [1] * 6}, "x has 1 group; an unbiased distance needs at least 2 in each sample"),
    ],
)
def test_mmd_errors(options, message):
    with pytest.raises(MeasurementError, match=re.escape(message)):
        mmd(good, good + 1, **options)


def test_groups_are_checked_with_permutations_too():
    with pytest.raises(MeasurementError, match="y has 1 group; an unbiased distance needs"):
        mmd(good, good[:3], groups=[0, 0, 0, 1, 1, 1, 2, 2, 2], permutations=9, rng=np.random.default_rng(0))


@settings(max_examples=50, deadline=None)
@given(seeds, st.integers(1, 40), st.sampled_from([1e-3, 1.0, 1e3]))
def test_rows_that_are_mostly_equal_have_no_median_distance(seed, p, scale):
    rng = np.random.default_rng(seed)
    x = np.tile(scale * rng.standard_normal(p), (12, 1))
    y = x.copy()
    y[:2] += rng.standard_normal((2, p))
    with pytest.raises(MeasurementError, match="the median distance is 0 because most rows are equal; give bandwidths"):
        mmd(x, y)


def test_rows_that_differ_in_the_fifth_digit_are_not_equal():
    rng = np.random.default_rng(0)
    y, x = np.ones((6, 3)), np.ones((6, 3)) + 1e-5 * rng.standard_normal((6, 3))
    y += 1e-5 * rng.standard_normal((6, 3))
    y[0] = -9  # a row far away, so the others are long compared with their distances
    assert mmd(x, y).bandwidths[2] == pytest.approx(2e-5, rel=0.5)


def test_other_errors():
    with pytest.raises(MeasurementError, match="0 projections of order 2; both must be at least 1"):
        sliced(good, good, projections=0)
    for order in (0.5, np.inf, np.nan):
        with pytest.raises(
            MeasurementError, match=f"128 projections of order {order}; both must be at least 1, and fin"
        ):
            sliced(good, good, order=order)


@pytest.mark.parametrize("function", [mmd, energy_distance, sliced], ids=["mmd", "energy", "sliced"])
def test_a_distance_beyond_all_numbers_is_refused(function):
    ones = np.ones((6, 1))
    x = 1.7e308 * ones
    if function is energy_distance:  # the square root of a length, and in reach
        assert function(x, -x) == pytest.approx(np.sqrt(1.7e308) * function(ones, -ones), rel=ROUNDING)
        return
    with pytest.raises(MeasurementError, match="overflows; use another unit"):
        function(x, -x)
