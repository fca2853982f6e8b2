"""Outcomes around the bound, items, margins, and the precedence of verdicts."""

import dataclasses
import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featdyn_core.errors import MeasurementError, RecipeError
from featdyn_core.verdicts.claim import Claim, Verdict
from featdyn_core.verdicts.criterion import Criterion, Outcome, Role
from featdyn_core.verdicts.inference import LEVEL, infer_count, infer_draws, infer_mean, infer_p_values, seed_interval
from featdyn_core.verdicts.power import seeds_to_count, seeds_to_decide
from featdyn_core.verdicts.units import Counted, Unit, share_of

LAW = settings(max_examples=100, deadline=None)

values = st.lists(st.integers(-20, 20).map(lambda number: number / 8), min_size=3, max_size=6)
bounds = st.integers(-20, 20).map(lambda number: number / 8)
directions = st.sampled_from(["above", "below"])

# One number per seed whose interval lies above 0, below 0, and across 0.
ABOVE, BELOW, ACROSS = [1.0, 1.1, 1.2], [-1.0, -1.1, -1.2], [-1.0, 0.0, 1.0]

BARELY_BELOW = [-0.5, -1.1, -0.2, -0.9, -0.7]
"""Below 0 by its 95 % interval, and not by that of 1 - 0.05/6."""


def criterion(name="gap", role=Role.DECIDES, direction="above", bound=0.0, **changes):
    return Criterion(name, f"the {name}", direction, bound, role, **changes)


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
    if direction == "above":
        unfavourable, favourable = interval.low - bound, interval.high - bound
    else:
        unfavourable, favourable = bound - interval.high, bound - interval.low
    if unfavourable > 0:
        assert finding.outcome is Outcome.HOLDS
    elif favourable <= 0:
        assert finding.outcome is Outcome.FAILS
    else:
        assert finding.outcome is Outcome.UNDECIDED
    assert finding.interval == interval
    assert finding.values == tuple(numbers)


@LAW
@given(values, bounds, directions)
def test_directions_mirror_each_other(numbers, bound, direction):
    other = "below" if direction == "above" else "above"
    found = criterion(direction=direction, bound=bound).judge(numbers)
    mirrored = criterion(direction=other, bound=-bound).judge([-number for number in numbers])
    assert mirrored.outcome is found.outcome


@LAW
@given(values, bounds, directions, st.sampled_from([0.95, 0.975, 0.9875]))
def test_what_holds_has_a_small_p_value_however_strict(numbers, bound, direction, confidence):
    finding = criterion(direction=direction, bound=bound).judge(numbers, confidence=confidence)
    interval = finding.interval
    right = interval.low > bound if direction == "above" else interval.high < bound
    assert (finding.outcome is Outcome.HOLDS) is right is (finding.p_value < LEVEL)


@LAW
@given(values, bounds, st.sampled_from([1, 2, 6]))
def test_an_item_fails_at_a_level_that_all_share(numbers, bound, items):
    finding = criterion(bound=bound).judge(numbers, items=items)
    high = seed_interval(numbers, confidence=1 - 0.05 / items).high
    assert (finding.outcome is Outcome.FAILS) is (high <= bound)
    assert finding.items == items


def test_six_items_fail_later_than_one_and_hold_as_early():
    found = [criterion().judge(BARELY_BELOW, items=items).outcome for items in (1, 6)]
    assert found == [Outcome.FAILS, Outcome.UNDECIDED]
    found = [criterion(direction="below").judge(BARELY_BELOW, items=items).outcome for items in (1, 6)]
    assert found == [Outcome.HOLDS, Outcome.HOLDS]


@pytest.mark.parametrize("bound", [0.5, 0.98, 0.1 + 0.2, -3.0])
def test_constants_exactly_at_the_bound_decide_nothing(bound):
    found = criterion(bound=bound).judge([bound] * 5)
    assert (found.outcome, found.p_value, found.p_against) == (Outcome.UNDECIDED, 0.5, 0.5)


def test_a_wider_spread_never_helps():
    narrow, wide = [0.9, 1.0, 1.1], [0.0, 1.0, 2.0]
    assert criterion(bound=0.5).judge(narrow).outcome is Outcome.HOLDS
    assert criterion(bound=0.5).judge(wide).outcome is Outcome.UNDECIDED


