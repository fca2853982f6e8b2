"""Evidence files: rows are written as JSON, and judged again when they are read.

A file is sealed: it contains the digest of its content. A seal detects accidents and careless edits. If somebody writes
a new seal, only a signature, or a statement that does not follow from the numbers, reveals the edit. Content that rows
share is written once (see ``sealed``).
"""

import dataclasses
import datetime
import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from featdyn_core.errors import EvidenceError, FeatdynError, RecipeError
from featdyn_core.files import read_text, write_atomically
from featdyn_core.sealed import SEAL, along, seal_lines, unseal_lines
from featdyn_core.tables import build, explicit, read
from featdyn_core.verdicts.claim import THEOREM, Claim, Verdict
from featdyn_core.verdicts.criterion import Criterion, Finding
from featdyn_core.verdicts.curve import Curve
from featdyn_core.verdicts.evidence import RULE, Evidence
from featdyn_core.verdicts.families import adjusted_p_values
from featdyn_core.verdicts.inference import CONFIDENCE
from featdyn_core.verdicts.plane import Plane

SCHEMA = 4

THIRD = 3
"""The earlier schema with the same content, which each row repeats."""

SECOND = 2
"""The schema of the second protocol. Such files are read, and their verdicts are shown as written."""

_COLUMNS = ("findings", "findings.interval")
"""Parts of a row that are stored as columns, one list per field."""

_SHARED = (
    *("sentence", "protocol", "recipes", "checkpoints", "checkpoints.*", "data"),
    *("environment", "measured.*", "register"),
    *("findings.criterion.*", "findings.values.*", "findings.counts.*", "planes.*"),
    *("curves.*.x", "curves.*.x_label", "curves.*.y_label", "curves.*.series.*", "curves.*.series.*.*"),
    *("multiverse.dimensions", "multiverse.verdicts", "multiverse.reach", "multiverse.hinges"),
    *("multiverse.verdicts.*", "multiverse.reach.*", "multiverse.hinges.*"),
)
"""Parts that rows share: rows of one claim or of one training, and published rows and rows trained here."""

_LATER = {"bits", "extension", "family", "here", "multiverse", "rule", "seen", "holm_p_against"}
"""Fields of rows that the second schema lacks."""

_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
"""One half of a surrogate pair in JSON; two halves make one character."""

_ROUNDING = 1e-6
"""Relative difference in intervals and p-values between versions of the libraries."""


@dataclass(frozen=True)
class Document:
    """An evidence file.

    Attributes:
        rows: all rows that the run was expected to give, decided or not.
        facts: other facts about the run: when the file was written, the paper, the register's digest, the command.
    """

    rows: tuple[Evidence, ...]
    facts: dict[str, Any] = field(default_factory=dict)


def to_json(row: Evidence) -> str:
    """Return an evidence row as a JSON string, without fields that have their defaults."""
    return json.dumps(_plain(row), allow_nan=False)


