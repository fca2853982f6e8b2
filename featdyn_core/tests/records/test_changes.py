"""The record of one-step changes against the protocol written out, as triangles of Gram matrices and as spectra."""

import dataclasses
import itertools

import numpy as np
import pytest

from featdyn_core.errors import MeasurementError
from featdyn_core.measures.one_step.concentration import participation_ratio, top_share
from featdyn_core.measures.one_step.gram import ChangeGram
from featdyn_core.measures.one_step.isotropy import isotropy_test, sign_test
from featdyn_core.measures.one_step.protocol import one_step_changes, parameter_noise_changes
from featdyn_core.measures.one_step.spectra import ChangeSpectra
from featdyn_core.records.changes import Changes, Options, _spectra, _square, _triangles, measure, read, resolve
from featdyn_core.records.kind import Scope
from featdyn_core.register.register import Window
from featdyn_core.seeds import numpy_generator
from featdyn_core.tests.tiny import tiny_recipe

PARAMETERS = {"epochs": [1, 4], "samples": 2, "updates": 5, "split": "held-out"}
MANY = PARAMETERS | {"samples": 32, "updates": 8}
SINGLE = 1e-4  # relative, of p-values from spectra in single precision


@pytest.fixture(scope="module")
def changes(tiny_trajectory):
    return read(measure(tiny_trajectory, PARAMETERS), PARAMETERS)


def test_gram_matrices_are_those_of_the_changes_of_the_protocol(tiny_trajectory, changes):
    samples = tiny_trajectory.evaluation_set("held-out")[0][:2]
    rng = numpy_generator(tiny_trajectory.seed, "measure", "anisotropy")
    options = {"updates": 5, "cut": tiny_trajectory.network(1).depths[-1], "rng": rng}
    assert changes.epochs == (1, 4)
    for protocol, found in ((one_step_changes, changes.sgd), (parameter_noise_changes, changes.noise)):
        for epoch, grams in zip((1, 4), found, strict=True):
            made = protocol(tiny_trajectory, epoch, samples, **options)
            assert made.shape[:2] == (len(grams), 5), f"{protocol.__name__}, epoch {epoch}"
            for sample, gram in zip(made, grams, strict=True):
                assert gram.features == made.shape[2], f"{protocol.__name__}, epoch {epoch}"
                assert np.array_equal(gram.products, ChangeGram.of(sample).products), (
                    f"{protocol.__name__}, epoch {epoch}"
                )


def test_pairs_are_of_the_same_epoch_and_sample(changes):
    assert len(changes.pairs) == 4
    sgd, noise = changes.pairs[3]
    assert sgd is changes.sgd[1][1]
    assert noise is changes.noise[1][1]


def test_without_parameter_noise_the_updates_are_the_same(tiny_trajectory, changes):
    alone = PARAMETERS | {"noise": False}
    found = read(measure(tiny_trajectory, alone), alone)
    assert found.noise == []
    for one, other in zip(*(itertools.chain(*every.sgd) for every in (found, changes)), strict=True):
        assert (one.products == other.products).all()


def test_another_seed_draws_other_mini_batches(tiny_trajectory):
    other = measure(dataclasses.replace(tiny_trajectory, seed=1), PARAMETERS)
    one, again = (measure(tiny_trajectory, PARAMETERS) for _ in range(2))
    assert np.array_equal(one["sgd"], again["sgd"])
    assert not np.array_equal(one["sgd"], other["sgd"])


