"""The last screen of a run: counts of verdicts, what is new, what was not run and why, and the next command."""

import textwrap
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from featdyn_core.report import wording
from featdyn_core.verdicts.claim import Verdict
from featdyn_core.verdicts.evidence import Evidence

FEW = 12
"""A run shows the numbers of each row up to this many rows; of more rows only with ``-v``."""

ADVICE = (
    "INVALID says nothing about the claim. If a control is undecided, use more seeds or more images. If it fails, the "
    "claim cannot be tested on these networks: train longer, use a smaller rate, or choose later checkpoints."
)
"""What to change where a control does not hold."""

_INDENT = "  "


def closing(rows: Sequence[Evidence], width: int) -> list[str]:
    """Return the lines of the last screen, none longer than the terminal, without the paths of written files.

    Args:
        rows: all expected rows of the run.
        width: width of the terminal, in characters.
    """
    asked = [row for row in rows if row.verdict is not Verdict.DESELECTED]
    found = [
        *counts(asked),
        "",
        *_listed("changed against known findings", [row for row in asked if row.changed], _changed),
        *_listed("not known before", filter(wording.is_new, asked), _with_reason),
        *_listed("stopped by a fault", (row for row in asked if row.verdict is Verdict.ERROR), _with_reason),
        *([ADVICE] if any(row.verdict is Verdict.INVALID and wording.is_new(row) for row in asked) else []),
        *_not_run(asked),
        *_remarked(rows),
    ]
    if not any(row.changed or wording.is_new(row) or row.verdict is Verdict.ERROR for row in asked):
        found.insert(len(counts(asked)) + 1, "no verdict differs from known findings")
    return [part for line in found for part in _wrapped(line, width)]


def counts(rows: Sequence[Evidence]) -> list[str]:
    """Return a table with the number of rows of each verdict, one column per scale, without extensions."""
    counted = Counter((row.verdict, _group(row)) for row in rows if not row.extension)
    groups = list(dict.fromkeys(_group(row) for row in rows if not row.extension))
    verdicts = [verdict for verdict in Verdict if any(counted[verdict, group] for group in groups)]
    first = max(map(len, verdicts), default=0)
    head = " " * first + "".join(f"{_INDENT}{group}" for group in groups)
    return [head] * bool(groups) + [
        f"{verdict:<{first}}" + "".join(f"{_INDENT}{counted[verdict, group] or '.':>{len(group)}}" for group in groups)
        for verdict in verdicts
    ]


def _group(row: Evidence) -> str:
    """Return the scale of a row, with a word that distinguishes sweeps and rows trained during the run."""
    return f"{row.scale}, sweep" if row.variation else wording.scale_here(row)


def _listed(title: str, rows: Iterable[Evidence], line: Callable[[Evidence], str]) -> list[str]:
    found = [_INDENT + line(row) for row in rows]
    return [f"{title}: {len(found)}", *found] if found else []


def _name(row: Evidence) -> str:
    return f"{row.claim} on {row.subject} ({wording.scale(row)})"


def _changed(row: Evidence) -> str:
    return f"{_name(row)}: {wording.verdict(row)}"


def _with_reason(row: Evidence) -> str:
    said = row.reason or row.why
    return f"{_name(row)}: {row.verdict}" + (f", {said}" if said else "")


def _not_run(rows: Sequence[Evidence]) -> list[str]:
    """List what was not run; rows with the same reason share a line."""
    reasons: dict[str, list[str]] = {}
    for row in rows:
        if row.verdict is Verdict.NOT_RUN:
            reasons.setdefault(row.reason, []).append(_name(row))
    return [
        line for reason, names in reasons.items() for line in (f"not run: {', '.join(names)}", f"{_INDENT}{reason}")
    ]


def _remarked(rows: Sequence[Evidence]) -> list[str]:
    """Return remarks about rows in the counts, and how many rows are not in them."""
    seen = sum(row.seen and row.verdict.decided for row in rows)
    here, equal = (sum(row.bits in bits for row in rows) for bits in (("equal", "other"), ("equal",)))
    left = sum(row.verdict is Verdict.DESELECTED for row in rows)
    return [
        *([f"trained here, bit for bit as published: {equal} of {here}"] if here else []),
        *([f"decided on seeds seen before: {seen}"] if seen else []),
        *([f"not selected: {left} of {len(rows)} rows"] if left else []),
    ]


def _wrapped(line: str, width: int) -> list[str]:
    """Break a line at the terminal's width; an indented line stays indented."""
    indent = line[: len(line) - len(line.lstrip())] + _INDENT
    after = indent[: max(0, width - 1)]
    return textwrap.wrap(line, width, subsequent_indent=after, break_on_hyphens=False) or [""]
