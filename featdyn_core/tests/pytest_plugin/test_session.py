"""A run reports the result of every row, in a file that never replaces one of another kind of run."""

import dataclasses
import os
from pathlib import Path

import pytest

from featdyn_core.errors import EvidenceError
from featdyn_core.harness.laboratory import described
from featdyn_core.harness.plan import Cell
from featdyn_core.pytest_plugin.session import Session
from featdyn_core.register.register import Entry, Register, Scale, Window
from featdyn_core.tests.tiny import tiny_recipe
from featdyn_core.verdicts.claim import Claim, Verdict
from featdyn_core.verdicts.criterion import Criterion, Role
from featdyn_core.verdicts.documents import read_document, read_evidence
from featdyn_core.verdicts.evidence import Evidence
from featdyn_core.verdicts.families import adjusted_p_values

SMALL = Scale("small", "fast", {"digits": "digits-small"}, {"digits": (0, 1, 2)}, {"digits": 500})
REDUCED = Scale("reduced", "full", {"mnist": "mnist-paper"}, {"mnist": (5, 6, 7)}, {"mnist": 1000})
PAPER = Scale("paper", "full", {"mnist": "mnist-paper"}, {"mnist": (0, 1, 2)}, {"mnist": 1000})


def entry(name):
    return Entry(
        name,
        "Title",
        "4.2",
        "Features remain.",
        ("digits", "mnist"),
        {},
        windows={"small": {"memory": Window(14, 28)}},
        protocol={"updates": 48},
        found={"small/digits": Verdict.REFUTED},
    )


def cell(claim="memory", scale=SMALL, **changes):
    (subject,) = scale.recipes
    return Cell(entry(claim), scale, subject, scale.seeds[subject], {"clean": tiny_recipe()}, **changes)


PLAN = [
    cell("memory"),
    cell("memory", REDUCED),
    cell("memory", REDUCED, replayed=True),
    cell("memory", PAPER),
    cell("forgetting"),
    cell("forgetting", REDUCED),
]
FAST = {row.id for row in PLAN if row.tier == "fast"}
REGISTER = Register({"title": "A paper", "arxiv": "2509.20334"}, {}, {}, (100,), "4e9")


def reported(row):
    """Return what the test of a row reports."""
    criteria = Criterion("gap", "the gap", "above", 0.5), Criterion("none", "no gap", "below", 0.5, Role.CONTROL)
    claim = Claim(row.entry.id, "4.2", "Features remain.", criteria)
    verdict, findings = claim.judge({"gap": [0.7, 0.8, 0.9], "none": [0.1, 0.2, 0.3]})
    return Evidence(**described(row), verdict=verdict, findings=findings)


def finished(tmp_path, collected, rows=(), faults=(), plan=PLAN):
    session = Session(tmp_path / "evidence.json", collected=set(collected))
    session.rows = {row.id: row for row in rows}
    session.faults = dict(faults)
    session.finish(plan, REGISTER, {"command": ["pytest"]})
    return session


def verdicts(session):
    return {row.id: str(row.verdict) for row in session.evidence}


# What became of each row


def test_a_whole_run_has_all_rows_of_its_tier_in_plan_order(tmp_path):
    rows = [reported(row) for row in reversed(PLAN) if row.id in FAST]
    session = finished(tmp_path, FAST, rows)
    assert [row.id for row in session.evidence] == [
        "memory-small-digits",
        "memory-reduced-mnist-replayed",
        "forgetting-small-digits",
    ]
    assert session.evidence == rows[::-1]
    assert (session.target, session.remark) == (session.path, "")


def test_a_deselected_row_says_what_it_would_have_been(tmp_path):
    row = PLAN[0]
    session = finished(tmp_path, {row.id}, [reported(row)])
    assert verdicts(session) == {
        "memory-small-digits": "SUPPORTED",
        "memory-reduced-mnist-replayed": "DESELECTED",
        "forgetting-small-digits": "DESELECTED",
    }
    left_out = session.evidence[2]
    assert (left_out.reason, left_out.findings) == ("not selected in this run", ())
    assert (left_out.section, left_out.sentence, left_out.known) == ("4.2", "Features remain.", "REFUTED")
    assert (left_out.seeds, left_out.windows) == ((0, 1, 2), {"memory": [14, 28]})
    assert (left_out.protocol, left_out.register) == ({"updates": 48, "images": 500}, "4e9")
    assert left_out.environment["python"]


def test_scales_of_the_full_tier_are_runs_of_their_own(tmp_path):
    session = finished(tmp_path, {PLAN[1].id}, [reported(PLAN[1])])
    assert verdicts(session) == {"memory-reduced-mnist": "SUPPORTED", "forgetting-reduced-mnist": "DESELECTED"}


def test_a_part_of_a_family_has_no_adjusted_p_values(tmp_path):
    session = finished(tmp_path, {PLAN[0].id}, [reported(PLAN[0])])
    assert [list(adjusted) for adjusted in adjusted_p_values(session.evidence)] == [[None, None]] * 3


def test_what_came_to_nothing_counts_in_the_adjustment(tmp_path):
    session = finished(tmp_path, FAST, [reported(PLAN[0])])
    assert adjusted_p_values(session.evidence)[0].p_value == pytest.approx(2 * session.evidence[0].p_value)