def test_within_holds_inside_and_fails_beyond_either_end():
    both = criterion(direction="within", bound=0.5, around=1.0)
    assert both.judge(ABOVE).outcome is Outcome.HOLDS
    assert both.judge(BELOW).outcome is Outcome.FAILS
    assert both.judge([3.0, 3.1, 3.2]).outcome is Outcome.FAILS
    assert both.judge(ACROSS).outcome is Outcome.UNDECIDED
    assert "must lie within 0.5 of 1: holds" in str(both.judge(ABOVE))


RULES = {
    "share": (criterion(bound=0.5, unit=Unit.SHARE), [share_of(hits, 9) for hits in (6, 7, 9)]),
    "discrete": (criterion(discrete=True), [1.0, 2.0, -1.0, 1.0, 1.0, 1.0]),
    "p-values": (criterion(direction="below", bound=-2.0, unit=Unit.LOG_P), [-3.0, -4.0, -2.5]),
    "draws": (criterion("x", Role.CONTROL, "below", 0.2, unit=Unit.DRAWS), [share_of(hits, 150) for hits in (5, 9, 3)]),
}


@pytest.mark.parametrize("name", RULES)
def test_each_unit_is_judged_by_its_own_rule(name):
    item, seen = RULES[name]
    rule = {"share": infer_mean, "discrete": infer_count, "p-values": infer_p_values, "draws": infer_draws}[name]
    options = {"unit": item.unit} if rule is infer_mean else {}
    found, expected = item.judge(seen), rule(seen, item.asked, **options)
    assert (found.interval, found.p_value, found.p_against) == expected[:3]
    assert found.numbers == seen


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"direction": "over"}, "direction 'over' is neither above, below nor within"),
        ({"bound": math.nan}, "nothing can be compared with nan of 0; give numbers"),
        ({"bound": math.inf}, "nothing can be compared with inf of 0"),
        ({"direction": "within", "bound": -0.1}, "nothing lies within -0.1 of 0; give a bound above 0"),
        ({"direction": "within", "bound": 0.0}, "nothing lies within 0 of 0"),
        ({"margin": 0.0}, "margin 0: give a smallest difference that matters"),
        ({"margin": 0.1, "bound": 0.5, "unit": Unit.SHARE}, "it has a margin, and is a share above a bound"),
        ({"margin": 0.1, "direction": "within", "bound": 0.5}, "is a difference within a bound; only a mean"),
        ({"margin": 0.1, "discrete": True}, "is a discrete difference above a bound"),
        ({"bound": 1.0, "unit": Unit.SHARE}, r"its bound 1 \(share\) must lie between 0 and 1"),
        ({"bound": -1.0, "unit": Unit.CORRELATION}, r"its bound -1 \(rank correlation"),
        ({"bound": 0.0, "unit": Unit.RATIO}, r"its bound 0 \(ratio\)"),
        ({"direction": "within", "bound": 0.2, "around": 0.9, "unit": Unit.SHARE}, r"its bound 1.1 \(share\)"),
        ({"direction": "below", "bound": -1.5, "unit": Unit.LOG_P}, "below -1.5: a log10 p must lie below"),
        ({"bound": -3.0, "unit": Unit.LOG_P}, "above -3: a log10 p must lie below"),
        ({"bound": 0.5, "unit": Unit.DRAWS}, "it counts planted draws, which are not seeds"),
    ],
)
def test_a_criterion_whose_parts_do_not_fit_is_refused(changes, fault):
    with pytest.raises(RecipeError, match=f"criterion 'gap': .*{fault}"):
        criterion(**changes)


@pytest.mark.parametrize("unit", [Unit.SHARE, Unit.MEAN_SHARE, Unit.CORRELATION, Unit.DRAWS])
def test_what_is_counted_says_from_what(unit):
    item = criterion(role=Role.CONTROL, bound=0.5, unit=unit)
    with pytest.raises(MeasurementError, match=f"'gap': a {unit} needs for every seed what it was counted from"):
        item.judge([0.5, 0.6, 0.7])
    with pytest.raises(MeasurementError, match="needs for every seed"):
        item.judge([share_of(1, 2), 0.5, share_of(1, 2)])
    with pytest.raises(MeasurementError, match="needs for every seed"):
        criterion().judge([Counted(0.1, 5), 0.2, 0.3])


