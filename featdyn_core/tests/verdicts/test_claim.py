"""Outcomes around the bound, and which verdict goes before which."""

import dataclasses
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featdyn_core.errors import MeasurementError, RecipeError
from featdyn_core.verdicts.claim import Claim, Criterion, Draws, Outcome, Role, Verdict
from featdyn_core.verdicts.inference import bound_p_value, pooled_interval, pooled_p_value, seed_interval

LAW = settings(max_examples=100, deadline=None)

values = st.lists(st.integers(-20, 20).map(lambda number: number / 8), min_size=2, max_size=6)
bounds = st.integers(-20, 20).map(lambda number: number / 8)
directions = st.sampled_from(["above", "below"])

# One number per seed whose interval lies above 0, below 0, and across 0.
ABOVE, BELOW, ACROSS = [1.0, 1.1, 1.2], [-1.0, -1.1, -1.2], [-1.0, 0.0, 1.0]


def criterion(name="gap", role=Role.DECIDES, direction="above", bound=0.0):
    return Criterion(name, f"the {name}", direction, bound, role)


def claim(*criteria):
    return Claim("memory", "4.2", "Features remain.", criteria or (criterion(), control()))


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
@pytest.mark.parametrize("bound", [0.5, 0.98, 0.1 + 0.2, -3.0])
def test_constants_exactly_at_the_bound_fail(direction, bound):
    """Rounding in a mean or an interval must not decide what lies on neither side."""
    found = Criterion("x", "q", direction, bound).judge([bound] * 5)
    assert (found.outcome, found.p_value) == (Outcome.FAILS, 1.0)
    assert (found.interval.low, found.interval.estimate, found.interval.high) == (bound,) * 3


def test_a_wider_spread_never_helps():
    narrow, wide = [0.9, 1.0, 1.1], [0.0, 1.0, 2.0]
    assert criterion(bound=0.5).judge(narrow).outcome is Outcome.HOLDS
    assert criterion(bound=0.5).judge(wide).outcome is Outcome.UNDECIDED


def test_unknown_direction_names_the_criterion():
    with pytest.raises(RecipeError, match="criterion 'gap': direction 'over' is neither above nor below"):
        criterion(direction="over")


# What is to hold in every world


@LAW
@given(values, bounds, directions)
def test_a_universal_criterion_holds_if_every_number_does_and_else_fails(numbers, bound, direction):
    item = dataclasses.replace(criterion(direction=direction, bound=bound), universal=True)
    finding = item.judge(numbers)
    right = [number > bound if direction == "above" else number < bound for number in numbers]
    assert finding.outcome is (Outcome.HOLDS if all(right) else Outcome.FAILS)
    assert finding.p_value == 1 - all(right)
    worst = min(numbers) if direction == "above" else max(numbers)
    interval = finding.interval
    assert (interval.estimate, interval.low, interval.high) == (worst, min(numbers), max(numbers))
    assert "least favourable" in str(finding)


def test_a_universal_criterion_takes_no_draws_and_no_infinite_number():
    universal = dataclasses.replace(control(), universal=True)
    with pytest.raises(MeasurementError, match="only a control may"):
        universal.judge([Draws(1, 2)] * 3)
    with pytest.raises(MeasurementError, match="not finite"):
        universal.judge([1.0, float("nan"), 1.0])


# Draws


def alarms(role=Role.CONTROL, bound=0.1):
    return Criterion("alarms", "false alarms", "below", bound, role)


def test_a_control_on_planted_samples_is_judged_over_all_draws():
    """Three shares that differ too much for a t-interval, though 31 of 450 draws are clearly fewer than a tenth."""
    hits = (15, 13, 3)
    counted = alarms().judge([Draws(count, 150) for count in hits])
    assert counted.interval == pooled_interval(hits, [150] * 3)
    assert counted.p_value == pooled_p_value(hits, [150] * 3, 0.1, above=False) < 0.025
    assert (counted.values, counted.draws) == ((15 / 150, 13 / 150, 3 / 150), (150, 150, 150))
    assert counted.outcome is Outcome.HOLDS
    assert alarms().judge(counted.values).outcome is Outcome.UNDECIDED
    assert str(counted).startswith("alarms (control): 0.06889 [0.0")
    assert "(95 %, 450 planted draws), to lie below 0.1: holds" in str(counted)


