"""The register: what was fixed in advance, read from ``claims/register.toml``.

For each claim its sentence, criteria and bounds; for each scale the subjects (data sets), recipes and seeds; for each
claim and scale the windows of epochs it looks at.
"""

import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from featdyn_core.claim import Claim, Criterion, Curve, Role
from featdyn_core.errors import MeasurementError, RecipeError
from featdyn_core.trajectory import Trajectory

SCHEMA = 1
SCALES = ("small", "reduced", "paper")


@dataclass(frozen=True)
class Runs:
    """What a claim is measured on.

    Attributes:
        arms: name of each arm of the comparison to its trajectories, one a seed, in the order of the seeds.
        windows: name to (first, last) epoch.
    """

    arms: Mapping[str, Sequence[Trajectory]]
    windows: Mapping[str, tuple[int, int]]

    def __getitem__(self, arm: str) -> Sequence[Trajectory]:
        return self.arms[arm]

    def epochs(self, window: str, trajectory: Trajectory) -> list[int]:
        """Checkpoints of the trajectory inside the named window, both ends included.

        Raises:
            MeasurementError: an end of the window is no checkpoint.
        """
        first, last = self.windows[window]
        for end in (first, last):
            if end not in trajectory.epochs:
                raise MeasurementError(f"window {window!r} ends at epoch {end}, where there is no checkpoint")
        return [epoch for epoch in trajectory.epochs if first <= epoch <= last]


@dataclass(frozen=True)
class Measured:
    """What a claim's measurement returns: one number per seed for each criterion, and curves for the report."""

    values: dict[str, list[float]]
    curves: dict[str, Curve] = field(default_factory=dict)


Measure = Callable[[Runs], Measured]


@dataclass(frozen=True)
class Scale:
    """One scale of the harness.

    Attributes:
        name: small, reduced or paper.
        recipes: subject to the name of its plain recipe, in the order in which they are run.
        seeds: training seeds of the tests.
    """

    name: str
    recipes: dict[str, str]
    seeds: tuple[int, ...]


@dataclass(frozen=True)
class Entry:
    """One claim of the register, for all scales.

    Attributes:
        id: its name.
        title: in a few words.
        section: where the paper makes it.
        sentence: the paper's words.
        arms: arm to the suffix of its recipe's name ("" for the plain one).
        subjects: the data sets it is about; empty for all.
        windows: scale (or ``subject:<name>``, which goes first) to window name to (first, last) epoch.
        criteria: raw tables of its criteria.
    """

    id: str
    title: str
    section: str
    sentence: str
    arms: dict[str, str]
    subjects: tuple[str, ...]
    windows: dict[str, dict[str, tuple[int, int]]]
    criteria: tuple[dict[str, Any], ...]

    def claim(self, scale: str) -> Claim:
        """Return the claim with the criteria and bounds of one scale."""
        chosen = []
        for table in self.criteria:
            fields = dict(table)
            bound = fields.pop("bound")
            if isinstance(bound, dict):
                if scale not in bound:
                    continue
                bound = bound[scale]
            chosen.append(Criterion(bound=float(bound), role=Role(fields.pop("role", "decides")), **fields))
        return Claim(self.id, self.section, self.sentence, tuple(chosen))

    def windows_of(self, scale: str, subject: str) -> dict[str, tuple[int, int]]:
        """Return the windows for a subject at a scale."""
        return self.windows.get(f"subject:{subject}") or self.windows.get(scale, {})


@dataclass(frozen=True)
class Register:
    """Everything in the register."""

    entries: dict[str, Entry]
    scales: dict[str, Scale]
    pilot_seeds: tuple[int, ...]

    def entry(self, claim: str) -> Entry:
        """Return one claim's entry.

        Raises:
            RecipeError: unknown claim.
        """
        if claim not in self.entries:
            raise RecipeError(f"unknown claim {claim!r}; the register has {', '.join(self.entries)}")
        return self.entries[claim]


def load_register(path: Path) -> Register:
    """Read the register.

    Raises:
        RecipeError: not TOML, another schema version, a missing or unknown field, pilot seeds used by a test.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise RecipeError(f"the register {path} cannot be read: {error}") from error
    if document.get("schema") != SCHEMA:
        raise RecipeError(f"{path} has schema {document.get('schema')!r}; this version reads schema = {SCHEMA}")
    try:
        scales = {
            name: Scale(name, dict(table["recipes"]), tuple(table["seeds"]))
            for name, table in document["scales"].items()
        }
        entries = {name: _entry(name, table) for name, table in document["claims"].items()}
        register = Register(entries, scales, tuple(document["pilot_seeds"]))
        for entry in entries.values():
            for scale in scales:
                entry.claim(scale)
    except (KeyError, TypeError, ValueError) as error:
        raise RecipeError(f"{path}: a field is missing, unknown or of the wrong kind: {error}") from error
    for scale in scales.values():
        if shared := set(scale.seeds) & set(register.pilot_seeds):
            raise RecipeError(f"{path}: scale {scale.name} uses pilot seeds {sorted(shared)}; bounds came from them")
    return register


def _entry(name: str, table: dict[str, Any]) -> Entry:
    fields = dict(table)
    windows = {
        scale: {window: (ends[0], ends[1]) for window, ends in named.items()}
        for scale, named in fields.pop("windows", {}).items()
    }
    return Entry(
        id=name,
        arms=dict(fields.pop("arms", {"clean": ""})),
        subjects=tuple(fields.pop("subjects", ())),
        windows=windows,
        criteria=tuple(fields.pop("criteria")),
        **fields,
    )
