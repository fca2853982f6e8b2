"""The last screen of a run shows verdicts, what is new, and what was not run."""

import dataclasses
import re
from pathlib import Path

import pytest

from featdyn_core.report.closing import ADVICE, closing, counts
from featdyn_core.tests.report.sample import REASON, every_verdict, evidence
from featdyn_core.verdicts.claim import Verdict
from featdyn_core.verdicts.documents import read_evidence

PUBLISHED = Path(__file__).parents[3] / "evidence"
ROWS = every_verdict()


def test_rows_are_counted_by_verdict_and_scale():
    here = evidence("forgetting", here=True)
    swept = evidence("forgetting", variation="adam")
    beside = evidence("bridge", extension=True)
    head, *lines = counts([*ROWS, here, swept, beside])
    assert re.split("  +", head.strip()) == ["small", "reduced", "small, here", "small, sweep"]
    found = {line.rsplit(None, 4)[0]: line.split()[-4:] for line in lines}
    assert found["SUPPORTED"] == ["1", ".", "1", "1"], "an extension is not counted"
    assert found["NOT RUN"] == [".", "1", ".", "."]
    assert list(found) == list(map(str, Verdict))


def test_nothing_gives_no_table():
    assert counts([]) == []


def test_new_findings_are_listed_with_their_reasons():
    text = " ".join(" ".join(closing(ROWS, 100)).split())
    assert "changed against known findings: 1 random-label-collapse on digits (small): INVALID, was REFUTED" in text
    assert "not known before: 2 beyond-churn on digits (small, seen): EQUIVALENT, no difference that matters" in text
    assert "stopped by a fault: 1 forgetting on svhn (reduced): ERROR, StoreError: the disk is full" in text
    assert f"not run: forgetting on cifar10 (reduced) {' '.join(REASON.split())}" in text
    assert "beyond-closeness" not in text, "it is a known finding"
    assert "no verdict differs" not in text


def test_a_run_as_known_says_so_in_a_line():
    lines = closing([row for row in ROWS if row.known == row.verdict or row.verdict is Verdict.SUPPORTED], 80)
    assert lines[-1] == "no verdict differs from known findings"


def test_a_new_invalid_row_comes_with_advice():
    new, known = (evidence("forgetting", stranger=0.9, known=known) for known in ("", "INVALID"))
    assert ADVICE in " ".join(" ".join(closing([new, ROWS[0]], 100)).split())
    assert "INVALID says" not in " ".join(closing([known, ROWS[0]], 100))


def test_what_was_not_selected_is_counted_and_not_listed():
    lines = closing([ROWS[0], *(dataclasses.replace(ROWS[-1], subject=f"set {at}") for at in range(75))], 80)
    assert lines[-1] == "not selected: 75 of 76 rows"
    assert len(lines) < 8


def test_trainings_on_the_spot_say_whether_they_equal_published():
    rows = [evidence("forgetting", here=True, bits=bits) for bits in ("equal", "other", "equal")]
    assert "trained here, bit for bit as published: 2 of 3" in closing(rows, 80)


@pytest.mark.parametrize("width", [20, 40, 80, 120])
def test_no_line_of_the_last_screen_is_longer_than_the_terminal(width):
    rows = read_evidence(PUBLISHED / "protocol-2" / "fast-cpu" / "evidence.json")
    assert max(map(len, closing(ROWS, max(width, 40)))) <= max(width, 40)
    assert max(map(len, closing(rows, 80))) <= 80


def test_a_name_is_not_broken_at_a_hyphen():
    rows = read_evidence(PUBLISHED / "fast-cpu" / "evidence.json")
    for width in (40, 80):
        assert not [line for line in closing(rows, width) if line.endswith("-")]
