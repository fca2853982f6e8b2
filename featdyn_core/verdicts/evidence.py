"""Verdict rows, to evidence.json and back, with what is needed to judge where they came from."""

import dataclasses
import datetime
import json
import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from featdyn_core.errors import EvidenceError, FeatdynError, RecipeError
from featdyn_core.files import write_atomically
from featdyn_core.tables import build, read
from featdyn_core.verdicts.claim import EMPIRICAL, THEOREM, Claim, Criterion, Finding, Role, Verdict
from featdyn_core.verdicts.curve import Curve
from featdyn_core.verdicts.inference import CONFIDENCE, holm
from featdyn_core.verdicts.plane import Plane

SCHEMA = 2

_ROUNDING = 1e-6
"""Relative difference that other versions of the libraries may make to an interval or a p-value."""

_NUMBERS = re.compile(r'\[\n([^][{}"]+)\]')
"""A list of numbers as ``json`` indents it: inside a text there is no line break."""


@dataclass(frozen=True)
class Evidence:
    """One claim's numbers and verdict on one subject.

    Attributes:
        claim: the claim's id.
        section: where the paper makes it.
        sentence: the paper's words.
        title: the claim in a few words; the report shows the id where it is empty.
        rival_of: id of the claim that this one explains otherwise or asks more sharply; empty for a claim of the paper.
        kind: empirical, or theorem, which holds in every world or not at all.
        counter_example: a world in which a theorem does not hold, where one was found; else empty.
        subject: what it was measured on, such as ``digits`` or ``cifar10``.
        tier: fast or full.
        scale: of the register.
        verdict: see ``Verdict``.
        findings: one a criterion; empty if nothing was judged.
        reason: why nothing was judged; empty otherwise.
        known: the verdict that the register expects, where published evidence has shown one; else empty.
        replayed: whether published records were judged, and nothing was measured.
        exploratory: whether the seeds are not the register's.
        variation: of a sweep, what is varied in it; empty in a row of the register.
        effect: the criterion that a sweep shows of it.
        seeds: the training seeds.
        windows: name to first and last epoch.
        protocol: every number that the measurement used.
        recipes: recipe name to its digest.
        checkpoints: "<recipe>/<seed>" to the trajectory's key and one digest over its checkpoints' digests.
        data: data set description to its digest.
        records: number of records by kind.
        curves: figure title to its numbers.
        planes: title to a picture of one seed's decision regions.
        environment: commit, versions and machine that judged.
        measured: the same of whoever made the records, each once.
        register: digest of the register.
        seconds: duration of training, measurement (if any) and judging.
    """

    claim: str
    section: str
    subject: str
    tier: str
    scale: str
    verdict: Verdict
    sentence: str = ""
    title: str = ""
    rival_of: str = ""
    kind: str = EMPIRICAL
    counter_example: str = ""
    findings: tuple[Finding, ...] = ()
    reason: str = ""
    known: str = ""
    replayed: bool = False
    exploratory: bool = False
    variation: str = ""
    effect: str = ""
    seeds: tuple[int, ...] = ()
    windows: dict[str, list[int]] = field(default_factory=dict)
    protocol: dict[str, Any] = field(default_factory=dict)
    recipes: dict[str, str] = field(default_factory=dict)
    checkpoints: dict[str, dict[str, str]] = field(default_factory=dict)
    data: dict[str, str] = field(default_factory=dict)
    records: dict[str, int] = field(default_factory=dict)
    curves: dict[str, Curve] = field(default_factory=dict)
    planes: dict[str, Plane] = field(default_factory=dict)
    environment: dict[str, Any] = field(default_factory=dict)
    measured: list[dict[str, Any]] = field(default_factory=list)
    register: str = ""
    seconds: float = 0.0

    @property
    def id(self) -> str:
        """What tells the row from others of a run: claim, scale, subject, variation, and whether it was replayed."""
        return row_id(self.claim, self.scale, self.subject, replayed=self.replayed, variation=self.variation)

    @property
    def changed(self) -> bool:
        """Whether this contradicts the finding that the register knows.

        Published records give the same verdict everywhere. Trainings end in other bits on another machine, and an
        interval that lies near its bound there is across it here; what contradicts are SUPPORTED against REFUTED, and
        a control that failed on one side alone.
        """
        if not self.known or not self.verdict.decided or self.verdict == self.known:
            return False
        both = {self.verdict, Verdict(self.known)}
        return self.replayed or Verdict.INVALID in both or both == {Verdict.SUPPORTED, Verdict.REFUTED}

    @property
    def in_accord(self) -> bool:
        """Whether the register knows another verdict, which this one does not contradict."""
        return bool(self.known) and self.verdict.decided and self.verdict != self.known and not self.changed

    @property
    def p_value(self) -> float | None:
        """Largest p-value of the deciding criteria (all must hold: intersection-union); None if none is valid.

        A theorem has none: no chance is in it.
        """
        if self.verdict is Verdict.INVALID or self.kind == THEOREM:
            return None
        deciding = [item.p_value for item in self.findings if item.criterion.role is Role.DECIDES]
        return max(deciding, default=None)

    def of(self, role: Role) -> tuple[Finding, ...]:
        """Return the findings of one role."""
        return tuple(item for item in self.findings if item.criterion.role is role)

    def criterion(self, name: str) -> Criterion | None:
        """Return the criterion of a name; None if nothing was judged by it."""
        return next((item.criterion for item in self.findings if item.criterion.name == name), None)

    def message(self) -> str:
        """Return verdict and all findings, one a line."""
        head = f"{self.claim} on {self.subject} (section {self.section}): {self.verdict}"
        if self.changed:
            head += f" (the register knows it as {self.known}, which this contradicts)"
        if self.in_accord:
            head += f" (in accord with {self.known}, which the register knows: these are trainings of another machine)"
        shown = [f"  counter-example: {self.counter_example}"] if self.counter_example else []
        lines = [head + (f": {self.reason}" if self.reason else ""), *(f"  {item}" for item in self.findings)]
        return "\n".join(lines + shown)


