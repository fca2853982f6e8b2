"""Shares of verdicts next to the verdict, and the specification curve."""

import csv
import re
from xml.etree import ElementTree

import pytest

from featdyn_core.errors import EvidenceError
from featdyn_core.report.folders import write_figures
from featdyn_core.report.html import write_html
from featdyn_core.report.multiverse import multiverse_lines, specification_csv, specification_files, specification_panel
from featdyn_core.report.terminal import terminal_table
from featdyn_core.verdicts.claim import Claim, Verdict
from featdyn_core.verdicts.criterion import Criterion, Role
from featdyn_core.verdicts.documents import read_evidence, write_evidence
from featdyn_core.verdicts.evidence import Evidence
from featdyn_core.verdicts.multiverse import REGISTERED, SHOWN, Multiverse

HOLDS, SAME, OPEN, FAILS, BROKEN = SHOWN

CRITERIA = (Criterion("effect", "", "above", 0.5), Criterion("null", "", "below", 0.1, Role.CONTROL))
CLAIM = Claim("demo", "1", "It holds.", CRITERIA)


def made(verdicts=(HOLDS, HOLDS, HOLDS, SAME, OPEN, FAILS, BROKEN, BROKEN)):
    dimensions = {"bound": (REGISTERED, "low"), "cut": (REGISTERED, "inner"), "split": (REGISTERED, "training")}
    reach = (1.5, 2.0, 3.0, 0.1, 0.5, -2.0, -3.0, 10.0)
    return Multiverse(dimensions, verdicts, reach, ("effect",) * 8)


def row(claim="demo", **changes):
    verdict, findings = CLAIM.judge({"effect": [0.9, 0.91, 0.92], "null": [0.0, 0.01, 0.02]})
    fields = {
        "verdict": verdict,
        "findings": findings,
        "seeds": (0, 1, 2),
        "multiverse": made(),
        "sentence": "It holds.",
    }
    return Evidence(claim, "1", "digits", "fast", "small", **fields | changes)


# The table of the command


def test_table_has_the_shares_of_each_row():
    head, line, _, *note = multiverse_lines([row(), row(multiverse=None)], 80)
    assert head.split() == ["row", "specs", "S", "E", "I", "R", "INV", "verdict"]
    assert line.split() == ["demo", "digits", "(small)", "8", "38", "12", "12", "12", "25", "SUPPORTED"]
    assert "the others decide nothing" in " ".join(note)


@pytest.mark.parametrize("width", [60, 80])
def test_no_line_is_longer_than_the_terminal(width):
    lines = multiverse_lines([row("a-claim-of-a-name-" + "long-" * 12), row(verdict=Verdict.INCONCLUSIVE)], width)
    assert max(map(len, lines)) <= width
    assert lines[1].startswith("a-claim-of-a")
    assert "…" in lines[1]


# The curve


def test_a_page_shows_every_specification_and_choice():
    panel = specification_panel(made())
    assert panel.size == (8, 120 + 6 * 16)
    assert panel.choices == ["bound: as registered", "bound: low", "cut: as registered", "cut: inner",
                             "split: as registered", "split: training"]  # fmt: skip
    assert {verdict: (dots.count("h0"), marks.count("M")) for verdict, (dots, marks) in panel.marks.items()} == {
        HOLDS: (3, 9),
        SAME: (1, 3),
        OPEN: (1, 3),
        FAILS: (1, 3),
        BROKEN: (2, 6),
    }
    assert panel.registered == f"M40 {round(10 * panel.y.place(1.5))}h0", "fifth by its distance to the bound"


def test_verdict_that_none_comes_to_is_not_in_the_legend():
    assert list(specification_panel(made((HOLDS,) * 8)).marks) == [HOLDS]


def test_a_file_of_the_curve_has_every_choice_and_verdict():
    files = specification_files(made(), "demo")
    assert files == specification_files(made(), "demo")
    assert {kind: content[:4] for kind, content in files.items()} == {"png": b"\x89PNG", "svg": b"<?xm", "pdf": b"%PDF"}
    words = "".join(ElementTree.fromstring(files["svg"]).itertext())
    for said in ("8 specifications", "bound: low", f"cut: {REGISTERED}", "split: training", *SHOWN):
        assert said in words


def test_curve_as_a_table_has_a_line_a_specification():
    head, first, *rest = csv.reader(specification_csv(made()).splitlines())
    assert head == ["bound", "cut", "split", "verdict", "reach", "decided by"]
    assert first == [REGISTERED, REGISTERED, REGISTERED, "SUPPORTED", "1.5", "effect"]
    assert rest[-1] == ["low", "inner", "training", "INVALID", "10.0", "effect"]


# Beside the verdict


def test_page_has_a_bar_beside_the_verdict_and_the_curve(tmp_path):
    write_html(tmp_path / "page.html", [row()])
    text = (tmp_path / "page.html").read_text()
    bar = re.search(r'<svg class="shares".*?</svg>', text, re.DOTALL)[0]
    assert re.findall(r'class="(\w+)" x="([\d.]+)%" width="([\d.]+)%"', bar) == [
        ("supported", "0", "37.5"),
        ("equivalent", "37.5", "12.5"),
        ("inconclusive", "50.0", "12.5"),
        ("refuted", "62.5", "12.5"),
        ("invalid", "75.0", "25.0"),
    ]
    assert "<figcaption>specification curve <small>8 specifications" in text


def test_row_without_multiverse_has_neither(tmp_path):
    write_html(tmp_path / "page.html", [row(multiverse=None)])
    text = (tmp_path / "page.html").read_text()
    assert 'svg class="shares"' not in text
    assert "specification curve" not in text


def test_curve_is_among_the_figures(tmp_path):
    written = write_figures(tmp_path, [row()])
    assert {path.relative_to(tmp_path).as_posix() for path in written} == {"index.html"} | {
        f"demo/small-digits-specification-curve.{kind}" for kind in ("png", "svg", "pdf", "csv")
    }


def test_terminal_says_the_shares_where_there_is_space():
    said = "S 38 %, E 12 %, I 12 %, R 12 %, INVALID 25 % of 8"
    assert said in "\n".join(terminal_table([row()], 200))
    assert said not in "\n".join(terminal_table([row()], 80))


# In the evidence


def test_evidence_keeps_it(tmp_path):
    write_evidence(tmp_path / "evidence.json", [row()])
    assert read_evidence(tmp_path / "evidence.json")[0].multiverse == made()


def test_multiverse_of_another_verdict_as_registered_is_reported(tmp_path):
    write_evidence(tmp_path / "evidence.json", [row(multiverse=made((FAILS, *(HOLDS,) * 7)))])
    with pytest.raises(EvidenceError, match="says SUPPORTED, but its multiverse has REFUTED as registered"):
        read_evidence(tmp_path / "evidence.json")
