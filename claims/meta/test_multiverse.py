"""Every claim that involves chance has a multiverse whose specifications can all be judged at each of its rows."""

import itertools

import pytest

from claims.meta.modules import HERE, empirical_claims
from featdyn_core.register.multiverse import altered, choices
from featdyn_core.register.reading import load_register
from featdyn_core.verdicts.criterion import Role

REGISTER = load_register(HERE / "register")


@pytest.mark.parametrize("claim", empirical_claims())
def test_every_specification_judges_what_is_measured(claim):
    entry = REGISTER.entry(claim)
    assert entry.multiverse, "it has no [multiverse] in its file of the register"
    for scale in REGISTER.scales.values():
        for subject in entry.subjects_at(scale):
            named = choices(entry, scale.name, subject, seeds=len(entry.seeds_at(scale, subject)))
            for chosen in itertools.product(*(alternatives.items() for alternatives in named.values())):
                specification = dict(zip(named, chosen, strict=True))
                measuring = {name: choice for name, choice in specification.items() if choice[1].measures}
                measured = {item.name for item in altered(entry, measuring).claim(scale.name, subject).criteria}
                judged = altered(entry, specification).claim(scale.name, subject).criteria
                assert {item.name for item in judged if item.role is not Role.REPORTED} <= measured
