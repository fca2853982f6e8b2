"""The spectrum of changes against the covariance itself, on either Gram side and about either centre."""

import re
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featdyn_core.errors import MeasurementError
from featdyn_core.measures.one_step.concentration import participation_ratio, spectrum, top_share
from featdyn_core.measures.one_step.gram import ChangeGram

ROUNDING = 1e-9  # relative; two orders of summation of the same float64 sums
shapes = st.tuples(st.integers(3, 12), st.integers(2, 12))

nan_row = np.ones((5, 3))
nan_row[2, 1] = np.nan

BAD_CHANGES = [
    (np.ones((2, 4)), "2 changes are too few; give at least 3 rows"),
    (np.ones(4), "changes have shape (4,); give a matrix (repetitions, features)"),
    (np.ones((2, 3, 4)), "changes have shape (2, 3, 4)"),
    (np.ones((4, 0)), "no features"),
    (nan_row, "1 of 5 changes hold NaN or infinity"),
    (np.full((3, 3), np.inf), "3 of 3 changes hold NaN or infinity"),
]
BAD_CENTRES = [np.zeros(4), np.zeros((5, 3)), [0, 0, np.nan]]


def with_spectrum(n, eigenvalues, rng):
    """Return n rows whose covariance about the known centre 0 has exactly these eigenvalues."""
    basis, _ = np.linalg.qr(rng.standard_normal((n, len(eigenvalues))))
    return basis * np.sqrt(n * np.asarray(eigenvalues))


@settings(max_examples=25, deadline=None)
@given(shapes, st.integers(0, 2**32))
def test_spectrum_is_the_covariances(shape, seed):
    n, p = shape
    changes = np.random.default_rng(seed).standard_normal(shape) - 2
    values = spectrum(changes)
    assert values.shape == (min(n - 1, p),)
    assert (np.diff(values) <= 0).all()
    full = np.linalg.eigvalsh(np.cov(changes, rowvar=False))[::-1]
    np.testing.assert_allclose(values, full[: len(values)], atol=1e-10)
    assert participation_ratio(changes) == pytest.approx(full.sum() ** 2 / (full**2).sum(), rel=ROUNDING)
    assert 1 <= participation_ratio(changes) <= len(values) + 1e-9
    assert top_share(changes, 1) == pytest.approx(full[0] / full.sum(), rel=ROUNDING)
    assert top_share(changes, p) == pytest.approx(1)


def test_spectrum_with_known_centre_has_the_planted_eigenvalues():
    changes = with_spectrum(40, [4, 2, 1, 1], np.random.default_rng(0))
    zero = np.zeros(4)
    np.testing.assert_allclose(spectrum(changes, centre=zero), [4, 2, 1, 1])
    assert top_share(changes, 2, centre=zero) == pytest.approx(0.75)
    assert participation_ratio(changes, centre=zero) == pytest.approx(64 / 22)


def test_known_centre_keeps_the_mean_in_the_spectrum():
    changes = np.random.default_rng(0).standard_normal((30, 5)) * 0.01 + 1
    moments = np.linalg.eigvalsh(changes.T @ changes / 30)[::-1]  # n, not n − 1
    np.testing.assert_allclose(spectrum(changes, centre=np.zeros(5)), moments, atol=1e-12)
    assert top_share(changes, 1, centre=np.zeros(5)) > 0.999 > 0.5 > top_share(changes, 1)


def test_a_known_centre_adds_a_direction_where_rows_are_few():
    changes = np.random.default_rng(0).standard_normal((4, 9))
    assert len(spectrum(changes)) == 3
    assert len(spectrum(changes, centre=np.zeros(9))) == 4


@pytest.mark.parametrize("measure", [spectrum, participation_ratio])
def test_no_p_by_p_matrix_when_rows_are_fewer(measure):
    changes = np.random.default_rng(0).standard_normal((5, 20_000))
    tracemalloc.start()
    measure(changes)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10 * changes.nbytes  # 20,000² numbers would be 3.2 GB


@pytest.mark.parametrize("measure", [spectrum, participation_ratio])
@pytest.mark.parametrize(("changes", "message"), BAD_CHANGES)
def test_bad_changes(measure, changes, message):
    with pytest.raises(MeasurementError, match=re.escape(message)):
        measure(changes)


@pytest.mark.parametrize("measure", [spectrum, participation_ratio])
def test_frozen_layer(measure):
    frozen = np.full((7, 3), 0.1)  # the mean of seven 0.1 is not 0.1 in floating point
    with pytest.raises(MeasurementError, match="all 7 changes are equal, without variance; is"):
        measure(frozen)
    with pytest.raises(MeasurementError, match="all 7 changes are equal to the centre"):
        measure(frozen, centre=frozen[0])


@pytest.mark.parametrize("centre", BAD_CENTRES)
@pytest.mark.parametrize("measure", [spectrum, participation_ratio])
def test_bad_centre(measure, centre):
    with pytest.raises(MeasurementError, match="must be 3 finite numbers, one per feature"):
        measure(np.random.default_rng(0).standard_normal((5, 3)), centre=centre)


@pytest.mark.parametrize("k", [0, 4])
def test_directions_that_do_not_exist(k):
    with pytest.raises(MeasurementError, match=f"the top {k} directions of 3 features do not exist"):
        top_share(np.random.default_rng(0).standard_normal((6, 3)), k)


@pytest.mark.parametrize("size", [1e200, 1e-200])
@pytest.mark.parametrize("centre", [None, np.zeros(3)])
def test_squares_beyond_the_float_range_are_reported_when_used(size, centre):
    changes = np.random.default_rng(3).standard_normal((6, 3))
    with pytest.raises(MeasurementError, match=r"changes of size \d.*e[+-](199|20\d) have squares"):
        spectrum(size * changes / np.abs(changes).max(), centre=centre)
    share = top_share(size * changes, 1, centre=centre)
    assert share == pytest.approx(top_share(changes, 1, centre=centre), rel=ROUNDING)


@pytest.mark.parametrize("measure", [spectrum, participation_ratio, ChangeGram.of, lambda rows: top_share(rows, 1)])
def test_differences_beyond_the_range_of_floats_are_reported(measure):
    changes = 1.7e308 * np.array([[1.0, -1], [-1, 1], [1, 1], [-1, -1]])
    with pytest.raises(MeasurementError, match=r"changes of size 1\.7e\+308 have differences beyond float64"):
        measure(changes)
    if measure != ChangeGram.of:
        assert np.isfinite(measure(changes / 1.7e308)).all()
