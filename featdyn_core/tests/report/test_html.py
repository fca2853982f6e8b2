"""Tests of the HTML report and of the figure files, on a made-up run with every verdict."""

import dataclasses
import html.parser
import re
import subprocess
import sys

import pytest

from featdyn_core.errors import EvidenceError
from featdyn_core.report.html import write_figures, write_html
from featdyn_core.report.wording import hinge
from featdyn_core.tests.report.sample import FACTS, REASON, SENTENCE, document, every_verdict, evidence
from featdyn_core.verdicts.criterion import Outcome
from featdyn_core.verdicts.documents import Document, read_document, write_evidence
from featdyn_core.verdicts.families import adjusted_p_values

ROWS = every_verdict()
DECIDED = [row for row in ROWS if row.verdict.decided]
WEAKER, OPEN = (evidence(name, agreement=mean, spread=0.008) for name, mean in (("weaker", 0.956), ("open", 0.95)))


class _Page(html.parser.HTMLParser):
    """What a test asks of a page: its text, attributes and whether its elements are closed."""

    VOID = frozenset({"meta", "input", "br"})

    def __init__(self, text):
        super().__init__()
        self.texts, self.tags, self.open = [], [], []
        self.feed(text)
        self.text = " ".join(" ".join(self.texts).split())

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1:] not in (["style"], ["script"], ["option"]):
            self.texts.append(data)

    def attributes(self, *names):
        return [found[name] for _, found in self.tags for name in names if name in found]

    def count(self, tag):
        return sum(found == tag for found, _ in self.tags)


@pytest.fixture
def page_of(tmp_path):
    """Return a function that makes a page and reads it."""

    def make(runs):
        write_html(tmp_path / "report.html", runs)
        return _Page((tmp_path / "report.html").read_text(encoding="utf-8"))

    return make


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "new folder" / "report.html"
    write_html(path, document())
    return path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(text):
    return _Page(text)


# The head


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


# Rows


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
    assert "claim digits small mnist small Memory window 4.2 (Fig. 2, 10) SUPPORTED REFUTED forgetting 4.2" in summary
    assert summary.endswith("SUPPORTED ")


def test_a_claim_has_its_sentence_beside_its_verdicts(tmp_path):
    words = {"memory-window": "It *holds*, by `median` < 3.", "other": "Not here."}
    write_html(tmp_path / "page.html", [evidence("memory-window", curves=0)], meanings=words)
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.count("It <em>holds</em>, by <code>median</code> &lt; 3.") == 2  # in the grid, and at the claim
    assert "Not here." not in page


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
    links = _Page((tmp_path / "page.html").read_text(encoding="utf-8")).attributes("href")
    assert {link for link in links if not link.startswith("#")} == wanted


def test_a_sweep_is_in_the_headline_and_beside_its_claim(page_of):
    rows = [
        evidence("memory-window", title="Memory window"),
        evidence("memory-window", agreement=0.9, variation="constant rate", effect="agreement, held-out"),
        evidence("only-swept", variation="constant rate", effect="agreement, held-out"),
    ]
    found = page_of(rows)
    head, _, rest = found.text.partition("Claim by claim")
    assert "1 SUPPORTED as registered, but not in every sweep; 1 decided in sweeps alone" in head
    assert "Not in every sweep: Memory window (1 REFUTED)" in head
    assert "Sweep of digits, small: 1 SUPPORTED, 1 REFUTED in 1 variation" in head
    assert "In sweeps: one thing varied at a time" in rest[: rest.index("all numbers")]
    links = {link.removeprefix("#") for link in found.attributes("href")}
    assert links <= set(found.attributes("id"))


def test_the_filter_is_hidden_until_its_script_shows_it(page):
    forms = [attributes for tag, attributes in page.tags if tag == "form"]
    assert [("hidden" in form, form["id"]) for form in forms] == [(True, "filter")]
    asked = {attributes["data-verdict"] for _, attributes in page.tags if "data-verdict" in attributes}
    assert asked == {str(row.verdict) for row in DECIDED}
    changed = {attributes["data-verdict"] for _, attributes in page.tags if "data-changed" in attributes}
    assert changed == {str(row.verdict) for row in DECIDED if row.changed}


