"""How often each claim is SUPPORTED in worlds in which it is not true: at most 5 % of planted null worlds.

A null world lies on the bound (or has no effect at all) and differs from seed to seed by chance only. The rates are
printed and recorded as properties of each test.
"""

import numpy as np
import pytest
from featdyn_core.harness.register import Measured, Runs

from claims import (
    test_anisotropy_rejection,
    test_forgetting,
    test_memory_window,
    test_ntk_monotonicity,
    test_random_label_collapse,
    test_transferability,
)
from featdyn_core.harness.planted import circle, drifting
from featdyn_core.seeds import numpy_generator
from featdyn_core.verdicts.claim import Verdict

WORLDS = 200
SEEDS = 5
LARGEST_RATE = 0.05

DATA = circle(100)


def memory_null(rng: np.random.Generator) -> Measured:
    """Agreement at the window's start is the bound on average: 0.95."""
    shares = rng.normal(0.95, 0.01, SEEDS)
    planted = [drifting([10, 20, 30], 1 - 2 * (1 - share), dataset=DATA) for share in shares]
    return test_memory_window.measure(Runs({"clean": planted}, {"memory": (20, 30), "far": (10, 30)}))


def transfer_null(rng: np.random.Generator) -> Measured:
    """Agreement at the window's end is the bound on average: 0.95."""
    shares = rng.normal(0.95, 0.01, SEEDS)
    planted = [drifting([10, 30, 40], 1 - 3 * (1 - share), growth=4.0, dataset=DATA) for share in shares]
    return test_transferability.measure(Runs({"clean": planted}, {"transfer": (30, 40), "far": (10, 40)}))


def forgetting_null(rng: np.random.Generator) -> Measured:
    """Composites of every shallow epoch miss at random: no trend, though accuracy is lost."""
    planted = [test_forgetting.trendless(range(0, 41, 5), rng, dataset=DATA) for _ in range(SEEDS)]
    return test_forgetting.measure(Runs({"clean": planted}, {"forgetting": (0, 40)}))


def collapse_null(rng: np.random.Generator) -> Measured:
    """Clean, noisy and renamed trainings draw their misses from one distribution."""
    misses = rng.uniform(0.0, 0.06, (3, SEEDS))
    arms = {
        name: [drifting([20, 30, 40], 1 - share, dataset=DATA) for share in row]
        for name, row in zip(("clean", "noisy", "permuted"), misses, strict=True)
    }
    return test_random_label_collapse.measure(Runs(arms, {"consistency": (20, 40)}))


def isotropy_null(rng: np.random.Generator) -> Measured:
    """Feature changes are isotropic Gaussian."""
    values: dict[str, list[float]] = {}
    for _ in range(SEEDS):
        sgd, noise = rng.standard_normal((2, 1, 40, 16))
        for name, value in test_anisotropy_rejection.numbers([sgd], [noise], rng).items():
            values.setdefault(name, []).append(value)
    return Measured(values)


def ntk_null(rng: np.random.Generator) -> Measured:
    """The real network's largest rise is the bound on (geometric) average: 0.1 nats."""
    return test_ntk_monotonicity.world([0.0] * SEEDS, list(10 ** rng.normal(-1, 0.5, SEEDS)))


@pytest.mark.calibration
@pytest.mark.parametrize(
    "null",
    [
        pytest.param(memory_null, marks=pytest.mark.claim("memory-window")),
        pytest.param(forgetting_null, marks=pytest.mark.claim("forgetting")),
        pytest.param(transfer_null, marks=pytest.mark.claim("transferability")),
        pytest.param(collapse_null, marks=pytest.mark.claim("random-label-collapse")),
        pytest.param(isotropy_null, marks=pytest.mark.claim("anisotropy-rejection")),
        pytest.param(ntk_null, marks=pytest.mark.claim("ntk-monotonicity")),
    ],
)
def test_false_positive_rate(judge, null, request):
    verdicts = [judge(null(numpy_generator(world, "measure", null.__name__))) for world in range(WORLDS)]
    rate = verdicts.count(Verdict.SUPPORTED) / WORLDS
    counts = {str(verdict): verdicts.count(verdict) for verdict in Verdict if verdict in verdicts}
    request.node.user_properties.append(("false-positive rate", rate))
    print(f"\n{null.__name__}: SUPPORTED in {rate:.1%} of {WORLDS} null worlds; {counts}")
    assert rate <= LARGEST_RATE, counts
    assert verdicts.count(Verdict.INVALID) < WORLDS // 2, f"the controls, not the claim, decide these worlds: {counts}"