@dataclass(frozen=True)
class Document:
    """An evidence file.

    Attributes:
        rows: all that the run was expected to give, decided or not.
        facts: what else the file says of the run: when it was written, the paper, the register's digest, the command.
    """

    rows: tuple[Evidence, ...]
    facts: dict[str, Any] = field(default_factory=dict)


def row_id(claim: str, scale: str, subject: str, *, replayed: bool, variation: str = "") -> str:
    """Name of a row, such as ``forgetting-reduced-cifar10-replayed`` or ``forgetting-small-digits-adam``."""
    return "-".join([claim, scale, subject, *filter(None, [variation, "replayed" if replayed else ""])])


def to_json(row: Evidence) -> str:
    """One evidence row as a JSON string."""
    return json.dumps(_plain(dataclasses.asdict(row)), allow_nan=False)


def from_json(text: str) -> Evidence:
    """Return the row that ``to_json`` wrote, as it is or as ``write_evidence`` put it into a file.

    Raises:
        EvidenceError: it is none.
    """
    try:
        return _row(json.loads(text))
    except (ValueError, RecursionError) as error:
        raise EvidenceError(f"not an evidence row of this version: {error}") from error


def _row(table: Any) -> Evidence:
    where = "the row"
    try:
        fields = read(dict[str, Any], table, where)
        fields.pop("holm_p_value", None)
        for name, kind in (("curves", Curve), ("planes", Plane)):
            drawn = read(dict[str, dict[str, Any]], fields.get(name, {}), f"{where}, {name}")
            fields[name] = {title: kind.from_plain(one, f"{where}, {name}, {title}") for title, one in drawn.items()}
        row = build(Evidence, fields, where)
        if row.known:
            read(Verdict, row.known, f"{where}, known")
        if not math.isfinite(row.seconds):
            raise RecipeError(f"{where}, seconds: {row.seconds} is no duration")
    except RecipeError as error:
        raise EvidenceError(f"not an evidence row of this version: {error}") from error
    return row


def write_evidence(path: Path, rows: Sequence[Evidence], *, facts: dict[str, Any] | None = None) -> None:
    """Write rows, in the order given, with Holm-adjusted p-values of all registered claims together.

    Args:
        path: the file; it holds either all of it afterwards, or what it held before.
        rows: all that the run was expected to give, decided or not.
        facts: what else the file shall say of the run, such as its command line.

    Raises:
        EvidenceError: the disk is full, or the file cannot be written, or what is there is no file but a folder or
            a device.
    """
    if path.exists() and not path.is_file():
        raise EvidenceError(f"the evidence {path} cannot be written: what is there is no file")
    document: dict[str, Any] = {
        **_plain(facts or {}),
        "schema": SCHEMA,
        "written": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "counts": dict(Counter(str(row.verdict) for row in rows)),
        "rows": [json.loads(to_json(row)) for row in rows],
    }
    for row, adjusted in zip(document["rows"], adjusted_p_values(rows), strict=True):
        row["holm_p_value"] = adjusted
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, _text(document).encode())
    except OSError as error:
        raise EvidenceError(f"the evidence {path} cannot be written ({error.strerror or error})") from error


