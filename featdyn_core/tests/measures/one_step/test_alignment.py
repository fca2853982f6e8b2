"""Alignment of noise and drift: axes and shares in plain numbers, drifts along and across the noise."""

import dataclasses

import numpy as np
import pytest

from featdyn_core.errors import MeasurementError
from featdyn_core.measures.one_step import alignment
from featdyn_core.measures.one_step.alignment import drawn, leading_axes, noise_and_drift, orthonormal, share_along
from featdyn_core.measures.one_step.protocol import one_step_changes

ASKED = {"split": "held-out", "samples": 3, "updates": 8, "axes": 2, "draws": 40}


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def test_leading_axes_are_those_of_the_covariance(rng):
    changes = rng.standard_normal((20, 6)) * [1, 9, 1, 5, 1, 1] + 100
    found = leading_axes(changes, 2)
    values, vectors = np.linalg.eigh(np.cov(changes, rowvar=False))
    assert np.abs(found @ vectors[:, ::-1][:, :2]) == pytest.approx(np.eye(2), abs=1e-9)
    assert values[-1] > values[-2] > 2 * values[-3]


@pytest.mark.parametrize("rank", [0, 1])
def test_changes_along_too_few_axes_are_refused(rng, rank):
    changes = rng.standard_normal((8, rank)) @ rng.standard_normal((rank, 6))
    with pytest.raises(MeasurementError, match="changes by 8 updates lie along fewer than 2 axes"):
        leading_axes(changes, 2)


def test_draws_have_the_covariance_of_the_features(rng):
    features = rng.standard_normal((50, 3)) @ rng.standard_normal((3, 4)) + 10
    found = drawn(features, 40_000, rng)
    expected = np.cov(features, rowvar=False)
    assert np.cov(found, rowvar=False) == pytest.approx(expected, abs=0.04 * np.trace(expected))
    assert np.abs(found.mean(axis=0)).max() < 0.05 * np.sqrt(np.trace(expected))


def test_a_share_is_that_of_the_squared_length(rng):
    axes = np.eye(4)[:2]
    assert share_along(np.array([3.0, 0, 4, 0]), axes) == pytest.approx(9 / 25)
    drifts = np.array([[1.0, 1, 0, 0], [0, 0, 2, 0], [1, 0, 1, 0]])
    assert share_along(drifts, axes) == pytest.approx([1, 0, 0.5])
    several = orthonormal(rng.standard_normal((7, 2, 4)))
    found = share_along(drifts, several)
    assert found.shape == (7, 3)
    assert found[4, 2] == pytest.approx(share_along(drifts[2], several[4]))


def test_bases_span_what_they_are_made_of(rng):
    vectors = rng.standard_normal((5, 2, 6))
    bases = orthonormal(vectors)
    assert bases @ bases.swapaxes(1, 2) == pytest.approx(np.broadcast_to(np.eye(2), (5, 2, 2)), abs=1e-12)
    assert [share_along(pair, basis).min() for pair, basis in zip(vectors, bases, strict=True)] == pytest.approx(
        [1] * 5
    )


def test_a_drift_of_zero_has_no_direction():
    with pytest.raises(MeasurementError, match="features do not move"):
        share_along(np.zeros((2, 4)), np.eye(4)[:2])


def test_shares_are_those_of_the_protocols_changes(tiny_trajectory):
    found = noise_and_drift(tiny_trajectory, epoch=1, later=2, rng=np.random.default_rng(0), **ASKED)
    images, _ = tiny_trajectory.evaluation_set("held-out")
    (*_, cut) = tiny_trajectory.network(1).depths
    now, then = (tiny_trajectory.network(epoch).shallow(images, cut).flatten(1).detach().double() for epoch in (1, 2))
    drifts = (then - now).numpy()[:3]
    changes = one_step_changes(tiny_trajectory, 1, images[:3], updates=8, cut=cut, rng=np.random.default_rng(0))
    for image in range(3):
        axes = leading_axes(changes[image], 2)
        assert found["drift"][image] == pytest.approx(share_along(drifts[image], axes), rel=1e-5)
        assert found["other"][image] == pytest.approx(share_along(drifts[image - 1], axes), rel=1e-5)
    assert {name: array.shape for name, array in found.items()} == {
        **dict.fromkeys(("drift", "other", "random", "redrawn", "drawn"), (3,)),
        "drawn_random": (),
    }


@pytest.mark.parametrize(("along", "ratio"), [(True, 2.0), (False, 0.5)])
def test_planted_drift_along_the_noise_is_found(tiny_trajectory, monkeypatch, rng, along, ratio):
    """The noise moves features along two axes; the drift goes along them, or along two others."""
    features, noise = rng.standard_normal((100, 12)), np.zeros((3, 8, 12))
    noise[..., :2] = rng.standard_normal((3, 8, 2))
    drift = np.zeros((3, 12))
    drift[:, slice(2) if along else slice(2, 4)] = 1
    later = np.concatenate([features[:3] + drift, features[3:]])
    monkeypatch.setattr(alignment, "one_step_changes", lambda *_, **__: noise)
    monkeypatch.setattr(
        alignment, "_features", lambda _, epoch, images, __: (later if epoch else features)[: len(images)]
    )
    found = noise_and_drift(tiny_trajectory, epoch=0, later=1, rng=rng, **ASKED | {"draws": 500})
    assert found["drift"] == pytest.approx(float(along), abs=1e-9)
    # What two random axes of twelve hold: of any drift, and of what is drawn itself.
    for name in ("random", "redrawn", "drawn_random"):
        assert found[name] == pytest.approx(2 / 12, rel=0.2), name
    assert found["drawn"].mean() / found["drawn_random"] == pytest.approx(1, abs=0.2)
    assert (found["drift"].mean() / found["random"].mean() > ratio) == along


def test_the_split_is_where_images_and_covariance_come_from(tiny_trajectory):
    held_out, training = (
        noise_and_drift(tiny_trajectory, epoch=1, later=2, rng=np.random.default_rng(0), **ASKED | {"split": split})
        for split in ("held-out", "training")
    )
    assert not np.array_equal(held_out["drift"], training["drift"])
    fewer = dataclasses.replace(tiny_trajectory, evaluation_images=50)
    found = noise_and_drift(fewer, epoch=1, later=2, rng=np.random.default_rng(0), **ASKED)
    assert found["drift"] == pytest.approx(held_out["drift"], rel=1e-4)
    assert not np.array_equal(found["random"], held_out["random"])
