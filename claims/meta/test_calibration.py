"""How often each claim is SUPPORTED in worlds in which it is not true: at most 5 % of planted null worlds.

A null world lies on the bound (or has no effect at all) and differs from seed to seed by chance only. The rates are
printed and recorded as properties of each test. A theorem has no null world: chance has no part in it.
"""

import pytest

from claims.meta.modules import claim_modules, empirical_claims
from featdyn_core.planted import verdict_in
from featdyn_core.verdicts.claim import Verdict

WORLDS = 200
LARGEST_RATE = 0.05
MODULES = claim_modules()


@pytest.mark.calibration
@pytest.mark.parametrize("claim", [pytest.param(name, marks=pytest.mark.claim(name)) for name in empirical_claims()])
def test_false_positive_rate(claim, laboratory, request):
    module = MODULES[claim]
    row = next(row for row in laboratory.rows.values() if row.entry.id == claim)
    null = module.WORLDS["null"]
    verdicts = [
        verdict_in(null, row.claim, module.measure, protocol=row.protocol, number=number) for number in range(WORLDS)
    ]
    rate = verdicts.count(Verdict.SUPPORTED) / WORLDS
    counts = {str(verdict): verdicts.count(verdict) for verdict in Verdict if verdict in verdicts}
    request.node.user_properties.append(("false-positive rate", rate))
    print(f"\n{claim}: SUPPORTED in {rate:.1%} of {WORLDS} null worlds; {counts}")
    assert rate <= LARGEST_RATE, counts
    assert verdicts.count(Verdict.INVALID) < WORLDS // 2, f"the controls, not the claim, decide these worlds: {counts}"
