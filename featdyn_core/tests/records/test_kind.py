"""Resolution of options; a new kind of record is one file and one line."""

import dataclasses
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest

from featdyn_core.errors import RecipeError
from featdyn_core.harness.plan import Needed, cells
from featdyn_core.records.kind import Kind, Scope, check_splits, cuts_of, evenly, thinned, turning_network
from featdyn_core.records.kinds import KINDS
from featdyn_core.records.request import Request, measure
from featdyn_core.register.reading import load_register
from featdyn_core.register.register import Window
from featdyn_core.tests.tiny import tiny_recipe
from featdyn_core.tests.toy import edit, write_project

PROTOCOL = {"draws": 2, "none": 0, "half": 0.5, "truth": True}
SCOPE = Scope(tiny_recipe(), 0, 1, {"late": Window(1, 3), "odd": Window(1, 9)}, PROTOCOL, images=20)


def test_epochs_are_the_checkpoints_inside_a_window():
    assert SCOPE.epochs("late") == [1, 2, 3]
    assert SCOPE.epochs("late", every=2) == [1, 3]
    assert [SCOPE.end("late", which) for which in ("first", "last")] == [1, 3]
    assert SCOPE.evenly("late", 2) == [1, 3]
    assert (SCOPE.number("draws"), SCOPE.counts("draws")) == (2, {"draws": 2})


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (lambda: SCOPE.epochs("early"), "no window 'early'; the claim has late, odd"),
        (lambda: SCOPE.epochs("odd"), "window 'odd' ends at epoch 9, where tiny has no checkpoint"),
        (lambda: SCOPE.epochs("late", every=0), "every = 0 is not a step; give 1 or more"),
        (lambda: SCOPE.end("late", "middle"), "deep = 'middle' is neither first nor last"),
        (lambda: SCOPE.number("shuffles"), "the claim's protocol lacks 'shuffles'; it has draws, none"),
        (lambda: SCOPE.count("none"), "none = 0 of the protocol is not a count; give a whole number of at least 1"),
        (lambda: SCOPE.counts("draws", "half"), "half = 0.5 of the protocol"),
        (lambda: SCOPE.count("truth"), "truth = True of the protocol"),
        (lambda: SCOPE.evenly("late", 0), "points = 0 is not a number of epochs; give 1 or more"),
        (lambda: SCOPE.evenly("late", -1), "points = -1 is not a number of epochs"),
        (lambda: check_splits(), "the list of splits is empty; the splits are held-out, training"),
        (lambda: check_splits("training", "test"), "its split is 'test'; the splits are held-out, training"),
        (lambda: cuts_of("some"), "cuts = 'some' is neither depths nor all"),
        (lambda: turning_network(SCOPE, "steady", ""), "no window ''"),
        (
            lambda: turning_network(SCOPE, "hasty", "late"),
            "planted = 'hasty' is neither steady nor slowing nor standing",
        ),
    ],
)
def test_what_cannot_be_resolved_is_named(asked, message):
    with pytest.raises(RecipeError, match=message):
        asked()


def test_points_are_spread_evenly_and_the_last_is_kept():
    assert evenly([0, 1, 2, 8], 3) == [0, 2, 8]
    assert thinned([1, 2, 3, 4], 3) == [1, 4]


@dataclass(frozen=True)
class Options:
    """Of the new kind.

    Attributes:
        window: whose checkpoints are counted.
        twice: whether each counts two.
    """

    window: str
    twice: bool = False


NEW = Kind(
    version=1,
    options=Options,
    resolve=lambda options, scope: {"": {"epochs": scope.epochs(options.window), "twice": options.twice}},
    measure=lambda _, parameters: {"count": np.array(len(parameters["epochs"]) * (1 + parameters["twice"]))},
    read=lambda arrays, _: SimpleNamespace(count=int(arrays["count"])),
)


@pytest.fixture
def counted(tmp_path, monkeypatch):
    """A toy project whose claim reads a new kind of record; returns a function that plans it."""
    monkeypatch.chdir(write_project(tmp_path))
    monkeypatch.setitem(KINDS, "count", NEW)

    def plan(table: str):
        path = tmp_path / "claims/register/demo.toml"
        edit(path, 'stranger = { kind = "stranger", window = "late", deep = "last" }', f"count = {table}")
        (row,) = cells(load_register(path.parent), "small")
        return row.requests(0)[Needed("count", "clean")]

    return plan


def test_a_new_kind_is_planned_measured_and_read(counted):
    request = counted('{ kind = "count", window = "late", twice = true }')
    assert request.parameters == {"epochs": [1, 2, 3], "twice": True}
    (arrays,) = measure([request], None, None)
    assert KINDS["count"].read(arrays, request.parameters).count == 6
    assert request.covers(dataclasses.replace(request))
    assert not request.covers(Request(request.recipe, 0, "count", {}))


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ('{ kind = "count", windw = "late" }', "unknown field 'windw'.*window"),
        ('{ kind = "count", window = 3 }', "window: expected str, found 3"),
        ('{ kind = "count", window = "late", twice = 2 }', "twice: expected bool, found 2"),
        ('{ kind = "count" }', "field 'window' is missing"),
    ],
)
def test_a_misspelt_option_is_answered_with_those_there_are(counted, table, message):
    with pytest.raises(RecipeError, match=f"claim 'demo', record 'count': options of 'count'.*{message}"):
        counted(table)
