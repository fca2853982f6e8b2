"""Numbers and verdicts have the same wording everywhere."""

import dataclasses

import pytest

from featdyn_core.report import wording
from featdyn_core.tests.report.sample import every_verdict, evidence
from featdyn_core.verdicts.claim import Verdict
from featdyn_core.verdicts.criterion import Criterion, Role
from featdyn_core.verdicts.families import Adjusted

ROWS = every_verdict()


@pytest.mark.parametrize(
    ("replayed", "exploratory", "words"),
    [
        (False, False, "small"),
        (True, False, "small, replayed"),
        (False, True, "small, exploratory"),
        (True, True, "small, replayed, exploratory"),
    ],
)
def test_a_scale_says_how_the_row_was_obtained(replayed, exploratory, words):
    assert wording.scale(evidence("m", curves=0, replayed=replayed, exploratory=exploratory)) == words


@pytest.mark.parametrize(
    ("known", "words"),
    [
        ("", "SUPPORTED"),
        ("SUPPORTED", "SUPPORTED, known"),
        ("REFUTED", "SUPPORTED, was REFUTED"),
        ("INCONCLUSIVE", "SUPPORTED, known as INCONCLUSIVE"),
    ],
)
def test_a_verdict_says_what_the_register_knows(known, words):
    assert wording.verdict(evidence("m", curves=0, known=known)) == words


def test_what_came_to_nothing_changes_nothing_that_is_known():
    assert wording.verdict(dataclasses.replace(ROWS[5], known="REFUTED")) == "NOT RUN"


def test_a_verdict_of_the_second_protocol_is_marked_as_one():
    row = evidence("m", gain=0.01, curves=0, rule=2)
    assert wording.marks(row, Adjusted(0.0, 0.0)) == "²"
    assert wording.marks(dataclasses.replace(row, rule=3), Adjusted(0.0, 0.0)) == "*†"
    assert wording.marks(dataclasses.replace(ROWS[5], rule=2), Adjusted()) == ""
    assert "second protocol" in wording.legend(["²"])["²"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, ""),
        ({"seen": True}, "on seeds seen before"),
        ({"bits": "equal"}, "bit for bit as published"),
        ({"bits": "other", "seen": True}, "on seeds seen before; bits differ from the published trainings"),
        ({"extension": True}, "an extension, not a statement of the paper"),
        ({"counter_example": "z = 0"}, "z = 0"),
    ],
)
def test_remarks_are_what_weakens_a_verdict(changes, words):
    assert wording.remarks(evidence("m", curves=0, **changes)) == words


def test_remarks_begin_with_why_or_with_the_reason():
    assert wording.remarks(ROWS[4]) == ROWS[4].why == "control 'agreement of a stranger' fails"
    assert wording.remarks(dataclasses.replace(ROWS[5], seen=True, extension=True)) == ROWS[5].reason
    assert wording.note(dataclasses.replace(ROWS[5], seen=True)) == ""


def test_the_worst_of_several_controls_is_shown():
    held, failed = ROWS[0].findings, ROWS[4].of(Role.CONTROL)
    for findings in ((*held, *failed), (*failed, *held)):
        assert wording.control(dataclasses.replace(ROWS[0], findings=findings)) == "fails", [
            finding.criterion.name for finding in findings
        ]
    assert wording.control(ROWS[0]) == "holds"
    assert wording.control(ROWS[5]) == wording.NOTHING


@pytest.mark.parametrize(
    ("value", "words"), [(None, "–"), (0.0, "<0.0001"), (0.00009, "<0.0001"), (0.0001, "0.0001"), (1.0, "1.0000")]
)
def test_p_values(value, words):
    assert wording.p_value(value) == words


def test_numbers_intervals_and_bounds():
    found = Criterion("x", "q", "below", 0.05).judge([0.123456, 0.123456])
    assert wording.number(1234567.0) == "1.235e+06"
    assert wording.interval(found) == "0.1235 [0.1235, 0.1235]"
    assert wording.bound(found) == "< 0.05"
    assert wording.bound(Criterion("x", "q", "above", 1).judge([2.0, 2.0])) == "> 1"
    within = Criterion("x", "q", "within", 0.5, around=1.0).judge([0.9, 1.2, 1.6])
    assert wording.bound(within) == "1 ± 0.5"
    assert wording.seeds_that_hold(within) == "2 of 3"


def test_coverage_names_every_level_once():
    strict = dataclasses.replace(
        ROWS[0], findings=tuple(item.criterion.judge(item.numbers, confidence=0.975) for item in ROWS[0].findings)
    )
    assert wording.coverage(ROWS) == "95 % interval"
    assert wording.coverage([*ROWS, strict]) == "95 % or 97.5 % interval"
    assert wording.coverage(ROWS[5:]) == "interval"


@pytest.mark.parametrize(
    ("section", "figures"),
    [
        ("4.2 (Fig. 2, 10)", "Fig. 2, 10"),
        ("5 (Fig. 7, 17, Table 1)", "Fig. 7, 17"),
        ("5, Fig. 7a, 16", "Fig. 7a, 16"),
        ("4.2 (Fig. 4), App. B (Fig. 12)", "Fig. 4, Fig. 12"),
        ("4.2, App. D", ""),
    ],
)
def test_curves_answer_the_figures_that_the_section_names(section, figures):
    assert wording.answers(evidence("memory-window", section=section)) == figures


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"replayed": True}, "judged again, on published records"),
        (
            {"replayed": True, "measured": [{"date": "2026-11-30"}, {"host": "old"}, {"date": "2026-11-29"}]},
            "judged again, on published records, 2026-11-29 to 2026-11-30",
        ),
        ({"measured": [{"date": "2026-11-30"}]}, "trained and measured here, 2026-11-30"),
        ({"here": True, "bits": "equal"}, "trained and measured again, same bits"),
        ({"bits": "other"}, "trained and measured again, other bits"),
        ({}, "trained and measured here"),
        ({"records": {}}, ""),  # a theorem trains nothing
        ({"verdict": Verdict.NOT_RUN, "findings": ()}, ""),
    ],
    ids=str,
)
def test_a_row_says_how_much_of_it_was_done_again(changes, words):
    asked = {"records": {"column": 3}, "replayed": False, "bits": "", "measured": []} | changes
    row = dataclasses.replace(ROWS[0], **asked)
    assert wording.reproduction(row) == words


@pytest.mark.parametrize(
    ("text", "said"), [("4.2, App. C", "section 4.2, App. C"), ("App. D", "App. D"), ("abstract", "abstract"), ("", "")]
)
def test_a_number_alone_is_said_to_be_a_section(text, said):
    assert wording.section(text) == said
