"""Planted worlds: records in which a claim is true, false or undecidable by construction, and null worlds.

A world makes the run of one seed from random numbers, without network or image. What a claim is given there has the
form of what it is given of real trainings, so that its whole judgement is tested.
"""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from featdyn_core.data.names import SEVERITIES, SPLITS
from featdyn_core.harness.run import Measure, Run, gather
from featdyn_core.measures.composites.closeness import Closeness
from featdyn_core.measures.composites.column import Column
from featdyn_core.measures.composites.errors import Errors
from featdyn_core.measures.composites.stranger import Stranger
from featdyn_core.measures.drift.log import TrainingLog
from featdyn_core.measures.drift.path import Path
from featdyn_core.measures.one_step.changes import Changes
from featdyn_core.measures.one_step.concentration import ChangeGram
from featdyn_core.measures.regions.last_layer import LastLayer
from featdyn_core.measures.regions.turning import turned
from featdyn_core.register.register import Window
from featdyn_core.seeds import numpy_generator
from featdyn_core.verdicts.claim import Claim, Verdict
from featdyn_core.verdicts.inference import CONFIDENCE

IMAGES = 1000
CLASSES = 10
DEPTHS = ("depth1", "depth2", "depth3")
SEEDS = 5

Shares = npt.ArrayLike
View = TypeVar("View")


@dataclass(frozen=True)
class World:
    """A planted world.

    Attributes:
        verdict: what a claim must come to in it; None for a null world, where the claim is not true and chance alone
            decides: there it must seldom be SUPPORTED.
        make: random numbers of a seed to its run.
    """

    verdict: Verdict | None
    make: Callable[[np.random.Generator], Run]


Judge = Callable[[Measure, World], Verdict]
"""The fixture ``judge``: judges a claim in a planted world, and asserts the verdict that is due there."""


def verdict_in(world: World, claim: Claim, measure: Measure, *, number: int = 0, seeds: int = SEEDS) -> Verdict:
    """Judge a claim in a world; ``number`` tells apart several draws of the same world."""
    draws = (numpy_generator(seed, "measure", "world", number) for seed in range(seeds))
    values, *_ = gather(claim, (measure(world.make(rng)) for rng in draws))
    return claim.judge(values, confidence=CONFIDENCE)[0]


def run(
    records: Mapping[str, Any] | Mapping[tuple[str, str], Any] | Mapping[str | tuple[str, str], Any],
    *,
    windows: Mapping[str, tuple[int, int]] | None = None,
    protocol: Mapping[str, Any] | None = None,
    neighbour: Run | None = None,
) -> Run:
    """Return a planted run.

    Args:
        records: name in the register, or (name, arm), to what is read; a mapping is one by split.
        windows: name to first and last epoch.
        protocol: name to number.
        neighbour: run of the next seed; this one if left out.
    """
    found = {(key, "clean") if isinstance(key, str) else key: value for key, value in records.items()}

    def read(name: str, arm: str) -> Mapping[str, Any]:
        value = found[name, arm]
        return value if isinstance(value, Mapping) else {"": value}

    ends = {name: Window(*pair) for name, pair in (windows or {}).items()}
    planted = Run(0, ends, protocol or {}, read, lambda: neighbour or planted)
    return planted


def theorem(rng: np.random.Generator, worlds: Any, count: int = 20) -> Run:
    """Return the run of a theorem that is searched in other worlds than its own.

    Args:
        rng: what distinguishes the seeds.
        worlds: a strategy of Hypothesis, in place of the claim's.
        count: number of worlds.
    """
    planted = run({}, protocol={"worlds": count})
    return dataclasses.replace(planted, seed=int(rng.integers(2**31)), worlds=worlds)


def column(epochs: Sequence[int], missed: Shares, *, deep: int | None = None) -> Column:
    """Return a column whose composites miss given shares of the images; ``f_t`` is right on all of them.

    What one composite misses, one that misses more misses as well.

    Args:
        epochs: S ascending shallow epochs.
        missed: share in [0, 1] for each (S,), or for each depth as well (depths, S).
        deep: the deep epoch, the last of the epochs if left out.
    """
    shares = np.broadcast_to(np.clip(np.asarray(missed, float), 0, 1), (len(DEPTHS), len(epochs)))
    labels = np.arange(IMAGES) % CLASSES
    wrong = np.arange(IMAGES) < np.round(shares * IMAGES)[..., None]
    return Column(
        cuts=DEPTHS,
        epochs=np.asarray(epochs, np.int64),
        deep=epochs[-1] if deep is None else deep,
        predictions=np.where(wrong, (labels + 1) % CLASSES, labels),
        reference=labels,
        labels=labels,
        cross_entropy=5 * shares,
    )


def columns(epochs: Sequence[int], missed: Shares, **options: Any) -> dict[str, Column]:
    """Return the same column on both splits."""
    return on_both_splits(column(epochs, missed, **options))


def on_both_splits(view: View) -> dict[str, View]:
    """Return the same view for either split."""
    return dict.fromkeys(SPLITS, view)


def growing(deep: Sequence[int], windows: Iterable[float]) -> dict[int, Column]:
    """Return a column of all epochs up to each deep one, which agrees inside a window and misses half beyond it.

    Args:
        deep: T ascending deep epochs.
        windows: (T,) in epochs.
    """
    return {
        epoch: column(range(epoch + 1), [0.5 if epoch - past > window else 0 for past in range(epoch + 1)])
        for epoch, window in zip(deep, windows, strict=True)
    }


