"""Tests of the page's first screen: whose evidence it is, the answer, the grid, the filter."""

import dataclasses
import re

import pytest

from featdyn_core.report.html import write_html
from featdyn_core.tests.report.pages import DECIDED, ROWS, Page
from featdyn_core.tests.report.sample import FACTS, document, evidence
from featdyn_core.verdicts.documents import Document
from featdyn_core.verdicts.families import adjusted_p_values

WEAKER, OPEN = (evidence(name, agreement=mean, spread=0.008) for name, mean in (("weaker", 0.956), ("open", 0.95)))


def test_the_head_names_paper_date_author_and_register(page):
    head = page.text[: page.text.index("How to read this page")]
    assert "on the claims of Feature dynamics , arXiv 2509.20334" in head
    for fact in (FACTS["written"], "d0f594519695", "x86_64 Some Processor, somewhere", FACTS["register"]):
        assert fact in head
    assert "pytest claims -m fast" in head
    for verdict in ("SUPPORTED", "REFUTED", "EQUIVALENT", "INCONCLUSIVE", "INVALID", "NOT RUN", "ERROR", "DESELECTED"):
        assert f"1 {verdict}" in head


def test_head_of_rows_alone_says_what_the_rows_say(page_of):
    head = page_of(ROWS).text.partition("How to read this page")[0]
    assert "d0f594519695" in head
    assert ROWS[0].register in head
    assert "arXiv" not in head


@pytest.mark.parametrize(
    "facts",
    [
        {"paper": 3, "written": 3, "register": None, "environment": "x", "command": "pytest"},
        {"paper": {"title": ["x"]}, "environment": {"commit": 3}, "command": [{}]},
    ],
)
def test_a_head_that_somebody_wrote_by_hand_breaks_no_page(page_of, facts):
    assert "memory-window" in page_of(Document(tuple(ROWS), facts)).text


@pytest.mark.parametrize(
    ("address", "wanted"),
    [
        ("", {"https://arxiv.org/abs/2509.20334"}),
        (
            "https://here/us",
            {"https://arxiv.org/abs/2509.20334", "https://here/us", "https://here/us/commit/d0f594519695"},
        ),
    ],
)
def test_paper_repository_and_commit_are_links(tmp_path, address, wanted):
    environment = FACTS["environment"] | {"featdyn": "1.0", "commit": "d0f594519695-dirty"}
    facts = FACTS | {"environment": environment}
    write_html(tmp_path / "page.html", Document((evidence("memory-window", curves=0),), facts), repository=address)
    links = Page((tmp_path / "page.html").read_text(encoding="utf-8")).attributes("href")
    assert {link for link in links if not link.startswith("#")} == wanted


def test_the_summary_says_how_each_claim_fared_and_where(page_of):
    rows = [
        evidence("memory-window", title="Memory window"),
        evidence("memory-window", "mnist", agreement=0.9),
        evidence("forgetting", section="4.2 (Fig. 4)"),
        dataclasses.replace(ROWS[5], claim="bridge", title="Bridge"),
    ]
    text = page_of(rows).text
    summary = text[text.index("The answer") : text.index("Claim by claim")]
    assert "3 claims: 1 SUPPORTED wherever decided; 1 REFUTED somewhere; 1 decided nowhere." in summary
    assert "Decided nowhere: Bridge" in summary
    assert "4 rows of the register" in summary
    assert "claim digits small mnist small Memory window section 4.2 (Fig. 2, 10) SUPPORTED REFUTED " in summary
    assert "REFUTED forgetting section 4.2" in summary
    assert summary.endswith("SUPPORTED ")


def test_a_claim_has_its_sentence_beside_its_verdicts(tmp_path):
    words = {"memory-window": "It *holds*, by `median` < 3.", "other": "Not here."}
    write_html(tmp_path / "page.html", [evidence("memory-window", curves=0)], meanings=words)
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.count("It <em>holds</em>, by <code>median</code> &lt; 3.") == 2  # in the grid, and at the claim
    assert "Not here." not in page


def test_a_sweep_is_in_the_headline_and_beside_its_claim(page_of):
    rows = [
        evidence("memory-window", title="Memory window"),
        evidence("memory-window", agreement=0.9, variation="constant rate", effect="agreement, held-out"),
        evidence("only-swept", variation="constant rate", effect="agreement, held-out"),
    ]
    found = page_of(rows)
    head, _, rest = found.text.partition("Claim by claim")
    assert "1 SUPPORTED as registered, but not in every sweep; 1 decided only in sweeps" in head
    assert "Not in every sweep: Memory window (1 REFUTED)" in head
    assert "Sweep of digits, small: 1 SUPPORTED, 1 REFUTED in 1 variation" in head
    assert "Sweeps: one thing is varied at a time" in rest[: rest.index("all numbers")]
    links = {link.removeprefix("#") for link in found.attributes("href")}
    assert links <= set(found.attributes("id"))


def test_the_filter_is_hidden_until_its_script_shows_it(page):
    forms = [attributes for tag, attributes in page.tags if tag == "form"]
    assert [("hidden" in form, form["id"]) for form in forms] == [(True, "filter")]
    asked = {attributes["data-verdict"] for _, attributes in page.tags if "data-verdict" in attributes}
    assert asked == {str(row.verdict) for row in DECIDED}
    changed = {attributes["data-verdict"] for _, attributes in page.tags if "data-changed" in attributes}
    assert changed == {str(row.verdict) for row in DECIDED if row.changed}


def test_page_of_several_runs_names_them_and_adjusts_within_each(page_of):
    found = page_of({"fast.json": [WEAKER], "full.json": Document((WEAKER, OPEN), FACTS)})
    runs = {"fast.json": adjusted_p_values([WEAKER])[0], "full.json": adjusted_p_values([WEAKER, OPEN])[0]}
    assert len(set(runs.values())) == 2
    for name, p_value in runs.items():
        assert f"run {name} " in found.text.partition("How to read this page")[0]
        assert re.search(rf"{name} digits small .{{,200}} holds {p_value.p_value:.4f}", found.text)
    identifiers = found.attributes("id")
    assert len(set(identifiers)) == len(identifiers)


def test_a_page_of_one_file_does_not_name_it(page, page_of):
    assert page_of({"evidence.json": document()}).text == page.text
