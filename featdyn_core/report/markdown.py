"""The register and the results as tables in Markdown, for documents and for pages of continuous integration."""

import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from featdyn_core.data.names import SPLITS
from featdyn_core.errors import EvidenceError
from featdyn_core.files import read_text
from featdyn_core.register.register import Entry, Register, Scale
from featdyn_core.report import wording
from featdyn_core.report.columns import Column, Line, Table, filled, legend, lines
from featdyn_core.report.sweeps import sweep_lines, sweep_tables
from featdyn_core.verdicts.claim import EMPIRICAL, Verdict
from featdyn_core.verdicts.criterion import Criterion, Role
from featdyn_core.verdicts.evidence import Evidence


def claims_table(register: Register) -> list[str]:
    """Return the table of claims with their deciding criteria and controls, one row per claim."""
    head = ["| claim | section | holds if | controls |", "|---|---|---|---|"]
    return head + [claim_row(entry, register) for entry in register.entries.values()]


def claim_row(entry: Entry, register: Register) -> str:
    """Return a claim's row, with the bounds of the first scale and subject that it has."""
    scale, subject = next(
        (scale.name, subject) for scale in register.scales.values() for subject in entry.subjects_at(scale)
    )
    criteria = entry.claim(scale, subject).criteria
    asked = {name: one.each for criteria in entry.criteria.values() for name, one in criteria.items()}

    def name(criterion: Criterion) -> str:
        # The name of one criterion may begin with that of another: the longest match is right.
        begins = [whole for whole in asked if f"{criterion.name}, ".startswith(f"{whole}, ")]
        whole = max(begins, key=len, default="")
        whole = whole if asked.get(whole) else ""
        split = next((split for split in SPLITS if criterion.name.endswith(f", {split}")), "")
        each = f"each of the {asked[whole].replace('_', ' ')}" if whole else ""
        return ", ".join(filter(None, [whole, each, split])) if whole else criterion.name

    def bounds(role: Role) -> str:
        said = [f"{name(item)} {wording.asked(item)}" for item in criteria if item.role is role]
        return "; ".join(dict.fromkeys(said))

    return f"| `{entry.id}` | {entry.section} | {bounds(Role.DECIDES)} | {bounds(Role.CONTROL)} |"


def read_meanings(path: Path) -> dict[str, str]:
    """Read the finding of each claim, one sentence per claim.

    Raises:
        EvidenceError: the file is not TOML, or a value is not a text without ``|``.
    """
    try:
        found = tomllib.loads(read_text(path))
    except (OSError, ValueError) as error:
        raise EvidenceError(f"{path} cannot be read ({error}); it should be TOML with one text per claim") from error
    if wrong := [claim for claim, text in found.items() if not isinstance(text, str) or "|" in text]:
        raise EvidenceError(f"{path}: the entry {wrong[0]!r} must be a text without |, because it goes into a table")
    return found


def summary_table(register: Register, rows: Sequence[Evidence], meanings: Mapping[str, str]) -> list[str]:
    """Return one row per claim: the paper's sentence, the verdicts at each scale, the effect, and the meaning.

    Args:
        register: register of the claims.
        rows: evidence.
        meanings: claim to a sentence for the reader.
    """
    titles = ("claim", "the paper says", *map(_heading, register.scales.values()), "effect", "meaning")
    head = [f"| {' | '.join(titles)} |", "|---" * len(titles) + "|"]
    return head + [
        summary_row(
            entry,
            register,
            [row for row in rows if row.claim == entry.id and not row.variation],
            meanings.get(entry.id, ""),
        )
        for entry in register.entries.values()
    ]


def grid_table(register: Register, rows: Sequence[Evidence]) -> list[str]:
    """Return a table of claims by subject: in each cell a sign, and the number that the verdict depends on.

    A column is a subject at a scale on which some claim was decided. A cell is empty if the register does not ask the
    claim of the subject. The signs are ``wording.SYMBOLS``, and ``wording.SEEN_BEFORE`` after the number.

    Args:
        register: register of the claims.
        rows: evidence.
    """
    found = {(row.claim, row.scale, row.subject): row for row in rows if not row.variation}
    decided = {row.subject for row in found.values() if row.verdict.decided}
    shown = [(scale, subject) for scale in register.scales.values() for subject in scale.recipes if subject in decided]
    lines = [
        _joined([f"`{entry.id}`", *(_sign(found, entry, scale, subject) for scale, subject in shown)])
        for entry in register.entries.values()
        if entry.kind == EMPIRICAL
    ]
    return [
        _joined(["claim", *(subject if scale.like else f"{subject}, {scale.name}" for scale, subject in shown)]),
        "|" + "---|" * (len(shown) + 1),
        *lines,
    ]


