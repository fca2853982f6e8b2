"""Gram matrices of changes, and of samples drawn without their features, against the changes themselves."""

import re
import tracemalloc

import numpy as np
import pytest
from scipy import stats

from featdyn_core.errors import MeasurementError
from featdyn_core.measures.one_step.concentration import participation_ratio, spectrum, top_share
from featdyn_core.measures.one_step.gram import ChangeGram
from featdyn_core.tests.measures.one_step.test_concentration import BAD_CHANGES

ROUNDING = 1e-9  # relative; two orders of summation of the same float64 sums
KS_LEVEL = 1e-3  # chance that a correct distribution fails its Kolmogorov-Smirnov test


@pytest.mark.parametrize("shape", [(3, 1), (5, 40), (40, 5), (12, 12), (31, 128)])
@pytest.mark.parametrize("scale", [1e-60, 1e-6, 1e60])
def test_gram_has_the_same_statistics_as_its_changes(shape, scale):
    changes = scale * (np.random.default_rng(0).standard_normal(shape) + 3)
    gram = ChangeGram.of(changes)
    assert gram.features == shape[1]
    expected = spectrum(changes)
    np.testing.assert_allclose(spectrum(gram), expected, rtol=ROUNDING, atol=1e-12 * expected[0])
    assert participation_ratio(gram) == pytest.approx(participation_ratio(changes), rel=ROUNDING)
    assert top_share(gram, 1) == pytest.approx(top_share(changes, 1), rel=ROUNDING)


def test_gram_is_of_the_deviations_from_the_mean():
    changes = np.random.default_rng(1).standard_normal((6, 9)) + 100
    about = changes - changes.mean(axis=0)
    np.testing.assert_allclose(ChangeGram.of(changes).products, about @ about.T, atol=1e-10)
    shuffled = np.random.default_rng(2).permutation(6)
    products = ChangeGram.of(changes).products
    np.testing.assert_allclose(ChangeGram.of(changes[shuffled]).products, products[np.ix_(shuffled, shuffled)])


@pytest.mark.parametrize("rows", [slice(0, 5), slice(2, None), slice(None, None, 2)])
def test_part_of_a_gram_is_the_gram_of_those_changes(rows):
    changes = np.random.default_rng(4).standard_normal((9, 6)) + 3
    part = ChangeGram.of(changes).part(rows)
    np.testing.assert_allclose(part.products, ChangeGram.of(changes[rows]).products, atol=1e-12)
    assert part.features == 6


def test_halves_leave_out_an_odd_last_change():
    changes = np.random.default_rng(4).standard_normal((9, 6))
    gram = ChangeGram.of(changes)
    assert gram.updates == 9
    for half, rows in zip(gram.halves, (changes[:4], changes[4:8]), strict=True):
        np.testing.assert_allclose(half.products, ChangeGram.of(rows).products, atol=1e-12)


def summaries(gram):
    """Return numbers that distinguish laws of a Gram matrix: lengths, products, and shares of the trace."""
    products = gram.products
    values = np.linalg.eigvalsh(products)[::-1]
    return [np.trace(products), products[0, 0], products[1, 2], values[0] / values.sum(), products[-1, 0]]


@pytest.mark.parametrize("shape", [(4, 9), (6, 6), (8, 3), (3, 1)])
@pytest.mark.parametrize("law", ["gaussian", "heavy-tailed"])
def test_drawn_grams_have_the_law_of_those_of_samples(shape, law):
    """Compare with samples drawn from the law directly, number by number."""
    rng, dof, draws = np.random.default_rng(3), 3.5, 3000

    def drawn():
        return ChangeGram.gaussian(*shape, rng) if law == "gaussian" else ChangeGram.heavy_tailed(*shape, dof, rng)

    def literal():
        normal = rng.standard_normal(shape)
        heavy = normal / np.sqrt(rng.chisquare(dof, (shape[0], 1)) / dof)
        return ChangeGram.of(normal if law == "gaussian" else heavy)

    first, second = (np.array([summaries(draw()) for _ in range(draws)]) for draw in (drawn, literal))
    assert ChangeGram.gaussian(*shape, rng).features == shape[1]
    for one, two in zip(first.T, second.T, strict=True):
        if np.ptp(two) > ROUNDING:  # one feature has all its variance along one direction
            assert stats.ks_2samp(one, two).pvalue > KS_LEVEL