@pytest.mark.parametrize("rows", [3, 4, 48])
def test_a_triangle_holds_all_of_a_symmetric_matrix(rows):
    sample = np.random.default_rng(rows).standard_normal((1, rows, 3))
    (triangles,) = _triangles("sgd", [[ChangeGram.of(sample[0])]])["sgd"]
    assert triangles.shape == (1, rows * (rows + 1) // 2)
    assert np.array_equal(_square(triangles[0]), ChangeGram.of(sample[0]).products)


@pytest.fixture(scope="module")
def many(tiny_trajectory):
    return read(measure(tiny_trajectory, MANY), MANY)


def test_of_many_samples_spectra_are_kept(tiny_trajectory, many):
    samples = tiny_trajectory.evaluation_set("held-out")[0][:32]
    rng = numpy_generator(tiny_trajectory.seed, "measure", "anisotropy")
    options = {"updates": 8, "cut": tiny_trajectory.network(1).depths[-1], "rng": rng}
    for protocol, found in ((one_step_changes, many.sgd), (parameter_noise_changes, many.noise)):
        for epoch, spectra in zip((1, 4), found, strict=True):
            grams = [ChangeGram.of(sample) for sample in protocol(tiny_trajectory, epoch, samples, **options)]
            for gram, kept in zip(grams, spectra, strict=True):
                expected = ChangeSpectra.of(gram)
                assert (kept.updates, kept.features) == (gram.updates, gram.features)
                np.testing.assert_allclose(kept.variance, expected.variance, rtol=1e-6)
                np.testing.assert_allclose(kept.directions, expected.directions, rtol=1e-6)
                for half, other in zip(kept.halves, expected.halves, strict=protocol is parameter_noise_changes):
                    np.testing.assert_allclose(half.variance, other.variance, rtol=1e-6)


def test_halves_are_kept_of_parameter_noise_alone(many):
    assert not any(one.halves for samples in many.sgd for one in samples)
    assert all(len(one.halves) == 2 for samples in many.noise for one in samples)


def test_more_samples_leave_the_updates_as_they_are(tiny_trajectory, many):
    few = MANY | {"samples": 2}
    for kept, gram in zip(many.sgd[1], read(measure(tiny_trajectory, few), few).sgd[1], strict=False):
        np.testing.assert_allclose(kept.variance, ChangeSpectra.of(gram).variance, rtol=1e-3)


def test_without_parameter_noise_its_spectra_are_none(tiny_trajectory):
    alone = MANY | {"noise": False, "samples": 3}
    arrays = measure(tiny_trajectory, alone)
    assert not [name for name in arrays if name.startswith("noise")]
    assert read(arrays, alone).noise == []


@pytest.mark.parametrize("features", [30, 128, 4096])
@pytest.mark.parametrize("strength", [1, 4, 100])
def test_single_precision_keeps_the_p_values(features, strength):
    scale = 1e-9 * np.r_[strength, np.ones(features - 1)]
    changes = [np.random.default_rng(6).standard_normal((5, 48, features)) * scale]
    arrays = {"features": np.array(features)} | _spectra("sgd", [[ChangeGram.of(sample) for sample in changes[0]]])
    assert {array.dtype for array in arrays.values()} == {np.dtype(int), np.dtype("f8"), np.dtype("f4")}
    found = read(arrays, {"epochs": [0], "updates": 48}).sgd[0]
    for sample, kept in zip(changes[0], found, strict=True):
        for test in (sign_test, isotropy_test):
            assert test(kept).p_value == pytest.approx(test(sample).p_value, rel=SINGLE), test.__name__


def test_an_image_that_stands_still_does_not_spoil_the_others():
    changes = np.random.default_rng(7).standard_normal((2, 8, 20))
    changes[0] = 0
    arrays = {"features": np.array(20)} | _spectra("noise", [[ChangeGram.of(sample) for sample in changes]])
    still, moved = read(arrays, {"epochs": [0], "updates": 8}).noise[0]
    assert sign_test(moved).directions == 4
    for statistic in (sign_test, participation_ratio):
        with pytest.raises(MeasurementError):
            statistic(still)


def test_planted_changes_are_as_strong_as_requested():
    strengths = [[1.0, 8.0, 1.0], [8.0, 8.0, 1.0]]
    rng = np.random.default_rng(8)
    found = Changes.planted((4, 8), strengths, rng, noise=[[1.0], [8.0]], leading=2)
    strong = [[top_share(one, 2) > 0.4 for one in samples] for samples in (*found.sgd, *found.noise)]
    assert strong == [[False, True, False], [True, True, False], [False] * 3, [True] * 3]
    assert (found.epochs, len(found.pairs)) == ((4, 8), 6)


def test_planted_tails_are_those_of_sgd():
    found = Changes.planted((4,), np.ones((1, 20)), np.random.default_rng(9), tail=1)
    heavy, normal = ([participation_ratio(one) for one in samples[0]] for samples in (found.sgd, found.noise))
    assert max(heavy) < min(normal)


def test_parameter_noise_is_measured_unless_it_is_not_asked_for():
    scope = Scope(tiny_recipe(), 0, 1, {"late": Window(1, 3)}, {"updates": 4, "samples": 1}, images=20)
    with_noise, without = (resolve(Options("late", noise=noise), scope)[""] for noise in (True, False))
    assert with_noise.get("noise", True) is True
    assert without == with_noise | {"noise": False}
