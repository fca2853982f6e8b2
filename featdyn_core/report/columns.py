"""The columns of tables of rows: one list for the terminal, Markdown, the HTML report, CSV and JUnit files.

A new column is one line of ``COLUMNS``.
"""

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from featdyn_core.report import wording
from featdyn_core.verdicts.criterion import Finding
from featdyn_core.verdicts.evidence import Evidence
from featdyn_core.verdicts.families import Adjusted, adjusted_p_values


class Table(enum.Flag):
    """Where a column is shown."""

    TERMINAL = enum.auto()  # the first line of a row
    DETAIL = enum.auto()  # the second line of a row in the terminal
    MARKDOWN = enum.auto()
    HTML = enum.auto()
    UNDECIDED = enum.auto()  # the list, in Markdown and HTML, of rows without a decision
    CSV = enum.auto()
    JUNIT = enum.auto()


_ON_PAGES = Table.MARKDOWN | Table.HTML
_READERS = Table.TERMINAL | _ON_PAGES
_NUMBERS = Table.DETAIL | Table.MARKDOWN | Table.HTML
_PROGRAMS = Table.CSV | Table.JUNIT


@dataclass(frozen=True)
class Line:
    """A row and what its columns need besides it.

    Attributes:
        row: the row.
        holm: its p-values, adjusted within its family.
        run: name of the run's evidence file, empty if there is only one.
    """

    row: Evidence
    holm: Adjusted
    run: str

    @property
    def hinge(self) -> Finding | None:
        """The finding that the verdict depends on (see ``Evidence.hinge``)."""
        return self.row.hinge

    @property
    def holm_p(self) -> float | None:
        """The adjusted p-value of the row's verdict."""
        return self.holm.of(self.row)

    @property
    def marks(self) -> str:
        """The marks after its verdict (see ``wording.MARKS``)."""
        return wording.marks(self.row, self.holm)

    def marked(self, verdict: str) -> str:
        """Return a wording of its verdict, followed by its marks."""
        return " ".join(filter(None, [verdict, self.marks]))


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        name: its title, unique in a table.
        value: takes a line and returns the content; None for an empty cell.
        tables: where it is shown.
        keep: in a terminal that is too narrow, columns with the smallest number go first; None is never left out.
        right: whether it is aligned to the right.
        look: how it is drawn: ``text``; ``words``, which may wrap; ``claim``, a link on a page and code in Markdown;
            ``verdict``, a badge on a page; ``numbers``, with a strip on a page; ``shares``, a bar on a page.
        title: takes the rows and returns a longer title.
    """

    name: str
    value: Callable[[Line], object]
    tables: Table = _READERS | Table.CSV
    keep: int | None = None
    right: bool = False
    look: str = "text"
    title: Callable[[Sequence[Evidence]], str] | None = None

    def text(self, line: Line) -> str:
        """Return the text of a cell; empty if the line has no value."""
        value = self.value(line)
        return "" if value is None else repr(value) if isinstance(value, float) else str(value)

    def heading(self, lines: Sequence[Line]) -> str:
        """Return the title above some lines."""
        return self.title([line.row for line in lines]) if self.title else self.name


def _of_hinge(value: Callable[[Finding], object]) -> Callable[[Line], object]:
    """Return a function of a line's hinge; its value is None if nothing was judged."""

    def ask(line: Line) -> object:
        hinge = line.hinge
        return None if hinge is None else value(hinge)

    return ask


def _number_of_seeds(line: Line) -> str:
    return str(len(line.row.seeds)) if line.row.findings else wording.NOTHING