def test_seeds_may_make_different_numbers_of_draws():
    found = alarms().judge([Draws(0, 10), Draws(1, 100), Draws(2, 1000)])
    assert found.draws == (10, 100, 1000)
    assert found.interval == pooled_interval([0, 1, 2], [10, 100, 1000])


@LAW
@given(st.lists(st.integers(1, 10**6).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), min_size=2))
def test_numbers_of_a_finding_are_the_draws_that_were_judged(pairs):
    judged = [Draws(*pair) for pair in pairs]
    assert alarms().judge(judged).numbers == judged


def test_numbers_of_a_finding_without_draws_are_its_values():
    assert criterion().judge(ABOVE).numbers == ABOVE


@pytest.mark.parametrize("role", [Role.DECIDES, Role.REPORTED])
def test_only_a_control_may_count_draws(role):
    with pytest.raises(MeasurementError, match="'alarms' counts draws: only a control may, and then for every seed"):
        alarms(role).judge([Draws(1, 10)] * 3)


def test_draws_beside_seeds_are_refused():
    with pytest.raises(MeasurementError, match="and then for every seed"):
        alarms().judge([Draws(1, 10), Draws(1, 10), 0.1])


@pytest.mark.parametrize(("successes", "draws"), [(3, 2), (-1, 5), (0, 0), (float("nan"), 5)])
def test_draws_that_are_no_share_are_refused(successes, draws):
    with pytest.raises(MeasurementError, match=f"{successes} of {draws} draws is no share"):
        Draws(successes, draws)


def test_draws_that_are_no_counts_are_refused_when_judged():
    with pytest.raises(MeasurementError, match="not counts of planted draws"):
        alarms().judge([Draws(0.5, 2)] * 3)


def test_a_claim_judged_more_strictly_widens_every_interval():
    measured = {"gap": ABOVE, "control": ABOVE, "alarms": [Draws(1, 100)] * len(ABOVE)}
    whole = claim(criterion(), control(), alarms(bound=0.5))
    judged = [whole.judge(measured, confidence=level)[1] for level in (0.95, 0.975)]
    for usual, strict in zip(*judged, strict=True):
        assert strict.interval.low < usual.interval.low < usual.interval.high < strict.interval.high, (
            usual.criterion.name
        )
        assert "(97.5 %, " in str(strict)


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


@pytest.mark.parametrize("seeds", [0, 1, 2])
def test_too_few_seeds_are_not_judged(seeds):
    with pytest.raises(MeasurementError, match=f"'memory' needs at least 3 seeds, found {seeds}"):
        claim().judge({"gap": ABOVE[:seeds], "control": ABOVE[:seeds]})


def test_unequal_numbers_of_seeds_are_not_judged():
    """A seed that one criterion lacks could be the one that speaks against the claim."""
    with pytest.raises(MeasurementError, match="'memory' needs as many seeds for each criterion: 'gap' 4, 'control' 3"):
        claim().judge({"gap": [*ABOVE, 1.3], "control": ABOVE})


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_number_that_is_none_is_not_judged(number):
    with pytest.raises(MeasurementError, match="not finite"):
        claim().judge({"gap": [*ABOVE, number], "control": [*ABOVE, 1.3]})


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
    with pytest.raises(MeasurementError, match="differ in"):
        claim().check_names(list(measured))


def test_names_may_come_in_any_order():
    claim().check_names(["control", "gap"])


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


def test_two_criteria_of_one_name_are_refused():
    """One measurement would answer both questions."""
    with pytest.raises(RecipeError, match="claim 'memory' has more than one criterion called 'gap'"):
        claim(criterion(), control(), criterion(role=Role.REPORTED))


@pytest.mark.parametrize("verdict", Verdict)
def test_what_came_to_nothing_decided_nothing(verdict):
    assert verdict.decided is (verdict not in ("NOT RUN", "ERROR", "DESELECTED"))
