"""Statements of a row of evidence."""

import dataclasses
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featdyn_core.tests.report.sample import every_verdict, evidence
from featdyn_core.tests.verdicts.rows import HIGH, LOW, SPREAD, judged, nothing, of_many_items
from featdyn_core.verdicts.claim import Claim, Verdict
from featdyn_core.verdicts.criterion import Criterion, Outcome, Role
from featdyn_core.verdicts.evidence import Evidence, row_id
from featdyn_core.verdicts.inference import Bound, infer_mean
from featdyn_core.verdicts.units import Unit, share_of


def test_a_row_is_named_by_claim_scale_subject_and_origin():
    assert judged(HIGH).id == "memory-small-digits"
    assert judged(HIGH, replayed=True).id == row_id("memory", "small", "digits", replayed=True)
    assert row_id("forgetting", "reduced", "cifar10", replayed=True) == "forgetting-reduced-cifar10-replayed"


@pytest.mark.parametrize(
    ("known", "changed"), [("", False), ("SUPPORTED", False), ("REFUTED", True)], ids=["unknown", "same", "other"]
)
def test_a_verdict_changed_if_the_register_knows_another(known, changed):
    assert judged(HIGH, known=known).changed is changed
    assert not nothing(known=known).changed


ALL = [Verdict.SUPPORTED, Verdict.EQUIVALENT, Verdict.REFUTED, Verdict.INCONCLUSIVE, Verdict.INVALID]


@pytest.mark.parametrize("known", ALL)
@pytest.mark.parametrize("found", ALL)
def test_what_contradicts_a_known_finding(known, found):
    """For trainings of the run; published records must give the same verdict."""
    here, published = (dataclasses.replace(judged(HIGH, known=known), verdict=found, replayed=r) for r in (False, True))
    opposite = {Verdict.SUPPORTED, Verdict.REFUTED}
    contradicts = found != known and ({found, known} == opposite or Verdict.INVALID in (found, known))
    assert here.changed is contradicts
    assert here.in_accord is (found != known and not contradicts)
    assert published.changed is (found != known)
    assert not published.in_accord


@pytest.mark.parametrize("outcome", [Outcome.UNDECIDED, Outcome.FAILS])
def test_a_control_that_few_seeds_leave_open_contradicts_nothing(outcome):
    row = judged(HIGH, known="SUPPORTED")
    findings = [
        dataclasses.replace(item, outcome=outcome) if item.criterion.role is Role.CONTROL else item
        for item in row.findings
    ]
    changed = dataclasses.replace(row, verdict=Verdict.INVALID, findings=tuple(findings))
    assert changed.changed
    assert dataclasses.replace(changed, here=True).changed is (outcome is Outcome.FAILS)
    assert dataclasses.replace(changed, here=True).in_accord is (outcome is Outcome.UNDECIDED)


def test_a_message_shows_quantity_interval_bound_and_control():
    lines = judged([0.1, 0.1, 0.1], known="SUPPORTED").message().splitlines()
    head = "memory on digits (section 4.2): REFUTED (this contradicts the known finding SUPPORTED)"
    assert lines[:3] == [
        f"{head}: 'gap' on the wrong side",
        "  gap (decides): 0.1 [0.1, 0.1] (95 %, 3 seeds; worst 0.1, 0 of 3 hold), must lie above 0.5: fails",
        "  control (control): 0.11 [0.08516, 0.1348] (95 %, 3 seeds; worst 0.12, 3 of 3 hold), "
        "must lie below 0.5: holds",
    ]
    assert "(95 %, 90 planted draws;" in lines[3]


def test_message_of_what_was_not_run_gives_the_reason():
    assert nothing().message() == "memory on svhn (section 4.2): NOT RUN: no such recipe"


def test_p_value_is_the_largest_of_the_deciding_criteria():
    row = judged(SPREAD)
    expected = infer_mean(SPREAD, Bound("above", 0.5))
    assert (row.p_value, row.p_against) == (expected.p_value, expected.p_against)
    assert row.p_value < row.of(Role.REPORTED)[0].p_value
    assert nothing().p_value is nothing().p_against is None


def test_a_row_whose_control_failed_has_no_p_value():
    row = judged(HIGH)
    invalid = Evidence("m", "4", "s", "fast", "small", Verdict.INVALID, findings=row.findings)
    assert invalid.p_value is invalid.p_against is None


def test_findings_of_a_role():
    row = judged(HIGH)
    assert [[item.criterion.name for item in row.of(role)] for role in Role] == [
        ["gap"],
        ["control", "alarms"],
        ["beside"],
    ]


def test_p_values_of_several_items():
    """For the claim all must hold: the largest. Against it one failure is enough: the smallest times their number."""
    row = of_many_items(4, LOW, HIGH)
    assert row.p_value == max(item.p_value for item in row.deciding) == row.deciding[0].p_value
    assert row.p_against == pytest.approx(4 * row.deciding[0].p_against)
    assert of_many_items(4, HIGH, HIGH).p_against == 1
    assert (row.verdict is Verdict.REFUTED) is (row.p_against <= 0.025)


