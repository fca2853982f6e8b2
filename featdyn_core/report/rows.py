"""The rows of an evidence file, for notebooks and scripts: one row by its id, or all rows as a table."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from featdyn_core.display import html_table
from featdyn_core.errors import EvidenceError, FeatdynError
from featdyn_core.report.columns import Table, columns, filled, lines
from featdyn_core.tables import unknown
from featdyn_core.verdicts.documents import read_document
from featdyn_core.verdicts.evidence import Evidence

if TYPE_CHECKING:
    import pandas


_IN_THE_ID = ("claim", "subject", "scale", "variation")
"""Columns that the id of a row contains; the id also distinguishes replayed rows from measured ones."""


class Rows(tuple[Evidence, ...]):
    """Rows of evidence, in the order of the file.

    Examples:
        >>> row = Evidence("memory-window", "4.2", "digits", "fast", "small", Verdict.NOT_RUN, reason="no data")
        >>> Rows([row]).row("memory-window-small-digits").reason
        'no data'
    """

    __slots__ = ()

    def row(self, name: str) -> Evidence:
        """Return a row by its id, such as ``memory-window-small-digits-replayed``.

        Raises:
            EvidenceError: there is no such row.
        """
        found = {row.id: row for row in self}
        if name not in found:
            raise EvidenceError(unknown("row", name, found, "the rows are"))
        return found[name]

    def to_frame(self) -> "pandas.DataFrame":
        """Return a table with one line per row, indexed by its id, and the columns of ``featdyn report --csv``.

        Estimates, ends of intervals, bounds and p-values are numbers, and missing where nothing was judged. ``holm_p``
        is adjusted among all of these rows.

        Raises:
            FeatdynError: pandas is not installed.
        """
        try:
            import pandas
        except ImportError as error:
            raise FeatdynError(
                "a table of evidence needs pandas; install featdyn[pandas], or write the same table with "
                "featdyn report --csv"
            ) from error
        shown, chosen = lines(self), columns(Table.CSV)
        table = {column.name: [column.value(line) for line in shown] for column in chosen if column.name != "run"}
        return pandas.DataFrame(table).set_index("row")

    def __repr__(self) -> str:
        return f"<Rows: {len(self)} of {len({row.claim for row in self})} claims>"

    def _repr_html_(self) -> str:
        shown = lines(self)
        chosen = [column for column in filled(Table.MARKDOWN, shown) if column.name not in _IN_THE_ID]
        titles = ["row", *(column.heading(shown) for column in chosen)]
        return html_table(titles, [[line.row.id, *(column.text(line) for column in chosen)] for line in shown])


def read_evidence(path: str | os.PathLike[str]) -> Rows:
    """Return the rows of an evidence file, whose numbers are judged again.

    It raises an ``EvidenceError`` if the file is missing or damaged, or if a row does not follow from its own numbers
    and bounds.

    Args:
        path: path of the file, such as ``evidence.json``.

    Examples:
        >>> read_evidence("evidence/fast-cpu/evidence.json").row("theorem-2-small-worlds")
        <Evidence: row theorem-2-small-worlds, verdict SUPPORTED, seeds 5, why no counter-example in 500 worlds>
    """
    return Rows(read_document(Path(path)).rows)
