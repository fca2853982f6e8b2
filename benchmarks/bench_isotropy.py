"""The null of the isotropy test: bidiagonal Wishart draws against the parametric bootstrap.

The baseline "literal" follows the paper. Each draw takes n × p standard normals, centres them, forms their p × p sample
covariance by one matrix product, and computes the Frobenius norm of p·S / tr S − I. It uses float64 numpy and reuses
one buffer for the normals. The baseline "smaller Gram" draws the same normals and takes both traces from the Gram
matrix on the smaller side. No method that draws samples does less work.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
from scipy import stats

from benchmarks.ratio import NOT_RUN, ResultsDifferError, Row, Scaling, paired_ratio, seconds
from featdyn_core.measures.one_step.isotropy import null_statistics

LEAST_P = 0.001  # of the Kolmogorov-Smirnov test that both sides draw from one law
MOST_ERRORS = 4.0  # standard errors between the mean of T²/p and its closed form
GATE_DRAWS = 200
MOST_FEATURES = 4096  # of the literal null in the scaling table; a p × p covariance of 16,384 features is 2 GiB

Null = Callable[[int, int, int, np.random.Generator], np.ndarray]


def literal(n: int, p: int, draws: int, rng: np.random.Generator) -> np.ndarray:
    """Return (draws,) statistics of drawn samples, each from its p × p covariance."""
    sample, identity, statistics = np.empty((n, p)), np.eye(p), np.empty(draws)
    for i in range(draws):
        rng.standard_normal(out=sample)
        sample -= sample.mean(axis=0)
        covariance = sample.T @ sample
        covariance *= p / np.trace(covariance)
        covariance -= identity
        statistics[i] = np.linalg.norm(covariance)
    return statistics


def smaller_gram(n: int, p: int, draws: int, rng: np.random.Generator) -> np.ndarray:
    """Return (draws,) statistics of drawn samples, each from the Gram matrix on its smaller side."""
    sample, statistics = np.empty((n, p)), np.empty(draws)
    for i in range(draws):
        rng.standard_normal(out=sample)
        sample -= sample.mean(axis=0)
        gram = sample @ sample.T if n < p else sample.T @ sample
        statistics[i] = np.sqrt(p * p * np.vdot(gram, gram) / np.trace(gram) ** 2 - p)
    return statistics


def bidiagonal(n: int, p: int, draws: int, rng: np.random.Generator) -> np.ndarray:
    """Return (draws,) statistics without drawing samples."""
    return null_statistics(n - 1, p, draws, rng)


def run(quick: bool) -> list[Row]:
    """Compare at 100 repetitions of 1024 and of 64 features, after the gate: one law, and its exact mean."""
    draws = 999 if quick else 9999
    pairs = 1 if quick else 5
    rows = []
    for n, p, baseline_draws, to_reach in ((100, 1024, 50, 500.0), (100, 64, 500, 20.0)):
        for name, baseline, aim in (("literal", literal, to_reach), ("smaller Gram", smaller_gram, None)):
            rng = np.random.default_rng(0)
            require_one_law(baseline(n, p, GATE_DRAWS, rng), bidiagonal(n, p, 9999, rng), n, p)
            rows.append(
                paired_ratio(
                    f"isotropy null, {name}",
                    f"n={n} p={p}, {draws} draws, float64",
                    partial(baseline, n, p, baseline_draws, rng),
                    partial(bidiagonal, n, p, draws, rng),
                    pairs=pairs,
                    share=baseline_draws / draws,
                    to_reach=aim,
                )
            )
    return rows


def scaling(quick: bool) -> Scaling:
    """Return milliseconds per draw over n and p; the cost of bidiagonal draws depends only on the smaller one."""
    rng = np.random.default_rng(0)
    sizes = [(50, 64), (100, 64), (1000, 64), (100, 256), (100, 1024), (200, 1024)]
    rows: list[tuple[float | int | str, ...]] = []
    for n, p in sizes + [(200, 4096), (1000, 4096), (200, 16384), (1000, 16384)] * (not quick):
        few = int(np.clip(2**22 // p**2, 2, 50))
        draws = {literal: few if p <= MOST_FEATURES else 0, smaller_gram: few, bidiagonal: 2000}
        cost = [
            seconds(partial(null, n, p, count, rng)) / count * 1e3 if count else None for null, count in draws.items()
        ]
        ratio = cost[0] / cost[2] if cost[0] and cost[2] else None
        shown = [NOT_RUN if value is None else value for value in (*cost, ratio)]
        rows.append((n, p, p * p * 8 / 2**20, *shown))
    columns = ("n", "p", "p × p MiB", "literal ms", "smaller Gram ms", "bidiagonal ms", "literal / bidiagonal")
    return Scaling("One draw of the null, one timing each", columns, tuple(rows))


def require_one_law(expected: np.ndarray, found: np.ndarray, n: int, p: int) -> None:
    """Raise unless the baseline's draws and the bidiagonal ones agree with each other and with the exact mean."""
    p_value = stats.ks_2samp(expected, found).pvalue
    if not p_value >= LEAST_P:
        raise ResultsDifferError(f"nulls at n={n} p={p} differ: Kolmogorov-Smirnov p = {p_value:.2g}")
    mean = p * (n + p) / ((n - 1) * p + 2) - 1
    for name, statistics in {"baseline": expected, "bidiagonal": found}.items():
        u = statistics**2 / p
        errors = abs(u.mean() - mean) / (u.std() / np.sqrt(len(u)))
        if not errors <= MOST_ERRORS:
            raise ResultsDifferError(f"{name} mean of T²/p at n={n} p={p} is {errors:.1f} errors off {mean}")