@pytest.mark.parametrize("discrete", [False, True])
def test_a_number_outside_the_range_of_its_unit_is_refused(discrete):
    item = criterion(unit=Unit.CORRELATION, discrete=discrete)
    with pytest.raises(MeasurementError, match=r"rank correlation 1.2 lies outside -1 to 1"):
        item.judge([Counted(1.2, 10)] * 6)
    with pytest.raises(MeasurementError, match=r"log10 p 0.5 lies outside -inf to 0"):
        criterion(direction="below", bound=-2, unit=Unit.LOG_P).judge([-3.0, 0.5, -3.0])


# What is to hold in every world


@LAW
@given(values, bounds, directions)
def test_a_universal_criterion_holds_if_every_number_does(numbers, bound, direction):
    item = criterion(direction=direction, bound=bound, universal=True)
    finding = item.judge(numbers)
    right = [number > bound if direction == "above" else number < bound for number in numbers]
    assert finding.outcome is (Outcome.HOLDS if all(right) else Outcome.FAILS)
    assert finding.p_value == 1 - all(right)
    worst = min(numbers) if direction == "above" else max(numbers)
    interval = finding.interval
    assert (interval.estimate, interval.low, interval.high) == (worst, min(numbers), max(numbers))
    assert finding.worst == worst
    assert f"smallest to largest of {len(numbers)} seeds" in str(finding)


def test_a_universal_criterion_takes_no_infinite_number():
    with pytest.raises(MeasurementError, match="must be finite"):
        criterion(universal=True).judge([1.0, float("nan"), 1.0])


# Finding


def test_the_worst_seed_and_k_of_n_stand_beside_the_interval():
    finding = criterion(bound=0.5).judge([0.9, 0.4, 0.7])
    assert (finding.worst, finding.on_right_side) == (0.4, 2)
    assert "worst 0.4, 2 of 3 hold), must lie above 0.5: undecided" in str(finding)
    assert criterion(direction="below", bound=0.5).judge([0.9, 0.4, 0.7]).worst == 0.9
    within = criterion(direction="within", bound=0.5).judge([0.4, -0.7, 0.6])
    assert (within.worst, within.on_right_side) == (-0.7, 1)


def test_planted_draws_are_named_as_such():
    item, seen = RULES["draws"]
    assert "(95 %, 450 planted draws; worst 0.06, 3 of 3 hold), must lie below 0.2: holds" in str(item.judge(seen))


@pytest.mark.parametrize("items", [1, 6])
def test_seeds_that_an_open_item_needs_are_of_its_own_level(items):
    """On the right side it is the level of one test; on the wrong side, the level that all items share."""
    right = criterion().judge([1.0, -0.5, 0.7, 0.1], items=items)
    wrong = criterion().judge([-1.0, 0.5, -0.7, -0.1], items=items)
    for finding, level in ((right, LEVEL), (wrong, LEVEL / items)):
        expected = seeds_to_decide(finding.values, finding.criterion.asked, unit=Unit.DIFFERENCE, level=level)
        assert finding.seeds_needed == expected


def test_the_side_of_an_open_item_is_that_of_its_mean():
    """Three seeds of five on the wrong side, and a mean on the right one."""
    finding = criterion().judge([-0.1, -0.1, -0.1, 2.0, 1.5], items=6)
    expected = seeds_to_decide(finding.values, finding.criterion.asked, unit=Unit.DIFFERENCE, level=LEVEL)
    assert finding.seeds_needed == expected


def test_seeds_needed_are_of_the_look():
    usual, strict = (criterion().judge([1.0, -0.5, 0.7, 0.1], confidence=level) for level in (0.95, 0.975))
    assert strict.seeds_needed > usual.seeds_needed


