"""Claim anisotropy-rejection, section 6 and App. E, Fig. 8 and 15.

    "Across epochs and data points, the null hypothesis of isotropy is consistently rejected with extremely small
    p-values (often < 0.001). This provides rigorous statistical evidence that SGD-induced noise forms a structured
    distribution."

Measured: feature changes of fixed held-out samples by repeated one-step SGD updates from one checkpoint, at the
deepest of the paper's cuts, at the first and the last epoch of a window; the paper's test of isotropy, calibrated
by parametric bootstrap, and the multivariate sign test, which holds its size for every elliptical law. The paper's
statistic also rejects isotropic samples with heavy tails, so its rejection counts only if the sign test rejects as
well.

Controls: planted isotropic Gaussian features and planted isotropic heavy tails of the same size, which the two
tests must not reject more often than their level allows. No training has touched these samples, so the draw is
their unit of replication, and all seeds' draws are judged together. Reported: whether SGD's changes are more
concentrated than those of isotropic *parameter* noise of equal norm, which the Jacobian shapes too.
"""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest

from featdyn_core.harness.register import Measured, Runs
from featdyn_core.measures.one_step.concentration import participation_ratio, spectrum
from featdyn_core.measures.one_step.isotropy import isotropy_test, sign_test
from featdyn_core.measures.one_step.protocol import one_step_changes, parameter_noise_changes
from featdyn_core.seeds import numpy_generator
from featdyn_core.verdicts.claim import Curve, Verdict

pytestmark = pytest.mark.claim("anisotropy-rejection")

UPDATES = 48
SAMPLES = 2
CONTROLS = 150
"""Planted draws for each control and seed, as the register counts them."""
LEVEL = 0.05
HEAVY = 5
LEAST_P = 1e-300

Changes = npt.NDArray[np.float64]
"""Feature changes (M, K, p) of M samples by K updates."""


def measure(runs: Runs) -> Measured:
    """One number per seed for each criterion of the register."""
    values: dict[str, list[float]] = {}
    series: dict[str, list[list[float]]] = {"SGD": [], "isotropic parameter noise": []}
    for trajectory in runs["clean"]:
        epochs = runs.epochs("noise", trajectory)
        cut = trajectory.network(epochs[0]).depths[-1]
        samples, _ = trajectory.evaluation_set("held-out")
        rng = numpy_generator(trajectory.seed, "measure", "anisotropy")
        options = {"updates": UPDATES, "cut": cut, "rng": rng}
        ends = (epochs[0], epochs[-1])
        sgd = [one_step_changes(trajectory, epoch, samples[:SAMPLES], **options) for epoch in ends]
        noise = [parameter_noise_changes(trajectory, epoch, samples[:SAMPLES], **options) for epoch in ends]
        for name, value in numbers(sgd, noise, rng).items():
            values.setdefault(name, []).append(value)
        for label, changes in (("SGD", sgd), ("isotropic parameter noise", noise)):
            series[label].append(_shares(changes[-1][0]))
    curve = Curve(list(map(float, range(1, 21))), series, "direction", "share of variance")
    return Measured(values, {"spectrum of feature changes": curve})


def numbers(sgd: Sequence[Changes], noise: Sequence[Changes], rng: np.random.Generator) -> dict[str, float]:
    """Each criterion's number for one seed, from the changes at every tested epoch."""
    tested = [sample for changes in sgd for sample in changes]
    pushed = [sample for changes in noise for sample in changes]
    concentration = [participation_ratio(sample) for sample in tested]
    rows, features = tested[0].shape
    gaussian = [rng.standard_normal((rows, features)) for _ in range(CONTROLS)]
    heavy = [sample / np.sqrt(rng.chisquare(HEAVY, (rows, 1)) / HEAVY) for sample in gaussian]
    # What isotropic Gaussian features of this size have: the sample covariance is not the identity.
    flat = float(np.mean([participation_ratio(sample) for sample in gaussian[:10]]))
    return {
        "bootstrap p (log10)": max(_log10(isotropy_test(sample).p_value) for sample in tested),
        "sign test p (log10)": max(_log10(sign_test(sample).p_value) for sample in tested),
        "rejections of isotropic Gaussian features": _rejected(isotropy_test, gaussian),
        "rejections of isotropic heavy tails": _rejected(sign_test, heavy),
        "participation ratio against parameter noise": max(
            ratio / participation_ratio(sample) for ratio, sample in zip(concentration, pushed, strict=True)
        ),
        "participation ratio": max(concentration) / flat,
    }


def _log10(p_value: float) -> float:
    return math.log10(max(p_value, LEAST_P))


def _rejected(test, samples: Sequence[npt.NDArray[np.float64]]) -> float:
    return float(np.mean([test(sample).p_value <= LEVEL for sample in samples]))


def _shares(changes: npt.NDArray[np.float64]) -> list[float]:
    """Share of variance along each of the 20 leading directions."""
    values = spectrum(changes)
    return (values[:20] / values.sum()).tolist()


@pytest.mark.fast
def test_anisotropy_rejection(decide):
    decide(measure)


@pytest.mark.full
def test_anisotropy_rejection_full(decide):
    decide(measure)


def world(strengths: list[float], rows: int = 100, features: int = 64) -> Measured:
    """Planted feature changes, per seed one direction with the given multiple of the others' standard deviation."""
    values: dict[str, list[float]] = {}
    for seed, strength in enumerate(strengths):
        rng = numpy_generator(seed, "measure", "world")
        scales = np.ones(features)
        scales[0] = strength
        sgd, flat = (rng.standard_normal((2, rows, features)) * spread for spread in (scales, 1.0))
        for name, value in numbers([sgd], [flat], rng).items():
            values.setdefault(name, []).append(value)
    return Measured(values)


@pytest.mark.fast
@pytest.mark.parametrize(
    ("strengths", "verdict"),
    [
        pytest.param([6.0] * 5, Verdict.SUPPORTED, id="true"),
        pytest.param([1.0] * 5, Verdict.REFUTED, id="false"),
        pytest.param([1.0, 6.0, 6.0, 1.5, 6.0], Verdict.INCONCLUSIVE, id="undecidable"),
    ],
)
def test_anisotropy_rejection_in_planted_worlds(judge, strengths, verdict):
    assert judge(world(strengths)) is verdict


@pytest.mark.fast
def test_heavy_tails_alone_are_no_evidence(judge):
    """The paper's statistic rejects isotropic heavy tails; the claim must not be supported by that."""
    values: dict[str, list[float]] = {}
    for seed in range(5):
        rng = numpy_generator(seed, "measure", "heavy")
        gaussian = rng.standard_normal((4, 100, 128))
        heavy = gaussian[:2] / np.sqrt(rng.chisquare(HEAVY, (2, 100, 1)) / HEAVY)
        for name, value in numbers([heavy], [gaussian[2:]], rng).items():
            values.setdefault(name, []).append(value)
    assert np.mean(values["bootstrap p (log10)"]) < -3
    assert judge(Measured(values)) is Verdict.REFUTED