def test_heads_of_tables_say_what_they_are_of(page):
    assert page.count("main") == 1
    assert {attributes.get("scope") for tag, attributes in page.tags if tag == "th"} == {"col", "row", "rowgroup"}


def test_letters_of_figures_are_at_least_eleven_pixels(page, text):
    """A figure is as wide as a telephone's page, 358 pixels, or wider."""
    widths = [float(attributes["viewbox"].split()[2]) for tag, attributes in page.tags if "viewbox" in attributes]
    sizes = [float(size) for size in re.findall(r"font-size: ([\d.]+)px; font-family", text)]
    assert widths
    assert min(sizes) * 358 / max(widths) >= 11


def test_a_rival_stands_beside_its_claim_with_its_own_verdict(page_of):
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
    assert "Beside it: the same claim asked more sharply" in beside
    assert "Beyond closeness rival" in beside
    assert "REFUTED" in beside
    assert "A rival of memory-window : the same claim asked more sharply, with a verdict of its own" in claim


def test_a_rival_of_an_absent_claim_has_no_dead_link(page_of):
    found = page_of([evidence("beyond-closeness", rival_of="memory-window")])
    links = {link.removeprefix("#") for link in found.attributes("href")}
    assert links <= set(found.attributes("id"))


def test_paper_criteria_are_marked_and_the_limit_of_p_is_beside(page_of):
    rows = [evidence("memory-window")]
    own = dataclasses.replace(rows[0].findings[-1].criterion, paper=True)
    changed = dataclasses.replace(rows[0].findings[-1], criterion=own)
    text = page_of([dataclasses.replace(rows[0], findings=(*rows[0].findings[:-1], changed))]).text
    assert "The paper's own number or test, reported beside it drift (log10) the paper's own" in text
    order = [text.index(f" {title} ") for title in ("Decides", "The paper's own number", "Controls: worlds")]
    assert order == sorted(order)
    assert "bound p limit 0.025" in text


def test_curves_are_to_be_compared_with_the_papers_figures(page_of):
    assert "To compare with Fig. 2, 10 of the paper" in page_of([evidence("memory-window")]).text
    assert "To compare with" not in page_of([evidence("memory-window", section="4.2, App. D")]).text


def test_every_claim_is_introduced_by_the_papers_words(page):
    assert page.text.count(SENTENCE) == page.count("blockquote") == len(DECIDED)
    assert "Section 4.2 (Fig. 2, 10) of the paper" in page.text


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


def test_what_is_replayed_known_new_or_exploratory_can_be_seen(page):
    marks = [names for names in page.attributes("class") if names.startswith("mark")]
    assert marks.count("mark replayed") == marks.count("mark changed") == 2  # in the overview and at the row itself
    assert page.text.count("Replayed: published records were judged again; nothing was trained") == 1
    assert page.text.count("Exploratory: these seeds are not the register's") == 1
    assert page.text.count("INVALID was REFUTED") == 2
    assert page.text.count("The register knows this as REFUTED, which this contradicts.") == 1
    assert page.text.count("REFUTED * known replayed") == 2


def test_what_came_to_nothing_stands_in_one_table_at_the_end(page):
    _, _, end = page.text.rpartition("Provenance")
    assert "3 rows on which nothing was judged" in end
    for row in ROWS[5:]:
        assert f"{row.claim} {row.subject} {row.scale} {row.verdict} {row.reason}" in end
    assert page.text.count(REASON) == 1
    assert page.count("article") == len(DECIDED)


def test_a_page_on_which_nothing_was_decided_shows_why_at_once(page_of):
    found = page_of(ROWS[5:6])
    assert "1 row on which nothing was judged" in found.text
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
    shown = [finding for row in DECIDED for finding in (*row.findings, hinge(row))]
    for outcome in Outcome:
        assert classes.count(f"strip {outcome}") == sum(finding.outcome is outcome for finding in shown), outcome
    assert page.count("figure") == sum(len(row.curves) for row in ROWS)