def test_seeds_needed_of_what_is_counted_or_has_no_seeds():
    counted, pairs = criterion(discrete=True).judge([1.0] * 5 + [-1.0]), [1.0] * 5 + [-1.0]
    assert counted.seeds_needed == seeds_to_count(pairs, counted.criterion.asked, level=LEVEL)
    for name in ("p-values", "draws"):
        item, seen = RULES[name]
        assert item.judge(seen).seeds_needed is None


@LAW
@given(st.lists(st.integers(1, 10**6).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), min_size=2))
def test_numbers_of_a_finding_are_those_that_were_judged(pairs):
    judged = [share_of(*pair) for pair in pairs]
    assert RULES["draws"][0].judge(judged).numbers == judged


def test_a_claim_judged_more_strictly_widens_every_interval():
    draws = criterion("alarms", Role.CONTROL, "below", 0.5, unit=Unit.DRAWS)
    measured = {"gap": ABOVE, "control": ABOVE, "alarms": [share_of(1, 100)] * len(ABOVE)}
    judged = [claim(criterion(), control(), draws).judge(measured, confidence=level)[1] for level in (0.95, 0.975)]
    for usual, strict in zip(*judged, strict=True):
        name = usual.criterion.name
        assert strict.interval.low < usual.interval.low < usual.interval.high < strict.interval.high, name
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
def test_invalid_before_refuted_before_inconclusive(outcomes):
    criteria = (criterion("a"), criterion("b"), control("c"), control("d"))
    measured = {item.name: VALUES_OF[outcome] for item, outcome in zip(criteria, outcomes, strict=True)}
    verdict, findings = claim(*criteria).judge(measured)
    assert tuple(finding.outcome for finding in findings) == outcomes
    assert verdict is literal_verdict(outcomes[2:], outcomes[:2])


def differences(margin=2.0):
    return claim(criterion("a", margin=margin), criterion("b", margin=margin), control())


@pytest.mark.parametrize(
    ("margin", "one", "other", "verdict"),
    [
        pytest.param(2.0, ABOVE, ABOVE, Verdict.SUPPORTED, id="both hold, inside the margin"),
        pytest.param(2.0, ABOVE, BELOW, Verdict.EQUIVALENT, id="one fails, inside the margin"),
        pytest.param(2.0, BELOW, BELOW, Verdict.EQUIVALENT, id="both fail, inside the margin"),
        pytest.param(1.2, ABOVE, BELOW, Verdict.REFUTED, id="one fails, beyond the margin"),
        pytest.param(3.0, ACROSS, ABOVE, Verdict.EQUIVALENT, id="one open, inside the margin"),
        pytest.param(2.0, ACROSS, ABOVE, Verdict.INCONCLUSIVE, id="one open, beyond the margin"),
        pytest.param(2.0, ACROSS, BELOW, Verdict.REFUTED, id="one open beyond the margin, one fails"),
    ],
)
def test_equivalent_stands_between_supported_and_refuted(margin, one, other, verdict):
    found, findings = differences(margin).judge({"a": one, "b": other, "control": ABOVE})
    assert found is verdict
    for finding in findings[:2]:
        interval = seed_interval(finding.values)
        assert finding.negligible is (-margin < interval.low and interval.high < margin)


def test_what_matters_little_and_has_no_control_is_invalid():
    found, _ = differences().judge({"a": BELOW, "b": BELOW, "control": ACROSS})
    assert found is Verdict.INVALID


def test_items_of_a_claim_share_the_level_and_controls_do_not():
    """With five seeds the same numbers fail as one item, and stay open as one of six; a control fails in both cases."""
    names, fails = list("abcdef"), BARELY_BELOW
    whole = claim(*map(criterion, names), control())
    found, findings = whole.judge(dict.fromkeys(names, fails) | {"control": ABOVE + ABOVE[:2]})
    assert {finding.items for finding in findings[:6]} == {6}
    assert findings[-1].items == 1
    assert found is Verdict.INCONCLUSIVE
    alone, _ = claim().judge({"gap": fails, "control": ABOVE + ABOVE[:2]})
    assert alone is Verdict.REFUTED
    _, findings = whole.judge(dict.fromkeys(names, ABOVE + ABOVE[:2]) | {"control": fails})
    assert findings[-1].outcome is Outcome.FAILS


