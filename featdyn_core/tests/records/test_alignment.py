"""Records of alignment: what is stored, which epochs, and ratios in plain numbers."""

import dataclasses

import numpy as np
import pytest

from featdyn_core.errors import MeasurementError, RecipeError
from featdyn_core.measures.one_step.alignment import noise_and_drift
from featdyn_core.records.alignment import RATIOS, Alignment, Options, measure, read, resolve
from featdyn_core.records.kind import Scope
from featdyn_core.register.register import Window
from featdyn_core.seeds import numpy_generator
from featdyn_core.tests.tiny import tiny_recipe

COUNTS = {"updates": 8, "samples": 3, "axes": 2, "draws": 40}
PARAMETERS = {"epochs": [0, 1], "later": [1, 4], "split": "held-out", "images": 100, **COUNTS}
WINDOWS = {"late": Window(1, 3), "early": Window(0, 1), "end": Window(3, 3)}


def scope():
    return Scope(tiny_recipe(), 0, 1, WINDOWS, COUNTS, images=20)


def test_a_record_holds_the_shares_of_each_epoch(tiny_trajectory):
    found = read(measure(tiny_trajectory, PARAMETERS), PARAMETERS)
    rng = numpy_generator(tiny_trajectory.seed, "measure", "alignment")
    assert found.epochs == (0, 1)
    for number, (epoch, later) in enumerate([(0, 1), (1, 4)]):
        expected = noise_and_drift(tiny_trajectory, epoch=epoch, later=later, split="held-out", rng=rng, **COUNTS)
        for name, values in expected.items():
            np.testing.assert_allclose(getattr(found, name)[number], values, rtol=1e-6, err_msg=name)


def test_another_seed_draws_other_batches_and_axes(tiny_trajectory):
    one, again = (measure(tiny_trajectory, PARAMETERS) for _ in range(2))
    other = measure(dataclasses.replace(tiny_trajectory, seed=1), PARAMETERS)
    for name in one:
        assert np.array_equal(one[name], again[name]), name
        assert not np.array_equal(one[name], other[name]), name


def test_the_last_checkpoint_is_followed_by_none():
    found = resolve(Options("late"), scope())[""]
    assert (found["epochs"], found["later"]) == ([1, 2], [2, 3])
    assert found == {**COUNTS, "epochs": [1, 2], "later": [2, 3], "split": "held-out", "images": 20}
    early = resolve(Options("early", split="training"), scope())[""]
    assert (early["epochs"], early["later"], early["split"]) == ([0, 1], [1, 2], "training")
    assert resolve(Options("late", points=1), scope())[""]["epochs"] == [1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (Options("end"), "no checkpoint of tiny follows one of the window 'end'"),
        (Options("late", split="test"), "its split is 'test'"),
        (Options("late", points=0), "points = 0"),
    ],
)
def test_what_cannot_be_followed_is_named(options, message):
    with pytest.raises(RecipeError, match=message):
        resolve(options, scope())


def test_a_ratio_is_that_of_the_means_over_images():
    shares = np.array([[0.2, 0.6], [0.1, 0.1]])
    random = np.array([[0.1, 0.3], [0.1, 0.3]])
    found = Alignment((2, 4), shares, shares / 2, random, random, shares, np.array([0.8, 0.2]))
    assert found.ratio() == pytest.approx([2, 0.5])
    assert found.ratio("other") == pytest.approx([1, 0.25])
    assert found.ratio("redrawn") == pytest.approx([1, 1])
    assert found.ratio("drawn") == pytest.approx([0.5, 0.5])


def test_ratios_that_do_not_exist_are_refused():
    with pytest.raises(RecipeError, match="of = 'noise' is neither drift nor other"):
        Alignment.planted((2,), [[0.4]]).ratio("noise")
    with pytest.raises(MeasurementError, match="the ratio is undefined"):
        Alignment.planted((2,), [[0.4]], random=0.0).ratio()


def test_planted_shares_come_out_as_requested():
    found = Alignment.planted((2, 4), [[0.4, 0.6], [0.3, 0.1]], random=[[0.25], [0.5]], other=0.5, drawn=[[0.1, 0.4]])
    assert found.ratio() == pytest.approx([2, 0.4])
    assert found.ratio("other") == pytest.approx([2, 1])
    assert found.ratio("drawn") == pytest.approx([1, 0.5])
    assert found.ratio("redrawn") == pytest.approx([0.8, 0.4])
    assert all(getattr(found, name).shape == (2, 2) for name in RATIOS)
