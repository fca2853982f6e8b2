"""Planted worlds have the planted numbers, in the views of real records."""

import numpy as np
import pytest
from hypothesis import strategies as st

from featdyn_core import planted
from featdyn_core.planted import World, verdict_in
from featdyn_core.records.column import Column
from featdyn_core.records.planting import IMAGES
from featdyn_core.records.stranger import Stranger
from featdyn_core.register.register import Window
from featdyn_core.verdicts.claim import Claim, Verdict
from featdyn_core.verdicts.criterion import Criterion, Role
from featdyn_core.verdicts.measured import Measured

GRAIN = 0.5 / IMAGES
CLAIM = Claim(
    "demo",
    "1",
    "It holds.",
    (Criterion("effect", "q", "above", 0.5), Criterion("null", "q", "below", 0.1, Role.CONTROL)),
)


def test_columns_are_of_both_splits():
    found = planted.on_both_splits(Column.planted([1, 2], 0.2, deep=1))
    assert set(found) == {"held-out", "training"}
    assert {column.deep for column in found.values()} == {1}


def test_columns_of_several_arms_fade_towards_the_deep_epoch():
    found = planted.run(planted.by_arm("column", [1, 2, 3], {"clean": 0.1, "noisy": [0.2, 0.4, 0.6]}))
    assert found.columns("column")["training"].agreement == pytest.approx(np.array([[0.9, 0.95, 1]] * 3))
    noisy = found.columns("column", "noisy")["held-out"].agreement
    assert noisy[:, 0] == pytest.approx([0.8, 0.6, 0.4])
    assert noisy[:, -1] == pytest.approx([1, 1, 1])


def test_a_run_reads_what_was_planted_by_arm_and_split():
    columns, other = planted.on_both_splits(Column.planted([1], 0)), Stranger.planted(0)
    found = planted.run(
        {"column": columns, ("stranger", "noisy"): other}, windows={"late": (1, 3)}, protocol={"draws": 2}
    )
    assert found.columns("column") == columns
    assert found.record("stranger", "noisy") is other
    assert found.window("late") == Window(1, 3)
    assert found.protocol == {"draws": 2}
    with pytest.raises(KeyError):
        found.record("stranger")


def test_the_neighbour_is_another_run_if_there_is_one():
    alone, other = planted.run({}), planted.run({})
    assert alone.neighbour() is alone
    assert planted.run({}, neighbour=other).neighbour() is other


# Verdicts


def measure(run):
    return Measured({"effect": run.record("effect"), "null": run.record("null")})


def world(low: float, high: float, null: float = 0.0) -> World:
    return World(None, lambda rng: planted.run({"effect": rng.uniform(low, high), "null": null}))


@pytest.mark.parametrize(
    ("planted_world", "verdict"),
    [
        (world(0.8, 0.9), Verdict.SUPPORTED),
        (world(0.1, 0.2), Verdict.REFUTED),
        (world(0.0, 1.0), Verdict.INCONCLUSIVE),
        (world(0.8, 0.9, null=0.5), Verdict.INVALID),
    ],
)
def test_a_world_is_judged_as_a_claim_is(planted_world, verdict):
    assert verdict_in(planted_world, CLAIM, measure) is verdict


def test_the_same_number_draws_the_same_world_and_seeds_differ():
    seen = []

    def note(run):
        seen.append(run.record("effect"))
        return measure(run)

    for number in (0, 0, 1):
        verdict_in(world(0, 1), CLAIM, note, number=number, seeds=3)
    first, again, other = seen[:3], seen[3:6], seen[6:]
    assert first == again
    assert len({*first, *other}) == 6


def test_planted_theorems_differ_by_seed():
    worlds = st.integers()
    rng = np.random.default_rng(0)
    one, other = (planted.theorem(rng, worlds) for _ in range(2))
    assert one.seed != other.seed
    assert one.worlds is worlds


def test_numbers_that_a_world_does_not_plant_are_the_rows():
    seen = []

    def note(found):
        seen.append(found.protocol)
        return measure(found)

    planted_world = World(None, lambda _: planted.run({"effect": 1.0, "null": 0.0}, protocol={"level": 0.3}))
    verdict_in(planted_world, CLAIM, note, protocol={"level": 0.8, "span": 6}, seeds=3)
    assert seen == [{"level": 0.3, "span": 6}] * 3
