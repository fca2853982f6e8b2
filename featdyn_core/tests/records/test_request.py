"""Requests: their identity, the records that serve them, and joint measurements."""

import dataclasses

import pytest

from featdyn_core.records.kinds import KINDS
from featdyn_core.records.request import Request, measure
from featdyn_core.tests.tiny import tiny_recipe
from featdyn_core.trajectories.specs import DataSpec, OptimizerSpec

COLUMN = {
    "shallow": [1, 2],
    "deep": 3,
    "images": 50,
    "policy": "carry",
    "frozen": False,
    "precision": "fp32",
    "split": "held-out",
}


def column(*shallow: int, **changes) -> Request:
    return Request(tiny_recipe(), 0, "column", COLUMN | {"shallow": list(shallow)} | changes)


OTHER_COLUMNS = {
    "deep": column(1, 2, deep=2),
    "split": column(1, 2, split="training"),
    "images": column(1, 2, images=51),
    "policy": column(1, 2, policy="recalibrate"),
    "frozen": column(1, 2, frozen=True),
    "precision": column(1, 2, precision="fp16"),
    "seed": Request(tiny_recipe(), 1, "column", COLUMN),
    "recipe": Request(tiny_recipe(optimizer=OptimizerSpec("sgd", 0.2)), 0, "column", COLUMN),
    "kind": Request(tiny_recipe(), 0, "losses", COLUMN),
}


@pytest.mark.parametrize("other", OTHER_COLUMNS.values(), ids=OTHER_COLUMNS)
def test_requests_that_differ_beyond_shallow_epochs_stay_apart(other):
    one = column(1, 2)
    assert one.identity != other.identity
    assert not one.covers(other)
    assert not other.covers(one)
    assert one.joined(other) is None


def test_a_file_of_the_same_name_elsewhere_is_a_new_measurement():
    here, there = (
        Request(tiny_recipe(data=DataSpec(f"/{folder}/own.npz")), 0, "column", COLUMN) for folder in ("here", "there")
    )
    assert not here.covers(there)
    assert here.joined(there) is None


def test_identity_follows_content_and_not_name_or_order():
    one = column(1, 2)
    backwards = dict(reversed(one.parameters.items())) | {"shallow": (1, 2)}
    same = Request(tiny_recipe(name="renamed"), 0, "column", backwards)
    assert one.identity == same.identity
    assert one.identity != column(1, 3).identity


def test_a_raised_version_is_another_measurement(monkeypatch):
    before = column(1).identity
    monkeypatch.setitem(KINDS, "column", dataclasses.replace(KINDS["column"], version=2))
    assert column(1).identity != before


def test_a_column_serves_those_with_fewer_shallow_epochs():
    assert column(1, 2, 3).covers(column(1, 3))
    assert column(1, 2).covers(column(2, 1))
    assert not column(1, 3).covers(column(1, 2, 3))


def test_columns_of_two_claims_are_one_measurement():
    joined = column(3, 1).joined(column(2, 1))
    assert joined == column(1, 2, 3)
    assert joined.covers(column(3, 1))
    assert joined.covers(column(2, 1))


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"column", "churn"}))
def test_other_kinds_serve_their_equals_only(kind):
    one, same, other = (Request(tiny_recipe(), 0, kind, {"images": number}) for number in (1, 1, 2))
    assert one.covers(same)
    assert one.joined(same) == one
    assert not one.covers(other)
    assert one.joined(other) is None


def test_a_request_names_its_subject_and_its_trajectories():
    one = Request(tiny_recipe(), 4, "stranger", {"partner": 7})
    assert str(one) == "stranger of tiny seed 4"
    assert one.seeds == (4, 7)
    assert column(1).seeds == (0,)


def test_only_columns_of_one_trajectory_go_together():
    one, other = column(1, 2), column(1, deep=4)
    assert one.together(other)
    assert other.together(one)
    for apart in ("seed", "recipe", "kind", "split"):
        assert not one.together(OTHER_COLUMNS[apart]), apart
    numbers = ({"images": number} for number in (1, 2))
    assert not Request.together(*(Request(tiny_recipe(), 0, "losses", each) for each in numbers))


def test_measuring_passes_on_trajectory_partner_and_progress(monkeypatch):
    seen = []

    def note(*arguments, **options):
        seen.append((arguments, options))
        return {}

    monkeypatch.setitem(KINDS, "losses", dataclasses.replace(KINDS["losses"], measure=note))
    monkeypatch.setitem(KINDS, "stranger", dataclasses.replace(KINDS["stranger"], measure=note))
    one, other = (Request(tiny_recipe(), 0, kind, {"images": 3}) for kind in ("losses", "stranger"))
    assert measure([one], "mine", None, print) == [{}]
    assert measure([other], "mine", "another's", print) == [{}]
    assert seen == [
        (("mine", one.parameters), {"progress": print}),
        (("mine", other.parameters, "another's"), {}),
    ]


def test_what_goes_together_is_handed_over_at_once(monkeypatch):
    def several(_, parameters):
        return [{"deep": found["deep"]} for found in parameters]

    monkeypatch.setitem(KINDS, "column", dataclasses.replace(KINDS["column"], measure=several, grid=False))
    assert measure([column(1), column(1, deep=5)], "mine", None) == [{"deep": 3}, {"deep": 5}]
