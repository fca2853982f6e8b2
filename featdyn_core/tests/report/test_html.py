"""Tests of the page as a whole: its mark-up, its errors, and its size."""

import dataclasses
import re
import subprocess
import sys

import pytest

from featdyn_core.errors import EvidenceError
from featdyn_core.report.html import write_html
from featdyn_core.tests.report.pages import ROWS, Page
from featdyn_core.tests.report.sample import FACTS, document, evidence, plane
from featdyn_core.verdicts.documents import Document, read_document, write_evidence


def test_page_is_well_formed_and_needs_nothing_from_outside(page, text):
    assert not page.open
    assert page.attributes("src", "srcset", "data", "action") == []
    links = page.attributes("href", "xlink:href")
    identifiers = page.attributes("id")
    assert len(set(identifiers)) == len(identifiers)
    assert {link.removeprefix("#") for link in links if not link.startswith("https://arxiv.org/")} <= set(identifiers)
    assert page.count("script") == 1  # within the page: it has no source, as no element has
    assert not {"link", "iframe", "image"} & {tag for tag, _ in page.tags}
    assert not re.search(r"@import|url\((?!#)", text)


def test_page_is_whole_on_paper_and_reads_on_a_telephone(text):
    """Folded parts are printed; cells without a column head have a label."""
    assert "@media print" in text
    assert "details:is(.claim, .printed)::details-content { content-visibility: visible; }" in text
    assert 'name="viewport" content="width=device-width' in text
    assert {"bound", "p", "hold", "control", "Holm p", "digits, small"} <= set(Page(text).attributes("data-label"))


def test_page_escapes_what_evidence_says(page_of):
    attack = '<script>alert("1")</script>'
    drawn = next(iter(ROWS[0].curves.values()))
    curve = dataclasses.replace(drawn, series={attack: next(iter(drawn.series.values()))}, x_label=attack)
    texts = dict.fromkeys(("claim", "section", "subject", "sentence", "tier", "scale", "register"), attack)
    tables = {name: {attack: attack} for name in ("recipes", "data", "protocol", "environment", "records")}
    fields = {"windows": {attack: [1, 2]}, "curves": {attack: curve}, "measured": [{attack: attack}]}
    row = dataclasses.replace(ROWS[0], **texts, **tables, **fields)
    nothing = dataclasses.replace(ROWS[5], claim=attack, subject=attack, reason=attack)
    facts = {"paper": {"title": attack, "arxiv": attack}, "command": [attack], "written": attack}
    found = page_of({attack: Document((row, nothing), facts), "other": [row]})
    assert found.count("script") == 1
    assert found.text.count(attack) >= 40
    assert not found.open


def test_same_evidence_same_bytes(text, tmp_path):
    write_html(tmp_path / "report.html", document())
    assert (tmp_path / "report.html").read_bytes() == text.encode()


def test_a_file_makes_the_page_that_its_run_makes(page, page_of, tmp_path):
    write_evidence(tmp_path / "evidence.json", ROWS, facts=FACTS)
    found = read_document(tmp_path / "evidence.json")
    again = Document(found.rows, found.facts | {"written": FACTS["written"]})
    assert page_of(again).text == page.text


@pytest.mark.parametrize(
    "rows", [[], {}, {"evidence.json": []}, Document(())], ids=["rows", "files", "empty", "document"]
)
def test_a_page_of_nothing_is_refused(rows, tmp_path):
    with pytest.raises(EvidenceError, match="there is no evidence to report: run the claims first"):
        write_html(tmp_path / "report.html", rows)
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(EvidenceError, match=f"{re.escape(str(tmp_path))} cannot be written"):
        write_html(tmp_path, ROWS[5:])


def test_a_page_is_made_without_matplotlib_and_without_torch(tmp_path):
    """Importing them and drawing a hundred figures would take longer than everything else."""
    write_evidence(tmp_path / "evidence.json", [evidence("induction", planes={"the plane": plane()})])
    code = (
        "import sys, pathlib, featdyn_core.report.html as html, featdyn_core.verdicts.documents as documents\n"
        f"folder = pathlib.Path({str(tmp_path)!r})\n"
        "html.write_html(folder / 'report.html', documents.read_document(folder / 'evidence.json'))\n"
        "sys.exit(bool({'matplotlib', 'torch'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("limit", ["MOST_ROWS", "MOST_FIGURES", ""])
def test_a_page_of_too_many_rows_shows_one_of_each_claim(tmp_path, monkeypatch, limit):
    rows = [
        evidence(claim, subject=subject, curves=1)
        for claim in ("memory-window", "transferability")
        for subject in ("cifar10", "mnist", "svhn")
    ]
    if limit:
        monkeypatch.setattr(f"featdyn_core.report.html.{limit}", 5)
    write_html(tmp_path / "page.html", rows)
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    articles = page.split("<article")[1:]
    assert len(articles) == 6
    for said in ("<figure", "<small>worst seed", "relative drift of the parameters"):
        whole = [said in article for article in articles]
        assert whole == ([True, False, False] * 2 if limit else [True] * 6), said
    assert all("agreement, held-out" in article and "agreement of a stranger" in article for article in articles)
    assert ('class="strip' in page) == (not limit)
    assert ("featdyn report --figures FOLDER" in page) == bool(limit)


def test_a_page_of_thousands_of_rows_stays_small(tmp_path):
    """A page of 5,000 rows is one that a browser opens: below 30 MB, so below 6 kB a row."""
    rows = [evidence(f"claim-{number % 5}", subject=f"subject-{number}") for number in range(1005)]
    write_html(tmp_path / "page.html", rows)
    assert (tmp_path / "page.html").stat().st_size / len(rows) < 6000


def test_what_has_no_article_is_not_drawn(tmp_path, monkeypatch):
    """Figures of a sweep therefore cost nothing, and do not count towards the limit of figures."""
    monkeypatch.setattr("featdyn_core.report.html.MOST_FIGURES", 1)
    swept = [evidence("memory-window", variation=name) for name in ("adam", "no-decay")]
    write_html(tmp_path / "page.html", [evidence("memory-window"), *swept])
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.count("<figure") == 1
    assert "featdyn report --figures FOLDER" not in page


def test_heads_of_tables_say_what_they_are_of(page):
    assert page.count("main") == 1
    assert {attributes.get("scope") for tag, attributes in page.tags if tag == "th"} == {"col", "row", "rowgroup"}


def test_figures_are_not_scaled_so_letters_keep_their_size(page, text):
    assert float(re.search(r"figure text, .choices { font-size: ([\d.]+)px", text)[1]) >= 11
    drawn = [attributes for tag, attributes in page.tags if tag == "svg" and attributes.get("role") == "img"]
    assert drawn
    for attributes in drawn:
        assert "viewbox" not in attributes
        assert float(attributes["width"]) <= 358, "the width of a telephone's page"
