"""Families of rows, and p-values adjusted within them."""

import dataclasses
import json

import pytest

from featdyn_core.tests.verdicts.rows import HIGH, LOW, SPREAD, judged, nothing
from featdyn_core.verdicts.claim import Verdict
from featdyn_core.verdicts.documents import from_json, to_json, write_evidence
from featdyn_core.verdicts.families import Adjusted, adjusted_p_values, holm


def test_holm_runs_over_all_rows_for_and_against_apart(tmp_path):
    """Undecided rows count, so leaving claims out does not make a run easier to pass."""
    rows = [judged(HIGH), nothing(scale="small"), judged(SPREAD), judged(LOW), judged(HIGH, claim="invalid")]
    rows[-1] = dataclasses.replace(rows[-1], verdict=Verdict.INVALID)
    families = [
        holm([1.0 if value is None else value for value in values])
        for values in ([row.p_value for row in rows], [row.p_against for row in rows])
    ]
    assert families[0][0] == pytest.approx(5 * rows[0].p_value)
    assert families[1][3] == pytest.approx(5 * rows[3].p_against)
    pairs = [Adjusted(*pair) for pair in zip(*families, strict=True)]
    found = [pairs[0], Adjusted(), pairs[2], pairs[3], Adjusted()]
    assert adjusted_p_values(rows) == found
    write_evidence(tmp_path / "evidence.json", rows)
    document = json.loads((tmp_path / "evidence.json").read_text(encoding="utf-8"))
    for row, adjusted in zip(document["rows"], found, strict=True):
        assert (row["holm_p_value"], row["holm_p_against"]) == tuple(adjusted)


def test_a_family_is_the_rows_of_one_scale():
    rows = [judged(HIGH), judged(SPREAD, scale="reduced"), judged(LOW, replayed=True), judged(HIGH, variation="adam")]
    found = adjusted_p_values(rows)
    assert [adjusted.p_value for adjusted in found[:3]] == [row.p_value for row in rows[:3]]
    assert found[3] == Adjusted()
    assert adjusted_p_values([rows[0], judged(HIGH, extension=True)]) == [found[0], Adjusted()]


def test_registered_rows_that_did_not_run_count_in_adjustment():
    alone, of_ten = (adjusted_p_values([judged(HIGH, family=size)])[0].p_value for size in (1, 10))
    assert of_ten == pytest.approx(10 * alone)


def test_a_part_of_a_family_has_no_adjusted_p_value():
    part = nothing(Verdict.DESELECTED, scale="small")
    other = judged(HIGH, scale="reduced")
    assert adjusted_p_values([judged(HIGH), part, other]) == [Adjusted(), Adjusted(), *adjusted_p_values([other])]
    assert adjusted_p_values([judged(HIGH), judged(LOW, exploratory=True)]) == [Adjusted(), Adjusted()]


@pytest.mark.parametrize(("adjusted", "survives"), [(0.0, True), (0.025, True), (0.0251, False), (None, False)])
@pytest.mark.parametrize("verdict", [Verdict.SUPPORTED, Verdict.REFUTED])
def test_what_survives_holm_is_the_verdict_that_was_reached(adjusted, survives, verdict):
    """A p-value that rounds to 0 also survives."""
    pair = (adjusted, 1.0) if verdict is Verdict.SUPPORTED else (1.0, adjusted)
    row = dataclasses.replace(judged(HIGH), verdict=verdict)
    assert Adjusted(*pair).survives(row) is survives
    assert not Adjusted(*pair[::-1]).survives(row)
    for other in (Verdict.EQUIVALENT, Verdict.INCONCLUSIVE, Verdict.INVALID):
        assert not Adjusted(*pair).survives(dataclasses.replace(row, verdict=other))


def test_a_theorem_has_no_p_value_and_no_place_in_the_family():
    others = [judged(HIGH), nothing(scale="small"), judged(SPREAD)]
    theorem = judged(HIGH, name="lemma", kind="theorem", counter_example="z = 0")
    assert theorem.p_value is None
    alone = adjusted_p_values(others)
    assert adjusted_p_values([others[0], theorem, *others[1:]]) == [alone[0], Adjusted(), *alone[1:]]
    assert "counter-example: z = 0" in theorem.message()
    assert from_json(to_json(theorem)) == theorem
