"""A made-up run with a row of every verdict, for tests of reports."""

from typing import Any

import numpy as np

from featdyn_core.verdicts.claim import Claim, Verdict
from featdyn_core.verdicts.criterion import Criterion, Role
from featdyn_core.verdicts.documents import Document
from featdyn_core.verdicts.evidence import Curve, Evidence
from featdyn_core.verdicts.plane import Path, Plane
from featdyn_core.verdicts.units import Counted, Unit, share_of

SEEDS = (0, 1, 2, 3, 4)
SENTENCE = "Composite networks retain high performance."
REASON = (
    "data set 'cifar10' is not in /data/featdyn: put cifar-10-python.tar.gz (162 MB) there, or set "
    "FEATDYN_DATA to the folder that has it; nothing was trained in its stead"
)
FACTS = {
    "written": "2026-01-02T03:04:05+00:00",
    "paper": {"title": "Feature dynamics", "arxiv": "2509.20334"},
    "register": "5e915" * 8,
    "environment": {"commit": "d0f594519695", "machine": "x86_64 Some Processor", "host": "somewhere"},
    "command": ["pytest", "claims", "-m", "fast"],
}

SHARE, DRAWS = Unit.SHARE, Unit.DRAWS
AGREEMENT = "agreement C_d(s, t), held-out images"
CONTROLS = (
    Criterion("agreement of a stranger", "agreement of another seed's half", "below", 0.5, Role.CONTROL, SHARE),
    Criterion("false alarms", "share of planted samples that are rejected", "below", 0.2, Role.CONTROL, DRAWS),
    Criterion("identical halves", "what identical halves gain", "within", 0.002, Role.CONTROL),
)
CRITERIA = (
    Criterion("agreement, held-out", AGREEMENT, "above", 0.95, unit=SHARE, pilot="0.96 to 0.99"),
    Criterion("mean consistency", "mean point-wise consistency", "above", 0.9, unit=Unit.MEAN_SHARE),
    *CONTROLS,
    Criterion("drift (log10)", "relative drift of the parameters", "below", -0.5, Role.REPORTED),
)
DIFFERENCES = (
    Criterion("gain, depth 1", "agreement minus that of f_s", "above", 0.0, margin=0.01),
    Criterion("gain, depth 2", "agreement minus that of f_s", "above", 0.0, margin=0.01),
    *CONTROLS,
)
"""Of a claim about differences, which have margins."""


def evidence(
    claim: str,
    subject: str = "digits",
    *,
    agreement: float = 0.985,
    stranger: float = 0.2,
    spread: float = 0.004,
    gain: float | None = None,
    curves: int = 1,
    **changes: Any,
) -> Evidence:
    """Return a row as a claim's test makes it, with the given means over seeds; of a claim about gains if one is."""
    rng = np.random.default_rng(sum(map(ord, claim + subject)))
    means = {
        "agreement, held-out": agreement,
        "mean consistency": 0.995,
        "agreement of a stranger": stranger,
        "drift (log10)": -0.52,
    }
    drawn = {name: rng.normal(mean, spread, len(SEEDS)) for name, mean in means.items()}
    values: dict[str, Any] = {
        name: [share_of(round(500 * min(max(x, 0), 1)), 500) for x in xs] for name, xs in drawn.items()
    }
    values |= {"drift (log10)": drawn["drift (log10)"].tolist(), "identical halves": [0.0] * len(SEEDS)}
    values["false alarms"] = [Counted(hits / 150, 150) for hits in (7, 9, 8, 6, 10)]
    values |= {item.name: rng.normal(gain or 0, spread / 2, len(SEEDS)).tolist() for item in DIFFERENCES[:2]}
    criteria = CRITERIA if gain is None else DIFFERENCES
    asked = {item.name: values[item.name] for item in criteria}
    verdict, findings = Claim(claim, "4.2", SENTENCE, criteria).judge(asked)
    fields: dict[str, Any] = {
        "sentence": SENTENCE,
        "findings": findings,
        "seeds": SEEDS,
        "windows": {"memory": [14, 28]},
        "protocol": {"images": 500, "planted_draws": 150},
        "recipes": {f"{subject}-small": "0a16f04a" * 8},
        "checkpoints": {
            f"{subject}-small/{seed}": {"key": f"{seed}d436834" * 8, "sha256": f"{seed}0f49dedc" * 8} for seed in SEEDS
        },
        "data": {f"{subject}, train: 1,200 images, test: 597 images": "74413e4b" * 8},
        "records": {"column": 10, "stranger": 5},
        "curves": {f"memory, part {part}": curve(rng) for part in range(1, curves + 1)},
        "environment": {"commit": "d0f594519695", "python": "3.11.7", "threads": 1, "torch": ""},
        "measured": [{"commit": "0ther", "device": "cuda", "torch": ""}, {"commit": "an0ther", "device": "cpu"}],
        "register": "5e915" * 8,
        "seconds": 83.4,
    }
    places = {"section": "4.2 (Fig. 2, 10)", "subject": subject, "tier": "fast", "scale": "small"}
    return Evidence(claim, verdict=verdict, **places | fields | changes)


def curve(rng: np.random.Generator, points: int = 21) -> Curve:
    """Return three series over five seeds."""
    epochs = np.linspace(0, 40, points)
    depths = {
        f"depth {depth}": [
            (1 - 0.9 * np.exp(-epochs / (4 * depth)) + rng.normal(0, 0.02, points)).tolist() for _ in SEEDS
        ]
        for depth in (1, 2, 3)
    }
    return Curve(epochs.tolist(), depths, "shallow epoch s", "agreement with f_t")


def plane() -> Plane:
    """Return two regions, above and below, each with a path that ends in it."""
    paths = [Path("0", [-1.0, -2.0], [0.5, 1.0]), Path("1", [1.0, 2.0], [0.5, -1.0])]
    return Plane(seed=7, epochs=[50, 200], x=[-3.0, 3.0], y=[-1.5, 1.5], regions=["000", "111"], paths=paths)


def every_verdict() -> list[Evidence]:
    """Return one row of each verdict, in the order of ``Verdict``."""
    nothing = (
        (Verdict.NOT_RUN, "cifar10", REASON),
        (Verdict.ERROR, "svhn", "StoreError: the disk is full"),
        (Verdict.DESELECTED, "stl10", "other"),
    )
    rows = [
        evidence("memory-window", curves=2),
        evidence("beyond-churn", gain=0.001, curves=0, seen=True),
        evidence("beyond-closeness", agreement=0.91, replayed=True, known="REFUTED"),
        evidence("transferability", agreement=0.952, spread=0.01, curves=0, exploratory=True),
        evidence("random-label-collapse", stranger=0.6, curves=0, known="REFUTED"),
        *(
            Evidence("forgetting", "4.2", subject, "full", "reduced", verdict, reason=reason)
            for verdict, subject, reason in nothing
        ),
    ]
    assert [row.verdict for row in rows] == list(Verdict)
    return rows


def document() -> Document:
    """Return the run with the facts of its file."""
    return Document(tuple(every_verdict()), dict(FACTS))