# The page itself


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
    """What is folded away on a screen is printed; cells without a head of their column say what they are."""
    assert "@media print" in text
    assert "details:is(.claim, .printed)::details-content { content-visibility: visible; }" in text
    assert 'name="viewport" content="width=device-width' in text
    assert {"bound", "p, limit 0.025", "seeds", "control", "Holm p", "digits, small"} <= set(
        _Page(text).attributes("data-label")
    )


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


def test_a_page_of_one_file_does_not_name_it(page, page_of):
    assert page_of({"evidence.json": document()}).text == page.text


def test_page_of_several_runs_names_them_and_adjusts_within_each(page_of):
    found = page_of({"fast.json": [WEAKER], "full.json": Document((WEAKER, OPEN), FACTS)})
    runs = {"fast.json": adjusted_p_values([WEAKER])[0], "full.json": adjusted_p_values([WEAKER, OPEN])[0]}
    assert len(set(runs.values())) == 2
    for name, p_value in runs.items():
        assert f"run {name} " in found.text.partition("How to read this page")[0]
        assert re.search(rf"{name} digits small .{{,200}} holds 5 {p_value.p_value:.4f}", found.text)
    identifiers = found.attributes("id")
    assert len(set(identifiers)) == len(identifiers)


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


# Figures as files


def test_figures_are_named_after_row_and_title(tmp_path):
    paths = write_figures(tmp_path / "figures", [ROWS[0], ROWS[2]])
    stems = [
        "memory-window-small-digits-memory-part-1",
        "memory-window-small-digits-memory-part-2",
        "beyond-closeness-small-digits-replayed-memory-part-1",
    ]
    assert [path.name for path in paths] == [
        f"{stem}.{kind}" for stem in stems for kind in ("png", "svg", "pdf", "csv")
    ]
    starts = {
        ".png": b"\x89PNG",
        ".pdf": b"%PDF",
        ".svg": b"<?xml",
        ".csv": b"series,seed,shallow epoch s,agreement with f_t\n",
    }
    assert all(path.read_bytes().startswith(starts[path.suffix]) for path in paths)


def test_figures_with_long_or_foreign_titles_have_distinct_names(tmp_path):
    (curve, *_) = ROWS[0].curves.values()
    titles = ["記憶", "転移", "x" * 300, f"{'x' * 300}y", "é"]
    row = dataclasses.replace(ROWS[0], curves=dict.fromkeys(titles, curve))
    names = [path.name for path in write_figures(tmp_path, [row])]
    assert len(set(names)) == 4 * len(titles)
    assert all(name.isascii() and len(name) < 200 for name in names)
    assert names == [path.name for path in write_figures(tmp_path, [row])]


def test_the_same_claim_at_two_scales_has_two_figures(tmp_path):
    rows = [ROWS[0], dataclasses.replace(ROWS[0], scale="reduced"), dataclasses.replace(ROWS[0], replayed=True)]
    assert len(set(write_figures(tmp_path, rows))) == 24


def test_figures_that_collide_are_refused_before_any_is_written(tmp_path):
    with pytest.raises(
        EvidenceError, match=r"'memory-window on digits \(small\): memory, part 1' is not the only curve"
    ):
        write_figures(tmp_path, [ROWS[0], ROWS[0]])
    assert not list(tmp_path.iterdir())


def test_figures_of_nothing_are_refused(tmp_path):
    with pytest.raises(EvidenceError, match="there is no evidence to report"):
        write_figures(tmp_path, [])


def test_a_report_starts_without_matplotlib_and_without_torch():
    code = "import sys, featdyn_core.report.html; sys.exit(bool({'matplotlib', 'torch'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(("limit", "strips"), [("MOST_ROWS", 0), ("MOST_FIGURES", 0), ("", 1)])
def test_a_page_of_too_many_rows_shows_one_of_each_claim(tmp_path, monkeypatch, limit, strips):
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
    drawn = ["<figure" in article for article in articles]
    assert drawn == ([True, False, False] * 2 if limit else [True] * 6)
    assert ('class="strip' in page) == bool(strips)
    assert ("featdyn report --figures FOLDER" in page) == bool(limit)