COLUMNS: tuple[Column, ...] = (
    Column("row", lambda line: line.row.id, Table.CSV),
    Column("claim", lambda line: line.row.claim, _READERS | Table.UNDECIDED | _PROGRAMS, look="claim"),
    Column("section", lambda line: line.row.section, Table.CSV),
    Column("run", lambda line: line.run, Table.HTML | Table.UNDECIDED | Table.CSV),
    Column("subject", lambda line: line.row.subject, _READERS | Table.UNDECIDED | _PROGRAMS),
    Column("tier", lambda line: line.row.tier, Table.CSV),
    Column("scale", lambda line: wording.where(line.row), Table.TERMINAL, keep=6),
    Column("scale", lambda line: wording.scale_here(line.row), Table.MARKDOWN),
    Column("scale", lambda line: line.row.scale, Table.HTML | Table.UNDECIDED | _PROGRAMS),
    Column("variation", lambda line: line.row.variation, _ON_PAGES | Table.UNDECIDED | _PROGRAMS),
    Column("verdict", lambda line: line.row.verdict, _PROGRAMS),
    Column("verdict", lambda line: line.marked(line.row.verdict), Table.MARKDOWN),
    Column("verdict", lambda line: line.marked(wording.short_verdict(line.row)), Table.TERMINAL),
    Column(
        "verdict",
        lambda line: line.marked(wording.verdict(line.row)),
        Table.HTML | Table.UNDECIDED,
        look="verdict",
    ),
    Column("multiverse", lambda line: wording.multiverse(line.row), _READERS | Table.CSV, keep=0, look="shares"),
    Column("known", lambda line: line.row.known, Table.CSV),
    Column("note", lambda line: wording.note(line.row), Table.CSV),
    Column("decided by", _of_hinge(lambda found: found.criterion.name), _NUMBERS, look="words"),
    Column(
        "estimate",
        _of_hinge(wording.interval),
        _NUMBERS,
        look="numbers",
        title=lambda rows: f"estimate [{wording.coverage(rows)}]",
    ),
    Column("bound", _of_hinge(wording.bound), _NUMBERS),
    Column("worst seed", _of_hinge(lambda found: wording.number(found.worst)), _NUMBERS, keep=1),
    Column("hold", _of_hinge(wording.seeds_that_hold), _NUMBERS, keep=2),
    Column("worst", _of_hinge(lambda found: float(found.worst)), _PROGRAMS),
    Column("holds_on", _of_hinge(lambda found: found.on_right_side), _PROGRAMS),
    Column("criterion", _of_hinge(lambda found: found.criterion.name), _PROGRAMS),
    Column("holds", _of_hinge(lambda found: found.criterion.direction), _PROGRAMS),
    Column("estimate", _of_hinge(lambda found: float(found.interval.estimate)), _PROGRAMS),
    Column("low", _of_hinge(lambda found: float(found.interval.low)), _PROGRAMS),
    Column("high", _of_hinge(lambda found: float(found.interval.high)), _PROGRAMS),
    Column("bound", _of_hinge(lambda found: float(found.criterion.bound)), _PROGRAMS),
    Column("p", lambda line: line.row.p_value, Table.CSV),
    Column("control", lambda line: wording.control(line.row), Table.TERMINAL | Table.HTML | Table.CSV, keep=3),
    Column("seeds", _number_of_seeds, Table.TERMINAL | Table.HTML, keep=2, right=True),
    Column("seeds", lambda line: " ".join(map(str, line.row.seeds)), Table.CSV),
    Column("Holm p", lambda line: wording.p_value(line.holm_p), Table.TERMINAL | Table.HTML, keep=1, right=True),
    Column("holm_p", lambda line: line.holm.p_value, _PROGRAMS),
    Column("holm_p_against", lambda line: line.holm.p_against, _PROGRAMS),
    Column("marks", lambda line: line.marks or None, _PROGRAMS),
    Column("reproduction", lambda line: wording.reproduction(line.row), Table.HTML, look="words"),
    Column("remarks", lambda line: wording.remarks(line.row), Table.HTML, look="words"),
    Column("reason", lambda line: wording.remarks(line.row), Table.UNDECIDED | Table.CSV, look="words"),
)


def lines(rows: Sequence[Evidence], run: str = "") -> list[Line]:
    """Return all rows of a run as lines, with p-values adjusted among them."""
    return [Line(row, holm, run) for row, holm in zip(rows, adjusted_p_values(rows), strict=True)]


def columns(table: Table) -> list[Column]:
    """Return the columns of a table."""
    return [column for column in COLUMNS if table in column.tables]


def legend(shown: Sequence[Line]) -> dict[str, str]:
    """Return the marks of some lines with their meanings."""
    return wording.legend(line.marks for line in shown)


def filled(table: Table, shown: Sequence[Line]) -> list[Column]:
    """Return the columns of a table that are not empty for all of the lines."""
    return [column for column in columns(table) if any(column.text(line) for line in shown)]
