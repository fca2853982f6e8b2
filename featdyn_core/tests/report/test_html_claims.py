"""Tests of the page's claims: each with its words, rivals and rows, and each row with its numbers."""

import dataclasses
import re

import pytest

from featdyn_core.tests.report.pages import DECIDED, ROWS
from featdyn_core.tests.report.sample import REASON, SENTENCE, evidence
from featdyn_core.verdicts.criterion import Outcome


def test_every_decided_row_is_shown_with_its_numbers(page):
    for row in DECIDED:
        assert f"{row.subject}, {row.scale} {row.verdict}" in page.text
        for finding in row.findings:
            assert finding.criterion.quantity in page.text, row.id
            found = finding.interval
            assert f"{found.estimate:.4g} [{found.low:.4g}, {found.high:.4g}]" in page.text, row.id
            assert ", ".join(f"{value:.4g}" for value in finding.values) in page.text, row.id
            held = f"worst seed {finding.worst:.4g}, {finding.on_right_side} of 5 hold"
            assert held in page.text, row.id
        if row.why:
            assert page.text.count(row.why) >= 2, "in the overview and at the row itself"
    assert "0 margin 0.01 , smaller" in page.text or "margin 0.01, smaller" in page.text
    assert "pilot seeds: 0.96 to 0.99" in page.text
    assert "; of 150 each" in page.text


def test_a_rival_is_beside_its_claim_with_its_own_verdict(page_of):
    rows = [
        evidence("beyond-closeness", agreement=0.9, rival_of="memory-window", title="Beyond closeness"),
        evidence("forgetting"),
        evidence("memory-window", title="Memory window"),
    ]
    found = page_of(rows)
    sections = [name for name in found.attributes("id") if name.startswith("claim-")]
    assert sections == ["claim-forgetting", "claim-memory-window", "claim-beyond-closeness"]
    claim = found.text[found.text.index("Memory window memory-window") :]
    beside = claim[: claim.index("all numbers")]
    assert "Rivals: the same claim tested more strictly" in beside
    assert "Beyond closeness rival" in beside
    assert "REFUTED" in beside
    assert "A rival of memory-window : it tests the same claim more strictly and has its own verdict" in claim


def test_a_rival_of_an_absent_claim_has_no_dead_link(page_of):
    found = page_of([evidence("beyond-closeness", rival_of="memory-window")])
    links = {link.removeprefix("#") for link in found.attributes("href")}
    assert links <= set(found.attributes("id"))


def test_paper_criteria_are_marked_and_the_limit_of_p_is_beside(page_of):
    rows = [evidence("memory-window")]
    own = dataclasses.replace(rows[0].findings[-1].criterion, paper=True)
    changed = dataclasses.replace(rows[0].findings[-1], criterion=own)
    text = page_of([dataclasses.replace(rows[0], findings=(*rows[0].findings[:-1], changed))]).text
    assert "The paper's own number or test, only reported drift (log10) the paper's own" in text
    order = [text.index(f" {title} ") for title in ("Decides", "The paper's own number", "Controls: worlds")]
    assert order == sorted(order)
    assert "bound p limit 0.025" in text


def test_curves_are_to_be_compared_with_the_papers_figures(page_of):
    assert "Compare with Fig. 2, 10 of the paper" in page_of([evidence("memory-window")]).text
    assert "Compare with" not in page_of([evidence("memory-window", section="4.2, App. D")]).text


def test_every_claim_is_introduced_by_the_papers_words(page):
    assert page.text.count(SENTENCE) == page.count("blockquote") == len(DECIDED)
    assert "The paper, section 4.2 (Fig. 2, 10)" in page.text


def test_a_sentence_of_many_rows_is_written_once(page_of):
    """For example rows of a sweep under an earlier register with other sentences."""
    earlier = [evidence("forgetting", variation=name, sentence="Earlier words.") for name in ("adam", "no-decay")]
    found = page_of([evidence("forgetting"), *earlier])
    assert found.text.count("Earlier words.") == found.text.count(SENTENCE) == 1


