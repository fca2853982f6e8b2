"""Verdicts under every specification: their order, their shares, and their distances from bounds."""

import pytest

from featdyn_core.errors import RecipeError
from featdyn_core.verdicts.claim import Verdict
from featdyn_core.verdicts.criterion import Criterion
from featdyn_core.verdicts.multiverse import FARTHEST, SHOWN, Multiverse, reach

DIMENSIONS = {"bound": ("as registered", "low"), "split": ("as registered", "training")}
VERDICTS = (Verdict.SUPPORTED, Verdict.SUPPORTED, Verdict.INCONCLUSIVE, Verdict.INVALID)


def made(verdicts=VERDICTS, **changes):
    return Multiverse(
        **{"dimensions": DIMENSIONS, "verdicts": verdicts, "reach": (1.5, 2.0, 0.5, -3.0), "hinges": ("x",) * 4}
        | changes
    )


def test_the_last_dimension_alternates_fastest():
    assert made().specifications == [
        ("as registered", "as registered"),
        ("as registered", "training"),
        ("low", "as registered"),
        ("low", "training"),
    ]


def test_counts_and_shares_are_of_every_verdict_that_is_shown():
    assert list(made().counts.values()) == [2, 0, 1, 0, 1]
    assert made().shares == dict(zip(SHOWN, (50, 0, 25, 0, 25), strict=True))


@pytest.mark.parametrize(
    "changes", [{"verdicts": VERDICTS[:3]}, {"reach": (1.0,)}, {"hinges": ()}, {"dimensions": {"bound": ()}}]
)
def test_numbers_that_are_not_one_a_specification_are_reported(changes):
    with pytest.raises(RecipeError, match="specifications has"):
        made(**changes)


def test_verdict_that_no_specification_comes_to_is_reported():
    with pytest.raises(RecipeError, match="NOT RUN is not a verdict of a specification"):
        made((*VERDICTS[:3], Verdict.NOT_RUN))


def reached(values, direction="above", bound=0.5, around=0.0):
    return reach(Criterion("x", "x", direction, bound, around=around).judge(values))


def test_reach_is_1_where_the_interval_ends_at_the_bound():
    finding = Criterion("x", "x", "above", 0.5).judge([0.6, 0.7, 0.8])
    assert reached([0.6, 0.7, 0.8], bound=finding.interval.low) == pytest.approx(1)
    assert reached([0.6, 0.7, 0.8], "below", finding.interval.high) == pytest.approx(1)
    assert reached([0.6, 0.7, 0.8], bound=finding.interval.high) == pytest.approx(-1)
    assert reached([0.6, 0.7, 0.8], "below", finding.interval.low) == pytest.approx(-1)


def test_reach_takes_the_nearer_of_two_ends():
    inside, near = reached([-0.1, 0.0, 0.1], "within"), reached([0.3, 0.4, 0.5], "within")
    assert inside == pytest.approx(reached([-0.1, 0.0, 0.1], "above", -0.5))
    assert near == pytest.approx(reached([0.3, 0.4, 0.5], "below", 0.5))
    assert near < inside
    assert reached([0.8, 0.9, 1.0], "within") < 0


def test_reach_ends_somewhere():
    assert reached([0.9, 0.9, 0.9]) == FARTHEST
    assert reached([0.1, 0.1, 0.1]) == -FARTHEST
    assert reached([0.4, 0.5, 0.6]) == 0