def _sign(found: Mapping[tuple[str, str, str], Evidence], entry: Entry, scale: Scale, subject: str) -> str:
    """Return one cell of the grid."""
    if subject not in entry.subjects_at(scale):
        return ""
    row = found.get((entry.id, scale.name, subject))
    finding = row.hinge if row else None
    if row is None or finding is None:
        return wording.NOT_RUN
    mark = f" {wording.SEEN_BEFORE}" if row.seen else ""
    return f"{wording.SYMBOLS[row.verdict]} {finding.interval.estimate:.2g}{mark}"


def _heading(scale: Scale) -> str:
    """Return the title of a scale's column: its name, or its subjects if the scale is like another row."""
    return ", ".join(scale.recipes) if scale.like else scale.name


def summary_row(entry: Entry, register: Register, rows: Sequence[Evidence], meaning: str) -> str:
    """Return a claim's row; its effect is the number that decides at the largest decided scale."""
    verdicts = [_verdicts(entry, register, scale, rows) for scale in register.scales]
    decided = [row for scale in register.scales for row in rows if row.scale == scale and row.verdict.decided]
    last = [row for row in decided if row.scale == decided[-1].scale]
    return f"| `{entry.id}` | {entry.sentence} | {' | '.join(verdicts)} | {'; '.join(map(_effect, last))} | {meaning} |"


def _verdicts(entry: Entry, register: Register, scale: str, rows: Sequence[Evidence]) -> str:
    """Return the verdicts at a scale, each with its subject; a dash if the claim has no subject there."""
    known = register.scales[scale].recipes
    found = {row.subject: str(row.verdict) for row in rows if row.scale == scale}
    subjects = [subject for subject in known if subject in entry.subjects]
    decided = [f"{found[subject]} ({subject})" for subject in subjects if found.get(subject, "NOT RUN") != "NOT RUN"]
    return ", ".join(decided) or ("not run" if subjects else wording.NOTHING)


def _effect(row: Evidence) -> str:
    finding = row.hinge
    if finding is None:
        return ""
    return f"{finding.criterion.name} {wording.interval(finding)}, bound {wording.bound(finding)} ({row.subject})"


def results_table(rows: Sequence[Evidence]) -> list[str]:
    """Return one line per decided row, with the number that the verdict depends on (see ``Evidence.hinge``).

    Rows of sweeps are in tables of their own (see ``sweeps.sweep_lines``).
    """
    return _table(Table.MARKDOWN, [line for line in lines(rows) if line.row.verdict.decided and not line.row.variation])


def step_summary(rows: Sequence[Evidence]) -> list[str]:
    """Return a run's summary for a page of continuous integration: counts, what is new, and collapsed tables."""
    counts = Counter(row.verdict for row in rows if not row.extension)
    counted = ", ".join(f"{counts[verdict]} {verdict}" for verdict in Verdict if counts[verdict])
    extending = sum(row.extension for row in rows)
    found = [f"## Claims: {counted}", ""]
    if extending:
        found += [f"Not counted here: rows that extend the paper, {extending}.", ""]
    changed = [f"- **{row.id}**: {wording.verdict(row)}" for row in rows if row.changed]
    new = [f"- **{row.id}**: {row.verdict}, not known before" for row in rows if wording.is_new(row)]
    found += [*changed, *new, ""] if changed or new else ["No verdict differs from known findings.", ""]
    if decided := [row for row in rows if row.verdict.decided and not row.variation]:
        found += _folded(f"{len(decided)} decided rows", results_table(rows))
    for table in sweep_tables(rows):
        found += _folded(f"sweep of {table.subject} at the {table.scale} scale", sweep_lines(table))
    if nothing := [line for line in lines(rows) if not line.row.verdict.decided]:
        found += _folded(f"{len(nothing)} rows without a decision", _table(Table.UNDECIDED, nothing))
    return found


def _folded(title: str, content: Sequence[str]) -> list[str]:
    return [f"<details><summary>{title}</summary>", "", *content, "", "</details>", ""]


def _table(table: Table, shown: Sequence[Line]) -> list[str]:
    """Return lines as a table."""
    chosen = filled(table, shown)
    head = [
        _joined(column.heading(shown) for column in chosen),
        "|" + "|".join("---:" if column.right else "---" for column in chosen) + "|",
    ]
    meanings = [f"{re.escape(mark)} {meaning}" for mark, meaning in legend(shown).items()]
    below = ["", *(f"{meaning}<br>" for meaning in meanings[:-1]), *meanings[-1:]] if meanings else []
    return head + [_joined(_cell(column, line) for column in chosen) for line in shown] + below


def _joined(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(column: Column, line: Line) -> str:
    """Return the text of a column as one cell; signs of Markdown and HTML are escaped."""
    text = re.sub(r"<(?! )", "&lt;", " ".join(column.text(line).replace("|", "\\|").split()))
    return f"`{text}`" if column.look == "claim" else text
