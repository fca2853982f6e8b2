"""Unseen images, and the images that a column is measured on."""

import dataclasses
from unittest.mock import Mock

import numpy as np
import pytest
import torch

from featdyn_core.data import corruptions
from featdyn_core.data.corruptions import corrupt
from featdyn_core.errors import DataError
from featdyn_core.measures.composites import unseen
from featdyn_core.measures.composites.composite import composite, predict
from featdyn_core.measures.composites.unseen import RANDOM, unseen_images
from featdyn_core.records import column as columns
from featdyn_core.seeds import numpy_generator

PARAMETERS = {
    "deep": 2,
    "shallow": [1, 2],
    "split": "held-out",
    "policy": "carry",
    "precision": "fp32",
    "frozen": False,
}


def corrupted(kind, severity=5):
    return {"kind": kind, "severity": severity}


@pytest.mark.parametrize("kind", ["gaussian_blur", "shot_noise"])
@pytest.mark.parametrize("severity", [1, 5])
def test_corrupted_images_come_from_the_evaluation_set(tiny_trajectory, kind, severity):
    few = dataclasses.replace(tiny_trajectory, evaluation_images=7)
    images, labels, source = unseen_images(few, corrupted(kind, severity))
    clean, known = few.evaluation_set("held-out")
    grey_levels = clean.permute(0, 2, 3, 1).contiguous().numpy()
    expected = corrupt(grey_levels, kind, severity, numpy_generator(0, "corrupt", kind, severity))
    assert torch.equal(images.permute(0, 2, 3, 1), torch.from_numpy(expected))
    assert torch.equal(labels, known)
    assert source == "synthesised"
    assert not torch.equal(images, clean)


@pytest.mark.parametrize("corruption", [corrupted("shot_noise"), {"kind": RANDOM}])
def test_images_are_the_same_for_every_training_seed(tiny_trajectory, corruption):
    other = dataclasses.replace(tiny_trajectory, seed=1)
    assert torch.equal(unseen_images(tiny_trajectory, corruption)[0], unseen_images(other, corruption)[0])


@pytest.mark.parametrize(("sets", "made"), [(2, 2), (1.5, 3), (0, 4)])
def test_images_are_corrupted_once_for_all_trainings(tiny_trajectory, monkeypatch, sets, made):
    making = Mock(wraps=corruptions.corrupted_test_set)
    monkeypatch.setattr(corruptions, "corrupted_test_set", making)
    monkeypatch.setattr(unseen, "KEPT_BYTES", sets * tiny_trajectory.evaluation_set("held-out")[0].nbytes)
    anew = dataclasses.replace(tiny_trajectory, dataset=dataclasses.replace(tiny_trajectory.dataset))
    for kind in ("fog", "snow", "snow", "fog"):
        unseen_images(dataclasses.replace(anew, seed=making.call_count), corrupted(kind))
    assert making.call_count == made


def test_large_sets_are_kept_too():
    assert unseen.KEPT_BYTES >= 19 * 10_000 * 3 * 32 * 32


def test_random_images_share_only_the_mean_with_the_test_images(tiny_trajectory):
    images, _, _ = unseen_images(tiny_trajectory, {"kind": RANDOM})
    clean, _ = tiny_trajectory.evaluation_set("held-out")
    middle = clean.double().mean(0)
    inside = (middle > 80) & (middle < 160)  # where nothing much is clipped
    error = clean.double().std(0)[inside] / len(clean) ** 0.5
    assert inside.any()
    assert ((images.double().mean(0)[inside] - middle[inside]).abs() < 5 * error).all()
    assert (images != clean).flatten(1).any(1).all()


def test_an_unknown_corruption_is_refused(tiny_trajectory):
    with pytest.raises(DataError, match="unknown corruption 'mist'"):
        unseen_images(tiny_trajectory, corrupted("mist"))


@pytest.mark.parametrize("corruption", [corrupted("gaussian_blur"), {"kind": RANDOM}])
def test_a_column_of_corrupted_images_is_that_of_its_definition(tiny_trajectory, corruption):
    parameters = PARAMETERS | {"corruption": corruption}
    found = columns.read(columns.measure(tiny_trajectory, [parameters])[0], parameters)
    images, _, source = unseen_images(tiny_trajectory, corruption)
    assert found.source == source
    assert (found.reference == predict(tiny_trajectory.network(2), images)).all()
    for (row, number), predicted in zip(np.ndindex(3, 2), found.predictions.reshape(6, -1), strict=True):
        network = composite(tiny_trajectory, (1, 2)[number], 2, found.cuts[row])
        assert (predicted == predict(network, images)).all(), f"{found.cuts[row]}, epoch {(1, 2)[number]}"


def test_a_column_of_images_as_they_are_is_as_it_always_was(tiny_trajectory):
    """Published records name no source."""
    arrays = columns.measure(tiny_trajectory, [PARAMETERS])[0]
    assert set(arrays) == {"cuts", "epochs", "changed", "reference", "labels", "cross_entropy", "flip_rate"}
    assert columns.read(arrays, PARAMETERS).source == ""
