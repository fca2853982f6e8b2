"""Shares of variance against plain eigenvalues, and their law under isotropy against exact moments."""

import numpy as np
import pytest
from scipy import stats

from featdyn_core.analysis.shares import (
    Shares,
    against_isotropy,
    concentrated,
    direction_shares,
    isotropic_changes,
    isotropic_p_values,
    isotropic_shares,
    p_values,
    spectrum_lines,
    variance_shares,
)
from featdyn_core.errors import MeasurementError
from featdyn_core.measures.one_step.concentration import participation_ratio, top_share
from featdyn_core.measures.one_step.gram import ChangeGram
from featdyn_core.measures.one_step.spectra import ChangeSpectra
from featdyn_core.seeds import numpy_generator
from featdyn_core.verdicts.units import Counted

ROUNDING = 1e-9  # relative; two ways to the eigenvalues of one matrix
KS_LEVEL = 1e-3  # chance that a correct distribution fails its Kolmogorov-Smirnov test
ROWS, FEATURES, DRAWS = 12, 20, 1999


@pytest.fixture
def changes(rng):
    return rng.standard_normal((ROWS, FEATURES)) * np.geomspace(3, 0.1, FEATURES)


@pytest.fixture
def rng():
    return np.random.default_rng(5)


def test_shares_of_variance_are_those_of_the_covariance(changes):
    found = variance_shares(ChangeGram.of(changes))
    eigenvalues = np.linalg.eigvalsh(np.cov(changes, rowvar=False))[::-1][: ROWS - 1]
    assert found.values == pytest.approx(eigenvalues / eigenvalues.sum(), rel=ROUNDING)
    assert found.participation == pytest.approx(participation_ratio(changes), rel=ROUNDING)
    for k in (1, 5, 10):
        assert found.top(k) == pytest.approx(top_share(changes, k), rel=ROUNDING)


def test_shares_of_directions_use_unit_differences_of_pairs(changes):
    units = changes[0::2] - changes[1::2]
    units /= np.linalg.norm(units, axis=1, keepdims=True)
    found = direction_shares(ChangeGram.of(changes))
    assert found.values == pytest.approx(np.linalg.svd(units)[1] ** 2 / len(units), rel=ROUNDING)
    longer = changes.copy()
    longer[:2] *= 1e3  # the difference of the first pair keeps its direction
    assert direction_shares(ChangeGram.of(longer)).values == pytest.approx(found.values, rel=1e-6)
    assert variance_shares(ChangeGram.of(longer)).top(2) > 0.99 > variance_shares(ChangeGram.of(changes)).top(2)


def test_shares_from_spectra_are_those_from_gram_matrices(changes):
    gram = ChangeGram.of(changes)
    spectra = ChangeSpectra.of(gram)
    for shares in (variance_shares, direction_shares):
        assert shares(spectra).values == pytest.approx(shares(gram).values, rel=ROUNDING), shares.__name__
    one, other = (against_isotropy(kept, DRAWS) for kept in (gram, spectra))
    assert (one.p_values, one.of_directions) == (other.p_values, other.of_directions)
    assert one.participation == pytest.approx(other.participation, rel=ROUNDING)


def test_a_change_that_equals_its_partner_has_no_direction(changes):
    changes[1] = changes[0]
    with pytest.raises(MeasurementError, match="1 of 6 directions are undefined"):
        direction_shares(ChangeGram.of(changes))


def test_too_few_directions_hold_all_of_the_variance():
    assert Shares(np.array([0.75, 0.25])).top(5) == 1
    assert Shares(np.array([0.75, 0.25])).participation == 1.6


@pytest.mark.parametrize("features", [3, 40])
def test_the_isotropic_law_has_the_exact_mean_of_johns_statistic(features):
    """``E[p / PR] = p (ν + p + 1) / (ν p + 2)`` for Gaussian samples (see ``isotropy.null_statistics``)."""
    null, dof = isotropic_shares(ROWS, features, DRAWS), ROWS - 1
    inverse = features / null.participation
    expected = features * (dof + features + 1) / (dof * features + 2)
    assert null.values.shape == (DRAWS, min(dof, features))
    assert abs(inverse.mean() - expected) < 4 * stats.sem(inverse)


def test_the_law_of_directions_is_that_of_every_spherical_law(rng):
    null = isotropic_shares(ROWS, FEATURES, DRAWS, direction_shares)
    heavy = [direction_shares(ChangeGram.heavy_tailed(ROWS, FEATURES, 1, rng)) for _ in range(500)]
    assert stats.ks_2samp(null.top(1), [found.top(1) for found in heavy]).pvalue > KS_LEVEL
    variance = [variance_shares(ChangeGram.heavy_tailed(ROWS, FEATURES, 1, rng)) for _ in range(500)]
    flat = isotropic_shares(ROWS, FEATURES, DRAWS)
    assert stats.ks_2samp(flat.top(1), [found.top(1) for found in variance]).pvalue < KS_LEVEL


