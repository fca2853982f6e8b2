"""Whether two things go together over the checkpoints and the arms of one training seed (section 1)."""

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from featdyn_core.analysis.growth import windows_in_epochs
from featdyn_core.analysis.statistics import kendall
from featdyn_core.measures.one_step.concentration import participation_ratio
from featdyn_core.measures.one_step.gram import ChangeGram
from featdyn_core.records.changes import Changes
from featdyn_core.records.column import Column
from featdyn_core.verdicts.units import Counted, mean_correlation

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Association:
    """Two numbers for each checkpoint of each arm; all correlations are Kendall's tau.

    Attributes:
        one: first number, (arms, T), at ascending epochs.
        other: second number, (arms, T), for the same arms and epochs.

    Examples:
        >>> link = Association(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[5.0, 6.0], [7.0, 8.0]]))
        >>> link.pooled
        Counted(value=1.0, of=6)
    """

    one: Floats
    other: Floats

    @property
    def pooled(self) -> Counted:
        """Correlation over all checkpoints of all arms."""
        return _counted(self.one.ravel(), self.other.ravel())

    @property
    def within_arms(self) -> Counted:
        """Correlation over the checkpoints of one arm, averaged over arms."""
        return mean_correlation([_counted(*pair) for pair in zip(self.one, self.other, strict=True)])

    @property
    def between_arms(self) -> Counted:
        """Correlation over the arms at one epoch, averaged over epochs, so that a common trend in time has no effect.

        Kendall's partial correlation given the epoch would not do: it is not 0 for two numbers that depend on time
        alone.
        """
        return Association(self.one.T, self.other.T).within_arms

    def unlinked(
        self, stranger: "Association", draws: int, rng: np.random.Generator, *, within_arms: bool = False
    ) -> Counted:
        """Return the correlation of the first number with a stranger's second number at shuffled checkpoints.

        Args:
            stranger: the two numbers of another seed, for the same arms and epochs.
            draws: number of shuffles; the result is their mean.
            rng: draws the shuffles.
            within_arms: whether to shuffle and correlate within each arm, rather than over all arms.
        """
        found = []
        for _ in range(draws):
            pair = Association(self.one, _shuffled(stranger.other, rng, within_rows=within_arms))
            found.append(pair.within_arms if within_arms else pair.pooled)
        return mean_correlation(found)


def _counted(first: Floats, second: Floats) -> Counted:
    """Kendall's tau of (n,) numbers, with the number of their pairs."""
    return Counted(kendall(first, second), math.comb(len(first), 2))


def _shuffled(table: Floats, rng: np.random.Generator, *, within_rows: bool) -> Floats:
    """Return the numbers (arms, T) in random order, over the whole table or within each row."""
    return rng.permuted(table, axis=1) if within_rows else rng.permutation(table.ravel()).reshape(table.shape)


def anisotropy_and_memory(
    changes: Sequence[Changes], columns: Sequence[Mapping[int, Column]], *, span: int, level: float
) -> dict[str, Association]:
    """Return the association of anisotropy with consistency, and with window length, over several trainings.

    Consistency and window length are means over depths.

    Args:
        changes: one-step changes of each arm.
        columns: for each arm, the deep epoch to its column, at the epochs of the changes.
        span: number of epochs before each deep epoch over which consistency is averaged.
        level: a of ``W_a(t)``.

    Examples:
        >>> records = planted_link([[1, 2], [3, 4]], [[4, 6], [2, 3]], np.random.default_rng(0))
        >>> changes = [records["changes", arm] for arm in ("clean", "noisy")]
        >>> columns = [records["columns", arm]["held-out"] for arm in ("clean", "noisy")]
        >>> list(anisotropy_and_memory(changes, columns, span=4, level=0.8))
        ['consistency', 'window length']
    """
    strength = np.array([strengths(found) for found in changes])
    windows = [windows_in_epochs(found, level).lengths.mean(axis=0) for found in columns]
    consistency = [consistencies(found, span) for found in columns]
    memory = {"consistency": consistency, "window length": windows}
    return {name: Association(strength, np.array(values)) for name, values in memory.items()}


@functools.lru_cache(maxsize=128)  # two seeds and two claims read the same changes
def strengths(changes: Changes) -> Floats:
    """Strength of the anisotropy at each epoch, (T,): minus the log participation ratio, averaged over samples."""
    return np.array([-np.mean([np.log(participation_ratio(one)) for one in samples]) for samples in changes.sgd])


def consistencies(columns: Mapping[int, Column], span: int) -> Floats:
    """Consistency at each deep epoch t, (T,): mean agreement over depths and shallow epochs from t − ``span`` to t."""
    return np.array([column.within(late - span, late).agreement.mean() for late, column in columns.items()])


def planted_link(
    strengths: npt.ArrayLike, windows: npt.ArrayLike, rng: np.random.Generator
) -> dict[tuple[str, str], Any]:
    """Return planted records of a clean and a noisy training, with given anisotropy and given windows.

    Args:
        strengths: (2, T), standard deviation of one feature in units of the others'.
        windows: (2, T), number of epochs over which a composite loses a fifth of its agreement.
        rng: draws the changes.

    Examples:
        >>> records = planted_link([[1, 2], [3, 4]], [[4, 6], [2, 3]], np.random.default_rng(0))
        >>> list(records)
        [('changes', 'clean'), ('columns', 'clean'), ('changes', 'noisy'), ('columns', 'noisy')]
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
                late: Column.planted(range(late + 1), [0.2 * (late - past) / far for past in range(late + 1)])
                for late, far in zip(deep, window, strict=True)
            }
        }
    return found
