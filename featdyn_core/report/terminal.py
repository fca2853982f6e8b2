"""Evidence for the terminal: a table as lines of plain text."""

import textwrap
from collections.abc import Sequence

from featdyn_core.errors import EvidenceError
from featdyn_core.report import wording
from featdyn_core.report.wording import NOTHING, hinge
from featdyn_core.verdicts.claim import Finding
from featdyn_core.verdicts.evidence import Evidence, adjusted_p_values

_HEAD = ("claim", "subject", "scale", "verdict", "control", "seeds", "Holm p")
_DROPPED = ("seeds", "Holm p", "control", "scale")
"""Columns of the terminal table that are left out, in this order, where the terminal is too narrow."""

_INDENT = "  "


def terminal_table(rows: Sequence[Evidence], width: int) -> list[str]:
    """Return the rows as lines of plain text, none longer than the terminal.

    Two lines a row: what was decided, and the criterion that the verdict hangs on (see ``hinge``) with its
    interval and bound. Where nothing was measured the reason stands instead, in full.

    Args:
        rows: in the order to show them.
        width: of the terminal, in characters.

    Raises:
        EvidenceError: there are no rows.
    """
    if not rows:
        raise EvidenceError("there is no evidence to show: run the claims first, such as with pytest -m fast")
    adjusted = adjusted_p_values(rows)
    heads = _aligned([_HEAD, *(_head(row, holm) for row, holm in zip(rows, adjusted, strict=True))], width)
    titles = "decided by", f"estimate [{wording.coverage(rows)}]", "bound"
    details = _aligned([titles, *(_detail(hinge(row)) for row in rows)], width - len(_INDENT))
    reasons = ["", *(row.reason or row.counter_example for row in rows)]
    lines = []
    for head, detail, reason in zip(heads, details, reasons, strict=True):
        lines += [head, _INDENT + detail] if detail else [head]
        lines += textwrap.wrap(reason, width, initial_indent=_INDENT, subsequent_indent=_INDENT)
    return [line[:width] for line in lines]


def _aligned(table: Sequence[Sequence[str]], width: int) -> list[str]:
    """Align columns, titles first; to fit the width leave some out, then shorten the first."""
    columns = {column[0]: column for column in zip(*table, strict=True)}
    spaces = {title: max(map(len, column)) for title, column in columns.items()}

    def excess() -> int:
        return sum(spaces.values()) + len(_INDENT) * (len(spaces) - 1) - width

    for title in _DROPPED:
        if excess() > 0:
            spaces.pop(title, None)
    first = table[0][0]
    spaces[first] = max(1, spaces[first] - max(0, excess()))
    cells = [[_shorten(cell, space).ljust(space) for cell in columns[title]] for title, space in spaces.items()]
    return [_INDENT.join(line).rstrip() for line in zip(*cells, strict=True)]


def _head(row: Evidence, holm: float | None) -> tuple[str, ...]:
    seeds = str(len(row.seeds)) if row.findings else NOTHING
    words = wording.scale(row), wording.verdict(row), wording.control(row), seeds, wording.p_value(holm)
    return row.claim, row.subject, *words


def _detail(finding: Finding | None) -> tuple[str, ...]:
    return (finding.criterion.name, wording.interval(finding), wording.bound(finding)) if finding else ("", "", "")


def _shorten(text: str, space: int) -> str:
    return text if len(text) <= space else text[: space - 1] + "…"
