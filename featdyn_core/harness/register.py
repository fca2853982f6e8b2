"""The register: what was fixed in advance, read from ``claims/register.toml``.

For each claim its sentence, criteria and bounds; for each scale the subjects (data sets), recipes and seeds;
for each claim and scale the windows of epochs it looks at.
"""

import contextlib
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from featdyn_core.errors import MeasurementError, RecipeError
from featdyn_core.measures.composites.grid import CompositeGrid, depth_grid
from featdyn_core.trajectories.trajectory import Trajectory
from featdyn_core.verdicts.claim import Claim, Criterion, Curve, Role
from featdyn_core.verdicts.inference import confidence_at_look

SCHEMA = 1
SCALES = ("small", "reduced", "paper")


@dataclass(frozen=True)
class Runs:
    """What a claim is measured on.

    Attributes:
        arms: name of each arm of the comparison to its trajectories, one a seed, in the order of the seeds.
        windows: name to (first, last) epoch.
        precision: of composite grids (see ``grid.composite_grid``).
        progress: told how far each composite grid is, as (composites done, total).
        flip_rates: of the grids so far, each the share of predictions that differ from those in fp32.
    """

    arms: Mapping[str, Sequence[Trajectory]]
    windows: Mapping[str, tuple[int, int]]
    precision: str = "fp32"
    progress: Callable[[int, int], None] | None = None
    flip_rates: list[float] = field(default_factory=list)

    def grid(self, trajectory: Trajectory, split: str, shallow_epochs: Sequence[int], deep_epoch: int) -> CompositeGrid:
        """Evaluate the composites of several shallow epochs with one deep epoch (see ``grid.depth_grid``)."""
        options: dict[str, Any] = {"precision": self.precision, "progress": self.progress}
        found = depth_grid(trajectory, split, shallow_epochs, deep_epoch, **options)
        self.flip_rates.append(found.flip_rate)
        return found

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
    """What a claim's measurement returns: one number a seed for each criterion, and curves to report."""

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
        images: largest number of images of each split that claims are measured on.
        looks: how many times claims have been judged at this scale, this time included, with seeds added each time.
    """

    name: str
    recipes: dict[str, str]
    seeds: tuple[int, ...]
    images: int
    looks: int = 1

    @property
    def confidence(self) -> float:
        """Coverage of the intervals by which claims are judged at this scale."""
        return confidence_at_look(self.looks)


@dataclass(frozen=True)
class Entry:
    """One claim of the register, for all scales.

    Attributes:
        id: its name.
        title: in a few words.
        section: where the paper makes it.
        sentence: the paper's words.
        arms: scale to arm to the suffix of its recipe's name ("" for the plain one).
        subjects: the data sets it is about; empty for all.
        windows: scale (or ``subject:<name>``, which goes first) to window name to (first, last) epoch.
        criteria: raw tables of its criteria.
    """

    id: str
    title: str
    section: str
    sentence: str
    arms: dict[str, dict[str, str]]
    subjects: tuple[str, ...]
    windows: dict[str, dict[str, tuple[int, int]]]
    criteria: tuple[dict[str, Any], ...]

    def claim(self, scale: str) -> Claim:
        """Return the claim with the criteria and bounds of one scale."""
        chosen = []
        for table in self.criteria:
            fields = dict(table)
            with _reading(f"claim {self.id!r}, criterion {fields.get('name')!r}"):
                bound, role = fields.pop("bound"), Role(fields.pop("role", "decides"))
                bounds = bound if isinstance(bound, dict) else dict.fromkeys(SCALES, bound)
                if unknown := set(bounds) - set(SCALES):
                    raise ValueError(f"scale {unknown.pop()!r} is none of {', '.join(SCALES)}")
                if scale in bounds:
                    chosen.append(Criterion(bound=float(bounds[scale]), role=role, **fields))
        return Claim(self.id, self.section, self.sentence, tuple(chosen))

    def arms_of(self, scale: str) -> dict[str, str]:
        """Return the arms at a scale; one plain arm where the register names none."""
        return self.arms.get(scale, {"clean": ""})

    def windows_of(self, scale: str, subject: str) -> dict[str, tuple[int, int]]:
        """Return the windows for a subject at a scale."""
        return self.windows.get(f"subject:{subject}") or self.windows.get(scale, {})


@dataclass(frozen=True)
class Register:
    """Everything in the register."""

    entries: dict[str, Entry]
    scales: dict[str, Scale]
    pilot_seeds: tuple[int, ...]

    def scale(self, tier: str, full: str, device: torch.device) -> Scale:
        """Return the scale of a tier.

        Args:
            tier: ``fast`` or ``full``.
            full: scale of the full tier: ``reduced``, ``paper``, or ``auto`` for paper on a GPU and reduced elsewhere.
            device: where it is run.
        """
        if tier == "fast":
            return self.scales["small"]
        if full == "auto":
            full = "paper" if device.type == "cuda" else "reduced"
        return self.scales[full]

    def entry(self, claim: str) -> Entry:
        """Return one claim's entry.

        Raises:
            RecipeError: unknown claim.
        """
        if claim not in self.entries:
            raise RecipeError(f"unknown claim {claim!r}; the register has {', '.join(self.entries)}")
        return self.entries[claim]


def parse_seeds(text: str | None) -> tuple[int, ...]:
    """Read training seeds such as ``0,1,2``; none of an empty text or None.

    Raises:
        RecipeError: not integers from 0 on with commas between.
    """
    try:
        seeds = tuple(int(part) for part in text.split(",")) if text else ()
    except ValueError as error:
        raise RecipeError(f"--seeds {text!r}: expected integers with commas between, such as 0,1,2") from error
    if min(seeds, default=0) < 0:
        raise RecipeError(f"--seeds {text!r}: a seed is a number from 0 on")
    return seeds


def load_register(path: Path) -> Register:
    """Read the register.

    Raises:
        RecipeError: not TOML, another schema version, a missing or unknown field, pilot seeds used by a test.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RecipeError(f"the register {path} cannot be read: {error}") from error
    if document.get("schema") != SCHEMA:
        raise RecipeError(f"{path} has schema {document.get('schema')!r}; this version reads schema = {SCHEMA}")
    with _reading(str(path)):
        scales = {name: _scale(name, table) for name, table in document["scales"].items()}
        entries = {name: _entry(name, table) for name, table in document["claims"].items()}
        register = Register(entries, scales, tuple(document["pilot_seeds"]))
    for scale in scales.values():
        for entry in entries.values():
            entry.claim(scale.name)
        if shared := set(scale.seeds) & set(register.pilot_seeds):
            raise RecipeError(f"{path}: scale {scale.name} uses pilot seeds {sorted(shared)}; bounds came from them")
    return register


