"""Theorems: inequalities that are to hold in every world, searched for a world in which they do not.

A theorem has no training to be measured on. Hypothesis draws finite worlds for it, in which all is exact, climbs
towards those that come nearest to breaking it, and makes one that does as small as it can. The control is a *twin*: an
inequality like it that is false, the theorem turned round or short of a term, which the same search must break. A
search that cannot has shown nothing.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import hypothesis
from hypothesis import Phase
from hypothesis.errors import NoSuchExample
from hypothesis.strategies import SearchStrategy

from featdyn_core.seeds import stream_seed
from featdyn_core.verdicts.measured import Measured

TOLERANCE = 1e-12
"""A larger excess breaks an inequality: fractions have no rounding, and that of floats of size 1 is far below it."""

MORE_FOR_TWINS = 5
"""Times as many worlds are looked at for a twin, at most: the search ends with the first that breaks it."""

Excess = Callable[[Any], Fraction | float]
"""World to the left side of an inequality minus its right side."""


@dataclass(frozen=True)
class Search:
    """What came of looking for a world that breaks an inequality.

    Attributes:
        worlds: how many were looked at, up to the first that breaks it.
        worst: largest excess of them.
        broken_by: a world that breaks it; None if none was found.
    """

    worlds: int
    worst: float
    broken_by: Any


def search(
    worlds: SearchStrategy[Any], excess: Excess, count: int, seed: int, *, strict: bool = False, smallest: bool = True
) -> Search:
    """Look for a world in which the left side of an inequality exceeds its right side.

    Args:
        worlds: where to look.
        excess: of a world.
        count: how many worlds to look at, at most.
        seed: of the draws; the same finds the same.
        strict: whether equality breaks it as well.
        smallest: whether a world that breaks it is made as small as can be.
    """
    seen: list[float] = []
    broken = False

    def breaks(world: Any) -> bool:
        nonlocal broken
        value = float(excess(world))
        hypothesis.target(value)
        if not broken:  # afterwards no other world is drawn, and that one is made smaller
            seen.append(value)
        found = value >= 0 if strict else value > TOLERANCE
        broken = broken or found
        return found

    phases = (Phase.generate, Phase.target, *([Phase.shrink] if smallest else []))
    settings = hypothesis.settings(max_examples=count, database=None, deadline=None, phases=phases)
    try:
        world = hypothesis.find(worlds, breaks, settings=settings, random=random.Random(seed))
    except NoSuchExample:
        world = None
    return Search(len(seen), max(seen), world)


def examined(
    worlds: SearchStrategy[Any],
    count: int,
    seed: int,
    *,
    planted: SearchStrategy[Any] | None = None,
    theorem: Mapping[str, Excess],
    twins: Mapping[str, Excess],
    strict: tuple[str, ...] = (),
    reported: Mapping[str, float] | None = None,
) -> Measured:
    """Search the worlds of one seed for counter-examples.

    Args:
        worlds: of the theorem.
        count: how many of them to look at for each inequality.
        seed: the training seed, which names the draws.
        planted: worlds in place of the theorem's own.
        theorem: name of each of its inequalities to the excess.
        twins: the same of inequalities that are false.
        strict: names of those that equality breaks as well.
        reported: numbers of the claim that need no search.

    Returns:
        Worst excess of each inequality and twin; ``worlds looked at``, as a share of those asked for, the least over
        the inequalities that stand.

    Examples:
        >>> from hypothesis import strategies
        >>> found = examined(
        ...     strategies.integers(0, 9),
        ...     20,
        ...     seed=0,
        ...     theorem={"at most 9": lambda n: n - 9},
        ...     twins={"at most 8": lambda n: n - 8},
        ... )
        >>> found.counter_example, found.values["at most 8"]
        ('', 1.0)
    """
    chosen = worlds if planted is None else planted
    seeds = {name: stream_seed(seed, "measure", name) for name in (*theorem, *twins)}
    shown = planted is None  # a planted counter-example is looked at by nobody
    found = {
        name: search(chosen, of, count, seeds[name], strict=name in strict, smallest=shown)
        for name, of in theorem.items()
    }
    false = {
        name: search(chosen, of, MORE_FOR_TWINS * count, seeds[name], smallest=False) for name, of in twins.items()
    }
    broken = {name: result.broken_by for name, result in found.items() if result.broken_by is not None}
    looked_at = [result.worlds / count for name, result in found.items() if name not in broken]
    return Measured(
        numbers={
            **{name: result.worst for name, result in (found | false).items()},
            **(reported or {}),
            "worlds looked at": min(looked_at, default=1.0),
        },
        counter_example="; ".join(f"{name}: {world}" for name, world in broken.items()),
    )