@pytest.mark.parametrize("reported", [ABOVE, BELOW, ACROSS], ids=["holds", "fails", "undecided"])
def test_what_is_reported_decides_nothing(reported):
    whole = claim(criterion(), control(), criterion("beside", Role.REPORTED))
    verdict, findings = whole.judge({"gap": ABOVE, "control": ABOVE, "beside": reported})
    assert verdict is Verdict.SUPPORTED
    assert findings[0].items == 1


def test_findings_are_in_the_order_of_the_criteria():
    _, findings = claim(control(), criterion()).judge({"gap": ABOVE, "control": ACROSS})
    assert [finding.criterion.name for finding in findings] == ["control", "gap"]
    assert findings[0].values == tuple(ACROSS)


@pytest.mark.parametrize("seeds", [0, 1, 2])
def test_too_few_seeds_are_not_judged(seeds):
    with pytest.raises(MeasurementError, match=f"'memory' needs at least 3 seeds, found {seeds}"):
        claim().judge({"gap": ABOVE[:seeds], "control": ABOVE[:seeds]})


def test_a_discrete_deciding_or_control_number_needs_six_seeds():
    assert claim().least_seeds == 3
    assert claim(criterion(discrete=True), control()).least_seeds == 6
    assert claim(criterion(), control(), criterion("x", Role.REPORTED, discrete=True)).least_seeds == 3


def test_unequal_numbers_of_seeds_are_not_judged():
    """The seed that one criterion lacks could be the one against the claim."""
    with pytest.raises(MeasurementError, match="needs equally many seeds for each criterion: 'gap' 4, 'control' 3"):
        claim().judge({"gap": [*ABOVE, 1.3], "control": ABOVE})


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_missing_number_is_not_judged(number):
    with pytest.raises(MeasurementError, match="must be finite"):
        claim().judge({"gap": [*ABOVE, number], "control": [*ABOVE, 1.3]})


@pytest.mark.parametrize(
    ("measured", "said"),
    [
        pytest.param(
            {"gap": ABOVE}, "measure returns no 'control', which the register asks for; return it", id="missing"
        ),
        pytest.param(
            {"gap": ABOVE, "control": ABOVE, "more": ABOVE},
            "the register has no 'more', which measure returns; register it",
            id="extra",
        ),
        pytest.param(
            {"gap": ABOVE, "contrl": ABOVE},
            "measure returns no 'control', .*; the register has no 'contrl', which measure returns; register it",
            id="misspelt",
        ),
    ],
)
def test_criteria_and_measurements_must_be_the_same(measured, said):
    with pytest.raises(MeasurementError, match=f"claim 'memory': {said}$"):
        claim().judge(measured)
    with pytest.raises(MeasurementError, match=f"claim 'memory': {said}$"):
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


def test_either_every_item_has_a_margin_or_none():
    with pytest.raises(RecipeError, match="claim 'memory': 'b' decides and has no margin, and others"):
        claim(criterion("a", margin=0.1), criterion("b"), control())
    claim(criterion("a", margin=0.1), control(), criterion("b", Role.REPORTED))


@pytest.mark.parametrize("verdict", Verdict)
def test_what_came_to_nothing_decided_nothing(verdict):
    assert verdict.decided is (verdict not in ("NOT RUN", "ERROR", "DESELECTED"))


def test_means_of_plain_differences_are_marked():
    shares = dataclasses.replace(criterion(bound=0.5), unit=Unit.SHARE)
    found = [item.averages_differences for item in (criterion(), shares, criterion(discrete=True))]
    assert found == [True, False, False]


def test_a_bound_of_p_values_tests_at_the_same_level_as_others():
    """At a later look the level of every rule is halved, including that of p-values."""
    item, seen = RULES["p-values"]
    assert item.judge(seen, confidence=0.975).p_value == pytest.approx(2 * 10**-2.5)


def test_shares_are_counted_from_as_many_in_every_seed():
    item = Criterion("a", "q", "below", 0.95, unit=Unit.SHARE)
    with pytest.raises(MeasurementError, match=r"counted from equally many in every seed, found \[25, 100\]"):
        item.judge([Counted(0.96, 25), Counted(0.96, 100), Counted(0.96, 25)])
