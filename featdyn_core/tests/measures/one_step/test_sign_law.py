"""The level of the sign test over directions and features, its third moment, and its limits."""

import functools

import numpy as np
import pytest
from scipy import stats

from featdyn_core.measures.one_step.isotropy import sign_test
from featdyn_core.measures.one_step.sign_law import sign_tail


def sign_statistics(directions, p, draws, rng):
    """Return (draws,) statistics of the sign test for uniform directions, all at once."""
    normal = rng.standard_normal((draws, directions, p))
    units = normal / np.linalg.norm(normal, axis=2, keepdims=True)
    cosines = units @ units.transpose(0, 2, 1) if directions < p else units.transpose(0, 2, 1) @ units
    pairs = directions * (directions - 1)
    q = p / pairs * ((cosines**2).sum(axis=(1, 2)) - directions) - 1
    return q / np.sqrt(4 * (p - 1) / (pairs * (p + 2)))


@functools.cache
def many_sign_statistics(directions, p):
    """Return 100,000 statistics, drawn in blocks that fit into memory."""
    rng, block = np.random.default_rng((directions, p)), 500_000 // (directions * p)
    blocks = [sign_statistics(directions, p, block, rng) for _ in range(100_000 // block)]
    return np.concatenate(blocks)


SIGN_SIZES = {  # directions and features, and the share of a level of 0.1 % that three moments may be off by
    (2, 8): 0.0,
    (3, 10): 0.2,
    (5, 64): 0.1,
    (5, 8): 0.5,
    (10, 8): 0.5,
    (10, 64): 0.1,
    (24, 4): 0.2,
    (24, 128): 0.1,
    (60, 16): 0.4,
}
LEVELS = (0.05, 0.01, 0.001)


@pytest.mark.parametrize(("directions", "p"), SIGN_SIZES)
def test_sign_test_has_its_level(directions, p):
    """Rejections within 3.3 standard errors and a tenth of the level, at 0.1 % the share in the table."""
    p_values = sign_tail(many_sign_statistics(directions, p), directions, p)
    for level in LEVELS:
        share = SIGN_SIZES[directions, p] if level == min(LEVELS) else 0.1
        slack = share * level + 3.3 * np.sqrt(level / len(p_values))
        assert np.mean(p_values <= level) == pytest.approx(level, abs=slack), f"level {level}"


@pytest.mark.parametrize(
    ("directions", "p", "f"),
    [
        pytest.param(5, 64, 66 * 63 / 2, id="of many directions, at 5"),
        pytest.param(24, 128, 130 * 127 / 2, id="of many directions, at 24"),
        pytest.param(24, 4, 24 * 23 / 2, id="of many features, at 4"),
    ],
)
def test_the_chi_square_of_one_limit_misses_the_level_at_another(directions, p, f):
    z = many_sign_statistics(directions, p)
    assert np.mean(stats.chi2.sf(f + z * np.sqrt(2 * f), f) <= 0.001) > 0.0014


@pytest.mark.parametrize("p", [2, 5, 64])
def test_the_sign_tests_law_tends_to_the_law_of_either_limit(p):
    def chi_square(f):
        return stats.chi2.sf(f + 4 * np.sqrt(2 * f), f)

    assert sign_tail(4, 10**7, p) == pytest.approx(chi_square((p + 2) * (p - 1) / 2), rel=1e-4)
    assert sign_tail(4, p + 1, 10**9) == pytest.approx(chi_square(p * (p + 1) / 2), rel=1e-4)


@pytest.mark.parametrize(("directions", "p"), [(3, 2), (4, 3), (5, 8), (24, 128)])
def test_the_third_moment_of_the_sign_statistic_is_the_laws(directions, p):
    z = many_sign_statistics(directions, p)
    pairs, f = directions * (directions - 1) / 2, (p + 2) * (p - 1) / 2
    cosine = stats.beta(1 / 2, (p - 1) / 2)
    skewness = (float(cosine.stats("s")) + 2 * (directions - 2) / np.sqrt(f)) / np.sqrt(pairs)
    assert (z**3).mean() == pytest.approx(skewness, abs=4 * (z**3).std() / np.sqrt(len(z)))
    f = 8 / skewness**2
    assert sign_tail([0, 4], directions, p) == pytest.approx(stats.chi2.sf(f + np.array([0, 4]) * np.sqrt(2 * f), f))


def test_two_directions_have_the_beta_law():
    for p in (2, 7):
        cosines = np.linspace(0.1, 0.9, 5)
        z = (p * cosines - 1) / np.sqrt(2 * (p - 1) / (p + 2))
        np.testing.assert_allclose(sign_tail(z, 2, p), stats.beta.sf(cosines, 1 / 2, (p - 1) / 2))


def test_drawn_sign_statistics_are_the_tests():
    changes = np.random.default_rng(17).standard_normal((1, 6, 9))
    found = sign_test(changes[0], centre=np.zeros(9))
    assert sign_statistics(6, 9, 1, np.random.default_rng(17)) == pytest.approx(found.statistic)
    assert found.p_value == sign_tail(found.statistic, 6, 9)
