"""What the report shows, in which order."""

import dataclasses

import pytest

from featdyn_core.report import outline
from featdyn_core.report.panels import multiples
from featdyn_core.tests.report.sample import every_verdict, evidence
from featdyn_core.verdicts.claim import Verdict

SECOND = "second.json"


def entries(*rows, run="", start=0):
    return outline.entries(run, rows, multiples, start)


def test_entries_of_several_runs_have_anchors_of_their_own():
    first = entries(evidence("memory-window"), evidence("forgetting"))
    second = entries(evidence("memory-window"), run=SECOND, start=len(first))
    assert [entry.anchor for entry in first + second] == ["row-0", "row-1", "row-2"]
    assert second[0].place == (SECOND, "digits", "small")
    assert [figure.title for figure in second[0].figures] == ["memory, part 1"]


def test_rivals_follow_their_claim_and_others_keep_their_order():
    rows = [
        evidence("rival-b", rival_of="claim-b"),
        evidence("claim-a"),
        evidence("rival-of-none", rival_of="claim-z"),
        evidence("claim-b"),
        evidence("claim-a", "mnist"),
        evidence("second-rival-b", rival_of="claim-b"),
    ]
    found = outline.chapters(entries(*rows))
    assert [chapter.claim for chapter in found] == ["claim-a", "rival-of-none", "claim-b", "rival-b", "second-rival-b"]
    assert [len(chapter.entries) for chapter in found] == [2, 1, 1, 1, 1]
    rivals = {chapter.claim: [rival.claim for rival in chapter.rivals] for chapter in found if chapter.rivals}
    assert rivals == {"claim-b": ["rival-b", "second-rival-b"]}


def test_places_are_where_something_was_decided():
    found = entries(*every_verdict())
    assert outline.places(found) == [
        ("", "digits", "small"),
        ("", "digits", "small, seen"),
        ("", "digits", "small, replayed"),
        ("", "digits", "small, exploratory"),
    ]
    (chapter,) = outline.chapters(found[:1])
    assert chapter.at(("", "digits", "small")) == (found[0],)
    assert chapter.at(("", "digits", "small, replayed")) == ()


def test_a_claim_is_supported_if_every_decided_row_supports_it():
    nothing = dataclasses.replace(evidence("mixed"), verdict=Verdict.NOT_RUN, findings=())
    rows = [
        evidence("good"),
        dataclasses.replace(nothing, claim="good"),
        evidence("mixed"),
        evidence("mixed", "mnist", agreement=0.9),
        dataclasses.replace(nothing, claim="absent"),
    ]
    found = outline.summary(outline.chapters(entries(*rows)))
    assert {words: [chapter.claim for chapter in chapters] for words, chapters in found.items()} == {
        "SUPPORTED wherever decided": ["good"],
        "REFUTED somewhere": ["mixed"],
        "decided nowhere": ["absent"],
    }


def test_every_finding_is_in_one_group():
    (entry,) = entries(evidence("memory-window"))
    grouped = [finding for findings in entry.groups.values() for finding in findings]
    assert sorted(map(str, grouped)) == sorted(map(str, entry.row.findings))
    assert next(iter(entry.groups)) == "Decides"


def test_provenance_names_each_digest_once():
    found = outline.provenance(entries(evidence("a"), evidence("b"), evidence("c", "mnist")))
    assert [len(digests) for digests in found.values()] == [2, 2, 20]
    assert ("digits-small/0, key", "0d436834" * 8) in found["checkpoints"]


def test_one_name_with_two_digests_is_listed_twice():
    rows = evidence("a"), evidence("b", data={"digits, train: 1,200 images, test: 597 images": "other"})
    assert len(outline.provenance(entries(*rows))["data"]) == 2


@pytest.mark.parametrize("facts", [{}, {"environment": {"featdyn": 3}}])
def test_a_head_has_no_fact_that_is_not_known(facts):
    row = evidence("a", environment={}, register="")
    assert "commit" not in outline.head("", outline.Document((row,), facts)).facts