def _text(document: dict[str, Any]) -> str:
    """Return the document as JSON, a list of numbers to a line: one number a line is a third of the file in blanks."""
    text = json.dumps(document, indent=1, allow_nan=False)
    return _NUMBERS.sub(lambda found: f"[{', '.join(found[1].replace(',', ' ').split())}]", text) + "\n"


def read_evidence(path: Path) -> list[Evidence]:
    """Return the rows of an evidence file; raises as ``read_document``."""
    return list(read_document(path).rows)


def read_document(path: Path) -> Document:
    """Read an evidence file, and judge its numbers again.

    Raises:
        EvidenceError: no such file, not JSON, from another schema version, or with a row that does not follow from
            its own numbers and bounds.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"))
        json.dumps(document, ensure_ascii=False).encode()  # JSON can spell what is no text
        schema, rows = document.pop("schema"), list(document.pop("rows"))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise EvidenceError(f"{path} is no evidence file: {error}") from error
    if schema != SCHEMA:
        raise EvidenceError(
            f"{path} has schema {schema!r}; this version reads {SCHEMA}: write it again, or read it with the "
            "version that wrote it"
        )
    found = tuple(map(_row, rows))
    for row in found:
        if fault := _fault(row):
            raise EvidenceError(f"{path}: the row {row.id} {fault}; it is not what a run wrote")
    return Document(found, document)


def adjusted_p_values(rows: Sequence[Evidence]) -> list[float | None]:
    """Holm-adjusted p-value of each row; None where none was decided.

    The family is all rows of the register in a run, those that came to nothing included: what was registered together
    is tested together, and leaving a claim out makes no other look better. Rows of sweeps are a family of their own,
    and theorems, in which there is no chance, belong to none.
    """
    found: list[float | None] = [None] * len(rows)
    for is_swept in (False, True):
        family = [place for place, row in enumerate(rows) if bool(row.variation) is is_swept and row.kind != THEOREM]
        raw = [rows[place].p_value for place in family]
        adjusted = holm([1.0 if value is None else value for value in raw]) if family else []
        for place, value, one in zip(family, raw, adjusted, strict=True):
            found[place] = None if value is None else one
    return found


def _fault(row: Evidence) -> str:
    """What in a row does not follow from its own numbers and bounds, because somebody wrote it by hand; else empty."""
    if not row.verdict.decided:
        return f"says {row.verdict}, and has numbers" if row.findings else ""
    if any(len(item.values) != len(row.seeds) for item in row.findings):
        return f"is of {len(row.seeds)} seeds, and has another number of values"
    levels = {item.interval.confidence for item in row.findings}
    if len(levels) != 1 or min(levels) < CONFIDENCE:
        return f"has intervals of {', '.join(f'{100 * level:g} %' for level in sorted(levels)) or 'nothing'}"
    try:
        claim = Claim(row.claim, row.section, row.sentence, tuple(item.criterion for item in row.findings))
        numbers = {item.criterion.name: item.numbers for item in row.findings}
        verdict, findings = claim.judge(numbers, confidence=levels.pop())
    except (FeatdynError, ValueError, ArithmeticError) as error:
        return f"cannot be judged: {error}"
    if verdict is not row.verdict:
        return f"says {row.verdict}, and its numbers and bounds say {verdict}"
    differing = [old.criterion.name for old, new in zip(row.findings, findings, strict=True) if not _same(old, new)]
    return f"says what its numbers do not of {', '.join(differing)}" if differing else ""


def _same(one: Finding, other: Finding) -> bool:
    """Whether two findings of the same numbers are the same but for rounding."""
    ends = [(item.interval.estimate, item.interval.low, item.interval.high, item.p_value) for item in (one, other)]
    near = all(math.isclose(*pair, rel_tol=_ROUNDING, abs_tol=_ROUNDING**2) for pair in zip(*ends, strict=True))
    return near and one.outcome is other.outcome and one.interval.seeds == other.interval.seeds


def _plain(value: Any) -> Any:
    """Return JSON's own types; what is no finite number becomes null.

    Raises:
        TypeError: a value that has no place in an evidence file.
    """
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, str | int | float):
        return value
    raise TypeError(f"{type(value).__name__} has no place in an evidence file")
