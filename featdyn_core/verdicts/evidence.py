"""Verdict rows, to evidence.json and back, with what is needed to judge where they came from."""

import dataclasses
import datetime
import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from featdyn_core.errors import EvidenceError, FeatdynError, RecipeError
from featdyn_core.files import write_atomically
from featdyn_core.tables import build, read
from featdyn_core.verdicts.claim import EMPIRICAL, THEOREM, Claim, Criterion, Finding, Outcome, Role, Verdict
from featdyn_core.verdicts.curve import Curve
from featdyn_core.verdicts.inference import CONFIDENCE, LEVEL, MOST_SEEDS, holm
from featdyn_core.verdicts.multiverse import Multiverse
from featdyn_core.verdicts.plane import Plane
from featdyn_core.verdicts.units import Unit

SCHEMA = 3

RULE = 3
"""The protocol by which verdicts are reached: items are judged one by one (see ``claim``)."""

SECOND = 2
"""The schema, and the protocol, before it: files of it are read, and their verdicts are shown as they stand there."""

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
        extension: whether it goes beyond the paper, so that it counts in no number of verdicts.
        known: the verdict that the register expects, where published evidence has shown one; else empty.
        replayed: whether published records were judged, and nothing was measured.
        here: whether it was trained on the spot beside published records of more seeds.
        bits: of what was trained here: ``equal`` to the published trainings, or ``other``; empty where none are.
        seen: whether numbers of its seeds were known before the criteria were written.
        rule: number of the protocol that gave the verdict.
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
        multiverse: the verdict by every specification, where it was computed; it decides nothing.
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
    extension: bool = False
    known: str = ""
    replayed: bool = False
    here: bool = False
    bits: str = ""
    seen: bool = False
    rule: int = RULE
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
    multiverse: Multiverse | None = None
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
    def deciding(self) -> tuple[Finding, ...]:
        """Findings of the criteria that decide: its items."""
        return self.of(Role.DECIDES)

    @property
    def has_p_value(self) -> bool:
        """Whether chance is in its verdict, and its controls held."""
        return bool(self.deciding) and self.verdict is not Verdict.INVALID and self.kind != THEOREM

    @property
    def p_value(self) -> float | None:
        """Largest p-value of the items: all must hold (intersection-union). None if none is valid."""
        return max(item.p_value for item in self.deciding) if self.has_p_value else None

    @property
    def p_against(self) -> float | None:
        """Smallest p-value against an item, times their number: one that fails is enough. None if none is valid.

        The second protocol has none.
        """
        if not self.has_p_value or self.rule != RULE:
            return None
        return min(1.0, len(self.deciding) * min(item.p_against for item in self.deciding))

    @property
    def smaller_than_matters(self) -> bool:
        """Whether it is SUPPORTED, by differences that all lie inside their margins."""
        return self.verdict is Verdict.SUPPORTED and all(item.negligible for item in self.deciding)

    @property
    def on_differences(self) -> bool:
        """Whether a mean of plain differences decides, for which no rule keeps its error where they are skewed."""
        return any(item.criterion.averages_differences for item in self.deciding)

    @property
    def why(self) -> str:
        """What the verdict hangs on, in words; empty of what was not judged, and where all holds.

        A theorem was searched, and not proved: it says in how many worlds there is no counter-example.
        """
        if self.rule != RULE:
            return ""
        if self.verdict is Verdict.INVALID:
            faults = [item for item in self.of(Role.CONTROL) if item.outcome is not Outcome.HOLDS]
            return "; ".join(f"control {item.criterion.name!r} {item.outcome}" for item in faults)
        if self.verdict is Verdict.EQUIVALENT:
            return "no difference that matters"
        if self.verdict is Verdict.REFUTED:
            fails = [repr(item.criterion.name) for item in self.deciding if item.outcome is Outcome.FAILS]
            return f"{', '.join(fails)} on the wrong side" + ("" if self.kind == THEOREM else self._shared_level())
        if self.verdict is Verdict.INCONCLUSIVE:
            items = [item for item in self.deciding if item.outcome is not Outcome.HOLDS]
            return "; ".join(f"open: {item.criterion.name!r}{_needs(item)}" for item in items)
        if self.kind == THEOREM and self.verdict is Verdict.SUPPORTED and "worlds" in self.protocol:
            return f"no counter-example in {len(self.seeds) * self.protocol['worlds']} worlds"
        return "smaller than matters" if self.smaller_than_matters else ""

    def _shared_level(self) -> str:
        return f" (at 1 - {1 - CONFIDENCE:.2g}/{len(self.deciding)})" if len(self.deciding) > 1 else ""

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
            others = "fewer seeds" if self.here else "trainings of another machine"
            head += f" (in accord with {self.known}, which the register knows: these are {others})"
        shown = [f"  counter-example: {self.counter_example}"] if self.counter_example else []
        said = self.reason or self.why
        lines = [head + (f": {said}" if said else ""), *(f"  {item}" for item in self.findings)]
        return "\n".join(lines + shown)


