"""JUnit files: flat properties of each row, and faults that are not failures."""

import xml.etree.ElementTree as ElementTree

import pytest

from featdyn_core.errors import EvidenceError
from featdyn_core.report.junit import EVIDENCE, FAULT, annotate, flat
from featdyn_core.tests.report.sample import every_verdict, evidence
from featdyn_core.verdicts.documents import from_json, to_json
from featdyn_core.verdicts.families import Adjusted, adjusted_p_values

ROWS = every_verdict()
SUPPORTED, _, REFUTED, _, INVALID, NOT_RUN = ROWS[:6]


@pytest.fixture
def completed(tmp_path):
    """Return a function that writes a file as pytest does, completes it, and returns suite and cases."""

    def complete(cases, **options):
        path = tmp_path / "junit.xml"
        suite = ElementTree.Element("testsuite", errors="0", failures="1", tests=str(len(cases)))
        for name, properties, outcome in cases:
            case = ElementTree.SubElement(suite, "testcase", name=name)
            listed = ElementTree.SubElement(case, "properties")
            for key, value in properties.items():
                ElementTree.SubElement(listed, "property", name=key, value=value)
            if outcome:
                ElementTree.SubElement(case, outcome, message="why").text = "all of it"
        root = ElementTree.Element("testsuites")
        root.append(suite)
        ElementTree.ElementTree(root).write(path)
        annotate(path, ROWS, **options)
        found = ElementTree.parse(path).find("testsuite")
        return found, {case.get("name"): case for case in found.iter("testcase")}

    return complete


def properties(case):
    return {item.get("name"): item.get("value") for item in case.iter("property")}


def test_a_row_is_flat_properties_and_its_json_is_gone(completed):
    _, cases = completed([("a", {EVIDENCE: to_json(SUPPORTED), "other": "1"}, "")])
    found = properties(cases["a"])
    interval = SUPPORTED.hinge.interval
    assert found == {
        "other": "1",
        "claim": "memory-window",
        "subject": "digits",
        "scale": "small",
        "verdict": "SUPPORTED",
        "criterion": "agreement, held-out",
        "holds": "above",
        "estimate": repr(interval.estimate),
        "low": repr(interval.low),
        "high": repr(interval.high),
        "bound": "0.95",
        "worst": repr(SUPPORTED.hinge.worst),
        "holds_on": "5",
    }


def test_a_row_of_a_whole_family_has_adjusted_p_values_and_marks():
    (holm,) = adjusted_p_values([SUPPORTED])
    found = flat(SUPPORTED, holm)
    assert (found["holm_p"], found["holm_p_against"], found["marks"]) == (repr(holm.p_value), repr(holm.p_against), "*")


def test_the_json_stays_if_it_is_asked_for(completed):
    _, cases = completed([("a", {EVIDENCE: to_json(SUPPORTED)}, "")], keep=True)
    found = properties(cases["a"])
    assert from_json(found[EVIDENCE]) == SUPPORTED
    assert found["verdict"] == "SUPPORTED"


def test_a_row_without_numbers_has_none():
    found = flat(NOT_RUN, Adjusted())
    assert found == {"claim": "forgetting", "subject": "cifar10", "scale": "reduced", "verdict": "NOT RUN"}


def test_a_row_of_a_sweep_says_what_is_varied():
    assert flat(evidence("memory-window", variation="adam"), Adjusted())["variation"] == "adam"


@pytest.mark.parametrize(
    ("handed_over", "tag", "counts"),
    [
        ({EVIDENCE: to_json(INVALID)}, "error", ("0", "1")),
        ({FAULT: "the store is damaged"}, "error", ("0", "1")),
        ({EVIDENCE: to_json(REFUTED)}, "failure", ("1", "0")),
        ({}, "failure", ("1", "0")),
    ],
    ids=["INVALID", "damage", "REFUTED", "another test"],
)
def test_what_is_no_failure_of_a_claim_is_an_error(completed, handed_over, tag, counts):
    suite, cases = completed([("a", handed_over, "failure")])
    assert [item.tag for item in cases["a"] if item.tag != "properties"] == [tag]
    assert cases["a"].find(tag).get("message") == "why"
    assert cases["a"].find(tag).text == "all of it"
    assert (suite.get("failures"), suite.get("errors")) == counts


def test_what_passed_is_no_error(completed):
    suite, cases = completed([("a", {EVIDENCE: to_json(evidence("memory-window"))}, "")])
    assert not list(cases["a"].iter("error"))
    assert suite.get("errors") == "0"


def test_a_missing_file_is_skipped_and_a_broken_one_an_error(tmp_path):
    annotate(tmp_path / "nowhere.xml", ROWS)
    assert not list(tmp_path.iterdir())
    (tmp_path / "junit.xml").write_text("<testsuites")
    with pytest.raises(EvidenceError, match=r"the JUnit file .*junit\.xml cannot be completed"):
        annotate(tmp_path / "junit.xml", ROWS)
