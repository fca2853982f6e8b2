"""Two files of evidence, for a person and for a program."""

import datetime
import gc
import json
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest

from featdyn_core.cli.main import main
from featdyn_core.errors import EvidenceError
from featdyn_core.tests.report.sample import evidence
from featdyn_core.verdicts import documents
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
        pytest.param(["nowhere.json", "nowhere.json"], "there is no file nowhere.json", id="evidence"),
        pytest.param([], "evidence.json; a run of the claims writes", id="no file"),
        pytest.param(["a.json", "b.json", "c.json"], "takes at most two evidence files, and got 3", id="three files"),
    ],
)
def test_compare_refuses_in_one_line(refused, arguments, message):
    assert message in refused("compare", *arguments)


@pytest.fixture
def publish(project, monkeypatch):
    """Return a function that publishes rows in a toy project, as of a year."""

    def write(name, year, *rows):
        path = project / "evidence" / name / "evidence.json"
        path.parent.mkdir(parents=True)
        with monkeypatch.context() as patch:
            patch.setattr(documents, "datetime", SimpleNamespace(datetime=_Clock(year), UTC=datetime.UTC))
            write_evidence(path, list(rows))

    return write


@dataclass
class _Clock:
    year: int

    def now(self, zone):
        return datetime.datetime(self.year, 1, 1, tzinfo=zone)


def test_one_file_is_compared_with_the_newest_published(publish, capsys):
    publish("a", 2020, evidence("forgetting", agreement=0.9))
    publish("newer", 2021, evidence("forgetting"))
    publish("z", 2020, evidence("forgetting", agreement=0.9))
    publish("another", 2022, evidence("memory-window"))
    write_evidence(Path("evidence.json"), [evidence("forgetting", agreement=0.9)])
    for arguments in ([], ["evidence.json"]):
        assert main(["compare", *arguments]) == 1
        printed = capsys.readouterr()
        assert "1 of 1 verdicts changed" in printed.out
        assert "SUPPORTED -> REFUTED" in printed.out
        assert str(Path("evidence") / "newer" / "evidence.json") in printed.err


def test_a_run_that_nothing_published_shares_is_refused(publish, refused):
    publish("another", 2022, evidence("memory-window"))
    write_evidence(Path("mine.json"), [evidence("forgetting")])
    assert "shares a row with" in refused("compare", "mine.json")
