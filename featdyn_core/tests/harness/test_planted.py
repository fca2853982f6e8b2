"""Planted worlds keep what they promise, in the views that real records have."""

import numpy as np
import pytest

from featdyn_core.harness import planted
from featdyn_core.harness.planted import DEPTHS, IMAGES, World, verdict_in
from featdyn_core.harness.run import Measured
from featdyn_core.register.register import Window
from featdyn_core.verdicts.claim import Claim, Criterion, Role, Verdict

GRAIN = 0.5 / IMAGES
CLAIM = Claim(
    "demo",
    "1",
    "It holds.",
    (Criterion("effect", "q", "above", 0.5), Criterion("null", "q", "below", 0.1, Role.CONTROL)),
)


@pytest.mark.parametrize("missed", [[0.0, 0.25, 1.0], [0.1234, 0.5, 0.0]])
def test_a_column_misses_what_it_is_told(missed):
    found = planted.column([2, 4, 6], missed)
    assert found.cuts == DEPTHS
    assert (found.epochs.tolist(), found.deep) == ([2, 4, 6], 6)
    assert found.agreement == pytest.approx(np.tile(1 - np.array(missed), (3, 1)), abs=GRAIN)
    assert (found.accuracy == found.agreement).all()
    assert found.reference_accuracy == 1
    assert found.cross_entropy == pytest.approx(5 * np.tile(missed, (3, 1)))


def test_depths_may_differ_and_shares_are_clipped():
    found = planted.column([1, 2], [[0.1, 0], [0.2, 0], [1.5, -0.5]], deep=1)
    assert found.deep == 1
    assert found.agreement == pytest.approx(np.array([[0.9, 1], [0.8, 1], [0, 1]]), abs=GRAIN)


def test_what_one_composite_misses_one_that_misses_more_misses_too():
    """So the share of images at consistency 1 is what the worst composite leaves."""
    found = planted.column([1, 2, 3], [0.3, 0.1, 0])
    assert (found.consistency == 1).mean() == pytest.approx(0.7, abs=GRAIN)


def test_columns_are_of_both_splits():
    found = planted.columns([1, 2], 0.2, deep=1)
    assert set(found) == {"held-out", "training"}
    assert {column.deep for column in found.values()} == {1}


def test_windows_of_several_deep_epochs_are_as_long_as_they_are_told():
    found = planted.growing([3, 5], [1, 2.5])
    assert {deep: column.epochs.tolist() for deep, column in found.items()} == {3: [0, 1, 2, 3], 5: [0, 1, 2, 3, 4, 5]}
    assert {column.deep for column in found.values()} == {3, 5}
    assert found[3].agreement[0].tolist() == [0.5, 0.5, 1, 1]
    assert found[5].agreement[2].tolist() == [0.5, 0.5, 0.5, 1, 1, 1]


@pytest.mark.parametrize("agreement", [0.0, 0.1, 1.0])
def test_a_stranger_agrees_as_often_as_it_is_told(agreement):
    assert planted.stranger(agreement).agreement == pytest.approx(np.full(3, agreement), abs=GRAIN)


def test_a_path_drifts_as_far_as_it_is_told_at_even_speed():
    found = planted.path([0, 1, 4], 0.2, parts=["whole"])
    assert found.relative[0, :, -1] == pytest.approx([0.2, 0.15, 0])
    assert found.length[0, -1] == pytest.approx(0.2)


def test_a_loss_falls_as_much_as_it_is_told_after_an_epoch():
    found = planted.log(20, 0.25, late=10)
    assert found.fall(10, 20) == pytest.approx(0.25)
    assert found.fall(1, 20) == 1


@pytest.mark.parametrize("gained", [-0.2, 0.0, 0.3])
def test_the_real_direction_adds_what_it_is_told(gained):
    found = planted.closeness(gained, planted=0.4)
    for match in ("angle", "distance"):
        assert found.gained(match) == pytest.approx(np.full(3, gained), abs=2 * GRAIN)
        assert found.planted.gained(match) == pytest.approx(np.full(3, 0.4), abs=2 * GRAIN)
    assert found.planted.planted is None


def test_paths_end_inside_their_sectors_and_come_from_where_they_are_told():
    found = planted.paths(np.radians([0, 90, 180, 60]), length=4.0)
    assert found.classes(found.last).tolist() == found.labels.tolist() == [0, 1, 2, 3]
    assert np.linalg.norm(found.past - found.last, axis=-1) == pytest.approx(np.array([[4.0] * 4, [2.0] * 4]))
    assert np.linalg.norm(found.past[0, [0, 2]], axis=-1) == pytest.approx([6, 14])
    assert (found.classes(found.past[0]) == found.labels).tolist() == [True, False, True, False]


def test_paths_among_other_sectors_are_a_strangers():
    one, other = (planted.paths(np.zeros(20), others=number) for number in (0, 1))
    assert one.share_inside(other.past) == 0


def test_a_run_reads_what_was_planted_by_arm_and_split():
    columns, other = planted.columns([1], 0), planted.stranger(0)
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
