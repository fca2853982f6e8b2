"""Seeds written as they are read."""

from hypothesis import given
from hypothesis import strategies as st

from featdyn_core.launch.inventory import Holding, grouped, seed_ranges
from featdyn_core.verdicts.register import parse_seeds


def test_seeds_are_written_as_ranges():
    assert seed_ranges([9, 5, 6, 7]) == "5-7,9"
    assert seed_ranges([3]) == "3"
    assert seed_ranges([]) == ""


@given(st.sets(st.integers(0, 300)))
def test_what_is_written_is_read(seeds):
    assert set(parse_seeds(seed_ranges(seeds))) == seeds


def test_groups_keep_the_order_of_recipes_and_tell_states_and_reasons_apart():
    found = [Holding("b", 1, "complete"), Holding("a", 1, "missing"), Holding("b", 2, "complete"), Holding("b", 3, "x")]
    assert grouped(found) == {("b", "complete", ""): [1, 2], ("b", "x", ""): [3], ("a", "missing", ""): [1]}
