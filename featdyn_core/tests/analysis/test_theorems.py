"""The search for counter-examples: it finds and shrinks them, and counts the worlds that it examined."""

from fractions import Fraction

import pytest
from hypothesis import strategies as st

from featdyn_core.analysis.theorems import TOLERANCE, examined, search

NUMBERS = st.integers(-1000, 1000)
COUNT = 50


def test_a_true_statement_is_checked_in_as_many_worlds_as_asked():
    found = search(NUMBERS, lambda n: -abs(n) - 1, COUNT, seed=0)
    assert (found.worlds, found.broken_by) == (COUNT, None)
    assert -100 < found.worst <= -1


def test_a_counter_example_is_found_and_made_small():
    found = search(NUMBERS, lambda n: n - 100, COUNT, seed=0)
    assert found.broken_by == 101
    assert found.worlds < COUNT
    assert found.worst > 0


def test_the_search_climbs_to_where_an_inequality_nearly_breaks():
    """One world in four million."""
    pairs = st.tuples(NUMBERS, NUMBERS)
    assert search(pairs, lambda pair: sum(pair) - 1999, 1000, seed=0).broken_by == (1000, 1000)


def test_equality_breaks_what_is_strict():
    assert search(st.just(0), lambda n: n, COUNT, seed=0).broken_by is None
    assert search(st.just(0), lambda n: n, COUNT, seed=0, strict=True).broken_by == 0


@pytest.mark.parametrize(("excess", "broken"), [(TOLERANCE, False), (2 * TOLERANCE, True), (Fraction(1, 10**9), True)])
def test_rounding_breaks_nothing_and_a_fraction_does(excess, broken):
    assert (search(st.just(1), lambda _: excess, COUNT, seed=0).broken_by is not None) is broken


def test_the_same_seed_looks_at_the_same_worlds():
    def looked_at(seed):
        seen = []
        search(NUMBERS, lambda n: seen.append(n) or -1, COUNT, seed)
        return seen

    assert looked_at(3) == looked_at(3) != looked_at(4)


def measured(theorem, twin=lambda n: n, **options):
    return examined(NUMBERS, COUNT, 0, theorem=theorem, twins={"twin": twin}, **options)


def test_a_true_theorem_has_its_worst_excess_and_a_broken_twin():
    found = measured({"a": lambda n: -abs(n), "b": lambda n: -1 - abs(n)}, reported={"c": 7.0})
    assert found.numbers["a"] == 0
    assert found.numbers["b"] == -1
    assert found.numbers["twin"] > 0
    assert found.numbers["c"] == 7
    assert found.numbers["worlds looked at"] == 1
    assert found.counter_example == ""


def test_a_failed_theorem_shows_where_and_its_search_is_complete():
    found = measured({"a": lambda n: -abs(n), "b": lambda n: n - 100})
    assert found.numbers["b"] > 0
    assert found.numbers["worlds looked at"] == 1
    assert found.counter_example == "b: 101"


def test_a_twin_that_holds_is_reported_by_its_number():
    assert measured({"a": lambda n: -abs(n)}, twin=lambda n: -abs(n) - 2).numbers["twin"] == -2


def test_few_worlds_are_reported():
    found = examined(st.sampled_from(range(5)), COUNT, 0, theorem={"a": lambda _: -1}, twins={"twin": lambda n: n})
    assert found.numbers["worlds looked at"] == pytest.approx(5 / COUNT)


def test_planted_worlds_are_searched_in_place_of_the_theorems():
    found = examined(
        NUMBERS, COUNT, 0, planted=st.just(5), theorem={"a": lambda n: n - 10}, twins={"twin": lambda n: n}
    )
    assert found.numbers["a"] == -5
