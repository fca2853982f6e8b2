"""Grids of composites: every shallow part with every deep part, at several cuts (section 4)."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from featdyn_core.devices import resolve_device
from featdyn_core.display import Displayed, span
from featdyn_core.errors import MeasurementError
from featdyn_core.measures.composites.composite import Predictions, check_policy
from featdyn_core.measures.composites.engine import GridEngine, Progress, check_precision
from featdyn_core.measures.composites.inputs import class_labels, several
from featdyn_core.measures.composites.masks import spread
from featdyn_core.networks.images import grey_levels
from featdyn_core.numerics import undisturbed
from featdyn_core.trajectories.trajectory import Trajectory

RECHECK_CELLS = 4
"""Number of pairs of epochs that are evaluated again in fp32, at every cut, if a grid has lower precision."""


@dataclass(frozen=True, repr=False)
class CompositeGrid(Displayed):
    """Composites over a grid of shallow and deep epochs.

    Attributes:
        cuts: the cuts, first axis.
        shallow_epochs: S ascending epochs, second axis.
        deep_epochs: T ascending epochs, third axis.
        predictions: predicted classes (cuts, S, T, N), uint8, or int32 for more than 256 classes; undefined where
            ``evaluated`` is False.
        reference: predictions (T, N) of the networks ``f_t`` themselves.
        evaluated: whether each pair was evaluated, (S, T).
        cross_entropy: mean cross-entropy (cuts, S, T) in nats against the labels; NaN without labels.
        labels: labels (N,), if given.
        flip_rate: share in [0, 1] of predictions that differ from the predictions in fp32, on the sample of pairs that
            is evaluated again (``RECHECK_CELLS``); 0 for a grid in fp32.

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
        """Data-set consistency ``C_d(s, t)`` (4.1), (cuts, S, T): share of images with the class of f_t."""
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
        """Shares (cuts, S, T) of predictions that equal ``classes``, (T, N) or (N,); by rows, to save memory."""
        shares = np.empty(self.predictions.shape[:-1])
        for row in np.ndindex(shares.shape[:2]):
            shares[row] = (self.predictions[row] == classes).mean(axis=-1)
        return np.where(self.evaluated, shares, np.nan)

    def memory(self, cut: str, deep_epoch: int) -> Predictions:
        """Predictions (U, N) of the composites (u, deep_epoch), u ≤ deep_epoch, ascending in u.

        A window is a statement on every checkpoint in it (definition 2), so a window may not leave epochs out. If
        ``pairs`` left some out, ``column`` returns the evaluated ones.

        A cut or epoch outside the grid is a ``MeasurementError``, and so is a shallow epoch of the window that was not
        evaluated.
        """
        return self._window(cut, deep_epoch, self.shallow_epochs <= deep_epoch)

    def transfer(self, cut: str, deep_epoch: int) -> Predictions:
        """Predictions as in ``memory``, for u ≥ deep_epoch."""
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
    """Evaluate the composites of every shallow epoch with every deep epoch, at several cuts.

    Operations: each of N images takes S shallow passes up to the deepest cut, and one deep pass for each cut and pair.
    A deep epoch t adds a pass of the whole network for each image, if the composite (t, t) is not evaluated or has
    re-estimated statistics at every cut. Under ``recalibrate`` each of the first min(500, training images) training
    images adds S shallow passes up to the deepest cut that has normalisation after it, and a deep pass for each such
    cut and each pair. One pass of one image determines the size of a chunk.

    Memory is in bytes, without the device's libraries. R cuts have re-estimated statistics (none under ``carry``). W is
    the size of a network (4 for each parameter and statistic). A is the size of the largest tensor that a layer returns
    for one image. F is the size of one image's features at all cuts. A chunk has b images.

    - networks: (T + 2) · W, for all deep ones, the current shallow one and the checkpoint it is read from; if R > 0,
      (1 + R) · T · W more;
    - features: b · (4 A + F), or, while statistics are re-estimated, those of a training batch in place of b images;
    - logits: 4 · b · T · classes;
    - predictions: cuts · S · T · N; reference: T · N (both 4 times as much above 256 classes); sums of
      cross-entropy: 8 · cuts · S · T;
    - on a GPU, a copy of all its images and labels, and a second copy of predictions and reference on the host.

    b · A is at most 2 MiB, on a GPU 256 MiB, unless that is less than 4 images, and b is at most 2,048. So only images,
    labels, predictions and reference grow with N. ``pairs`` saves time and not memory: a pair that is left out takes N
    bytes like any other. Below fp32, the pairs that are evaluated again form a grid of their own, of at most 4 × 4
    epochs, after the other networks are released.

    A missing device is a ``DeviceError``, and an unknown cut is a ``ModelError``.

    Args:
        trajectory: source of the checkpoints.
        images: (N, C, H, W) in grey levels 0..255.
        cuts: one cut or several.
        shallow_epochs: S epochs of the part before the cut, or one epoch.
        deep_epochs: T epochs of the part after it, or one epoch.
        labels: true labels (N,), for accuracy and cross-entropy.
        batchnorm: ``carry`` or ``recalibrate``.
        device: where to compute; by default the trajectory's device.
        precision: ``fp32``, without TF32; ``tf32``, on a GPU only; ``fp16``, folded networks in half precision
            (statistics are re-estimated before folding, in single precision). Cross-entropy uses float logits.
        pairs: whether to evaluate each pair of the ascending epochs, (S, T); by default all. See ``band`` and
            ``geometric``.
        progress: called with (done, total) composites after each shallow epoch, such as the function that
            ``grid_progress`` returns. On a GPU the call comes one epoch late, so that the GPU does not wait. The sample
            evaluated again in fp32 is not counted.

    Raises:
        MeasurementError: an epoch has no checkpoint; there are no images or no pairs; images are not grey levels with
            the network's channels; labels or pairs have the wrong shape; a label is not a class; the policy is unknown;
            or the precision is unknown or not available on the device.
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
        trajectory.state(missing)  # raises before anything is computed
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
    del engine  # release these networks before those of the sample are built
    if precision == "fp32":
        return grid
    return dataclasses.replace(grid, flip_rate=_flip_rate(grid, trajectory, images, batchnorm, device))


def _flip_rate(
    grid: CompositeGrid, trajectory: Trajectory, images: Tensor, batchnorm: str, device: torch.device
) -> float:
    """Share of predictions that differ from the predictions in fp32, on ``RECHECK_CELLS`` evaluated pairs."""
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
