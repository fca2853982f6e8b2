"""Rows of evidence to test with."""

import dataclasses

from featdyn_core.files import json_digest
from featdyn_core.sealed import SEAL
from featdyn_core.tests.report.sample import plane
from featdyn_core.verdicts.claim import THEOREM, Claim, Verdict
from featdyn_core.verdicts.criterion import Criterion, Role
from featdyn_core.verdicts.curve import Curve
from featdyn_core.verdicts.evidence import Evidence
from featdyn_core.verdicts.multiverse import REGISTERED, Multiverse
from featdyn_core.verdicts.units import Unit, share_of

HIGH, LOW, SPREAD = [0.9, 0.8, 0.7], [0.1, 0.2, 0.3], [0.6, 0.5, 0.7]
"""One number a seed, above, below and across the bound."""


def sealed(document):
    """Return a document with a new seal; a document without a seal is returned as it is."""
    unsealed = {name: value for name, value in document.items() if name != SEAL}
    try:
        return unsealed | {SEAL: json_digest(unsealed)}
    except ValueError:  # not a number
        return document


def judged(gap, *, name="memory", confidence=0.95, **changes):
    """Return a row whose deciding criterion has the given numbers, one per seed; a theorem's is universal."""
    criteria = (
        Criterion("gap", "the gap", "above", 0.5, pilot="0.6 to 0.7"),
        Criterion("control", "a control", "below", 0.5, Role.CONTROL),
        Criterion("alarms", "false alarms", "below", 0.5, Role.CONTROL, Unit.DRAWS),
        Criterion("beside", "something else", "above", 0.0, Role.REPORTED),
    )
    count = len(gap)
    numbers = {
        "gap": gap,
        "control": [0.1 + 0.01 * number for number in range(count)],
        "alarms": [share_of(number % 2, 30) for number in range(count)],
        "beside": [-1.0] * count,
    }
    if changes.get("kind") == THEOREM:
        criteria = tuple(dataclasses.replace(item, universal=True) for item in criteria)
    claim = Claim(name, "4.2", "Features remain.", criteria)
    verdict, findings = claim.judge(numbers, confidence=confidence)
    fields = {"verdict": verdict, "sentence": claim.sentence, "findings": findings, "seeds": tuple(range(count))}
    fields |= changes
    return Evidence(**{"claim": name, "section": "4.2", "subject": "digits", "tier": "fast", "scale": "small"} | fields)


def nothing(verdict=Verdict.NOT_RUN, **changes):
    """Return a row that was not decided."""
    fields = {"tier": "full", "scale": "paper", "reason": "no such recipe"} | changes
    return Evidence("memory", "4.2", "svhn", verdict=verdict, **fields)


def full_row(**changes):
    """Return a row with something in every field."""
    fields = {
        "title": "Memory",
        "rival_of": "forgetting",
        "kind": "theorem",
        "counter_example": "z = 0",
        "known": "REFUTED",
        "replayed": True,
        "extension": True,
        "here": True,
        "bits": "equal",
        "seen": True,
        "family": 7,
        "suspicions": "epochs 2 and 3 are alike",
        "exploratory": True,
        "variation": "adam",
        "effect": "gap",
        "windows": {"memory": [14, 28]},
        "protocol": {"images": 500, "nested": {"deep": [1]}},
        "recipes": {"digits-small": "0a1b"},
        "checkpoints": {"digits-small/0": {"key": "k", "sha256": "d"}},
        "data": {"digits": "ff"},
        "records": {"column": 3},
        "curves": {
            "memory": Curve([0.0, 1.0], {"depth 1": [[0.1, 0.2]] * 3}, "epoch", "agreement", "a", "w", [0.5], True)
        },
        "planes": {"regions": plane()},
        "multiverse": Multiverse({"bound": (REGISTERED,)}, (Verdict.SUPPORTED,), (2.5,), ("gap",)),
        "environment": {"commit": "c0ffee"},
        "measured": [{"commit": "c0ffee", "device": "cpu"}],
        "register": "4e9",
        "seconds": 1.5,
    }
    return judged(HIGH, **fields | changes)


def of_many_items(count, gap, other):
    """Return a row of several items, the first with numbers of its own."""
    criteria = [Criterion(f"item {number}", "q", "above", 0.5) for number in range(count)]
    numbers = {item.name: other for item in criteria} | {"item 0": gap, "control": [0.0] * len(gap)}
    control = Criterion("control", "q", "below", 0.5, Role.CONTROL)
    claim = Claim("many", "4", "Words.", (*criteria, control))
    verdict, findings = claim.judge(numbers)
    seeds = tuple(range(len(gap)))
    fields = {"sentence": claim.sentence, "findings": findings, "seeds": seeds}
    return Evidence("many", "4", "digits", "fast", "small", verdict, **fields)
