"""Growth of memory windows during training, in epochs or along the training path."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from featdyn_core.analysis.items import by_depth
from featdyn_core.analysis.statistics import kendall
from featdyn_core.measures.composites.consistency import memory_window, window_length
from featdyn_core.records.column import Column
from featdyn_core.records.path import TrainingPath
from featdyn_core.records.planting import DEPTHS
from featdyn_core.verdicts.measured import Lines
from featdyn_core.verdicts.units import Number

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Windows:
    """Memory windows ``W_a(t)`` of several deep epochs.

    Attributes:
        epochs: the T ascending deep epochs t.
        lengths: W, in epochs or as a length of the path, (depths, T).
        longest: upper limit of W, which is everything before t, in the same units, (depths, T).
        at_most: largest W that the checkpoints allow, (depths, T). It exceeds W if the window's first checkpoint and
            the checkpoint before it are more than an epoch apart.
    """

    epochs: npt.NDArray[np.int64]
    lengths: Floats
    longest: Floats
    at_most: Floats

    @property
    def trends(self) -> dict[str, Number]:
        """Rank correlation (Kendall's tau) of W with t at each depth."""
        return by_depth([kendall(self.epochs, row) for row in self.lengths], of=math.comb(len(self.epochs), 2))

    @property
    def gained(self) -> Floats:
        """The last window minus the first, (depths,)."""
        return self.lengths[:, -1] - self.lengths[:, 0]

    @property
    def shares(self) -> Floats:
        """Each window divided by its upper limit, ``W/t``, in [0, 1], (depths, T)."""
        return self.lengths / self.longest

    @property
    def between(self) -> npt.NDArray[np.bool_]:
        """Whether a window ends between checkpoints, so that its exact length is unknown, (depths, T)."""
        return self.at_most > self.lengths

    def lines(self, label: str) -> Lines:
        """Return the figure of the windows over the deep epoch, with one line per depth.

        A depth whose windows end between checkpoints has a second line, with the largest possible windows.
        """
        series = {}
        for depth, (row, most, between) in enumerate(zip(self.lengths, self.at_most, self.between, strict=True), 1):
            series[f"depth {depth}"] = row
            if between.any():
                series[f"depth {depth}, at most"] = most
        return Lines(self.epochs, series, "deep epoch t", label, over_epochs=True)


def windows_in_epochs(columns: Mapping[int, Column], level: float) -> Windows:
    """Return the memory windows at a level, in epochs.

    Args:
        columns: deep epoch to its column, with all checkpoints up to this epoch.
        level: a of ``W_a(t)``.

    Examples:
        >>> windows_in_epochs(planted_growth(deep=[4, 8], windows=[1, 6]), level=0.8).lengths[0].tolist()
        [1.0, 6.0]
    """
    epochs = np.array(list(columns))
    lengths = np.array(
        [[memory_window(row, column.epochs, level) for row in column.agreement] for column in columns.values()], float
    ).T
    longest = np.broadcast_to(epochs, lengths.shape)
    at_most = [
        [_up_to_the_checkpoint_before(column.epochs, window) for window in found]
        for column, found in zip(columns.values(), lengths.T, strict=True)
    ]
    return Windows(epochs, lengths, longest, np.array(at_most, float).T)


def _up_to_the_checkpoint_before(epochs: npt.NDArray[np.int64], window: float) -> float:
    """Return the largest number of epochs of a window, given that the checkpoint before its first one is outside."""
    outside = epochs[epochs < epochs[-1] - window]
    return float(epochs[-1] - outside[-1] - 1) if len(outside) else window


def windows_along_path(columns: Mapping[int, Column], path: TrainingPath, level: float) -> Windows:
    """Return the memory windows at a level, as lengths of the path of the shallow part at each depth.

    Their far end is interpolated between checkpoints.

    Args:
        columns: as in ``windows_in_epochs``.
        path: path of the same training.
        level: as in ``windows_in_epochs``.

    Examples:
        >>> columns, path = planted_growth(deep=[4, 8], windows=[1, 6]), TrainingPath.planted(range(9), 0.1)
        >>> windows_along_path(columns, path, level=0.8).lengths.shape
        (3, 2)
    """
    places = {epoch: path.length[:, path.epochs <= epoch] for epoch in columns}
    found = [
        [window_length(row, places[epoch][path.parts.index(cut)], level) for cut, row in zip(*parts, strict=True)]
        for epoch, column in columns.items()
        for parts in [(column.cuts, column.agreement)]
    ]
    walked = np.array(
        [[place[path.parts.index(cut), -1] for cut in columns[epoch].cuts] for epoch, place in places.items()]
    )
    lengths = np.array(found).T
    return Windows(np.array(list(columns)), lengths, walked.T, lengths)


def planted_growth(deep: Sequence[int], windows: npt.ArrayLike) -> dict[int, Column]:
    """Return planted columns of all epochs up to each deep one: full agreement inside a window, one half beyond it.

    Args:
        deep: T ascending deep epochs.
        windows: length in epochs, (T,), or (depths, T) if depths differ.

    Examples:
        >>> columns = planted_growth(deep=[4, 8], windows=[1, 6])
        >>> {deep: memory_window(column.agreement[0], column.epochs, 0.8) for deep, column in columns.items()}
        {4: 1, 8: 6}
    """
    lengths = np.broadcast_to(windows, (len(DEPTHS), len(deep)))
    past = [epoch - np.arange(epoch + 1) for epoch in deep]
    return {
        epoch: Column.planted(range(epoch + 1), np.where(before > window[:, None], 0.5, 0))
        for epoch, before, window in zip(deep, past, lengths.T, strict=True)
    }
