"""One list of columns makes every table of rows."""

import csv
import dataclasses

import pytest

from featdyn_core.errors import EvidenceError
from featdyn_core.report import columns, wording
from featdyn_core.report.columns import Column, Table
from featdyn_core.report.html import write_csv, write_html
from featdyn_core.report.junit import flat
from featdyn_core.report.markdown import results_table
from featdyn_core.report.terminal import terminal_table
from featdyn_core.tests.report.sample import document, every_verdict, evidence
from featdyn_core.verdicts.claim import Verdict
from featdyn_core.verdicts.documents import read_document, write_evidence
from featdyn_core.verdicts.families import adjusted_p_values

ROWS = every_verdict()


def sheet(path):
    """Rows of a CSV file."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("table", Table)
def test_a_name_occurs_once_in_a_table(table):
    names = [column.name for column in columns.columns(table)]
    assert names
    assert len(set(names)) == len(names)


def test_a_column_of_the_list_is_shown_everywhere(monkeypatch, tmp_path):
    added = Column("tenth of a second", lambda line: f"{10 * line.row.seconds:.0f} tenths")
    monkeypatch.setattr(columns, "COLUMNS", (*columns.COLUMNS, added))
    write_html(tmp_path / "report.html", ROWS)
    write_csv(tmp_path / "rows.csv", ROWS)
    tables = {
        "terminal": "\n".join(terminal_table(ROWS, 200)),
        "Markdown": "\n".join(results_table(ROWS)),
        "HTML": (tmp_path / "report.html").read_text(encoding="utf-8"),
        "CSV": (tmp_path / "rows.csv").read_text(encoding="utf-8"),
    }
    for name, text in tables.items():
        assert text.count("tenth of a second") >= 1, name
        assert text.count("834 tenths") == 5, name


def test_a_column_that_says_nothing_is_left_out():
    lines = columns.lines(ROWS[:1])
    assert "variation" in [column.name for column in columns.columns(Table.HTML)]
    assert "variation" not in [column.name for column in columns.filled(Table.TERMINAL, lines)]


def test_a_csv_file_has_every_row_and_exact_numbers(tmp_path):
    write_csv(tmp_path / "new folder" / "rows.csv", document())
    found = sheet(tmp_path / "new folder" / "rows.csv")
    assert [row["row"] for row in found] == [row.id for row in ROWS]
    assert list(found[0]) == [column.name for column in columns.columns(Table.CSV)]
    first, adjusted = ROWS[0].findings[0], adjusted_p_values(ROWS)
    assert float(found[0]["estimate"]) == first.interval.estimate
    assert (float(found[0]["low"]), float(found[0]["high"])) == (first.interval.low, first.interval.high)
    assert (found[0]["holds"], float(found[0]["bound"]), found[0]["seeds"]) == ("above", 0.95, "0 1 2 3 4")
    assert (float(found[0]["worst"]), found[0]["holds_on"]) == (first.worst, "5")
    for row, (p_value, against) in zip(found, adjusted, strict=True):
        pair = ["" if value is None else repr(value) for value in (p_value, against)]
        assert [row["holm_p"], row["holm_p_against"]] == pair
    assert [row["note"] for row in found[:4]] == ["", "seen", "replayed", "exploratory"]
    assert [row["marks"] for row in found[:4]] == ["", "†‡", "*", ""]
    assert (found[1]["verdict"], found[1]["reason"]) == (
        "EQUIVALENT",
        "no difference that matters; on seeds seen before",
    )
    assert (found[5]["verdict"], found[5]["estimate"], found[5]["reason"]) == ("NOT RUN", "", ROWS[5].reason)


def test_a_csv_file_names_the_runs_and_adjusts_within_each(tmp_path):
    rows = [evidence("memory-window", agreement=0.96), evidence("forgetting", agreement=0.96)]
    write_csv(tmp_path / "rows.csv", {"one.json": rows[1:], "both.json": rows})
    found = sheet(tmp_path / "rows.csv")
    assert [row["run"] for row in found] == ["one.json", "both.json", "both.json"]
    expected = [adjusted.p_value for adjusted in (*adjusted_p_values(rows[1:]), *adjusted_p_values(rows))]
    assert [float(row["holm_p"]) for row in found] == expected
    assert expected[0] != expected[2]


def test_a_csv_file_of_what_was_read_is_that_of_what_was_run(tmp_path):
    write_evidence(tmp_path / "evidence.json", ROWS)
    write_csv(tmp_path / "run.csv", ROWS)
    write_csv(tmp_path / "read.csv", read_document(tmp_path / "evidence.json"))
    assert (tmp_path / "run.csv").read_bytes() == (tmp_path / "read.csv").read_bytes()


def test_a_csv_file_of_nothing_is_refused(tmp_path):
    with pytest.raises(EvidenceError, match="there is no evidence to report"):
        write_csv(tmp_path / "rows.csv", [])
    assert not list(tmp_path.iterdir())


def test_junit_has_what_csv_has_of_the_same_names(tmp_path):
    write_csv(tmp_path / "rows.csv", ROWS)
    for row, holm, line in zip(ROWS, adjusted_p_values(ROWS), sheet(tmp_path / "rows.csv"), strict=True):
        found = flat(row, holm)
        assert {"claim", "subject", "scale", "verdict"} <= set(found), row.id
        assert found == {name: line[name] for name in found}, row.id


# Marks


def whole_family(**changes):
    """Return rows of a whole family: one that survives, one that does not, one on differences."""
    return [
        evidence("memory-window", **changes),
        evidence("transferability", agreement=0.952, spread=0.01, **changes),
        evidence("beyond-churn", gain=0.02, **changes),
        evidence("beyond-closeness", agreement=0.9, **changes),
    ]


def test_marks_say_what_survives_and_what_hangs_on_differences():
    found = columns.lines(whole_family())
    assert [line.row.verdict for line in found] == ["SUPPORTED", "INCONCLUSIVE", "SUPPORTED", "REFUTED"]
    assert [line.marks for line in found] == ["*", "", "*†", "*"]
    assert [line.holm_p for line in found[:3]] == [line.holm.p_value for line in found[:3]]
    assert found[3].holm_p == found[3].holm.p_against


def test_the_second_protocol_has_a_mark_and_undecided_rows_none():
    assert {line.marks for line in columns.lines(whole_family(rule=2))} == {"²"}
    nothing = [dataclasses.replace(row, verdict=Verdict.NOT_RUN, findings=()) for row in whole_family()]
    assert {line.marks for line in columns.lines(nothing)} == {""}


@pytest.mark.parametrize("wanted", ["*†", "†", "*", "", "²"])
def test_the_marks_that_stand_there_have_a_legend_and_no_others(wanted, tmp_path):
    rows = whole_family()
    shown = {"*†": rows, "†": rows[2:3], "*": rows[:1], "": rows[1:2], "²": whole_family(rule=2)}[wanted]
    if wanted == "†":  # of a partial run nothing survives
        shown = [dataclasses.replace(shown[0], exploratory=True)]
    write_html(tmp_path / "report.html", shown)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    texts = {
        "terminal": " ".join(" ".join(terminal_table(shown, 80)).split()),
        "Markdown": "\n".join(results_table(shown)),
        "HTML": page.partition("Claim by claim</h2>")[2].partition("How to read this page")[0],
    }
    for name, text in texts.items():
        for mark, words in wording.MARKS.items():
            assert (words in text) is (mark in wanted), (name, mark)
    assert (f'<sup class="marks">{wanted}</sup>' in page) is bool(wanted)
