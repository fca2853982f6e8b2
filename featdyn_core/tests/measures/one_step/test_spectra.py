"""Spectra against their Gram matrices: the same statistics, power, and size under heavy tails."""

import dataclasses
import re

import numpy as np
import pytest

from featdyn_core.errors import MeasurementError
from featdyn_core.measures.one_step.concentration import participation_ratio, spectrum, top_share
from featdyn_core.measures.one_step.gram import ChangeGram
from featdyn_core.measures.one_step.isotropy import isotropy_test, sign_test, sphericity
from featdyn_core.measures.one_step.spectra import ChangeSpectra

ROUNDING = 1e-9  # relative; two orders of summation of the same float64 sums
SHAPE = (48, 64)


@pytest.mark.parametrize("shape", [(6, 2), (9, 40), (40, 9), (12, 12), (48, 128), (49, 20)])
@pytest.mark.parametrize("scale", [1e-60, 1.0])
def test_spectra_have_the_statistics_of_their_gram(shape, scale):
    changes = scale * (np.random.default_rng(14).standard_t(5, shape) + 3) * np.linspace(1, 3, shape[1])
    gram = ChangeGram.of(changes)
    found = ChangeSpectra.of(gram)
    assert (found.updates, found.features) == shape
    assert found.directions.shape == (shape[0] // 2,)
    for test in (isotropy_test, sign_test):
        expected = dataclasses.asdict(test(gram))
        assert dataclasses.asdict(test(found)) == pytest.approx(expected, rel=ROUNDING), test.__name__
    for statistic in (participation_ratio, sphericity):
        assert statistic(found) == pytest.approx(statistic(gram), rel=ROUNDING), statistic.__name__
    assert top_share(found, 2) == pytest.approx(top_share(gram, 2), rel=ROUNDING)
    expected = spectrum(gram)
    np.testing.assert_allclose(spectrum(found), expected, rtol=ROUNDING, atol=1e-12 * expected[0])


@pytest.mark.parametrize("rows", [6, 9, 48])
def test_halves_are_spectra_of_the_halves(rows):
    gram = ChangeGram.of(np.random.default_rng(rows).standard_normal((rows, 30)))
    halves = ChangeSpectra.of(gram).halves
    assert [half.updates for half in halves] == [rows // 2] * 2
    for half, expected in zip(halves, gram.halves, strict=True):
        assert participation_ratio(half) == pytest.approx(participation_ratio(expected), rel=ROUNDING)
        assert isotropy_test(half) == isotropy_test(ChangeSpectra.of(expected))
        with pytest.raises(MeasurementError, match=r"no directions are kept|3 changes make one pair"):
            sign_test(half)


def test_few_changes_have_no_halves():
    assert ChangeSpectra.of(ChangeGram.of(np.random.default_rng(0).standard_normal((5, 30)))).halves == ()


def test_both_tests_find_one_leading_direction():
    rng = np.random.default_rng(3)
    leading = np.r_[5.0, np.ones(SHAPE[1] - 1)]
    found = [ChangeSpectra.of(ChangeGram.of(rng.standard_normal(SHAPE) * leading)) for _ in range(50)]
    assert max(isotropy_test(one).p_value for one in found) <= 0.001
    assert max(sign_test(one).p_value for one in found) <= 0.001


def test_heavy_tails_fool_the_bootstrap_but_not_the_sign_test():
    rng = np.random.default_rng(4)
    heavy = [ChangeSpectra.of(ChangeGram.heavy_tailed(*SHAPE, 5, rng)) for _ in range(1000)]
    assert 0.03 < np.mean([sign_test(one).p_value <= 0.05 for one in heavy]) < 0.07
    assert np.mean([isotropy_test(one, draws=999).p_value <= 0.05 for one in heavy]) > 0.9


def test_a_change_that_equals_its_partner_leaves_no_directions():
    changes = np.random.default_rng(5).standard_normal((8, 20))
    changes[1] = changes[0]
    found = ChangeSpectra.of(ChangeGram.of(changes))
    assert participation_ratio(found) > 1
    with pytest.raises(MeasurementError, match=r"no directions are kept .* equal its partner"):
        sign_test(found)


def test_spectra_of_a_frozen_layer_have_no_statistics():
    frozen = ChangeSpectra.of(ChangeGram.of(np.full((7, 3), 0.1)))
    with pytest.raises(MeasurementError, match="all 7 changes are equal, without variance"):
        participation_ratio(frozen)


def test_spectra_have_no_other_centre():
    found = ChangeSpectra.of(ChangeGram.of(np.random.default_rng(0).standard_normal((6, 3))))
    for statistic in (isotropy_test, sign_test, spectrum):
        with pytest.raises(MeasurementError, match="kept changes are about the sample mean"):
            statistic(found, centre=np.zeros(3))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.ones(5), "5 changes of 9 features have 4 eigenvalues; found an array of shape (5,)"),
        (np.ones((4, 1)), "found an array of shape (4, 1)"),
        (np.array([1, 1, 1, -1.0]), "NaN, infinity or numbers below 0"),
        (np.array([np.nan, 1, 1, 1.0]), "NaN, infinity or numbers below 0"),
    ],
)
def test_what_is_no_spectrum_is_refused(values, message):
    with pytest.raises(MeasurementError, match=re.escape(message)):
        ChangeSpectra(5, 9, values, np.ones(2))