def test_drawing_forms_no_sample_of_all_features():
    tracemalloc.start()
    ChangeGram.gaussian(20, 10**9, np.random.default_rng(0))
    ChangeGram.heavy_tailed(20, 10**9, 5, np.random.default_rng(0))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10**6


def test_drawing_takes_its_numbers_from_the_generator():
    for draw in (
        lambda seed: ChangeGram.gaussian(5, 8, np.random.default_rng(seed)),
        lambda seed: ChangeGram.heavy_tailed(5, 8, 5, np.random.default_rng(seed)),
    ):
        assert np.array_equal(draw(0).products, draw(0).products)
        assert not np.array_equal(draw(0).products, draw(1).products)


@pytest.mark.parametrize(
    ("products", "features", "message"),
    [
        (np.eye(2), 4, "products have shape (2, 2); give those of at least 3 changes"),
        (np.ones((3, 4)), 4, "products have shape (3, 4)"),
        (np.ones(3), 4, "products have shape (3,)"),
        (np.zeros((3, 3)), 0, "0 features: a change has at least 1"),
        (np.full((3, 3), np.nan), 4, "products hold NaN or infinity"),
        (np.eye(3), 4, "not a Gram matrix about the sample mean; make one with ChangeGram.of"),
        ([[2, -2, 0], [0, 1, -1], [-2, 1, 1]], 4, "not a Gram matrix about the sample mean"),
    ],
)
def test_what_is_no_gram_of_changes_is_refused(products, features, message):
    with pytest.raises(MeasurementError, match=re.escape(message)):
        ChangeGram(products, features)


@pytest.mark.parametrize(("changes", "message"), BAD_CHANGES)
def test_gram_refuses_what_the_statistics_refuse(changes, message):
    with pytest.raises(MeasurementError, match=re.escape(message)):
        ChangeGram.of(changes)


@pytest.mark.parametrize("scale", [1e-170, 1e170])
def test_gram_refuses_changes_whose_squares_it_cannot_hold(scale):
    with pytest.raises(MeasurementError, match="squares beyond float64; use another unit"):
        ChangeGram.of(scale * np.random.default_rng(0).standard_normal((5, 8)))


def test_the_gram_of_a_frozen_layer_exists_without_statistics():
    gram = ChangeGram.of(np.full((7, 3), 0.1))
    assert not gram.products.any()
    for measure in (spectrum, participation_ratio):
        with pytest.raises(MeasurementError, match="all 7 changes are equal, without variance; is"):
            measure(gram)


def test_gram_has_no_other_centre():
    gram = ChangeGram.of(np.random.default_rng(0).standard_normal((5, 3)))
    with pytest.raises(MeasurementError, match="kept changes are about the sample mean"):
        spectrum(gram, centre=np.zeros(3))


@pytest.mark.parametrize(("rows", "features"), [(2, 5), (5, 0)])
def test_a_sample_that_does_not_exist_is_not_drawn(rows, features):
    with pytest.raises(MeasurementError, match="use at least 3 changes in 1 feature"):
        ChangeGram.gaussian(rows, features, np.random.default_rng(0))
    with pytest.raises(MeasurementError, match="use at least 3 changes in 1 feature"):
        ChangeGram.heavy_tailed(rows, features, 5, np.random.default_rng(0))


@pytest.mark.parametrize("dof", [0, -1, float("nan")])
def test_a_t_law_that_does_not_exist_is_not_drawn(dof):
    with pytest.raises(MeasurementError, match="take more than 0"):
        ChangeGram.heavy_tailed(5, 8, dof, np.random.default_rng(0))