def from_json(text: str) -> Evidence:
    """Return the row that ``to_json`` wrote.

    Raises:
        EvidenceError: the text is not such a row.
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
            raise RecipeError(f"{where}, seconds: {row.seconds} is not a duration")
    except RecipeError as error:
        raise EvidenceError(f"not an evidence row of this version: {error}") from error
    return row


def write_evidence(path: Path, rows: Sequence[Evidence], *, facts: dict[str, Any] | None = None) -> None:
    """Write rows in the given order, with p-values that are Holm-adjusted over the registered rows of each scale.

    Args:
        path: the file; after an error it has its previous content.
        rows: all rows that the run was expected to give, decided or not.
        facts: other facts about the run, such as its command line.

    Raises:
        EvidenceError: the disk is full, the file cannot be written, or the path is a folder or a device.
    """
    if path.exists() and not path.is_file():
        raise EvidenceError(f"the evidence {path} cannot be written: it is not a file; name another")
    document: dict[str, Any] = {
        **_plain(facts or {}),
        "schema": SCHEMA,
        "written": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "counts": dict(Counter(str(row.verdict) for row in rows if not row.extension)),
        "rows": [_plain(row) for row in rows],
    }
    for row, adjusted in zip(document["rows"], adjusted_p_values(rows), strict=True):
        row["holm_p_value"], row["holm_p_against"] = adjusted
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, seal_lines(document, "rows", columns=_COLUMNS, shared=_SHARED))
    except OSError as error:
        raise EvidenceError(f"the evidence {path} cannot be written ({error.strerror or error})") from error


def read_evidence(path: Path) -> list[Evidence]:
    """Return the rows of an evidence file; errors are those of ``read_document``."""
    return list(read_document(path).rows)


def read_document(path: Path) -> Document:
    """Read an evidence file, and judge its numbers again.

    Raises:
        EvidenceError: the file is missing, too large, not JSON or of another schema version, or has a row that does not
            follow from its own numbers and bounds.
    """
    document = _opened(path)
    schema, rows = document.pop("schema"), document.pop("rows")
    found = tuple(map(_row, map(_translated, rows) if schema == SECOND else _with_criteria(rows)))
    for row in found:
        if fault := _fault(row, SECOND if schema == SECOND else RULE):
            raise EvidenceError(f"{path}: the row {row.id} {fault}; it is not what a run wrote")
    if fault := _fault_together(found, rows):
        raise EvidenceError(f"{path}: {fault}; it is not what a run wrote")
    return Document(found, document)


def _opened(path: Path) -> dict[str, Any]:
    """Return the content of an evidence file, in which each row has all of its fields.

    Raises:
        EvidenceError: there is no such file, it is not an evidence file, has another schema, or was changed.
    """
    try:
        text = read_text(path, "utf-8-sig")
        document = json.loads(text, parse_constant=_no_number)
        schema, document["rows"] = document["schema"], list(document["rows"])
        if schema == SECOND or _SURROGATE.search(text):  # a seal allows halves of characters
            json.dumps(document, ensure_ascii=False, allow_nan=False).encode()
    except FileNotFoundError as error:
        raise EvidenceError(f"there is no file {path}; a run of the claims writes evidence: pytest -m fast") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise EvidenceError(f"{path} is not an evidence file: {error}") from error
    if schema not in (SECOND, THIRD, SCHEMA):
        raise EvidenceError(
            f"{path} has schema {schema!r}; this version reads {SECOND} to {SCHEMA}: write it again, or read it with "
            "the version that wrote it"
        )
    if schema == SECOND and SEAL not in document:
        return document
    try:
        return unseal_lines(document, "rows")
    except ValueError as error:
        raise EvidenceError(f"{path}: {error}; take the file that a run wrote") from error


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _with_criteria(rows: list[Any]) -> Iterator[Any]:
    """Yield rows with criteria in place of their tables; a criterion that rows share is built once.

    A table that is not a criterion stays, and is refused with its row.
    """
    known: dict[int, Any] = {}

    def criterion(table: Any) -> Any:
        if id(table) not in known:
            try:
                known[id(table)] = build(Criterion, table, "")
            except (RecipeError, TypeError):
                known[id(table)] = table
        return known[id(table)]

    for row in rows:
        yield along(row, ("findings", "*", "criterion"), criterion)


def _fault_together(found: Sequence[Evidence], tables: Sequence[dict[str, Any]]) -> str:
    """Return what is wrong with the rows taken together, as read and in the file; empty if nothing is."""
    if twice := [name for name, count in Counter(row.id for row in found).items() if count > 1]:
        return f"it has the row {twice[0]} twice"
    for row, table, adjusted in zip(found, tables, adjusted_p_values(found), strict=True):
        told = [table.get(name) for name in ("holm_p_value", "holm_p_against")]
        if row.rule == RULE and not all(map(_near, told, adjusted)):
            return f"the row {row.id} has the Holm-adjusted p-values {told}, but they should be {list(adjusted)}"
    return ""


def _translated(row: Any) -> Any:
    """Return a row of the second schema in the present schema, marked with the protocol that judged it.

    Raises:
        EvidenceError: it has a field of a later schema.
    """
    if not isinstance(row, dict) or not isinstance(row.get("findings"), list):
        return row
    if later := sorted(_LATER & set(row)):
        raise EvidenceError(f"not an evidence row of schema {SECOND}: it has the field {later[0]!r}")
    findings = [
        {"counts" if name == "draws" else name: value for name, value in finding.items()}
        if isinstance(finding, dict)
        else finding
        for finding in row["findings"]
    ]
    return {**row, "findings": findings, "rule": SECOND}


def _fault(row: Evidence, rule: int) -> str:
    """Return what does not follow from a row's own numbers and bounds, so was edited by hand; empty if all does.

    ``rule`` is the protocol of the file. Rows of the second protocol cannot be judged again.
    """
    if row.rule != rule:
        return f"was judged by protocol {row.rule}, but its file is of protocol {rule}"
    if rule != RULE:
        return ""
    if not row.verdict.decided:
        return f"says {row.verdict}, but has numbers" if row.findings else ""
    if row.reason:
        return f"says {row.verdict}, but gives a reason why nothing was judged"
    if len(set(row.seeds)) < len(row.seeds):
        return "has a seed twice"
    if any(len(item.values) != len(row.seeds) for item in row.findings):
        return f"has {len(row.seeds)} seeds, but another number of values"
    levels = {item.interval.confidence for item in row.findings}
    if len(levels) != 1 or min(levels) < CONFIDENCE:
        return f"has intervals of {', '.join(f'{100 * level:g} %' for level in sorted(levels)) or 'no level'}"
    if {item.criterion.universal for item in row.findings} != {row.kind == THEOREM}:
        return f"is of kind {row.kind}, but its criteria are of another kind"
    try:
        claim = Claim(row.claim, row.section, row.sentence, tuple(item.criterion for item in row.findings))
        numbers = {item.criterion.name: item.numbers for item in row.findings}
        verdict, findings = claim.judge(numbers, confidence=levels.pop())
    except (FeatdynError, ValueError, ArithmeticError) as error:
        return f"cannot be judged: {error}"
    if verdict is not row.verdict:
        return f"says {row.verdict}, but its numbers and bounds give {verdict}"
    if row.multiverse and row.multiverse.verdicts[0] is not verdict:
        return f"says {verdict}, but its multiverse has {row.multiverse.verdicts[0]} as registered"
    differing = [old.criterion.name for old, new in zip(row.findings, findings, strict=True) if not _same(old, new)]
    return f"has results for {', '.join(differing)} that do not follow from its numbers" if differing else ""


def _same(one: Finding, other: Finding) -> bool:
    """Whether two findings from the same numbers are equal up to rounding."""
    numbers = [
        (found.interval.estimate, found.interval.low, found.interval.high, found.p_value, found.p_against)
        for found in (one, other)
    ]
    near = all(map(_near, *numbers))
    facts = [(found.outcome, found.negligible, found.items, found.interval.seeds) for found in (one, other)]
    return near and facts[0] == facts[1]


def _near(one: Any, other: float | None) -> bool:
    """Whether two numbers are equal up to rounding, or both are None."""
    if one is None or other is None:
        return one is other
    return isinstance(one, int | float) and math.isclose(one, other, rel_tol=_ROUNDING, abs_tol=_ROUNDING**2)


def _plain(value: Any) -> Any:
    """Return a value in JSON's types; a number that is not finite becomes null.

    Raises:
        TypeError: an evidence file cannot hold the value.
    """
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if value is None or isinstance(value, str | int):
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {name: _plain(item) for name, item in explicit(value).items()}
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    raise TypeError(f"an evidence file cannot hold a {type(value).__name__}")
