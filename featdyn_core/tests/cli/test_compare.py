"""Two files of evidence, for a person and for a program."""

import gc
import json
from pathlib import Path

import pytest

from featdyn_core.cli.main import main
from featdyn_core.errors import EvidenceError
from featdyn_core.tests.report.sample import evidence
from featdyn_core.verdicts.documents import Document, write_evidence


@pytest.mark.usefixtures("project")
def test_two_evidence_files_are_compared(capsys):
    rows = [evidence("memory-window"), evidence("forgetting")]
    write_evidence(Path("one.json"), rows)
    write_evidence(Path("other.json"), [rows[0], evidence("forgetting", agreement=0.9)])
    assert main(["compare", "one.json", "one.json"]) == 0
    assert capsys.readouterr().out.startswith("no verdict changed; 2 rows in both files")
    assert main(["compare", "one.json", "other.json"]) == 1
    assert capsys.readouterr().out.splitlines()[:2] == [
        "1 of 2 verdicts changed; 2 rows in both files, 0 in one only",
        "forgetting-small-digits: SUPPORTED -> REFUTED",
    ]
    assert main(["compare", "one.json", "other.json", "--json"]) == 1
    assert [row["changed"] for row in json.loads(capsys.readouterr().out)["rows"]] == [False, True]


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize("fault", [None, EvidenceError("damaged")], ids=["read", "refused"])
def test_no_garbage_is_looked_for_while_rows_are_read(monkeypatch, capsys, fault):
    seen = []

    def read(_):
        seen.append(gc.isenabled())
        if fault:
            raise fault
        return Document((evidence("forgetting"),), {})

    monkeypatch.setattr("featdyn_core.cli.evidence.read_document", read)
    assert main(["compare", "one.json", "other.json"]) == (2 if fault else 0)
    assert not any(seen)
    assert gc.isenabled()
    assert capsys.readouterr().err == ("featdyn: damaged\n" if fault else "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["nowhere.json", "nowhere.json"], "nowhere.json is no evidence file", id="evidence"),
        pytest.param(["one.json"], "the following arguments are required: other", id="one file"),
    ],
)
def test_compare_refuses_in_one_line(refused, arguments, message):
    assert message in refused("compare", *arguments)
