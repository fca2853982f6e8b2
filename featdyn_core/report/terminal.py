"""Evidence for the terminal: a table as lines of plain text."""

import textwrap
from collections.abc import Sequence

from featdyn_core.errors import EvidenceError
from featdyn_core.report import wording
from featdyn_core.report.columns import Line, Table, filled, legend, lines
from featdyn_core.verdicts.claim import Verdict
from featdyn_core.verdicts.evidence import Evidence

_INDENT = "  "

_IN_ACCORD = "(…) known finding of the register, from more seeds or another machine; the verdict does not contradict it"

_FIRST = 11
"""Letters that the first column keeps before other columns are left out: enough to distinguish claims."""


def terminal_table(rows: Sequence[Evidence], width: int) -> list[str]:
    """Return the rows as lines of plain text, none longer than the terminal.

    Each row has two lines: the verdict, and the criterion that it depends on (``Evidence.hinge``) with its interval,
    bound, worst seed and number of seeds that hold. Remarks follow in full, including the reason why a row was not
    run. The meanings of the marks come last. Rows that were not selected have no line.

    Args:
        rows: in the order to show them.
        width: width of the terminal, in characters.

    Raises:
        EvidenceError: there are no rows.
    """
    if not rows:
        raise EvidenceError("there is no evidence to show: run the claims first, such as with pytest -m fast")
    shown = [line for line in lines(rows) if line.row.verdict is not Verdict.DESELECTED]
    heads = _aligned(Table.TERMINAL, shown, width)
    details = _aligned(Table.DETAIL, shown, width - len(_INDENT)) or [""] * len(heads)
    reasons = ["", *(wording.remarks(line.row) for line in shown)]
    found = []
    for head, detail, reason in zip(heads, details, reasons, strict=True):
        found += [head, _INDENT + detail] if detail else [head]
        found += textwrap.wrap(reason, width, initial_indent=_INDENT, subsequent_indent=_INDENT)
    if any(line.row.in_accord for line in shown):
        found += textwrap.wrap(_IN_ACCORD, width, subsequent_indent=_INDENT)
    for mark, meaning in legend(shown).items():
        found += textwrap.wrap(f"{mark} {meaning}", width, subsequent_indent=_INDENT)
    return [line[:width] for line in found]


def _aligned(table: Table, shown: Sequence[Line], width: int) -> list[str]:
    """Align the columns of a table, titles first; shorten the first column and leave others out to fit the width."""
    chosen = filled(table, shown)
    if not chosen:
        return []
    cells = [[column.heading(shown), *map(column.text, shown)] for column in chosen]
    spaces = {at: max(map(len, column)) for at, column in enumerate(cells)}

    def excess() -> int:
        return sum(spaces.values()) + len(_INDENT) * (len(spaces) - 1) - width

    dispensable = {at: column.keep for at, column in enumerate(chosen) if column.keep is not None}
    for at in sorted(dispensable, key=lambda at: dispensable[at]):
        if excess() > max(0, spaces[0] - _FIRST):
            del spaces[at]
    spaces[0] = max(1, spaces[0] - max(0, excess()))
    return [
        _INDENT.join(_cell(cells[at][line], space, right=chosen[at].right) for at, space in spaces.items()).rstrip()
        for line in range(len(shown) + 1)
    ]


def _cell(text: str, space: int, *, right: bool) -> str:
    if len(text) > space:  # names of related claims differ at their ends
        text = f"{text[: space // 2]}…{text[len(text) - (space - space // 2 - 1) :]}"
    return text.rjust(space) if right else text.ljust(space)
