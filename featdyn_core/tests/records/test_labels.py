"""Training labels against true ones: noise at a rate, renamed classes, a file, and a fault."""

import dataclasses

import numpy as np
import pytest

from featdyn_core.data.label_files import labels_sha256
from featdyn_core.records.labels import Labels, measure, read
from featdyn_core.trajectories.specs import DataSpec, LabelSpec


def measured(trajectory, images="digits", **labels):
    recipe = dataclasses.replace(trajectory.recipe, data=DataSpec(images), labels=LabelSpec(**labels))
    return read(measure(dataclasses.replace(trajectory, recipe=recipe), {}), {})


def test_clean_labels_are_all_right(tiny_perceptron):
    found = measured(tiny_perceptron)
    data = tiny_perceptron.dataset
    assert (found.count, found.wrong, found.wrong_held_out, found.share_wrong) == (200, 0, 0, 0.0)
    assert np.array_equal(np.diag(found.training), np.bincount(data.train_labels))
    assert np.array_equal(np.diag(found.held_out), np.bincount(data.test_labels))


def test_noise_at_a_rate_leaves_nine_tenths_of_it_wrong(tiny_perceptron):
    seeds = (measured(dataclasses.replace(tiny_perceptron, seed=seed), randomized=0.5) for seed in range(20))
    shares = [found.share_wrong for found in seeds]
    assert np.mean(shares) == pytest.approx(0.5 * 0.9, abs=0.02)
    assert len(set(shares)) > 1


def test_counts_are_of_true_labels_by_those_trained_with(tiny_perceptron):
    recipe = dataclasses.replace(tiny_perceptron.recipe, labels=LabelSpec(randomized=0.5))
    noisy = dataclasses.replace(tiny_perceptron, recipe=recipe)
    true, used = noisy.dataset.train_labels.tolist(), noisy.training_set()[1].tolist()
    found = measured(tiny_perceptron, randomized=0.5)
    assert found.training[3, 5] == sum(pair == (3, 5) for pair in zip(true, used, strict=True))
    assert found.wrong == sum(one != other for one, other in zip(true, used, strict=True))


def test_renamed_classes_are_all_wrong(tiny_perceptron):
    found = measured(tiny_perceptron, permuted=True)
    assert found.share_wrong == 1
    assert (np.count_nonzero(found.training, axis=1) == 1).all()


def test_labels_of_a_file_are_counted(tiny_perceptron, tmp_path, monkeypatch):
    monkeypatch.setenv("FEATDYN_DATA", str(tmp_path))
    given = tiny_perceptron.dataset.train_labels.numpy().copy()
    given[:30] = (given[:30] + 1) % 10
    np.savez(tmp_path / "people.npz", worse=given)
    named = {"file": "people.npz", "column": "worse", "sha256": labels_sha256(given)}
    found = measured(tiny_perceptron, "own.npz", **named)  # the order of the digits is not the published one
    assert (found.wrong, found.count) == (30, 200)


def test_noise_on_held_out_labels_is_seen(tiny_perceptron, monkeypatch):
    original = type(tiny_perceptron).evaluation_set

    def spoiled(self, split):
        images, labels = original(self, split)
        return images, labels.roll(1)

    monkeypatch.setattr(type(tiny_perceptron), "evaluation_set", spoiled)
    labels = tiny_perceptron.dataset.test_labels
    found = measured(tiny_perceptron)
    assert found.wrong_held_out == int((labels != labels.roll(1)).sum()) > 50
    assert found.wrong == 0


def test_held_out_labels_are_those_of_the_images_measured_on(tiny_perceptron):
    few = dataclasses.replace(tiny_perceptron, evaluation_images=7)
    assert read(measure(few, {}), {}).held_out.sum() == 7


@pytest.mark.parametrize("share", [0.0, 0.402, 1.0])
def test_planted_labels_are_wrong_as_often_as_requested(share):
    found = Labels.planted(share, wrong_held_out=3)
    assert found.share_wrong == share
    assert found.wrong_held_out == 3
    assert found.training.sum(axis=1).tolist() == [100] * 10
