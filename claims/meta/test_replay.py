"""Every published verdict follows from the published records, by the present claim code and bounds."""

import pytest

from claims.meta.modules import HERE, claim_modules
from featdyn_core.verdicts.documents import read_evidence
from featdyn_core.verdicts.evidence import row_id

MODULES = claim_modules()
ROUNDING = 1e-9
"""Relative difference between processors."""

EVIDENCE = {
    row_id(row.claim, row.scale, row.subject, replayed=True, variation=row.variation): row
    for path in sorted((HERE.parent / "evidence").glob("*/evidence.json"))
    for row in read_evidence(path)
    if row.verdict.decided and row.replayed
}


def test_what_is_published_can_be_judged_again(laboratory):
    replayed = {name for name, row in laboratory.rows.items() if row.replayed}
    assert replayed >= set(EVIDENCE)


@pytest.mark.parametrize("name", EVIDENCE, ids="records of {}".format)
def test_published_records_give_published_numbers_and_verdict(laboratory, name):
    published = EVIDENCE[name]
    found = laboratory.decide(name, MODULES[published.claim].measure)
    assert found.verdict is published.verdict
    assert found.seeds == published.seeds
    assert not published.exploratory
    for again, before in zip(found.findings, published.findings, strict=True):
        assert again.criterion.name == before.criterion.name
        assert again.values == pytest.approx(before.values, rel=ROUNDING, abs=ROUNDING)
