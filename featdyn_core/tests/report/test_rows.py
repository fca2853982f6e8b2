"""Rows of evidence as a table for a notebook, and by name."""

import builtins

import pandas as pd
import pytest

from featdyn_core.errors import EvidenceError, FeatdynError
from featdyn_core.report.html import write_csv
from featdyn_core.report.rows import Rows, read_evidence
from featdyn_core.tests.report.sample import every_verdict
from featdyn_core.verdicts.documents import write_evidence


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    path = tmp_path_factory.mktemp("rows") / "evidence.json"
    write_evidence(path, every_verdict())
    return read_evidence(str(path))


def test_the_rows_are_those_of_the_file(rows):
    assert list(rows) == every_verdict()
    assert repr(rows) == f"<Rows: {len(rows)} of {len({row.claim for row in rows})} claims>"


def test_a_row_is_found_by_its_id(rows):
    assert rows.row(rows[1].id) is rows[1]
    with pytest.raises(EvidenceError, match=f"unknown row 'nothing'; the rows are {rows[0].id}"):
        rows.row("nothing")


def test_a_frame_has_the_numbers_of_the_csv_file(rows, tmp_path):
    frame = rows.to_frame()
    write_csv(tmp_path / "rows.csv", rows)
    written = pd.read_csv(tmp_path / "rows.csv", index_col="row").drop(columns="run")
    assert list(frame.columns) == list(written.columns)
    assert list(frame.index) == [row.id for row in rows] == list(written.index)
    for name in ("estimate", "low", "high", "bound", "p", "holm_p"):
        assert frame[name].dtype == float
        pd.testing.assert_series_equal(frame[name], written[name])


def test_a_frame_without_pandas_says_what_to_install(rows, monkeypatch):
    real = builtins.__import__

    def absent(name, *rest, **options):
        if name == "pandas":
            raise ImportError(name)
        return real(name, *rest, **options)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(FeatdynError, match=r"install featdyn\[pandas\]"):
        rows.to_frame()


def test_a_notebook_shows_a_line_a_row(rows):
    shown = rows._repr_html_()
    assert shown.count("<tr>") == len(rows) + 1
    assert all(f"<td>{row.claim}</td>" in shown for row in rows)
    assert Rows()._repr_html_() == "<table><thead><tr></tr></thead><tbody></tbody></table>"
