"""Published records are found by the words of the register."""

import pytest

from featdyn_core.errors import MeasurementError, MissingRecordError, RecipeError
from featdyn_core.harness.lookup import read_record
from featdyn_core.project import checkout

MEMORY = {"subject": "mnist", "scale": "paper", "seed": 5}


@pytest.fixture(autouse=True)
def _here(monkeypatch):
    monkeypatch.chdir(checkout())


def test_a_record_of_two_splits_is_read_by_split():
    columns = read_record("memory-window", "column", **MEMORY)
    assert sorted(columns) == ["held-out", "training"]
    assert columns["held-out"].deep == columns["training"].deep == 300
    assert columns["held-out"].epochs[0] == 200


def test_a_record_without_splits_is_its_view():
    stranger = read_record("memory-window", "stranger", **MEMORY)
    assert stranger.agreement.shape == (len(stranger.cuts),)


def test_a_record_of_several_deep_epochs_is_read_by_epoch():
    (found,) = read_record("window-growth", "columns", **MEMORY).values()
    assert all(column.deep == deep for deep, column in found.items())
    assert len(found) > 2


@pytest.mark.parametrize(
    ("claim", "record", "changes", "error", "says"),
    [
        ("memory-windows", "column", {}, RecipeError, "did you mean 'memory-window-paper-mnist'"),
        ("memory-window", "column", {"scale": "papers"}, RecipeError, "unknown scale 'papers'"),
        ("memory-window", "column", {"seed": 7000}, RecipeError, "has no seed 7000; it has 5,"),
        ("memory-window", "columns", {}, MeasurementError, "has no record 'columns' of arm 'clean'"),
        ("memory-window", "churn", {}, MissingRecordError, "is published at the scale paper"),
    ],
)
def test_what_is_missing_is_reported(claim, record, changes, error, says):
    with pytest.raises(error, match=says):
        read_record(claim, record, **(MEMORY | changes))
