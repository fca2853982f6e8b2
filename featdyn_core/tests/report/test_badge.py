"""The badge of a run: counts, and a colour if known findings are contradicted."""

import dataclasses
import json

import pytest

from featdyn_core.errors import EvidenceError
from featdyn_core.report.badge import badge, write_badge
from featdyn_core.tests.report.sample import evidence
from featdyn_core.verdicts.claim import Verdict


def test_a_badge_counts_verdicts():
    supported, refuted = evidence("memory-window"), dataclasses.replace(evidence("forgetting", agreement=0.9))
    known = dataclasses.replace(refuted, known=str(Verdict.REFUTED))
    assert badge([supported, supported, known]) == {
        "schemaVersion": 1,
        "label": "claims",
        "message": "2 supported, 1 refuted",
        "color": "green",
    }


def test_what_is_not_known_turns_a_badge_red():
    assert badge([evidence("memory-window"), evidence("forgetting", agreement=0.9)])["color"] == "red"


def test_a_badge_of_nothing_is_grey():
    asked = dataclasses.replace(evidence("memory-window"), verdict=Verdict.DESELECTED)
    assert badge([asked])["message"] == "nothing judged"
    assert badge([asked])["color"] == "lightgrey"


def test_a_badge_is_written_as_json(tmp_path):
    write_badge(tmp_path / "badge.json", [evidence("memory-window")])
    assert json.loads((tmp_path / "badge.json").read_text())["message"] == "1 supported"
    with pytest.raises(EvidenceError, match="cannot be written"):
        write_badge(tmp_path / "badge.json" / "inside", [])