def test_a_row_says_what_its_verdict_hangs_on():
    assert judged(HIGH).why == ""
    assert of_many_items(3, LOW[:1] * 3, HIGH).why == "'item 0' on the wrong side (at 1 - 0.05/3)"
    open_row = judged([0.6, 0.45, 0.7])
    assert open_row.why == f"open: 'gap' (about {open_row.deciding[0].seeds_needed} seeds would decide it)"
    assert judged([0.5, 0.4, 0.6]).why == "open: 'gap' (more than 10,000 seeds would be needed)"
    failed = dataclasses.replace(judged(HIGH).findings[1], outcome=Outcome.FAILS)
    open_one = dataclasses.replace(judged(HIGH).findings[2], outcome=Outcome.UNDECIDED)
    invalid = dataclasses.replace(judged(HIGH), verdict=Verdict.INVALID, findings=(failed, open_one))
    assert invalid.why == "control 'control' fails; control 'alarms' undecided"
    assert invalid.why in invalid.message()


def test_an_undecided_control_says_what_would_decide_it():
    def why(unit, *values):
        criteria = (
            Criterion("gap", "q", "above", 0.5),
            Criterion("control", "q", "above", 0.9, Role.CONTROL, unit),
        )
        verdict, findings = Claim("m", "4", "s", criteria).judge({"gap": HIGH, "control": values})
        assert findings[1].outcome is Outcome.UNDECIDED
        return Evidence("m", "4", "s", "fast", "small", verdict, findings=findings).why

    few = [share_of(20, 20)] * 3
    assert why(Unit.SHARE, *few) == "control 'control' undecided (counted from 20; more images would decide it)"
    found = why(Unit.DIFFERENCE, 0.92, 0.97, 1.2)
    assert re.fullmatch(r"control 'control' undecided \(about \d+ seeds would decide it\)", found)


def test_an_open_item_of_p_values_says_how_many_seeds_hold():
    criteria = (
        Criterion("p", "q", "below", -2.0, unit=Unit.LOG_P),
        Criterion("control", "q", "above", 0.0, Role.CONTROL),
    )
    verdict, findings = Claim("m", "4", "s", criteria).judge({"p": [-3.0, -3.0, -1.0], "control": HIGH})
    row = Evidence("m", "4", "s", "fast", "small", verdict, findings=findings)
    assert row.why == "open: 'p' (2 of 3 seeds hold, and all must)"


def test_differences_smaller_than_matter_are_reported():
    def row(gap, margin):
        criteria = (
            Criterion("gap", "q", "above", 0.0, margin=margin),
            Criterion("control", "q", "above", 0.0, Role.CONTROL),
        )
        verdict, findings = Claim("m", "4", "s", criteria).judge({"gap": gap, "control": HIGH})
        return Evidence("m", "4", "s", "fast", "small", verdict, findings=findings)

    found = row(HIGH, 2.0)
    assert (found.verdict, found.why) == (Verdict.SUPPORTED, "smaller than matters")
    assert row(HIGH, 0.1).why == ""
    found = row([0.1, -0.1, 0.05], 2.0)
    assert (found.verdict, found.why) == (Verdict.EQUIVALENT, "no difference that matters")
    assert found.may_be_skewed


def test_single_differences_smaller_than_matter_are_named():
    criteria = (
        *(Criterion(name, "q", "above", 0.0, margin=0.1) for name in ("small", "large")),
        Criterion("control", "q", "above", 0.0, Role.CONTROL),
    )
    given = {"small": [0.01, 0.011, 0.012], "large": HIGH, "control": HIGH}
    verdict, findings = Claim("m", "4", "s", criteria).judge(given)
    row = Evidence("m", "4", "s", "fast", "small", verdict, findings=findings)
    assert (verdict, row.why) == (Verdict.SUPPORTED, "smaller than matters: 'small'")


def test_a_theorem_says_in_how_many_worlds_it_was_searched():
    theorem = judged(HIGH, kind="theorem", seeds=(0, 1, 2), protocol={"worlds": 40})
    assert theorem.why == "no counter-example in 120 worlds"


EVERY_VERDICT = every_verdict()


def test_invalid_rows_hinge_on_controls_and_others_on_deciders():
    assert [row.hinge and row.hinge.criterion.name for row in EVERY_VERDICT] == [
        "agreement, held-out",
        EVERY_VERDICT[1].hinge.criterion.name,
        "agreement, held-out",
        "agreement, held-out",
        "agreement of a stranger",
        None,
        None,
        None,
    ]


@settings(max_examples=25, deadline=None)
@given(agreement=st.floats(0.9, 1.0), spread=st.floats(1e-4, 0.05))
def test_the_verdict_hangs_on_the_worst_outcome(agreement, spread):
    row = evidence("memory-window", agreement=agreement, spread=spread, curves=0)
    severity = [Outcome.HOLDS, Outcome.UNDECIDED, Outcome.FAILS]
    role = Role.CONTROL if row.verdict is Verdict.INVALID else Role.DECIDES
    assert row.hinge.outcome is max((item.outcome for item in row.of(role)), key=severity.index)


def test_the_hinge_of_what_was_decided_has_the_rows_own_p_value():
    for row in (*EVERY_VERDICT[:2], EVERY_VERDICT[3]):
        assert row.hinge.p_value == row.p_value, row.id
    refuted = EVERY_VERDICT[2]
    assert len(refuted.deciding) * refuted.hinge.p_against == refuted.p_against


def test_a_refuted_row_hangs_on_the_item_that_most_surely_fails():
    """This need not be the item with the largest p-value for the claim, because several may be 1."""
    row = evidence("memory-window", agreement=0.9)
    barely = dataclasses.replace(row.findings[0], p_value=1.0, p_against=0.02)
    surely = dataclasses.replace(row.findings[1], p_value=0.99, p_against=1e-9, outcome=Outcome.FAILS)
    changed = dataclasses.replace(row, findings=(barely, surely, *row.findings[2:]))
    assert changed.hinge is surely
    assert dataclasses.replace(changed, rule=2).hinge is barely
