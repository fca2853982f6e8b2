"""Error rates of the claims: of each row's rule on the boundary, and of each claim in planted null worlds.

On the boundary (see ``boundary``), the rule of every registered row must give each of SUPPORTED, REFUTED and EQUIVALENT
falsely in at most 5 % of worlds. A null world uses the claim's own measurement: it lies on the bound (or has no effect
at all), and its seeds differ by chance only. The rates are printed and recorded as properties of each test. Theorems
are left out, because they involve no chance.
"""

import numpy as np
import pytest

from claims.meta.boundary import (
    DOCUMENT,
    ERRORS,
    LARGEST_RATE,
    MOST,
    NORMAL,
    SKEWED,
    WORLDS,
    deviations,
    numbers,
    rates,
    smallest_effect,
    structures,
)
from claims.meta.modules import claim_modules, empirical_claims
from featdyn_core.planted import verdict_in
from featdyn_core.verdicts.claim import Claim, Verdict
from featdyn_core.verdicts.criterion import Criterion, Role
from featdyn_core.verdicts.power import POWER
from featdyn_core.verdicts.units import Unit

NULL_WORLDS = 200
MODULES = claim_modules()
STRUCTURES = {f"{structure.rows[0]}, {structure.items}": structure for structure in structures()}
ASSERTED = {
    f"{name}, {law}": (structure, law)
    for name, structure in STRUCTURES.items()
    for law, asserted in structure.laws.items()
    if asserted
}


@pytest.mark.calibration
@pytest.mark.parametrize("name", ASSERTED)
def test_on_the_boundary_no_verdict_is_often_false(name, request):
    structure, law = ASSERTED[name]
    found = {seeds: rates(structure, law, seeds) for seeds in structure.seeds}
    for seeds, errors in found.items():
        request.node.user_properties.append((f"error rates, {seeds} seeds", str(errors)))
        print(f"\n{name}, {seeds} seeds: {', '.join(f'{error} {value:.1%}' for error, value in errors.items())}")
    assert all(value * WORLDS <= MOST for errors in found.values() for value in errors.values()), found


@pytest.mark.calibration
@pytest.mark.parametrize("items", [1, 3, 6])
@pytest.mark.parametrize("seeds", [3, 5, 20])
def test_power_is_what_the_noncentral_law_says(items, seeds):
    names = [f"item {number}" for number in range(items)]
    criteria = [Criterion(name, "", "above", 0.0) for name in names]
    claim = Claim("power", "", "", (*criteria, Criterion("control", "", "above", 0.0, Role.CONTROL)))
    effect, rng = smallest_effect(items, seeds), np.random.default_rng([items, seeds])
    worlds = rng.normal(effect, 1, (WORLDS, items, seeds)).tolist()
    verdicts = [claim.judge(dict(zip(names, world, strict=True)) | {"control": [1.0] * seeds})[0] for world in worlds]
    assert verdicts.count(Verdict.SUPPORTED) / WORLDS == pytest.approx(POWER, abs=0.08)


@pytest.mark.calibration
def test_the_document_has_every_structure():
    """Its rates are those of the tests above, because both use the same draws."""
    text = DOCUMENT.read_text(encoding="utf-8")
    assert len(STRUCTURES) == len(structures())
    for structure in STRUCTURES.values():
        mark = " †" if SKEWED in structure.laws else ""
        names = ", ".join(f"`{row}`" for row in structure.rows)
        for seeds in structure.seeds:
            assert f"| {names}{mark} | {structure.items} | {seeds} |" in text, "mend it: python -m claims.meta.boundary"


@pytest.mark.parametrize("error", ERRORS)
def test_a_boundary_world_lies_on_the_boundary(error):
    """One item lies on its bound or a margin away, and the others far on the right side or on their bounds."""
    normal = np.random.default_rng(0).standard_normal(4_000)
    item = Criterion("x", "", "above", 0.5, unit=Unit.MEAN_SHARE)
    places = [Unit.MEAN_SHARE.at(float(value)) for value in numbers(item, normal, NORMAL, error=error, chosen=True)]
    assert np.mean(places) == pytest.approx(0, abs=0.03)
    margin = Criterion("x", "", "above", 0.0, margin=1.0)
    on_bound, other = (
        np.mean([float(value) for value in numbers(margin, normal, NORMAL, error=error, chosen=chosen)])
        for chosen in (True, False)
    )
    assert on_bound == pytest.approx(-1.0 if error is Verdict.EQUIVALENT else 0.0, abs=0.1)
    assert other == pytest.approx(8.0 if error is Verdict.SUPPORTED else 0.0, abs=0.1)


def test_skewed_deviations_have_their_tail_on_the_side_that_errs():
    normal = np.random.default_rng(0).standard_normal(100_000)
    item = Criterion("x", "", "above", 0.0)
    for against, tail in ((False, -1), (True, 1)):
        found = deviations(item, normal, SKEWED, against=against)
        assert (found.mean(), found.std()) == pytest.approx((0, 1), abs=0.03)
        assert tail * np.mean(found**3) > 2


@pytest.mark.calibration
@pytest.mark.parametrize("claim", [pytest.param(name, marks=pytest.mark.claim(name)) for name in empirical_claims()])
def test_false_positive_rate(claim, laboratory, request):
    module = MODULES[claim]
    row = next(row for row in laboratory.rows.values() if row.entry.id == claim)
    null = module.WORLDS["null"]
    verdicts = [
        verdict_in(null, row.claim, module.measure, protocol=row.protocol, number=number)
        for number in range(NULL_WORLDS)
    ]
    rate = verdicts.count(Verdict.SUPPORTED) / NULL_WORLDS
    counts = {str(verdict): verdicts.count(verdict) for verdict in Verdict if verdict in verdicts}
    request.node.user_properties.append(("false-positive rate", rate))
    print(f"\n{claim}: SUPPORTED in {rate:.1%} of {NULL_WORLDS} null worlds; {counts}")
    assert rate <= LARGEST_RATE, counts
    assert verdicts.count(Verdict.INVALID) < NULL_WORLDS // 2, f"the controls, not the claim, decide these: {counts}"