def test_a_test_that_reported_nothing_is_an_error(tmp_path):
    session = finished(tmp_path, FAST, [reported(PLAN[0])])
    assert verdicts(session) == {
        "memory-small-digits": "SUPPORTED",
        "memory-reduced-mnist-replayed": "ERROR",
        "forgetting-small-digits": "ERROR",
    }
    assert session.evidence[1].reason == "the test did not report: the run was stopped, or its process died"
    assert session.evidence[1].replayed
    assert session.target == session.path


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("StoreError: the disk is full", "StoreError: the disk is full"),
        ("traceback\n  line 3\nE   ValueError: no\n\n", "E   ValueError: no"),
        ("", "the test did not report: the run was stopped, or its process died"),
        (" \n ", "the test did not report: the run was stopped, or its process died"),
    ],
)
def test_an_error_gives_its_reason_in_a_line(tmp_path, fault, reason):
    session = finished(tmp_path, {PLAN[4].id}, faults={PLAN[4].id: fault})
    assert [row.reason for row in session.evidence if row.verdict is Verdict.ERROR] == [reason]


def test_what_was_reported_stands_whatever_went_wrong_afterwards(tmp_path):
    session = finished(tmp_path, FAST, [reported(PLAN[0])], {PLAN[0].id: "teardown failed"})
    assert session.evidence[0] == reported(PLAN[0])


def test_a_run_of_other_tests_has_no_rows(tmp_path):
    session = finished(tmp_path, {"something-else"})
    assert session.evidence == []


# The file


def test_a_file_says_which_run_it_is_of(tmp_path):
    session = finished(tmp_path, FAST, [reported(row) for row in PLAN if row.id in FAST])
    session.write()
    found = read_document(tmp_path / "evidence.json")
    assert list(found.rows) == session.evidence
    assert (found.facts["paper"], found.facts["register"]) == (REGISTER.paper, "4e9")
    assert found.facts["command"] == ["pytest"]
    assert {"commit", "machine", "python"} <= set(found.facts["environment"])


def test_a_run_of_a_part_leaves_the_whole_ones_file_alone(tmp_path):
    (tmp_path / "evidence.json").write_text("of the whole run")
    session = finished(tmp_path, {PLAN[0].id}, [reported(PLAN[0])])
    session.write()
    assert session.remark == " (partial: only some of the claims)"
    assert (tmp_path / "evidence.json").read_text() == "of the whole run"
    assert read_evidence(tmp_path / "evidence.partial.json") == session.evidence


@pytest.mark.parametrize("collected", [FAST, {PLAN[0].id}], ids=["whole", "part"])
def test_a_run_of_other_seeds_has_its_own_file_whole_or_not(tmp_path, collected):
    plan = [row if row.replayed else dataclasses.replace(row, exploratory=True) for row in PLAN]
    session = finished(tmp_path, collected, [reported(row) for row in plan if row.id in collected], plan=plan)
    session.write()
    assert session.remark == " (exploratory: the seeds are not the register's)"
    assert [path.name for path in tmp_path.iterdir()] == ["evidence.exploratory.json"]
    assert session.evidence[0].exploratory


@pytest.mark.parametrize(
    ("name", "target"),
    [("e.v.json", "e.v.partial.json"), ("evidence", "evidence.partial"), (".json", ".json.partial")],
)
def test_the_mark_is_before_the_suffix(tmp_path, name, target):
    row = Evidence("a", "4", "s", "fast", "small", Verdict.DESELECTED)
    assert Session(tmp_path / name, evidence=[row]).target == tmp_path / target


# Places where no file can be


@pytest.mark.parametrize(
    "place",
    [
        pytest.param("folder", id="a folder"),
        pytest.param("folder/..", id="a folder by its end"),
        pytest.param("file/evidence.json", id="under a file"),
        pytest.param("file/a/b/evidence.json", id="deep under a file"),
        pytest.param("dangling/evidence.json", id="under a link to nothing"),
        pytest.param("null", id="a device"),
        pytest.param("marked.json", id="beside a folder that a partial run needs"),
        pytest.param(f"{'n' * 300}.json", id="a name too long"),
        pytest.param(f"{'n' * 240}.json", id="a name too long with its mark"),
        pytest.param(f"{'n' * 300}/evidence.json", id="a name too long of a folder"),
        pytest.param(f"new/{'n' * 300}.json", id="a name too long in a new folder"),
        pytest.param("/proc/evidence.json", id="a system of files that no one writes to"),
        pytest.param("", id="nothing"),
    ],
)
def test_an_impossible_place_is_found_at_the_start(tmp_path, monkeypatch, place):
    monkeypatch.chdir(tmp_path)
    for folder in ("folder", "marked.partial.json"):
        Path(folder).mkdir()
    Path("file").write_text("kept")
    Path("dangling").symlink_to("nowhere")
    Path("null").symlink_to("/dev/null")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(EvidenceError, match="cannot be written"):
        Session(Path(place)).check_path()
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_is_not_ours_is_found_at_the_start(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(EvidenceError, match="cannot be written"):
        Session(tmp_path / "evidence.json").check_path()


@pytest.mark.parametrize("name", ["evidence.json", "new/folder/evidence.json", "evidence", "new/../evidence.json"])
def test_a_possible_place_is_left_as_it_is(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    for path in (tmp_path / name, Path(name)):
        Session(path).check_path()
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_there_may_be_written_again(tmp_path):
    (tmp_path / "evidence.json").write_text("old")
    Session(tmp_path / "evidence.json").check_path()
    assert (tmp_path / "evidence.json").read_text() == "old"