def _needs(item: Finding) -> str:
    """How many seeds would decide an open item."""
    if item.criterion.unit is Unit.LOG_P:
        return f" ({item.on_right_side} of {len(item.values)} seeds hold, and all must)"
    needed = item.seeds_needed
    return (
        f" (about {needed} seeds would decide it)" if needed else f" (more than {MOST_SEEDS:,} seeds would be needed)"
    )


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
        for name in ("holm_p_value", "holm_p_against"):
            fields.pop(name, None)
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
    """Write rows, in the order given, with Holm-adjusted p-values of all registered rows of a scale together.

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
        row["holm_p_value"], row["holm_p_against"] = adjusted
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
    if schema not in (SECOND, SCHEMA):
        raise EvidenceError(
            f"{path} has schema {schema!r}; this version reads {SECOND} and {SCHEMA}: write it again, or read it with "
            "the version that wrote it"
        )
    found = tuple(map(_row, map(_translated, rows) if schema == SECOND else rows))
    for row in found:
        if fault := _fault(row, RULE if schema == SCHEMA else SECOND):
            raise EvidenceError(f"{path}: the row {row.id} {fault}; it is not what a run wrote")
    return Document(found, document)


def _translated(row: Any) -> Any:
    """Return a row of the second schema as one of this one, by the protocol that it was judged by."""
    if not isinstance(row, dict) or not isinstance(row.get("findings"), list):
        return row
    findings = [
        {"counts" if name == "draws" else name: value for name, value in finding.items()}
        if isinstance(finding, dict)
        else finding
        for finding in row["findings"]
    ]
    return {**row, "findings": findings, "rule": SECOND}


@dataclass(frozen=True)
class Adjusted:
    """Holm-adjusted p-values of a row; None where it has none, or where its run is not the registered family.

    Attributes:
        p_value: of the claim's being false.
        p_against: of its being true.
    """

    p_value: float | None = None
    p_against: float | None = None

    def __iter__(self) -> Iterator[float | None]:
        return iter((self.p_value, self.p_against))

    def of(self, row: Evidence) -> float | None:
        """Return the one of what a row came to."""
        return self.p_against if row.verdict is Verdict.REFUTED and row.rule == RULE else self.p_value

    def survives(self, row: Evidence) -> bool:
        """Whether a row's verdict, SUPPORTED or REFUTED, survives beside all others of the family."""
        p_value = self.of(row)
        if row.verdict not in (Verdict.SUPPORTED, Verdict.REFUTED) or row.rule != RULE or p_value is None:
            return False
        return p_value <= LEVEL


def adjusted_p_values(rows: Sequence[Evidence]) -> list[Adjusted]:
    """Holm-adjusted p-values of each row, for SUPPORTED and for REFUTED apart.

    A family is all rows of the register at one scale, published or trained here, those that came to nothing included:
    what was registered together is tested together, and leaving a claim out makes no other look better. Where a part
    of a family was not run there is no family: no row of it has an adjusted p-value. Rows of sweeps, extensions of
    the paper and theorems, in which there is no chance, belong to none.
    """
    families: dict[tuple[str, bool], list[int]] = {}
    for place, row in enumerate(rows):
        if not row.variation and not row.extension and row.kind != THEOREM:
            families.setdefault((row.scale, row.replayed), []).append(place)
    found = [Adjusted()] * len(rows)
    for family in families.values():
        members = [rows[place] for place in family]
        if any(row.exploratory or row.verdict is Verdict.DESELECTED for row in members):
            continue
        one = _holm([row.p_value for row in members])
        other = _holm([row.p_against for row in members])
        for place, row, p_value, p_against in zip(family, members, one, other, strict=True):
            if row.has_p_value:
                found[place] = Adjusted(p_value, None if row.p_against is None else p_against)
    return found


def _holm(p_values: Sequence[float | None]) -> list[float]:
    """Adjusted p-values; what has none counts as 1."""
    return holm([1.0 if value is None else value for value in p_values])


def _fault(row: Evidence, rule: int) -> str:
    """What in a row does not follow from its own numbers and bounds, because somebody wrote it by hand; else empty.

    ``rule``: of the file. What the second protocol gave cannot be judged again.
    """
    if row.rule != rule:
        return f"was judged by protocol {row.rule}, and its file is of protocol {rule}"
    if rule != RULE:
        return ""
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
    if row.multiverse and row.multiverse.verdicts[0] is not verdict:
        return f"says {verdict}, and its multiverse has {row.multiverse.verdicts[0]} as registered"
    differing = [old.criterion.name for old, new in zip(row.findings, findings, strict=True) if not _same(old, new)]
    return f"says what its numbers do not of {', '.join(differing)}" if differing else ""


def _same(one: Finding, other: Finding) -> bool:
    """Whether two findings of the same numbers are the same but for rounding."""
    numbers = [
        (found.interval.estimate, found.interval.low, found.interval.high, found.p_value, found.p_against)
        for found in (one, other)
    ]
    near = all(math.isclose(*pair, rel_tol=_ROUNDING, abs_tol=_ROUNDING**2) for pair in zip(*numbers, strict=True))
    facts = [(found.outcome, found.negligible, found.items, found.interval.seeds) for found in (one, other)]
    return near and facts[0] == facts[1]


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