def linked(strengths: npt.ArrayLike, windows: npt.ArrayLike, rng: np.random.Generator) -> dict[tuple[str, str], Any]:
    """Return changes and columns of a clean and a noisy training: how anisotropic those are, how far these remember.

    Args:
        strengths: (2, T), standard deviation of a feature in that of the others.
        windows: (2, T), epochs over which a composite loses a fifth of its agreement.
        rng: draws the changes.
    """
    found: dict[tuple[str, str], Any] = {}
    for arm, strength, window in zip(("clean", "noisy"), np.asarray(strengths), np.asarray(windows), strict=True):
        deep = range(8, 8 + 4 * len(window), 4)
        samples = rng.standard_normal((len(deep), 48, 16))
        samples[..., 0] *= strength[:, None]
        grams = [[ChangeGram.of(sample)] for sample in samples]
        found["changes", arm] = Changes(tuple(deep), grams, grams)
        found["columns", arm] = {
            "held-out": {
                late: column(range(late + 1), [0.2 * (late - past) / far for past in range(late + 1)])
                for late, far in zip(deep, window, strict=True)
            }
        }
    return found


def stranger(agreement: float) -> Stranger:
    """Return a stranger that agrees on a given share of the images, at every depth."""
    labels = np.arange(IMAGES) % CLASSES
    predicted = np.where(np.arange(IMAGES) < round(agreement * IMAGES), labels, (labels + 1) % CLASSES)
    return Stranger(DEPTHS, np.tile(predicted, (len(DEPTHS), 1)), labels, labels)


def closeness(gained: float, *, planted: float = 0.5) -> Closeness:
    """Return a comparison in which the real direction adds ``gained`` to an agreement of 0.5.

    ``planted`` is what it adds in the network of which it is known.
    """
    labels = np.arange(IMAGES) % CLASSES

    def predicted(agreement: float) -> npt.NDArray[np.int64]:
        right = np.arange(IMAGES) < round(agreement * IMAGES)
        return np.tile(np.where(right, labels, (labels + 1) % CLASSES), (len(DEPTHS), 1))

    def compared(difference: float, inner: Closeness | None = None) -> Closeness:
        other = predicted(0.5)[:, None]
        moved = np.tile([0.5, 0.5], (len(DEPTHS), 1))
        return Closeness(DEPTHS, labels, predicted(0.5 + difference), other, other, moved, inner)

    return compared(gained, compared(planted))


def path(epochs: Sequence[int], drift: float, *, parts: Sequence[str] = DEPTHS) -> Path:
    """Return a straight path at even speed, which lies ``drift`` away from its end at its first epoch, relatively."""
    away = drift * (epochs[-1] - np.asarray(epochs, float)) / (epochs[-1] - epochs[0])
    distances = np.abs(away[:, None] - away)
    return Path(
        tuple(parts),
        np.asarray(epochs, np.int64),
        np.tile(distances, (len(parts), 1, 1)),
        np.ones((len(parts), len(epochs))),
    )


def log(epochs: int, fall: float, *, late: int) -> TrainingLog:
    """Return the log of a training whose loss falls from 2 to 1, a share of it from an epoch on."""
    trained = np.arange(1, epochs + 1)
    loss = np.interp(trained, [1, late, epochs], [2, 1 + fall, 1])
    return TrainingLog(trained, loss, np.ones(epochs), np.ones(epochs))


def errors(epochs: Sequence[int], accuracy: Shares, error: Shares | None = None) -> Errors:
    """Return errors of given shares of the images.

    Args:
        epochs: E ascending epochs.
        accuracy: share of clean images classified rightly, one for all or for each epoch (E,).
        error: share of corrupted images classified wrongly, one for all or for each severity (5,); None for none.
    """
    images = np.arange(IMAGES)
    clean = images < np.round((1 - np.broadcast_to(accuracy, len(epochs))) * IMAGES)[:, None]
    if error is None:
        return Errors(np.asarray(epochs, np.int64), clean)
    wrong = images < np.round(np.broadcast_to(error, len(SEVERITIES)) * IMAGES)[:, None]
    return Errors(np.asarray(epochs, np.int64), clean, np.broadcast_to(wrong, (15, *wrong.shape)))


def last_layer(points: npt.NDArray[np.float64], weight: npt.NDArray[np.float64]) -> LastLayer:
    """Return features (U, N, p) at epochs 0 to U - 1 under a classifier without bias, right on all of the last ones."""
    bias, labels = np.zeros(len(weight)), (points[-1] @ weight.T).argmax(axis=-1)
    return LastLayer(np.arange(len(points)), points, weight, bias, labels)


def paths(directions: npt.NDArray[np.float64], *, length: float = 4.0, others: int = 0) -> LastLayer:
    """Return paths of two features at three epochs among ten regions, which are equal sectors of the plane.

    Each ends in the middle of its sector, at distance 10 from the centre of all; its borders are 3.1 away, across it.

    Args:
        directions: (N,) in radians: where the past of each image lies as seen from its end, 0 being the centre.
        length: distance of the earliest point from the end.
        others: sectors by which all images are moved on: features of another training, whose sectors are others.
    """
    angles = 2 * np.pi * np.arange(CLASSES) / CLASSES
    middles = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    ends = 10 * middles[(np.arange(len(directions)) + others) % CLASSES]
    inwards = ends * (1 - np.array([length, length / 2, 0]) / 10)[:, None, None]
    return last_layer(turned(inwards, ends, directions), middles)