def test_all_who_ask_share_one_law_that_none_can_change():
    null = isotropic_shares(ROWS, FEATURES, DRAWS)
    assert isotropic_shares(ROWS, FEATURES, DRAWS) is null
    with pytest.raises(ValueError, match="read-only"):
        null.values[0, 0] = 1


def test_isotropic_changes_are_drawn_once_from_their_stream():
    asked = {"rows": 8, "features": 20, "draws": 3, "tail": 5, "seed": 1, "stream": "planted isotropy"}
    gaussian, heavy = isotropic_changes(**asked)
    rng = numpy_generator(1, "measure", "planted isotropy")
    expected = [ChangeGram.gaussian(8, 20, rng) for _ in range(3)] + [
        ChangeGram.heavy_tailed(8, 20, 5, rng) for _ in range(3)
    ]
    for found, one in zip((*gaussian, *heavy), expected, strict=True):
        assert np.array_equal(found.products, one.products)
    assert isotropic_changes(**asked)[0] is gaussian
    assert not np.array_equal(isotropic_changes(**asked | {"seed": 2})[0][0].products, gaussian[0].products)


def test_p_values_of_isotropic_samples_are_uniform(rng):
    null = isotropic_shares(ROWS, FEATURES, DRAWS)
    found = [p_values(variance_shares(ChangeGram.gaussian(ROWS, FEATURES, rng)), null) for _ in range(500)]
    assert set(found[0]) == {"top 1", "top 5", "top 10", "participation ratio"}
    for name in found[0]:
        assert stats.kstest([one[name] for one in found], "uniform").pvalue > KS_LEVEL, name


def test_a_p_value_counts_the_draws_at_least_as_concentrated():
    null = Shares(np.array([[0.5, 0.5, 0], [0.6, 0.2, 0.2], [0.4, 0.3, 0.3]]))
    assert p_values(Shares(np.array([1.0, 0, 0])), null) == {"top 1": 1 / 4, "participation ratio": 1 / 4}
    assert p_values(Shares(np.full(3, 1 / 3)), null) == {"top 1": 1, "participation ratio": 1}
    assert p_values(Shares(np.array([0.5, 0.5, 0])), null) == {"top 1": 3 / 4, "participation ratio": 2 / 4}


def test_p_values_of_several_samples_are_those_of_each(rng):
    samples = [ChangeGram.gaussian(ROWS, FEATURES, rng) for _ in range(4)]
    for of in (variance_shares, direction_shares):
        null = isotropic_shares(ROWS, FEATURES, DRAWS, of)
        together, each = isotropic_p_values(samples, DRAWS, of), [p_values(of(sample), null) for sample in samples]
        assert {name: values.tolist() for name, values in together.items()} == {
            name: [one[name] for one in each] for name in each[0]
        }


def test_changes_are_compared_with_isotropic_ones_of_their_size(changes):
    gram = ChangeGram.of(changes)
    found, null = against_isotropy(gram, DRAWS), isotropic_shares(ROWS, FEATURES, DRAWS)
    assert np.array_equal(found.shares.values, variance_shares(gram).values)
    assert found.participation == found.shares.participation / null.participation.mean()
    assert found.p_values == p_values(found.shares, null)
    of_directions = isotropic_shares(ROWS, FEATURES, DRAWS, direction_shares)
    assert found.of_directions == p_values(direction_shares(gram), of_directions)
    directions = direction_shares(gram).participation / of_directions.participation.mean()
    assert found.participation_of_directions == directions
    assert max(found.p_values.values()) < 0.05  # of a dozen directions alone some are not that rare
    assert found.largest_p == max([*found.p_values.values(), *found.of_directions.values()])


def test_images_are_averaged_and_those_beyond_chance_counted(rng):
    led = rng.standard_normal((32, FEATURES)) * np.r_[[9.0] * 3, np.ones(FEATURES - 3)]
    grams = [ChangeGram.of(led), ChangeGram.gaussian(32, FEATURES, rng)]
    images = [against_isotropy(gram, 999) for gram in grams]
    found = concentrated(images)
    assert found["variance in the top 5"] == Counted(np.mean([one.shares.top(5) for one in images]), 2)
    assert found["beyond all isotropic samples"] == Counted(0.5, 2)
    for name, of in (
        ("participation ratio against isotropic", "participation"),
        ("the same of directions", "participation_of_directions"),
    ):
        one, other = (getattr(image, of) for image in images)
        assert found[name] == pytest.approx((one * other) ** 0.5)
        assert one < 0.8 < other


def test_figure_has_leading_shares_of_every_sample(rng):
    gram = ChangeGram.gaussian(48, 64, rng)
    lines = spectrum_lines({"one": gram, "other": gram})
    assert list(lines.series) == ["one", "other"]
    assert np.array_equal(lines.series["one"], variance_shares(gram).values[:20])
    assert len(list(lines.x)) == 20
