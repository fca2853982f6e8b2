"""Whether memory windows grow as training proceeds: those of several deep epochs, in epochs or along the path."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from featdyn_core.analysis.statistics import kendall
from featdyn_core.measures.composites.consistency import memory_window, window_length
from featdyn_core.records.column import Column
from featdyn_core.records.path import TrainingPath
from featdyn_core.verdicts.measured import Lines

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Windows:
    """Memory windows ``W_a(t)`` of several deep epochs.

    Attributes:
        epochs: the T ascending deep epochs t.
        lengths: W, (depths, T), in epochs or as a length of the path.
        longest: what W cannot exceed, (depths, T): all that lies before t, in the same units.
    """

    epochs: npt.NDArray[np.int64]
    lengths: Floats
    longest: Floats

    @property
    def trend(self) -> float:
        """Least rank correlation (Kendall's tau) of W with t, over depths."""
        return min(kendall(self.epochs, row) for row in self.lengths)

    @property
    def gained(self) -> float:
        """Least difference over depths of the last window and the first, as a share of the whole training."""
        return float(((self.lengths[:, -1] - self.lengths[:, 0]) / self.longest[:, -1]).min())

    @property
    def shares(self) -> Floats:
        """Each window over the longest that it could be, ``W/t``, (depths, T), in [0, 1]."""
        return self.lengths / self.longest

    def lines(self, label: str) -> Lines:
        """Return the figure of the windows over the deep epoch, one line a depth."""
        series = {f"depth {depth}": row for depth, row in enumerate(self.lengths, start=1)}
        return Lines(self.epochs, series, "deep epoch t", label, over_epochs=True)


def windows_in_epochs(columns: Mapping[int, Column], level: float) -> Windows:
    """Return the windows above a level, in epochs.

    Args:
        columns: deep epoch to its column of all checkpoints up to it.
        level: a of ``W_a(t)``.
    """
    epochs = np.array(list(columns))
    lengths = [[memory_window(row, column.epochs, level) for row in column.agreement] for column in columns.values()]
    windows = np.array(lengths, float).T
    return Windows(epochs, windows, np.broadcast_to(epochs, windows.shape))


def windows_along_path(columns: Mapping[int, Column], path: TrainingPath, level: float) -> Windows:
    """Return the windows above a level, as lengths of the path that the shallow part went at each depth.

    Args:
        columns: as of ``windows_in_epochs``.
        path: of the same training.
        level: as of ``windows_in_epochs``.
    """
    places = {epoch: path.length[:, path.epochs <= epoch] for epoch in columns}
    lengths = [
        [window_length(row, places[epoch][path.parts.index(cut)], level) for cut, row in zip(*parts, strict=True)]
        for epoch, column in columns.items()
        for parts in [(column.cuts, column.agreement)]
    ]
    walked = np.array(
        [[place[path.parts.index(cut), -1] for cut in columns[epoch].cuts] for epoch, place in places.items()]
    )
    return Windows(np.array(list(columns)), np.array(lengths).T, walked.T)


def planted_growth(deep: Sequence[int], windows: Iterable[float]) -> dict[int, Column]:
    """Return a column of all epochs up to each deep one, which agrees inside a window and misses half beyond it.

    Args:
        deep: T ascending deep epochs.
        windows: (T,) in epochs.
    """
    return {
        epoch: Column.planted(range(epoch + 1), [0.5 if epoch - past > window else 0 for past in range(epoch + 1)])
        for epoch, window in zip(deep, windows, strict=True)
    }
