"""Tables inside documents, made from the register and from published evidence.

A document has a place for a table between two lines: one that names the table, such as
``<!-- featdyn docs: claims -->``, and ``<!-- end -->``.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from featdyn_core.errors import EvidenceError
from featdyn_core.files import read_text, visible
from featdyn_core.project import REGISTER
from featdyn_core.register.reading import load_register
from featdyn_core.register.register import Register
from featdyn_core.report.markdown import claims_table, grid_table, read_meanings, results_table, summary_table
from featdyn_core.report.sweeps import sweep_lines, sweep_tables
from featdyn_core.verdicts.documents import read_document
from featdyn_core.verdicts.evidence import Evidence

_DOCUMENTS = ("*.md", "docs/*.md", "evidence/*.md")
_EVIDENCE = "evidence/*/evidence.json"
_MEANINGS = Path("evidence") / "meanings.toml"

_END = "<!-- end -->"
_BEGIN = re.compile(r"^<!-- featdyn docs: (.+) -->$", re.MULTILINE)
_PLACE = re.compile(rf"{_BEGIN.pattern}(?s:.*?)^{_END}$", re.MULTILINE)


def tables(root: Path) -> dict[str, list[str]]:
    """Return all tables of a project as lines of Markdown.

    A register that cannot be read is a ``RecipeError``. Published evidence or meanings that cannot be read are an
    ``EvidenceError``, and so is a decided claim without a meaning.

    Args:
        root: the project's folder.

    Returns:
        ``claims``: the criteria of each claim. ``grid``: claims by subject. ``findings``: the finding of each claim,
        with the paper's sentence. ``results``: every decided row once; if a row was both measured and replayed, the
        replayed one. One table such as ``sweep digits, small`` for each subject and scale that was swept, in the order
        of its run. All other tables are in the order of the register.
    """
    register = load_register(root / REGISTER)
    found = [row for path in visible(root, _EVIDENCE) for row in read_document(path).rows]
    published = {_row(row) for row in found if row.replayed}
    rows = [row for row in found if row.replayed or row.variation or _row(row) not in published]
    ordered = sorted(rows, key=lambda row: _place(register, row))
    swept = {f"sweep {table.subject}, {table.scale}": sweep_lines(table) for table in sweep_tables(rows)}
    return {
        "claims": claims_table(register),
        "grid": grid_table(register, ordered),
        "findings": summary_table(register, ordered, _meanings(root, register, rows)),
        "results": results_table(ordered),
        **swept,
    }


def _row(row: Evidence) -> tuple[str, str, str]:
    return row.claim, row.scale, row.subject


def newest_published(root: Path, file: Path) -> Path:
    """Return the newest published evidence file of a project that shares a row with another file.

    Evidence that cannot be read is an ``EvidenceError``.

    Args:
        root: the project's folder.
        file: file of a run.

    Raises:
        EvidenceError: no published file shares a row with it.
    """
    ids = {row.id for row in read_document(file).rows}
    published = {path: read_document(path) for path in visible(root, _EVIDENCE)}
    shared = [path for path, document in published.items() if any(row.id in ids for row in document.rows)]
    if not shared:
        raise EvidenceError(f"no file {_EVIDENCE} of {root} shares a row with {file}; name the file to compare it with")
    return max(shared, key=lambda path: str(published[path].facts.get("written", "")))


def documents(root: Path) -> dict[Path, list[str]]:
    """Return the documents of a project with places for tables, and the names of the tables in each.

    A place without an end and a document that cannot be read are an ``EvidenceError``.
    """
    found = {path: _places(path) for pattern in _DOCUMENTS for path in visible(root, pattern)}
    return {path: names for path, names in found.items() if names}


def outdated(root: Path) -> dict[Path, str]:
    """Return the outdated documents, with their new texts.

    A register that cannot be read is a ``RecipeError``.

    Raises:
        EvidenceError: evidence cannot be read, no document has a place, or a place names an unknown table.
    """
    made, places = tables(root), documents(root)
    if not places:
        raise EvidenceError(
            f"no document of {root} has a place for a table: put a line `<!-- featdyn docs: claims -->` and a line "
            f"`{_END}` into README.md or a file of docs/; tables are {_listed(made)}"
        )
    for path, names in places.items():
        if unknown := [name for name in names if name not in made]:
            raise EvidenceError(f"{path}: there is no table {unknown[0]!r}; tables are {_listed(made)}")
    texts = {path: (read_text(path), _filled(path, made)) for path in places}
    return {path: new for path, (old, new) in texts.items() if old != new}


def _filled(path: Path, made: Mapping[str, Sequence[str]]) -> str:
    """Return a document's text with the tables in their places."""

    def place(found: re.Match[str]) -> str:
        begin, _, _ = found[0].partition("\n")
        return "\n".join([begin, "", *made[found[1]], "", _END])

    return _PLACE.sub(place, read_text(path))


def _places(path: Path) -> list[str]:
    try:
        text = read_text(path)
    except (OSError, ValueError) as error:
        raise EvidenceError(f"{path} cannot be read: {error}") from error
    begun, whole = _BEGIN.findall(text), _PLACE.findall(text)
    if begun != whole:
        raise EvidenceError(f"{path}: each of the places of {', '.join(begun)} needs a line `{_END}` after it")
    return whole


def _place(register: Register, row: Evidence) -> tuple[int, int, int]:
    """Return the place of a row in the order of the register; unknown claims, scales and subjects come last."""
    entries, scale = list(register.entries), register.scales.get(row.scale)
    subjects = list(scale.recipes) if scale else []
    orders = ((entries, row.claim), (list(register.scales), row.scale), (subjects, row.subject))
    claim, size, subject = (order.index(name) if name in order else len(order) for order, name in orders)
    return claim, size, subject


def project_meanings(root: Path) -> dict[str, str]:
    """Return the findings of a project's published evidence, one sentence per claim; empty if it has none.

    A file that cannot be read is an ``EvidenceError``.
    """
    path = root / _MEANINGS
    return read_meanings(path) if path.exists() else {}


def _meanings(root: Path, register: Register, rows: Sequence[Evidence]) -> dict[str, str]:
    """Return the findings of decided claims, one sentence per claim; empty if the project has none.

    Raises:
        EvidenceError: a decided claim has no sentence, or a line names an unknown claim.
    """
    path, found = root / _MEANINGS, project_meanings(root)
    if not path.exists():
        return {}
    decided = dict.fromkeys(row.claim for row in rows if row.verdict.decided)
    if missing := [claim for claim in decided if claim not in found]:
        raise EvidenceError(f"{path} has no finding for the claim {missing[0]!r}: add a line")
    if unknown := [claim for claim in found if claim not in register.entries]:
        raise EvidenceError(f"{path}: the register has no claim {unknown[0]!r}")
    return found


def _listed(made: Mapping[str, object]) -> str:
    return "; ".join(made)
