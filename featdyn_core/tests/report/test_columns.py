"""One list of columns makes every table of rows."""

import csv

import pytest

from featdyn_core.errors import EvidenceError
from featdyn_core.report import columns
from featdyn_core.report.columns import Column, Table
from featdyn_core.report.html import write_csv, write_html
from featdyn_core.report.junit import flat
from featdyn_core.report.markdown import results_table
from featdyn_core.report.terminal import terminal_table
from featdyn_core.tests.report.sample import document, every_verdict, evidence
from featdyn_core.verdicts.evidence import adjusted_p_values, read_document, write_evidence

ROWS = every_verdict()


def sheet(path):
    """Rows of a CSV file."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("table", Table)
def test_a_name_stands_once_in_a_table(table):
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
        assert text.count("834 tenths") == 4, name


def test_a_column_that_says_nothing_is_left_out():
    lines = columns.lines(ROWS[:1])
    assert "variation" in [column.name for column in columns.columns(Table.TERMINAL)]
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
    assert [float(row["holm_p"]) for row in found[:3]] == adjusted[:3]
    assert [row["note"] for row in found[:3]] == ["", "replayed", "exploratory"]
    assert (found[4]["verdict"], found[4]["estimate"], found[4]["reason"]) == ("NOT RUN", "", ROWS[4].reason)


def test_a_csv_file_names_the_runs_and_adjusts_within_each(tmp_path):
    rows = [evidence("memory-window", agreement=0.96), evidence("forgetting", agreement=0.96)]
    write_csv(tmp_path / "rows.csv", {"one.json": rows[1:], "both.json": rows})
    found = sheet(tmp_path / "rows.csv")
    assert [row["run"] for row in found] == ["one.json", "both.json", "both.json"]
    expected = [*adjusted_p_values(rows[1:]), *adjusted_p_values(rows)]
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
