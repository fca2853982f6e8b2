"""Does the noise of single updates point where the features move next (the paper's contributions)?

The leading axes of the changes of an image's features by single updates at t are compared with the drift of its
features from t to a later checkpoint. The share of a drift along a few axes depends on the number of directions in
which features vary. So the same share is measured for axes drawn from the covariance of the features over images.
"""

import numpy as np
import torch

from featdyn_core.errors import MeasurementError
from featdyn_core.measures.one_step.gram import FloatArray
from featdyn_core.measures.one_step.protocol import one_step_changes
from featdyn_core.numerics import exactly
from featdyn_core.trajectories.trajectory import Trajectory


def noise_and_drift(
    trajectory: Trajectory,
    *,
    epoch: int,
    later: int,
    split: str,
    samples: int,
    updates: int,
    axes: int,
    draws: int,
    rng: np.random.Generator,
) -> dict[str, FloatArray]:
    """Shares of the drift of features along axes of one-step noise and along random axes (see ``alignment.Alignment``).

    Features are read at the deepest of the paper's cuts. The covariance is over all images of the ``split`` at
    ``epoch``. Changes along fewer than ``axes`` axes, and features that do not move or do not vary, are a
    ``MeasurementError``.

    Args:
        trajectory: source of the checkpoints.
        epoch: t, where the updates start.
        later: t', where the drift ends.
        split: split of the images.
        samples: M, the number of first images whose drift is measured.
        updates: K, more than ``axes``.
        axes: number of axes.
        draws: number of sets of random axes, and of drifts.
        rng: generator for all draws.

    Returns:
        ``drift``, ``other``, ``random``, ``redrawn`` and ``drawn``, (M,), and ``drawn_random``, ().
    """
    images, _ = trajectory.evaluation_set(split)
    cut = trajectory.network(epoch).depths[-1]
    changes = one_step_changes(trajectory, epoch, images[:samples], updates=updates, cut=cut, rng=rng)
    noise = np.stack([leading_axes(sample, axes) for sample in changes])
    features = _features(trajectory, epoch, images, cut)
    drifts = _features(trajectory, later, images[:samples], cut) - features[:samples]
    random, redrawn = orthonormal(drawn(features, 2 * draws * axes, rng).reshape(2, draws, axes, -1))
    drawn_drifts = drawn(features, draws, rng)
    return {
        "drift": np.array([share_along(*pair) for pair in zip(drifts, noise, strict=True)]),
        "other": np.array([share_along(*pair) for pair in zip(np.roll(drifts, 1, axis=0), noise, strict=True)]),
        "random": share_along(drifts, random).mean(axis=0),
        "redrawn": share_along(drifts, redrawn).mean(axis=0),
        "drawn": share_along(drawn_drifts, noise).mean(axis=1),
        "drawn_random": share_along(drawn_drifts, random).mean(),
    }


def leading_axes(changes: FloatArray, count: int) -> FloatArray:
    """Return the ``count`` leading principal axes (count, p) of changes (K, p) about their mean.

    Raises:
        MeasurementError: the changes lie along fewer axes.
    """
    _, sizes, axes = np.linalg.svd(changes - changes.mean(axis=0), full_matrices=False)
    if (sizes > sizes[0] * np.finfo(np.float32).eps).sum() < count:
        raise MeasurementError(
            f"changes by {len(changes)} updates lie along fewer than {count} axes; is the network frozen?"
        )
    return axes[:count]


def drawn(features: FloatArray, count: int, rng: np.random.Generator) -> FloatArray:
    """Draw (count, p) from the normal law of mean 0 and the covariance of features (N, p) over images."""
    about = features - features.mean(axis=0)
    return rng.standard_normal((count, len(about))) @ about / np.sqrt(len(about) - 1)


def orthonormal(vectors: FloatArray) -> FloatArray:
    """Return an orthonormal basis of each span of vectors (..., count, p)."""
    return np.linalg.qr(vectors.swapaxes(-1, -2))[0].swapaxes(-1, -2)


def share_along(drifts: FloatArray, axes: FloatArray) -> FloatArray:
    """Return ``‖A·δ‖² / ‖δ‖²``, the share of each drift (..., p) along orthonormal axes (..., count, p).

    Returns:
        An array whose first dimensions are those of the axes and whose last are those of the drifts.

    Raises:
        MeasurementError: a drift is 0.
    """
    squares = np.square(drifts).sum(axis=-1)
    if not squares.all():
        raise MeasurementError("a drift is 0: features do not move between two checkpoints, or do not vary")
    return np.square(axes @ drifts.T).sum(axis=-2 if drifts.ndim > 1 else -1) / squares


@exactly
def _features(trajectory: Trajectory, epoch: int, images: torch.Tensor, cut: str) -> FloatArray:
    """Features (N, p) of images at a checkpoint."""
    network = trajectory.network(epoch).to(trajectory.device)
    with torch.no_grad():
        batches = images.to(trajectory.device).split(trajectory.recipe.training.batch_size)
        found = torch.cat([network.shallow(batch, cut).flatten(1) for batch in batches])
    return found.double().cpu().numpy()
