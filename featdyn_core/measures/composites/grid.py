"""Grids of composites: every shallow part under every deep part, at several cuts (section 4)."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from featdyn_core.display import Displayed, span
from featdyn_core.errors import MeasurementError
from featdyn_core.measures.composites.composite import Predictions, check_policy
from featdyn_core.measures.composites.engine import GridEngine, Progress, check_precision
from featdyn_core.measures.composites.inputs import class_labels, several
from featdyn_core.measures.composites.masks import spread
from featdyn_core.networks.images import grey_levels
from featdyn_core.numerics import resolve_device, undisturbed
from featdyn_core.trajectories.trajectory import Trajectory

RECHECK_CELLS = 4
"""Pairs of epochs that are evaluated again in fp32, at every cut, when a grid was computed in less."""


@dataclass(frozen=True, repr=False)
class CompositeGrid(Displayed):
    """Composites over a grid of shallow and deep epochs.

    Attributes:
        cuts: the cuts, first axis.
        shallow_epochs: S ascending epochs, second axis.
        deep_epochs: T ascending epochs, third axis.
        predictions: predicted classes (cuts, S, T, N), uint8, or int32 of more than 256 classes; undefined where
            ``evaluated`` is False.
        reference: predictions (T, N) of the networks ``f_t`` themselves.
        evaluated: which of the (S, T) pairs were evaluated.
        cross_entropy: mean cross-entropy (cuts, S, T) in nats against the labels; NaN without labels.
        labels: labels (N,), if given.
        flip_rate: share in [0, 1] of predictions that differ from those in fp32, on the sample of pairs that was
            evaluated again (``RECHECK_CELLS``); 0 for a grid in fp32.

    Examples:
        >>> grid = CompositeGrid(
        ...     cuts=("stem",),
        ...     shallow_epochs=np.array([0, 1]),
        ...     deep_epochs=np.array([1]),
        ...     predictions=np.array([[[[0, 1]], [[1, 1]]]]),
        ...     reference=np.array([[1, 1]]),
        ...     evaluated=np.ones((2, 1), bool),
        ...     cross_entropy=np.full((1, 2, 1), np.nan),
        ...     labels=None,
        ... )
        >>> grid.agreement.tolist()
        [[[0.5], [1.0]]]
    """

    cuts: tuple[str, ...]
    shallow_epochs: npt.NDArray[np.int64]
    deep_epochs: npt.NDArray[np.int64]
    predictions: Predictions
    reference: Predictions
    evaluated: npt.NDArray[np.bool_]
    cross_entropy: npt.NDArray[np.float64]
    labels: npt.NDArray[np.int64] | None
    flip_rate: float = 0.0

    def _facts(self) -> dict[str, object]:
        return {
            "cuts": " ".join(self.cuts),
            "shallow epochs": span(self.shallow_epochs.tolist()),
            "deep epochs": span(self.deep_epochs.tolist()),
            "pairs": f"{self.evaluated.sum()} of {self.evaluated.size}",
            "images": self.predictions.shape[-1],
            "labels": "none" if self.labels is None else "given",
        }

    @property
    def agreement(self) -> npt.NDArray[np.float64]:
        """Data-set consistency ``C_d(s, t)`` (4.1), (cuts, S, T): share of images classified as by f_t."""
        return self._shares(self.reference)

    @property
    def accuracy(self) -> npt.NDArray[np.float64]:
        """Share of images classified as their label (*correctness*); (cuts, S, T).

        Raises:
            MeasurementError: the grid was made without labels.
        """
        if self.labels is None:
            raise MeasurementError("accuracy needs labels: pass labels= to composite_grid")
        return self._shares(self.labels)

    def _shares(self, classes: npt.NDArray[np.integer]) -> npt.NDArray[np.float64]:
        """Shares (cuts, S, T) of predictions that are the ``classes``, (T, N) or (N,); row by row, to save memory."""
        shares = np.empty(self.predictions.shape[:-1])
        for row in np.ndindex(shares.shape[:2]):
            shares[row] = (self.predictions[row] == classes).mean(axis=-1)
        return np.where(self.evaluated, shares, np.nan)

    def memory(self, cut: str, deep_epoch: int) -> Predictions:
        """Predictions (U, N) of the composites (u, deep_epoch), u ≤ deep_epoch, ascending in u.

        A window is a statement on every checkpoint in it (definition 2), so that one with epochs left out would
        pass for another that is denser. Where ``pairs`` left some out, ``column`` returns what is there.

        A cut or epoch outside the grid is a ``MeasurementError``, and so is a shallow epoch of the window that was not
        evaluated.
        """
        return self._window(cut, deep_epoch, self.shallow_epochs <= deep_epoch)

    def transfer(self, cut: str, deep_epoch: int) -> Predictions:
        """As ``memory``, for u ≥ deep_epoch."""
        return self._window(cut, deep_epoch, self.shallow_epochs >= deep_epoch)

    def column(self, cut: str, deep_epoch: int) -> tuple[npt.NDArray[np.int64], Predictions]:
        """Return the ascending shallow epochs (U,) evaluated with ``deep_epoch``, and their predictions (U, N)."""
        column = self._deep_index(deep_epoch)
        rows = self.evaluated[:, column]
        return self.shallow_epochs[rows], self.predictions[self.index(cut), rows, column]

    def index(self, cut: str) -> int:
        """Position of ``cut`` on the first axis.

        Raises:
            MeasurementError: the grid has no such cut.
        """
        if cut not in self.cuts:
            raise MeasurementError(f"cut {cut!r} is not in this grid; it has {', '.join(self.cuts)}")
        return self.cuts.index(cut)

    def reference_at(self, deep_epoch: int) -> Predictions:
        """Predictions (N,) of ``f_t`` at ``deep_epoch``."""
        return self.reference[self._deep_index(deep_epoch)]

    def _deep_index(self, epoch: int) -> int:
        found = np.flatnonzero(self.deep_epochs == epoch)
        if not len(found):
            raise MeasurementError(f"deep epoch {epoch} is not in this grid; it has {self.deep_epochs.tolist()}")
        return int(found[0])

    def _window(self, cut: str, epoch: int, rows: npt.NDArray[np.bool_]) -> Predictions:
        column = self._deep_index(epoch)
        missing = self.shallow_epochs[rows & ~self.evaluated[:, column]]
        if len(missing):
            raise MeasurementError(
                f"the window of deep epoch {epoch} was not evaluated at the shallow epochs {missing.tolist()}; "
                "column() returns the epochs that were, with their predictions"
            )
        return self.predictions[self.index(cut), rows, column]


@undisturbed()
def composite_grid(
    trajectory: Trajectory,
    images: Tensor | npt.ArrayLike,
    *,
    cuts: Sequence[str] | str,
    shallow_epochs: Sequence[int] | npt.NDArray[np.integer] | int,
    deep_epochs: Sequence[int] | npt.NDArray[np.integer] | int,
    labels: Tensor | npt.ArrayLike | None = None,
    batchnorm: str = "carry",
    device: torch.device | str | None = None,
    precision: str = "fp32",
    pairs: npt.NDArray[np.bool_] | None = None,
    progress: Progress | None = None,
) -> CompositeGrid:
    """Evaluate the composites of every shallow with every deep epoch at several cuts.

    Operations: for each of N images, S shallow passes up to the deepest cut, and a deep pass for each cut and pair.
    A deep epoch t adds a pass of the whole network for each image where the composite (t, t) is not evaluated, or
    has its statistics re-estimated at every cut. Under ``recalibrate`` each of the first min(500, training images)
    training images adds S shallow passes up to the deepest cut that has normalisation after it, and a deep pass for
    each such cut and each pair. One pass of one image finds the size of a chunk.

    Memory, in bytes, without what the device's libraries take for themselves; R cuts have their statistics
    re-estimated (none under ``carry``), W is a network's size (4 for each parameter and statistic), A that of the
    largest tensor which a layer returns for an image, F that of an image's features at all cuts, b images a chunk:

    - networks: (T + 2) · W, for all deep ones, the shallow one at work and the checkpoint it is read from; if R > 0,
      (1 + R) · T · W more;
    - features: b · (4 A + F), or, while statistics are re-estimated, those of a training batch in place of b images;
    - logits: 4 · b · T · classes;
    - predictions: cuts · S · T · N; reference: T · N (both 4 times as much above 256 classes); sums of
      cross-entropy: 8 · cuts · S · T;
    - on a GPU a copy of all images and labels it works on, and predictions and reference once more on the host.

    b · A is at most 2 MiB, on a GPU 256 MiB, unless that is less than 4 images, and b is at most 2,048. So nothing
    grows with N but images, labels, predictions and reference. ``pairs`` saves time and not memory: a pair that is
    left out takes N bytes like any other. In less than fp32 the pairs evaluated again are a grid of their own, of
    at most 4 × 4 epochs, when the networks have been let go.

    A device that is not here is a ``DeviceError``, an unknown cut a ``ModelError``.

    Args:
        trajectory: where the checkpoints come from.
        images: (N, C, H, W) in grey levels 0..255.
        cuts: cuts to divide at, or one.
        shallow_epochs: S epochs of the part before the cut, or one.
        deep_epochs: T epochs of the part after it, or one.
        labels: (N,) true labels, for accuracy and cross-entropy.
        batchnorm: ``carry`` or ``recalibrate``.
        device: where to compute; the trajectory's device if left out.
        precision: ``fp32``, without TF32; ``tf32``, on a GPU only; ``fp16``, folded networks in half precision
            (statistics are re-estimated before folding, in single precision). Cross-entropy is of float logits.
        pairs: (S, T), which pairs of the ascending epochs to evaluate; all if left out. See ``band`` and
            ``geometric``.
        progress: called with (done, total) composites after each shallow epoch, such as what ``grid_progress``
            gives; on a GPU once they are computed, one epoch late, so that it is not kept waiting. The sample
            evaluated again in fp32 is not counted.

    Raises:
        MeasurementError: an epoch without checkpoint, no images, images that are no grey levels of the network's
            channels, labels or pairs of another shape, a label that is no class, no pair, an unknown policy, or a
            precision that is unknown or not to be had on the device.
    """
    check_policy(batchnorm)
    device = resolve_device(trajectory.device if device is None else device)
    check_precision(precision, device)
    data = trajectory.dataset
    images = grey_levels(images, data.train_images.shape[1])
    cuts = tuple(dict.fromkeys(several(cuts)))
    shallow_epochs, deep_epochs = (sorted(set(several(epochs))) for epochs in (shallow_epochs, deep_epochs))
    if not len(images) or not cuts or not shallow_epochs or not deep_epochs:
        raise MeasurementError("a composite grid needs at least one image, cut, shallow epoch and deep epoch")
    if labels is not None:
        labels = class_labels(labels, len(images), data.classes)
    for missing in sorted({*shallow_epochs, *deep_epochs} - {*trajectory.epochs}):
        trajectory.state(missing)  # raises, and before anything was computed
    shape = (len(shallow_epochs), len(deep_epochs))
    evaluated = np.ones(shape, bool) if pairs is None else np.asarray(pairs, bool)
    if evaluated.shape != shape or not evaluated.any():
        raise MeasurementError(
            f"pairs must have the shape (S, T) = {shape} of the epochs and choose one of them, "
            f"found {evaluated.sum()} chosen in {evaluated.shape}"
        )
    engine = GridEngine(
        trajectory, images, labels, cuts, shallow_epochs, deep_epochs, evaluated, batchnorm, device, precision
    )
    engine.run(progress)
    losses = engine.losses.cpu().numpy() / (len(images) if labels is not None else np.nan)
    grid = CompositeGrid(
        cuts=cuts,
        shallow_epochs=np.array(shallow_epochs),
        deep_epochs=np.array(deep_epochs),
        predictions=engine.predictions.cpu().numpy(),
        reference=engine.reference.cpu().numpy(),
        evaluated=evaluated,
        cross_entropy=np.where(evaluated, losses, np.nan),
        labels=None if labels is None else labels.cpu().numpy(),
    )
    del engine  # its networks make room for those of the sample
    if precision == "fp32":
        return grid
    return dataclasses.replace(grid, flip_rate=_flip_rate(grid, trajectory, images, batchnorm, device))


def _flip_rate(
    grid: CompositeGrid, trajectory: Trajectory, images: Tensor, batchnorm: str, device: torch.device
) -> float:
    """Share of predictions that differ from those in fp32, on ``RECHECK_CELLS`` evaluated pairs."""
    chosen = spread(grid.evaluated, grid.shallow_epochs, grid.deep_epochs, RECHECK_CELLS)
    rows, columns = chosen.any(axis=1), chosen.any(axis=0)
    pairs = chosen[np.ix_(rows, columns)]
    exact = composite_grid(
        trajectory,
        images,
        cuts=grid.cuts,
        shallow_epochs=grid.shallow_epochs[rows].tolist(),
        deep_epochs=grid.deep_epochs[columns].tolist(),
        batchnorm=batchnorm,
        device=device,
        pairs=pairs,
    )
    return float((exact.predictions[:, pairs] != grid.predictions[:, chosen]).mean())
