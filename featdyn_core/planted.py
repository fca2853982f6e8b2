"""Planted worlds: runs in which a claim is true, false or undecidable by construction, and null worlds.

A world makes the run of one seed from random numbers, without a network or images. A claim reads it in the same form as
a run of real trainings, so its whole judgement is tested. Each kind of record makes its own planted records
(``Column.planted`` and the like).
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from featdyn_core.data.names import SPLITS
from featdyn_core.harness.run import Measure, Run, gather
from featdyn_core.records import planting
from featdyn_core.records.column import Column
from featdyn_core.records.path import WHOLE_NETWORK
from featdyn_core.register.register import Window
from featdyn_core.seeds import numpy_generator
from featdyn_core.verdicts.claim import Claim, Verdict
from featdyn_core.verdicts.inference import CONFIDENCE

SEEDS = 5
"""Usual number of seeds of a planted world."""

IMAGES, CLASSES, DEPTHS = planting.IMAGES, planting.CLASSES, planting.DEPTHS
"""Sizes of planted records."""

Shares = planting.Shares
fading = planting.fading

View = TypeVar("View")


@dataclass(frozen=True)
class World:
    """A planted world.

    Attributes:
        verdict: the verdict that a claim must get in it; None for a null world, where the claim is not true and chance
            alone decides, so that it must seldom be SUPPORTED.
        make: turns the random numbers of a seed into its run.

    Examples:
        >>> world = World(Verdict.SUPPORTED, lambda rng: planted.run({"stranger": Stranger.planted(rng.uniform())}))
        >>> world.verdict, world.make(np.random.default_rng(0)).record("stranger").agreement.shape
        (<Verdict.SUPPORTED: 'SUPPORTED'>, (3,))
    """

    verdict: Verdict | None
    make: Callable[[np.random.Generator], Run]


Judge = Callable[[Measure, World], Verdict]
"""The fixture ``judge``: it judges a claim in a planted world and asserts the expected verdict."""


def verdict_in(
    world: World,
    claim: Claim,
    measure: Measure,
    *,
    protocol: Mapping[str, Any] | None = None,
    number: int = 0,
    seeds: int | None = None,
) -> Verdict:
    """Judge a claim in a world.

    Args:
        world: the planted world.
        claim: the claim, with the bounds of a row.
        measure: the measurement of the claim.
        protocol: numbers of the row that the world does not plant.
        number: number of the draw, if the same world is drawn several times.
        seeds: number of seeds of the world; ``SEEDS`` if left out, or as many as the claim's discrete numbers need.
    """
    count = max(SEEDS, claim.least_seeds) if seeds is None else seeds
    draws = (numpy_generator(seed, "measure", "world", number) for seed in range(count))
    values, *_ = gather(claim, (measure(_with(protocol or {}, world.make(rng))) for rng in draws))
    return claim.judge(values, confidence=CONFIDENCE)[0]


def _with(protocol: Mapping[str, Any], planted: Run) -> Run:
    """Return a run that takes numbers from the register where it has none of its own."""
    return dataclasses.replace(planted, protocol={**protocol, **planted.protocol})


def run(
    records: Mapping[str, Any] | Mapping[tuple[str, str], Any] | Mapping[str | tuple[str, str], Any],
    *,
    windows: Mapping[str, tuple[int, int]] | None = None,
    protocol: Mapping[str, Any] | None = None,
    neighbour: Run | None = None,
) -> Run:
    """Return a planted run.

    Args:
        records: name in the register, or (name, arm), to the view that is read, or to a mapping of views by split.
        windows: name to first and last epoch.
        protocol: name to number.
        neighbour: run of the next seed; the run itself if left out.
    """
    found = {(key, "clean") if isinstance(key, str) else key: value for key, value in records.items()}

    def read(name: str, arm: str) -> Mapping[str, Any]:
        value = found[name, arm]
        return value if isinstance(value, Mapping) else {"": value}

    ends = {name: Window(*pair) for name, pair in (windows or {}).items()}
    planted = Run(0, ends, protocol or {}, read, lambda: neighbour or planted)
    return planted


def theorem(rng: np.random.Generator, worlds: Any, count: int = 20) -> Run:
    """Return the run of a theorem that is searched in other worlds than the claim's.

    Args:
        rng: random numbers, which differ between seeds.
        worlds: a Hypothesis strategy that replaces the claim's.
        count: number of worlds.
    """
    planted = run({}, protocol={"worlds": count})
    return dataclasses.replace(planted, seed=int(rng.integers(2**31)), worlds=worlds)


def churn(epochs: Sequence[int], missed: float, *, deep: int | None = None) -> Column:
    """Return whole networks that miss a share of the images far from t, and ever fewer towards it.

    ``deep`` is t, the first or the last of the epochs; the last if left out.
    """
    shares = fading(missed, epochs)[:1]
    return Column.planted(epochs, shares if deep is None else shares[:, ::-1], deep=deep, cuts=(WHOLE_NETWORK,))


def by_arm(name: str, epochs: Sequence[int], missed: Mapping[str, Shares]) -> dict[tuple[str, str], dict[str, Column]]:
    """Return a record's columns of composites on both splits, by name and arm, for ``run``.

    Args:
        name: name of the record.
        epochs: ascending shallow epochs; the last one is t.
        missed: arm to the shares of images that composites miss at the first epoch, ever fewer towards t (``fading``).
    """
    columns = {arm: Column.planted(epochs, fading(shares, epochs)) for arm, shares in missed.items()}
    return {(name, arm): on_both_splits(column) for arm, column in columns.items()}


def on_both_splits(view: View) -> dict[str, View]:
    """Return the same view for both splits."""
    return dict.fromkeys(SPLITS, view)
