"""Every claim that chance is in has a multiverse, whose specifications can all be judged at each of its rows."""

import itertools

import pytest

from claims.meta.modules import HERE, empirical_claims
from featdyn_core.register.multiverse import altered, choices
from featdyn_core.register.reading import load_register

REGISTER = load_register(HERE / "register")


@pytest.mark.parametrize("claim", empirical_claims())
def test_every_specification_is_a_claim_at_every_row(claim):
    entry = REGISTER.entry(claim)
    assert entry.multiverse, "it has no [multiverse] in its file of the register"
    for scale in REGISTER.scales.values():
        for subject in entry.subjects_at(scale):
            named = choices(entry, scale.name, subject)
            for chosen in itertools.product(*(alternatives.items() for alternatives in named.values())):
                other = altered(entry, dict(zip(named, chosen, strict=True)))
                assert other.claim(scale.name, subject).deciding
