"""Two evidence files side by side."""

import dataclasses
import json

import pytest

from featdyn_core.report.compare import ABSENT, compare, same_verdicts, to_lines, to_plain
from featdyn_core.tests.report.sample import every_verdict, evidence
from featdyn_core.verdicts.claim import Verdict
from featdyn_core.verdicts.evidence import Evidence

MEMORY = evidence("memory-window")
NOTHING = Evidence("memory-window", "4.2", "digits", "fast", "small", Verdict.NOT_RUN, reason="no data")


def test_the_same_run_twice_differs_in_nothing():
    rows = every_verdict()
    found = compare(rows, rows)
    assert same_verdicts(found)
    assert [row.id for row in found] == [row.id for row in rows]
    assert all(row.protocol == row.environment == {} for row in found)
    assert {item.overlap for row in found for item in row.criteria} == {True}
    assert to_lines(found)[0] == "no verdict changed; 8 rows in both files, 0 in one only"


def test_a_verdict_that_changes_is_reported_with_both_numbers():
    (row,) = compare([MEMORY], [evidence("memory-window", agreement=0.9)])
    assert row.changed
    assert row.verdicts == ("SUPPORTED", "REFUTED")
    overlap = {item.name: item.overlap for item in row.criteria}
    assert overlap.pop("agreement, held-out") is False
    assert set(overlap.values()) == {True}
    lines = to_lines([row])
    assert lines[:2] == [
        "1 of 1 verdicts changed; 1 rows in both files, 0 in one only",
        "memory-window-small-digits: SUPPORTED -> REFUTED",
    ]
    (agreement,) = (line for line in lines if "agreement, held-out" in line)
    assert "0.98" in agreement.partition("|")[0]
    assert "0.9" in agreement.partition("|")[2]
    assert agreement.endswith("(APART)")


@pytest.mark.parametrize(("shift", "overlap"), [(0.0, True), (0.9, True), (1.1, False), (-0.9, True), (-1.1, False)])
def test_intervals_overlap_up_to_their_ends(shift, overlap):
    finding = MEMORY.findings[0]
    width = finding.interval.high - finding.interval.low
    ends = {"low": finding.interval.low + shift * width, "high": finding.interval.high + shift * width}
    moved = dataclasses.replace(finding, interval=dataclasses.replace(finding.interval, **ends))
    (row,) = compare([MEMORY], [dataclasses.replace(MEMORY, findings=(moved, *MEMORY.findings[1:]))])
    assert row.criteria[0].overlap is overlap


def test_a_row_of_one_file_only_is_a_difference():
    other = evidence("forgetting")
    for one, two, verdicts in (
        ([MEMORY, other], [MEMORY], ("SUPPORTED", ABSENT)),
        ([MEMORY], [MEMORY, other], (ABSENT, "SUPPORTED")),
    ):
        found = compare(one, two)
        assert found[-1].verdicts == verdicts
        assert not same_verdicts(found), verdicts
        assert to_lines(found)[0] == "no verdict changed; 1 rows in both files, 1 in one only", verdicts


def test_rows_of_one_file_alone_come_last():
    alone = evidence("forgetting")
    changed = evidence("memory-window", agreement=0.9)
    lines = to_lines(compare([alone, NOTHING, MEMORY], [NOTHING, changed]))
    assert lines[-1] == f"{alone.id}: SUPPORTED -> absent"
    assert lines[1] == "memory-window-small-digits: SUPPORTED -> REFUTED"


def test_files_of_nothing_are_no_agreement():
    assert not same_verdicts(compare([], []))


def test_what_was_not_run_has_no_interval_to_overlap():
    (row,) = compare([MEMORY], [NOTHING])
    assert row.verdicts == ("SUPPORTED", "NOT RUN")
    assert {item.overlap for item in row.criteria} == {None}
    assert "(in one file)" in to_lines([row])[2]


def test_a_measured_row_meets_its_replay_if_there_is_no_other():
    replay = dataclasses.replace(MEMORY, replayed=True)
    (row,) = compare([MEMORY], [replay])
    assert row.protocol == {"records": ("measured", "replayed")}
    both = compare([MEMORY, replay], [replay, MEMORY])
    assert [row.protocol for row in both] == [{}, {}]
    assert [row.id for row in both] == [MEMORY.id, replay.id]


def test_protocol_and_environment_differences_are_reported_once():
    changes = {"seeds": (5, 6, 7, 8, 9), "protocol": {"images": 1000}, "windows": {"memory": [1, 2]}}
    makers = {
        "environment": {"commit": "other", "python": "3.11.7", "threads": 1, "torch": ""},
        "measured": [{"device": "cpu"}],
    }
    rows = [evidence("memory-window", **changes, **makers), evidence("forgetting", **changes, **makers)]
    found = compare([MEMORY, evidence("forgetting")], rows)
    assert found[0].protocol == {
        "seeds": ("0, 1, 2, 3, 4", "5, 6, 7, 8, 9"),
        "window memory": ("[14, 28]", "[1, 2]"),
        "protocol images": ("500", "1000"),
        "protocol planted_draws": ("150", ""),
    }
    assert found[0].environment == {
        "judged: commit": ("d0f594519695", "other"),
        "measured: commit": ("0ther, an0ther", ""),
        "measured: device": ("cpu, cuda", "cpu"),
    }
    lines = to_lines(found)
    assert "  protocol planted_draws: 150 | – (2 rows)" in lines
    assert "  judged: commit: d0f594519695 | other (2 rows)" in lines


def test_a_bound_that_changed_is_reported():
    finding = MEMORY.findings[0]
    stricter = dataclasses.replace(finding, criterion=dataclasses.replace(finding.criterion, bound=0.97))
    (row,) = compare([MEMORY], [dataclasses.replace(MEMORY, findings=(stricter, *MEMORY.findings[1:]))])
    assert row.protocol == {"bound of agreement, held-out": ("> 0.95", "> 0.97")}


def test_json_has_all_of_it():
    found = json.loads(json.dumps(to_plain(compare([MEMORY], [NOTHING]))))
    assert found["same_verdicts"] is False
    (row,) = found["rows"]
    assert (row["id"], row["verdicts"], row["changed"]) == (MEMORY.id, ["SUPPORTED", "NOT RUN"], True)
    estimate = MEMORY.findings[0].interval.estimate
    assert row["criteria"][0]["findings"][0]["estimate"] == estimate
    assert row["criteria"][0]["findings"][1] is None
    assert row["protocol"]["seeds"] == ["0, 1, 2, 3, 4", ""]
