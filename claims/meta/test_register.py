"""Published evidence was judged by the present register; an edit of the register is detected.

Claims are judged by the present bounds. The fast tier checks here that every fact that a published row has from the
register is still the same.
"""

import functools
import json
import shutil
from collections.abc import Iterable
from pathlib import Path

import pytest

from claims.meta.modules import HERE
from featdyn_core.harness.laboratory import described
from featdyn_core.harness.plan import Cell
from featdyn_core.harness.sweeps import all_rows
from featdyn_core.register.reading import load_register
from featdyn_core.register.sweeps import load_sweeps
from featdyn_core.verdicts.documents import read_evidence
from featdyn_core.verdicts.evidence import Evidence

PUBLISHED = sorted((HERE.parent / "evidence").glob("*/evidence.json"))

FACTS = (
    *("section", "sentence", "title", "rival_of", "kind", "extension", "tier", "family", "effect"),
    *("seeds", "windows", "protocol", "seen", "here", "exploratory"),
)
"""Facts that a row has from the register; known findings are left out, because they came later."""


read = functools.cache(read_evidence)


@functools.cache
def rows_of(folder: Path) -> dict[str, Cell]:
    """Return the rows of a register by id, with the sweeps that are here."""
    register = load_register(folder)
    return {row.id: row for row in all_rows(register, load_sweeps(HERE / "sweeps", register))}


def edited(evidence: Iterable[Evidence], rows: dict[str, Cell]) -> dict[str, list[str]]:
    """Return the rows of evidence that differ from the present register, with the names of the differences."""
    found = {}
    for row in evidence:
        names = ["the row itself"]
        if cell := rows.get(row.id):
            today = json.loads(json.dumps(described(cell)))
            told = {name: json.loads(json.dumps(getattr(row, name))) for name in FACTS}
            names = [name for name in FACTS if told[name] != today[name]]
            criteria = {finding.criterion for finding in row.findings}
            names += ["criteria"] * bool(criteria and criteria != set(cell.claim.criteria))
        if names:
            found[row.id] = names
    return found


@pytest.mark.fast
@pytest.mark.parametrize("path", PUBLISHED, ids=lambda path: path.parent.name)
def test_published_evidence_is_of_todays_register(path: Path) -> None:
    found = edited(read(path), rows_of(HERE / "register"))
    assert not found, f"the register was edited since {path} was written; publish anew, or put it back"


def test_there_is_published_evidence() -> None:
    assert PUBLISHED


EDITS = {
    "bound": ("memory-window", "above = 0.95\neach", "above = 0.94\neach", "criteria"),
    "wording": ("memory-window", "across the window (s its first", "in the window (s its first", "criteria"),
    "sentence": ("memory-window", "is moderate.", "is small.", "sentence"),
    "window": ("memory-window", "small = { memory = [14, 28] }", "small = { memory = [18, 28] }", "windows"),
    "shared number": ("scales", "planted_draws = 150", "planted_draws = 151", "protocol"),
    "images": ("scales", "images = 500", "images = 499", "protocol"),
}


@pytest.mark.parametrize(("name", "before", "after", "told"), EDITS.values(), ids=EDITS)
def test_an_edit_of_the_register_is_noticed(tmp_path: Path, name: str, before: str, after: str, told: str) -> None:
    shutil.copytree(HERE / "register", tmp_path / "register")
    path = tmp_path / "register" / f"{name}.toml"
    text = path.read_text(encoding="utf-8")
    assert before in text
    path.write_text(text.replace(before, after), encoding="utf-8")
    evidence = [row for source in PUBLISHED for row in read(source)]
    found = edited(evidence, rows_of(tmp_path / "register"))
    assert any(told in names for names in found.values())
    assert name == "scales" or all(row.startswith(f"{name}-") for row in found)
