"""The loss of a softmax and its Hessian, against torch."""

import math
from fractions import Fraction

import pytest
import torch
import torch.nn.functional as F

from featdyn_core.analysis.softmax import curvature, logit_cross_entropy, softmax_hessian

ROUNDING = 1e-12
WEIGHTS = (3, 1, 4)
LOGITS = [math.log(weight) for weight in WEIGHTS]
Q = [Fraction(weight, sum(WEIGHTS)) for weight in WEIGHTS]


def loss(logits):
    return F.cross_entropy(logits[None], torch.tensor([1]))


def test_the_loss_is_torchs():
    assert logit_cross_entropy(LOGITS, 1) == pytest.approx(
        loss(torch.tensor(LOGITS, dtype=torch.float64)).item(), rel=ROUNDING
    )
    assert logit_cross_entropy(LOGITS, 1) == pytest.approx(-math.log(1 / 8), rel=ROUNDING)


def test_large_logits_do_not_overflow():
    assert logit_cross_entropy([1000.0, 0.0], 0) == 0
    assert logit_cross_entropy([1000.0, 0.0], 1) == 1000


def test_the_hessian_is_torchs():
    expected = torch.autograd.functional.hessian(loss, torch.tensor(LOGITS, dtype=torch.float64))
    for row, wanted in zip(softmax_hessian(Q), expected.tolist(), strict=True):
        assert [float(value) for value in row] == pytest.approx(wanted, abs=ROUNDING)


def test_rows_sum_to_zero_so_diagonal_dominance_is_not_strict():
    for number, row in enumerate(softmax_hessian(Q)):
        assert row[number] == sum(abs(value) for column, value in enumerate(row) if column != number)


def test_curvature_is_the_variance_of_the_direction():
    direction = (2, -1, 5)
    mean = sum(q * v for q, v in zip(Q, direction, strict=True))
    assert curvature(softmax_hessian(Q), direction) == sum(
        q * (v - mean) ** 2 for q, v in zip(Q, direction, strict=True)
    )
    assert curvature(softmax_hessian(Q), (1, 1, 1)) == 0
