"""Records of the same quantity agree."""

import numpy as np
import pytest

from featdyn_core.store.agreement import disagreements
from featdyn_core.tests.store.made import column, contradicting, record_of


@pytest.mark.parametrize("name", ["reference", "labels"])
def test_records_of_one_network_that_differ_are_named(name):
    one, other = record_of(column(1, 2)), contradicting(column(0, 1), name)
    assert disagreements([one, record_of(column(2, 3))]) == []
    assert disagreements([one, other]) == [f"{one.facts['file']} and {other.facts['file']} differ in {name}"]


@pytest.mark.parametrize(
    "other",
    [
        column(0, 1, deep=2),
        column(0, 1, split="training"),
        column(0, 1, images=19),
        column(0, 1, precision="fp16"),
        column(0, 1, planted={"pace": "steady"}),
    ],
    ids=["epoch", "split", "images", "precision", "planted"],
)
def test_records_of_other_networks_or_images_may_differ(other):
    assert disagreements([record_of(column(1, 2)), contradicting(other, "reference")]) == []


def test_records_of_other_checkpoints_may_differ():
    other = contradicting(column(0, 1), "reference", checkpoints={"key": "another", "sha256": "another"})
    assert disagreements([record_of(column(1, 2)), other]) == []


@pytest.mark.parametrize("measured", [{"device": "cuda"}, {"machine": "another"}], ids=str)
def test_records_of_other_machines_may_differ(measured):
    other = contradicting(column(0, 1), "reference", measured=measured)
    assert disagreements([record_of(column(1, 2)), other]) == []


def test_other_arrays_are_not_compared():
    assert disagreements([record_of(column(1, 2)), record_of(column(0, 3))]) == []
    assert not np.array_equal(*(record_of(column(*epochs)).arrays["epochs"] for epochs in ((1, 2), (0, 3))))
