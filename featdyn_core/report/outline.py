"""What the report shows and in which order: runs, claims with their rivals beside them, rows."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from featdyn_core.report import wording
from featdyn_core.report.columns import Line, lines
from featdyn_core.report.multiverse import SpecificationPanel
from featdyn_core.report.panels import Multiples
from featdyn_core.report.planes import PlanePanel
from featdyn_core.verdicts.claim import Verdict
from featdyn_core.verdicts.criterion import Finding, Role
from featdyn_core.verdicts.documents import Document
from featdyn_core.verdicts.evidence import Evidence

Place = tuple[str, str, str]
"""Where a row was decided: the name of its run, its subject, and its scale in words."""

EVERYWHERE, AS_REGISTERED = "SUPPORTED wherever decided", "SUPPORTED as registered, but not in every sweep"
SOMEWHERE, NEITHER = "REFUTED somewhere", "neither: INCONCLUSIVE, EQUIVALENT or INVALID somewhere"
IN_SWEEPS, NOWHERE = "decided only in sweeps", "decided nowhere"
FARED = EVERYWHERE, AS_REGISTERED, SOMEWHERE, NEITHER, IN_SWEEPS, NOWHERE
"""The results of a claim over its rows, in the order of the summary."""

Figure = Multiples | PlanePanel | SpecificationPanel
"""What a page draws."""

Draw = Callable[[Evidence], list[Figure]]
"""Row to its figures."""


@dataclass(frozen=True)
class Head:
    """What the page says about a run above its rows.

    Attributes:
        name: name of the run's evidence file, empty if there is only one.
        title: title of the paper.
        arxiv: its number there.
        facts: name of a fact to its value.
    """

    name: str
    title: str
    arxiv: str
    facts: dict[str, str]


@dataclass(frozen=True)
class Entry(Line):
    """One row as the page shows it.

    Attributes:
        figures: figures of the row, laid out.
        anchor: the target of links to the row.
    """

    figures: list[Figure]
    anchor: str

    @property
    def place(self) -> Place:
        """Where it was decided."""
        return self.run, self.row.subject, wording.scale(self.row)

    @property
    def makers(self) -> dict[str, list[str]]:
        """Fact to its values: for the run that judged the row, then for each that measured; without empty facts."""
        makers = [self.row.environment, *self.row.measured]
        names = dict.fromkeys(name for maker in makers for name in maker)
        found = {name: [str(maker.get(name, "")) for maker in makers] for name in names}
        return {name: values for name, values in found.items() if any(values)}

    @property
    def groups(self) -> dict[str, tuple[Finding, ...]]:
        """Findings by their role, in the order of the page; without empty groups."""
        reported = self.row.of(Role.REPORTED)
        groups = {
            "Decides": self.row.of(Role.DECIDES),
            "The paper's own number or test, only reported": tuple(x for x in reported if x.criterion.paper),
            "Controls: worlds in which the claim is false": self.row.of(Role.CONTROL),
            "Reported": tuple(x for x in reported if not x.criterion.paper),
        }
        return {title: found for title, found in groups.items() if found}


@dataclass(frozen=True)
class Chapter:
    """One claim with all of its rows.

    Attributes:
        claim: its id.
        entries: its rows of the register, decided or not.
        swept: its rows of sweeps, decided or not.
        rivals: the claims that test it more strictly.
    """

    claim: str
    entries: tuple[Entry, ...]
    swept: tuple[Entry, ...] = ()
    rivals: tuple["Chapter", ...] = ()

    @property
    def first(self) -> Evidence:
        """The row that says what the claim is."""
        return (self.entries or self.swept)[0].row

    @property
    def sentences(self) -> dict[str, str]:
        """What the claim says, each sentence once, and the section that it is from."""
        found: dict[str, str] = {}
        for entry in self.decided + self.swept:
            found.setdefault(entry.row.sentence, entry.row.section)
        return found

    @property
    def shown(self) -> bool:
        """Whether numbers were judged, as registered or in a sweep."""
        return any(entry.row.verdict.decided for entry in self.entries + self.swept)

    @property
    def decided(self) -> tuple[Entry, ...]:
        """The rows of the register on which numbers were judged."""
        return tuple(entry for entry in self.entries if entry.row.verdict.decided)

    @property
    def sweep_counts(self) -> dict[Verdict, int]:
        """Verdict to its number of rows in sweeps, of verdicts on judged numbers that occur."""
        counted = Counter(entry.row.verdict for entry in self.swept)
        return {verdict: counted[verdict] for verdict in Verdict if verdict.decided and counted[verdict]}

    @property
    def fared(self) -> str:
        """The result of the claim over its rows, in words: one of ``FARED``."""
        registered, swept = {entry.row.verdict for entry in self.decided}, set(self.sweep_counts)
        if not registered:
            return IN_SWEEPS if swept else NOWHERE
        if registered == {Verdict.SUPPORTED}:
            return EVERYWHERE if swept <= {Verdict.SUPPORTED} else AS_REGISTERED
        return SOMEWHERE if Verdict.REFUTED in registered else NEITHER

    def at(self, place: Place) -> tuple[Entry, ...]:
        """Return the rows of a place."""
        return tuple(entry for entry in self.entries if entry.place == place)


def head(name: str, run: Document) -> Head:
    """Return what the file of a run says about it; facts that are not text, after edits by hand, are left out."""
    judge = next((row.environment for row in run.rows), {})
    environment = run.facts.get("environment") or judge
    command = run.facts.get("command")
    facts = {
        "date": _at(run.facts, "written"),
        "version": " ".join(filter(None, ("featdyn", _at(environment, "featdyn")))) if environment else "",
        "commit": _at(environment, "commit"),
        "machine": ", ".join(filter(None, (_at(environment, "machine"), _at(environment, "host")))),
        "register": _at(run.facts, "register") or run.rows[0].register,
        "command": " ".join(map(str, command)) if isinstance(command, list) else "",
    }
    title, arxiv = (_at(run.facts, "paper", part) for part in ("title", "arxiv"))
    return Head(name, title, arxiv, {word: fact for word, fact in facts.items() if fact})


def _at(facts: object, *path: str) -> str:
    """Return the text at a path in the facts of a run; empty if there is none."""
    for part in path:
        facts = facts.get(part) if isinstance(facts, dict) else None
    return facts if isinstance(facts, str) else ""


def entries(run: str, rows: Sequence[Evidence], draw: Draw, start: int = 0) -> list[Entry]:
    """Return the rows of a run as entries, with anchors that count from ``start``."""
    return [
        Entry(line.row, line.holm, run, draw(line.row), f"row-{number}")
        for number, line in enumerate(lines(rows, run), start)
    ]


def chapters(found: Iterable[Entry]) -> list[Chapter]:
    """Return the claims in the order of their rows, each followed by its rivals, which are chapters as well."""
    rows: dict[str, list[Entry]] = {}
    for entry in found:
        rows.setdefault(entry.row.claim, []).append(entry)

    def chapter_of(claim: str, rivals: tuple[Chapter, ...] = ()) -> Chapter:
        entries = rows[claim]
        registered, swept = (tuple(x for x in entries if bool(x.row.variation) is varied) for varied in (False, True))
        return Chapter(claim, registered, swept, rivals)

    single = {claim: chapter_of(claim) for claim in rows}
    ordered: list[Chapter] = []
    for claim, chapter in single.items():
        if chapter.first.rival_of not in single:  # a claim of the paper, or the rival of an absent claim
            rivals = tuple(rival for rival in single.values() if rival.first.rival_of == claim)
            ordered += [chapter_of(claim, rivals), *rivals]
    return ordered


def places(found: Iterable[Entry]) -> list[Place]:
    """Return the places where claims were decided, each once."""
    return list(dict.fromkeys(entry.place for entry in found if entry.row.verdict.decided))


def counts(found: Sequence[Entry]) -> dict[Verdict, int]:
    """Return each verdict that occurs with its number of rows; extensions of the paper are not counted."""
    counted = [entry.row.verdict for entry in found if not entry.row.extension]
    numbers = {verdict: counted.count(verdict) for verdict in Verdict}
    return {verdict: number for verdict, number in numbers.items() if number}


def summary(found: Sequence[Chapter]) -> dict[str, list[Chapter]]:
    """Return the claims grouped by their results, without empty groups."""
    groups = {words: [chapter for chapter in found if chapter.fared == words] for words in FARED}
    return {words: chapters for words, chapters in groups.items() if chapters}


def makers(found: Iterable[Entry]) -> list[dict[str, list[str]]]:
    """Return who judged and who measured, each once, for all rows on which numbers were judged."""
    tables: list[dict[str, list[str]]] = []
    for entry in found:
        if entry.row.verdict.decided and entry.makers and entry.makers not in tables:
            tables.append(entry.makers)
    return tables


def provenance(found: Iterable[Entry]) -> dict[str, list[tuple[str, str]]]:
    """Return name and digest of everything that the rows were read from, by kind and each once."""
    kinds: dict[str, dict[tuple[str, str], None]] = {}
    for row in (entry.row for entry in found):
        checkpoints = {
            f"{name}, {part}": digest for name, digests in row.checkpoints.items() for part, digest in digests.items()
        }
        parts = {"data": row.data, "recipes": row.recipes, "checkpoints": checkpoints}
        for kind, digests in parts.items():
            kinds.setdefault(kind, {}).update(dict.fromkeys(digests.items()))
    return {kind: list(digests) for kind, digests in kinds.items() if digests}
