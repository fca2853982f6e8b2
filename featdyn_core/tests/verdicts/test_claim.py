"""Outcomes around the bound, and which verdict goes before which."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featdyn_core.errors import MeasurementError, RecipeError
from featdyn_core.verdicts.claim import Claim, Criterion, Evidence, Finding, Outcome, Role, Verdict
from featdyn_core.verdicts.inference import Interval, bound_p_value, pooled_interval, seed_interval

LAW = settings(max_examples=100, deadline=None)

values = st.lists(st.integers(-20, 20).map(lambda number: number / 8), min_size=2, max_size=6)
bounds = st.integers(-20, 20).map(lambda number: number / 8)
directions = st.sampled_from(["above", "below"])

# One number per seed whose interval lies above 0, below 0, and across 0.
ABOVE, BELOW, ACROSS = [1.0, 1.1, 1.2], [-1.0, -1.1, -1.2], [-1.0, 0.0, 1.0]


def criterion(name="gap", role=Role.DECIDES, direction="above", bound=0.0):
    return Criterion(name, f"the {name}", direction, bound, role)


def claim(*criteria, **options):
    return Claim("memory", "4.2", "Features remain.", criteria or (criterion(), control()), **options)


def control(name="control"):
    return criterion(name, Role.CONTROL)


# Criterion


@LAW
@given(values, bounds, directions)
def test_the_unfavourable_end_meets_the_bound(numbers, bound, direction):
    finding = criterion(direction=direction, bound=bound).judge(numbers)
    interval = seed_interval(numbers)
    inside = interval.low < interval.high
    if direction == "above":
        unfavourable, favourable = interval.low - bound, interval.high - bound
    else:
        unfavourable, favourable = bound - interval.high, bound - interval.low
    if unfavourable > 0:
        assert finding.outcome is Outcome.HOLDS
    elif favourable <= 0:
        assert finding.outcome is Outcome.FAILS
    else:
        assert inside
        assert finding.outcome is Outcome.UNDECIDED
    assert finding.interval == interval
    assert finding.values == tuple(numbers)
    assert finding.p_value == bound_p_value(numbers, bound, above=direction == "above")


@LAW
@given(values, bounds, directions)
def test_directions_mirror_each_other(numbers, bound, direction):
    other = "below" if direction == "above" else "above"
    found = criterion(direction=direction, bound=bound).judge(numbers)
    mirrored = criterion(direction=other, bound=-bound).judge([-number for number in numbers])
    assert mirrored.outcome is found.outcome


@LAW
@given(values, bounds, directions, st.sampled_from([0.95, 0.975, 0.9875]))
def test_what_holds_has_a_small_p_value(numbers, bound, direction, confidence):
    """Beyond the bound means a one-sided p-value below 0.025, however strict the interval."""
    finding = criterion(direction=direction, bound=bound).judge(numbers, confidence=confidence)
    assert (finding.outcome is Outcome.HOLDS) == (finding.p_value < 0.025)


@pytest.mark.parametrize("direction", ["above", "below"])
def test_values_at_the_bound_do_not_hold(direction):
    assert criterion(direction=direction, bound=0.5).judge([0.5, 0.5]).outcome is Outcome.FAILS


def test_a_wider_spread_never_helps():
    narrow, wide = [0.9, 1.0, 1.1], [0.0, 1.0, 2.0]
    assert criterion(bound=0.5).judge(narrow).outcome is Outcome.HOLDS
    assert criterion(bound=0.5).judge(wide).outcome is Outcome.UNDECIDED


def test_unknown_direction_names_the_criterion():
    with pytest.raises(RecipeError, match="criterion 'gap': direction 'over' is neither above nor below"):
        criterion(direction="over")


def test_a_control_on_planted_samples_is_judged_over_all_draws():
    """Three shares that differ too much for a t-interval, though 31 of 450 draws are clearly fewer than a tenth."""
    shares = [15 / 150, 13 / 150, 3 / 150]
    counted = Criterion("false alarms", "", "below", 0.1, Role.CONTROL, draws=150).judge(shares)
    assert counted.interval == pooled_interval(shares, 150)
    assert counted.outcome is Outcome.HOLDS
    assert counted.p_value < 0.025
    assert criterion(direction="below", bound=0.1).judge(shares).outcome is Outcome.UNDECIDED
    assert str(counted).startswith("false alarms (control): 0.06889 [0.0")
    assert "(95 %, 450 planted draws), to lie below 0.1: holds" in str(counted)


def test_a_claim_judged_more_strictly_widens_every_interval():
    draws = Criterion("alarms", "", "below", 0.5, Role.CONTROL, draws=100)
    measured = {"gap": ABOVE, "control": ABOVE, "alarms": [0.01] * len(ABOVE)}
    judged = [claim(criterion(), control(), draws).judge(measured, confidence=level)[1] for level in (0.95, 0.975)]
    for usual, strict in zip(*judged, strict=True):
        assert strict.interval.low < usual.interval.low < usual.interval.high < strict.interval.high
        assert "(97.5 %, " in str(strict)


@pytest.mark.parametrize("role", [Role.DECIDES, Role.REPORTED])
def test_only_a_control_may_count_draws(role):
    with pytest.raises(RecipeError, match="criterion 'gap': only a control may count draws"):
        Criterion("gap", "", "above", 0.0, role, draws=10)


# Verdict

VALUES_OF = {Outcome.HOLDS: ABOVE, Outcome.FAILS: BELOW, Outcome.UNDECIDED: ACROSS}


def literal_verdict(controls, deciding):
    if any(outcome is not Outcome.HOLDS for outcome in controls):
        return Verdict.INVALID
    if any(outcome is Outcome.FAILS for outcome in deciding):
        return Verdict.REFUTED
    if any(outcome is Outcome.UNDECIDED for outcome in deciding):
        return Verdict.INCONCLUSIVE
    return Verdict.SUPPORTED


@pytest.mark.parametrize("outcomes", list(itertools.product(Outcome, repeat=4)), ids="-".join)
def test_invalid_before_refuted_before_inconclusive_before_supported(outcomes):
    criteria = (criterion("a"), criterion("b"), control("c"), control("d"))
    measured = {item.name: VALUES_OF[outcome] for item, outcome in zip(criteria, outcomes, strict=True)}
    verdict, findings = claim(*criteria).judge(measured)
    assert tuple(finding.outcome for finding in findings) == outcomes
    assert verdict is literal_verdict(outcomes[2:], outcomes[:2])


@pytest.mark.parametrize("reported", [ABOVE, BELOW, ACROSS], ids=["holds", "fails", "undecided"])
def test_what_is_reported_decides_nothing(reported):
    whole = claim(criterion(), control(), criterion("beside", Role.REPORTED))
    verdict, findings = whole.judge({"gap": ABOVE, "control": ABOVE, "beside": reported})
    assert verdict is Verdict.SUPPORTED
    assert len(findings) == 3


def test_findings_are_in_the_order_of_the_criteria():
    _, findings = claim(control(), criterion()).judge({"gap": ABOVE, "control": ACROSS})
    assert [finding.criterion.name for finding in findings] == ["control", "gap"]
    assert findings[0].values == tuple(ACROSS)


@pytest.mark.parametrize("seeds", [1, 2])
def test_too_few_seeds_are_not_judged(seeds):
    with pytest.raises(MeasurementError, match=f"'memory' needs at least 3 seeds, 'control' has {seeds}"):
        claim().judge({"gap": ABOVE, "control": ABOVE[:seeds]})


def test_minimum_seeds_is_the_claims():
    with pytest.raises(MeasurementError, match="needs at least 4 seeds"):
        claim(minimum_seeds=4).judge({"gap": ABOVE, "control": ABOVE})
    assert claim(minimum_seeds=2).judge({"gap": ABOVE[:2], "control": ABOVE[:2]})[0] is Verdict.SUPPORTED


@pytest.mark.parametrize(
    ("measured", "name"),
    [
        pytest.param({"gap": ABOVE}, "control", id="missing"),
        pytest.param({"gap": ABOVE, "control": ABOVE, "more": ABOVE}, "more", id="extra"),
        pytest.param({"gap": ABOVE, "contrl": ABOVE}, "contrl, control", id="misspelt"),
    ],
)
def test_criteria_and_measurements_must_be_the_same(measured, name):
    with pytest.raises(MeasurementError, match=f"claim 'memory': criteria and measurements differ in {name}$"):
        claim().judge(measured)


@pytest.mark.parametrize(
    ("criteria", "role"),
    [
        pytest.param((criterion(),), "control", id="no control"),
        pytest.param((control(),), "decides", id="nothing decides"),
        pytest.param((criterion(role=Role.REPORTED), control()), "decides", id="reported only"),
    ],
)
def test_a_claim_needs_a_criterion_that_decides_and_a_control(criteria, role):
    with pytest.raises(RecipeError, match=f"claim 'memory' has no criterion with role {role}; it needs one"):
        claim(*criteria)


# Evidence


def evidence(**changes):
    verdict, findings = claim(criterion(), criterion("b"), control(), criterion("r", Role.REPORTED)).judge(
        {"gap": ABOVE, "b": ACROSS, "control": ABOVE, "r": BELOW}
    )
    fields = {
        "claim": "memory",
        "section": "4.2",
        "subject": "digits",
        "tier": "fast",
        "scale": "small",
        "verdict": verdict,
        "findings": findings,
    }
    return Evidence(**{**fields, **changes})


def test_message_shows_quantity_value_interval_seeds_bound_and_control():
    deciding = Finding(criterion("agreement", bound=0.95), (0.8, 0.9), Interval(0.85, 0.7, 0.9, 5), Outcome.FAILS, 0.9)
    checked = Finding(
        criterion("lost by displacement", Role.CONTROL, "below", 0.05),
        (0.01, 0.02),
        Interval(0.015, 0.0125, 0.0175, 4),
        Outcome.HOLDS,
        0.001,
    )
    lines = evidence(verdict=Verdict.REFUTED, findings=(deciding, checked)).message().splitlines()
    assert lines == [
        "memory on digits (section 4.2): REFUTED",
        "  agreement (decides): 0.85 [0.7, 0.9] (95 %, 5 seeds), to lie above 0.95: fails",
        "  lost by displacement (control): 0.015 [0.0125, 0.0175] (95 %, 4 seeds), to lie below 0.05: holds",
    ]


def test_message_of_what_was_not_run_gives_the_reason():
    row = evidence(verdict=Verdict.NOT_RUN, findings=(), reason="there is no recipe 'svhn-paper'")
    assert row.message() == "memory on digits (section 4.2): NOT RUN: there is no recipe 'svhn-paper'"


def test_p_value_is_the_largest_of_the_deciding_criteria():
    row = evidence()
    assert row.p_value == bound_p_value(ACROSS, 0.0, above=True)
    assert row.p_value < bound_p_value(BELOW, 0.0, above=True)  # that of the reported criterion is not in it
    assert evidence(findings=()).p_value is None


def test_findings_of_a_role():
    row = evidence()
    assert [item.criterion.name for item in row.of(Role.DECIDES)] == ["gap", "b"]
    assert [item.criterion.name for item in row.of(Role.CONTROL)] == ["control"]
    assert [item.criterion.name for item in row.of(Role.REPORTED)] == ["r"]
