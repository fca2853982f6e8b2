"""Randomised labels and renamed classes."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from featdyn_core.data.labels import permute_labels, randomize_labels
from featdyn_core.errors import DataError

few = settings(max_examples=25, deadline=None)
sizes = st.integers(1, 200)
class_counts = st.integers(2, 12)
seeds = st.integers(0, 2**32 - 1)


def cyclic(size: int, classes: int) -> torch.Tensor:
    return torch.arange(size) % classes


@few
@given(sizes, class_counts, st.floats(0, 1), seeds)
def test_only_the_stated_number_of_positions_can_change(size, classes, fraction, seed):
    labels = cyclic(size, classes)
    noisy = randomize_labels(labels, fraction, classes, np.random.default_rng(seed))
    assert noisy.dtype == torch.int64
    assert noisy.shape == labels.shape
    assert int(noisy.min()) >= 0
    assert int(noisy.max()) < classes
    assert int((noisy != labels).sum()) <= round(fraction * size)


@pytest.mark.parametrize(("size", "fraction", "count"), [(5, 0.5, 2), (7, 0.5, 4), (10, 0.25, 2), (9, 1.0, 9)])
def test_the_rounded_number_of_distinct_positions_is_drawn(size, fraction, count):
    # There are so many classes that no drawn label is 0 again, so changed labels are the drawn ones.
    noisy = randomize_labels(torch.zeros(size, dtype=torch.int64), fraction, 10**12, np.random.default_rng(0))
    assert int((noisy != 0).sum()) == count


def test_labels_are_drawn_uniformly_and_may_stay_the_same():
    labels = torch.full((40_000,), 3)
    noisy = randomize_labels(labels, 1.0, 4, np.random.default_rng(0))
    counts = torch.bincount(noisy, minlength=4).double()
    # Each count is binomial with mean 10,000 and standard deviation √7,500 ≈ 87.
    assert (counts - 10_000).abs().max() < 5 * 7_500**0.5


def test_positions_are_chosen_uniformly():
    labels = torch.zeros(20, dtype=torch.int64)
    rng = np.random.default_rng(0)
    hits = sum((randomize_labels(labels, 0.4, 10**12, rng) != 0).double() for _ in range(2_000))
    # Each position is hit 2,000 · 0.4 = 800 times, with standard deviation √480 ≈ 22.
    assert (hits - 800).abs().max() < 5 * 480**0.5


@few
@given(sizes, class_counts, seeds)
def test_nothing_changes_at_fraction_zero(size, classes, seed):
    labels = cyclic(size, classes)
    assert torch.equal(randomize_labels(labels, 0.0, classes, np.random.default_rng(seed)), labels)


@few
@given(sizes, class_counts, seeds)
def test_renaming_is_one_to_one_and_leaves_no_class_its_number(size, classes, seed):
    labels = cyclic(size, classes)
    renamed = permute_labels(labels, classes, np.random.default_rng(seed))
    pairs = set(zip(labels.tolist(), renamed.tolist(), strict=True))
    assert len(pairs) == len({old for old, _ in pairs}) == len({new for _, new in pairs})
    assert all(old != new and 0 <= new < classes for old, new in pairs)


def test_every_derangement_is_equally_likely():
    rng = np.random.default_rng(0)
    draws = [tuple(permute_labels(torch.arange(4), 4, rng).tolist()) for _ in range(9_000)]
    counts = [draws.count(each) for each in set(draws)]
    assert len(counts) == 9  # the number of derangements of four
    assert max(abs(count - 1_000) for count in counts) < 5 * (1_000 * 8 / 9) ** 0.5


@pytest.mark.parametrize(
    "change",
    [lambda x, rng: randomize_labels(x, 0.5, 10, rng), lambda x, rng: permute_labels(x, 10, rng)],
    ids=["randomize", "permute"],
)
def test_input_stays_and_same_generator_gives_the_same_labels(change):
    labels = cyclic(100, 10)
    first = change(labels, np.random.default_rng(7))
    assert torch.equal(labels, cyclic(100, 10))
    assert torch.equal(first, change(labels, np.random.default_rng(7)))
    assert not torch.equal(first, change(labels, np.random.default_rng(8)))


@pytest.mark.parametrize("fraction", [-0.01, 1.01, float("nan")])
def test_fraction_outside_the_unit_interval_is_refused(fraction):
    with pytest.raises(DataError, match=r"fraction .* is outside \[0, 1\]"):
        randomize_labels(torch.zeros(3, dtype=torch.int64), fraction, 2, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("labels", "classes", "message"),
    [
        (torch.tensor([0, 3]), 3, "labels run from 0 to 3; 3 classes are numbered 0 to 2"),
        (torch.tensor([-1, 1]), 3, "labels run from -1 to 1"),
        (torch.tensor([0.0, 1.0]), 3, "torch.float32; they must be a non-empty vector of torch.int64"),
        (torch.zeros((2, 1), dtype=torch.int64), 3, r"labels of shape \(2, 1\)"),
        (torch.zeros(0, dtype=torch.int64), 3, "non-empty"),
        (torch.tensor([0]), 0, "0 classes; there must be at least 1"),
    ],
)
def test_bad_labels_are_refused(labels, classes, message):
    rng = np.random.default_rng(0)
    with pytest.raises(DataError, match=message):
        randomize_labels(labels, 0.5, classes, rng)
    with pytest.raises(DataError, match=message):
        permute_labels(labels, classes, rng)


def test_one_class_cannot_be_renamed():
    with pytest.raises(DataError, match="at least 2 classes"):
        permute_labels(torch.zeros(3, dtype=torch.int64), 1, np.random.default_rng(0))
