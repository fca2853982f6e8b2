"""Monotonicity of the loss of composites: two readings of the paper's claim, and counter-examples to both.

The paper (section 4.2, App. D) argues that in the linearised regime the loss cannot rise, even with a half
frozen. **Reading A:** over a fixed shallow part, the loss does not rise as the deep part trains on. **Reading
B:** under a fixed late deep part, it does not rise as the shallow part recedes. Neither is a theorem for the
composites of one joint training; ``quadratic_loss_grid`` gives counter-examples to both.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from featdyn_core.errors import MeasurementError

COUNTER_EXAMPLE_TO_A: dict[str, Any] = {
    "hessian": [[1.0, 0.95], [0.95, 1.0]],
    "start": [1.0, -0.6],
    "learning_rate": 0.1,
    "steps": 200,
}
"""Two correlated parameters and an ill-conditioned Hessian, for ``quadratic_loss_grid``: reading A fails for it."""

COUNTER_EXAMPLE_TO_B: dict[str, Any] = {
    "hessian": [[2, 2], [2, 2]],
    "start": [-0.5, -0.5],
    "learning_rate": 0.01,
    "steps": 500,
}
"""``L = (a + b − 1)²`` from 0: descent ends at a = b = ½, and reading B fails by ¼."""


def largest_rise_in_deep_time(grid: ArrayLike) -> float:
    """Return ``max L(s, t') − L(s, t)`` over ``s ≤ t ≤ t'``: reading A of the claim says that this is 0.

    A grid that is not square or not finite is a ``MeasurementError``.

    Args:
        grid: (T, T) losses, shallow step × deep step, at the same ascending steps.

    Examples:
        >>> largest_rise_in_deep_time([[1.0, 2.0], [1.0, 0.5]])  # from L(0, 0) to L(0, 1)
        1.0
    """
    return max(_largest_rise(row[step:]) for step, row in enumerate(_checked_grid(grid)))


def largest_rise_as_shallow_recedes(grid: ArrayLike) -> float:
    """Return ``max L(s', T) − L(s, T)`` over ``s' ≤ s ≤ T``, T the last step: reading B says that this is 0.

    A grid that is not square or not finite is a ``MeasurementError``.

    Args:
        grid: (T, T) losses, shallow step × deep step, at the same ascending steps.

    Examples:
        >>> largest_rise_as_shallow_recedes([[1.0, 2.0], [1.0, 0.5]])
        1.5
    """
    return _largest_rise(_checked_grid(grid)[::-1, -1])


def largest_rise_over_end(grid: ArrayLike) -> float:
    """Return ``max L(s, T) − L(T, T)`` over s, T the last step: the loss that older shallow parts add.

    It is at least 0. A grid that is not square or not finite is a ``MeasurementError``.

    Args:
        grid: (T, T) losses, shallow step × deep step, at the same ascending steps.

    Examples:
        >>> largest_rise_over_end([[1.0, 2.0], [1.0, 0.5]])
        1.5
    """
    last = _checked_grid(grid)[:, -1]
    return float((last - last[-1]).max())


def quadratic_loss_grid(
    hessian: ArrayLike, start: ArrayLike, *, learning_rate: float, steps: int
) -> NDArray[np.float64]:
    """Return composite losses of descent on ``½·δᵀHδ``, one parameter per half: the smallest linearised network.

    Args:
        hessian: (2, 2), symmetric, positive semi-definite.
        start: (2,) the shallow and the deep parameter, relative to a minimum.
        learning_rate: learning rate of the descent.
        steps: number of gradient steps.

    Returns:
        (steps + 1, steps + 1) loss at (shallow parameter at step s, deep parameter at step t).

    Examples:
        >>> grid = quadratic_loss_grid(**COUNTER_EXAMPLE_TO_B)
        >>> grid.shape, round(largest_rise_as_shallow_recedes(grid), 4)
        ((501, 501), 0.25)
    """
    H = np.asarray(hessian, np.float64)
    path = [np.asarray(start, np.float64)]
    for _ in range(steps):
        path.append(path[-1] - learning_rate * H @ path[-1])
    shallow, deep = np.transpose(path)
    own = H[0, 0] * shallow[:, None] ** 2 + H[1, 1] * deep**2
    return own / 2 + H[0, 1] * np.outer(shallow, deep)


def _largest_rise(path: NDArray[np.float64]) -> float:
    return float((path - np.minimum.accumulate(path)).max())


def _checked_grid(grid: ArrayLike) -> NDArray[np.float64]:
    losses = np.asarray(grid, np.float64)
    if losses.ndim != 2 or losses.shape[0] != losses.shape[1] or not losses.size:
        raise MeasurementError(f"a loss grid has shape (T, T), shallow × deep step; this one has {losses.shape}")
    if not np.isfinite(losses).all():
        raise MeasurementError("the loss grid has entries that are not finite; leave those steps out")
    return losses
