"""Cross-entropy of a softmax as a function of its logits, which is convex, and its Hessian (App. D, lemma 1)."""

import math
from collections.abc import Sequence
from fractions import Fraction

Matrix = list[list[Fraction]]


def logit_cross_entropy(logits: Sequence[float], index: int) -> float:
    """Return ``−log softmax(z)_index`` in nats.

    Examples:
        >>> round(logit_cross_entropy([0.0, 0.0], 0), 4)
        0.6931
    """
    largest = max(logits)
    return largest + math.log(sum(math.exp(z - largest) for z in logits)) - logits[index]


def softmax_hessian(probabilities: Sequence[Fraction]) -> Matrix:
    """Return the second derivatives of the cross-entropy in the logits: ``diag(q) − q qᵀ`` for every index.

    Args:
        probabilities: q, the softmax of the logits.

    Examples:
        >>> softmax_hessian([Fraction(1, 2), Fraction(1, 2)])
        [[Fraction(1, 4), Fraction(-1, 4)], [Fraction(-1, 4), Fraction(1, 4)]]
    """
    return [
        [(q if row == column else Fraction(0)) - q * other for column, other in enumerate(probabilities)]
        for row, q in enumerate(probabilities)
    ]


def curvature(matrix: Matrix, direction: Sequence[int]) -> Fraction:
    """Return ``vᵀ H v``.

    Examples:
        >>> curvature(softmax_hessian([Fraction(1, 2), Fraction(1, 2)]), [1, -1])
        Fraction(1, 1)
    """
    rows = zip(direction, matrix, strict=True)
    return sum((v * h * w for v, row in rows for h, w in zip(row, direction, strict=True)), Fraction(0))