def test_rows_of_one_claim_stand_together_under_its_sentence(page_of):
    rows = [evidence("memory-window"), evidence("forgetting"), evidence("memory-window", "mnist")]
    found = page_of(rows)
    assert found.count("blockquote") == 2
    heads = re.findall(r"(memory-window|forgetting) (?:digits|mnist), small|(\w+), small SUPPORTED \W*all", found.text)
    assert ["".join(pair) for pair in heads] == ["memory-window", "digits", "mnist", "forgetting", "digits"]


def test_a_row_says_what_was_fixed_in_advance(page):
    assert page.text.count("seeds 0, 1, 2, 3, 4") == len(DECIDED)
    assert "windows (epochs) memory [14, 28]" in page.text
    assert "protocol images 500; planted draws 150" in page.text
    assert "read from 10 column, 5 stranger records" in page.text


def test_a_list_of_the_protocol_is_said_in_words(page_of):
    text = page_of([evidence("memory-window", protocol={"depths": ["depth 1", "depth 2"], "by": "seed"})]).text
    assert "protocol depths depth 1, depth 2; by seed" in text


def test_what_is_replayed_known_new_or_exploratory_can_be_seen(page):
    marks = [names for names in page.attributes("class") if names.startswith("mark")]
    assert marks.count("mark replayed") == marks.count("mark changed") == 2  # in the overview and at the row itself
    assert page.text.count("Replayed: published records were judged again; nothing was trained") == 1
    assert page.text.count("Exploratory: these seeds are not the register's") == 1
    assert page.text.count("INVALID was REFUTED") == 2
    assert page.text.count("The register has the known finding REFUTED, which this verdict contradicts.") == 1
    assert page.text.count("REFUTED * known replayed") == 2


def test_rows_without_a_decision_are_in_one_table_at_the_end(page):
    _, _, end = page.text.rpartition("Provenance")
    assert "3 rows without a decision" in end
    for row in ROWS[5:]:
        assert f"{row.claim} {row.subject} {row.scale} {row.verdict} {row.reason}" in end
    assert page.text.count(REASON) == 1
    assert page.count("article") == len(DECIDED)


def test_a_page_on_which_nothing_was_decided_shows_why_at_once(page_of):
    found = page_of(ROWS[5:6])
    assert "1 row without a decision" in found.text
    assert [("open" in attributes) for tag, attributes in found.tags if tag == "details"] == [False, True]
    assert "Claim by claim" not in found.text
    assert "Decided nowhere: forgetting" in found.text


def test_page_shows_where_the_numbers_come_from(page):
    row = ROWS[0]
    digests = [digest for parts in row.checkpoints.values() for digest in parts.values()]
    for shown in (*row.recipes, *row.recipes.values(), *row.checkpoints, *digests, *row.data, *row.data.values()):
        assert shown in page.text
    assert "duration 0:01:23 h" in page.text


def test_page_shows_who_judged_beside_who_measured(page):
    table = page.text[page.text.index("judged by measured") :]
    assert table.startswith(
        "judged by measured by measured by commit d0f594519695 0ther an0ther python 3.11.7 threads 1"
    )
    assert "device cuda cpu " in table
    assert "torch" not in table


@pytest.mark.parametrize(("seconds", "words"), [(3.21, "3.2 s"), (59.94, "59.9 s"), (3600 * 30 + 61, "30:01:01 h")])
def test_durations(page_of, seconds, words):
    assert f"duration {words}" in page_of([evidence("m", curves=0, seconds=seconds)]).text
    assert "duration 2777" in page_of([evidence("m", curves=0, seconds=1e300)]).text


def test_page_draws_every_finding_and_every_curve(page):
    classes = page.attributes("class")
    shown = [finding for row in DECIDED for finding in (*row.findings, row.hinge)]
    for outcome in Outcome:
        assert classes.count(f"strip {outcome}") == sum(finding.outcome is outcome for finding in shown), outcome
    assert page.count("figure") == sum(len(row.curves) for row in ROWS)