@contextlib.contextmanager
def _reading(where: str) -> Iterator[None]:
    """Say where in the register a table is not of the form that the code inside expects."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RecipeError(f"{where}: a field is missing, unknown or of the wrong kind: {error}") from error


def _scale(name: str, table: dict[str, Any]) -> Scale:
    with _reading(f"scale {name!r}"):
        fields = dict(table)
        looks = int(fields.pop("looks", 1))
        if looks < 1:
            raise ValueError(f"looks = {looks}, but claims are judged at least once")
        recipes, seeds = dict(fields.pop("recipes")), tuple(fields.pop("seeds"))
        return Scale(name, recipes, seeds, looks=looks, **fields)


def _entry(name: str, table: dict[str, Any]) -> Entry:
    with _reading(f"claim {name!r}"):
        fields = dict(table)
        windows = {
            scale: {window: (first, last) for window, (first, last) in named.items()}
            for scale, named in fields.pop("windows", {}).items()
        }
        arms = fields.pop("arms", {})
        for scale in (*arms, *windows):
            if scale not in SCALES and not scale.startswith("subject:"):
                raise ValueError(f"scale {scale!r} is none of {', '.join(SCALES)}")
        return Entry(
            id=name,
            arms=arms,
            subjects=tuple(fields.pop("subjects", ())),
            windows=windows,
            criteria=tuple(fields.pop("criteria")),
            **fields,
        )
