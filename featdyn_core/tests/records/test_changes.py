"""The record of one-step changes against the protocol written out, and Gram matrices kept as triangles."""

import dataclasses
import itertools

import numpy as np
import pytest

from featdyn_core.measures.one_step.concentration import ChangeGram
from featdyn_core.measures.one_step.protocol import one_step_changes, parameter_noise_changes
from featdyn_core.records.changes import Options, _square, _triangles, measure, read, resolve
from featdyn_core.records.kind import Scope
from featdyn_core.register.register import Window
from featdyn_core.seeds import numpy_generator
from featdyn_core.tests.tiny import tiny_recipe

PARAMETERS = {"epochs": [1, 4], "samples": 2, "updates": 5, "split": "held-out"}


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
    (triangles,) = _triangles([sample])
    assert triangles.shape == (1, rows * (rows + 1) // 2)
    assert np.array_equal(_square(triangles[0]), ChangeGram.of(sample[0]).products)


def test_parameter_noise_is_measured_unless_it_is_not_asked_for():
    scope = Scope(tiny_recipe(), 0, 1, {"late": Window(1, 3)}, {"updates": 4, "samples": 1}, images=20)
    with_noise, without = (resolve(Options("late", noise=noise), scope)[""] for noise in (True, False))
    assert with_noise.get("noise", True) is True
    assert without == with_noise | {"noise": False}
