"""Theorems: inequalities that must hold in every world, and a search for a counter-example.

A theorem is not measured on trainings. The library Hypothesis draws finite worlds, in which arithmetic is exact, and
moves towards worlds that come closest to breaking the inequality. It then shrinks a counter-example as far as possible.
The control is a *twin*: a similar inequality that is false, such as the theorem reversed or without a term. The same
search must find a counter-example to it; otherwise the search shows nothing.
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
"""A larger excess breaks an inequality. Fractions have no rounding error, and that of floats of size 1 is far
smaller."""

MORE_FOR_TWINS = 5
"""Largest number of worlds for a twin, relative to the theorem; the search ends with the first counter-example."""

Excess = Callable[[Any], Fraction | float]
"""Function from a world to the left side of an inequality minus its right side."""


@dataclass(frozen=True)
class Search:
    """The result of a search for a world that breaks an inequality.

    Attributes:
        worlds: number of worlds examined, up to the first that breaks it.
        worst: largest excess among them.
        broken_by: a world that breaks it; None if none was found.
    """

    worlds: int
    worst: float
    broken_by: Any


def search(
    worlds: SearchStrategy[Any], excess: Excess, count: int, seed: int, *, strict: bool = False, smallest: bool = True
) -> Search:
    """Search for a world in which the left side of an inequality exceeds its right side.

    Args:
        worlds: strategy that draws worlds.
        excess: excess of a world.
        count: largest number of worlds to examine.
        seed: seed of the draws; equal seeds give equal results.
        strict: whether equality also breaks the inequality.
        smallest: whether to shrink a counter-example as far as possible.
    """
    seen: list[float] = []
    broken = False

    def breaks(world: Any) -> bool:
        nonlocal broken
        value = float(excess(world))
        hypothesis.target(value)
        if not broken:  # after that, Hypothesis only shrinks the world that it found
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
        worlds: strategy that draws worlds of the theorem.
        count: largest number of worlds to examine for each inequality.
        seed: the training seed; it and the name of an inequality seed the draws.
        planted: planted worlds, which replace the theorem's.
        theorem: name of each inequality of the theorem to its excess.
        twins: name of each false inequality to its excess.
        strict: names of the inequalities that equality also breaks.
        reported: further numbers of the claim, which need no search.

    Returns:
        The worst excess of each inequality and twin, and ``worlds looked at``: the number of worlds examined divided by
        ``count``, the smallest over the inequalities without counter-example.

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
    shown = planted is None  # nobody looks at a planted counter-example
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
