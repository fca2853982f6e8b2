"""The page in a real browser: on a desk, on a telephone, on paper, by keyboard, without its script.

It needs Playwright (extra ``dev``) and a Chromium: of the system, or Playwright's own (playwright install chromium).
"""

import dataclasses
import io
import shutil
from pathlib import Path

import pytest

from featdyn_core.report.html import write_html
from featdyn_core.report.marked_tables import project_meanings
from featdyn_core.tests.report.sample import CRITERIA, FACTS, every_verdict, evidence, plane
from featdyn_core.verdicts.documents import Document, read_document
from featdyn_core.verdicts.multiverse import REGISTERED, SHOWN, Multiverse
from featdyn_core.verdicts.units import Unit

playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed (extra dev)")

ROOT = Path(__file__).parents[3]
WIDTHS = {"desk": 1280, "telephone": 390}
MOST_PAGES = 40
SMALLEST = 11
"""Pixels of a letter in a figure."""


@pytest.fixture(scope="module")
def browser():
    """Start a browser for all tests of this module."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    found = next(filter(None, map(shutil.which, names)), None)
    with playwright.sync_playwright() as started:
        try:
            browser = started.chromium.launch(executable_path=found, args=["--no-sandbox"])
        except playwright.Error as error:
            pytest.skip(f"no Chromium starts here: {str(error).splitlines()[0]}")
        yield browser
        browser.close()


def multiverse():
    """Return a multiverse with every verdict."""
    dimensions = {"bound": (REGISTERED, "low"), "the name of a choice that is long": (REGISTERED, "inner", "every cut")}
    return Multiverse(dimensions, (*SHOWN, SHOWN[0]), (0.5, 0.1, -0.5, -2.0, 3.0, 10.0), ("agreement",) * 6)


def everything() -> Document:
    """Return a run with a row of each verdict, sweeps, and every kind of figure."""
    first, *others = every_verdict()
    shown = dataclasses.replace(first, planes={"regions": plane()}, multiverse=multiverse(), title="Memory window")
    swept = [
        evidence("memory-window", agreement=mean, variation=f"variation {number}", effect="agreement, held-out")
        for number, mean in enumerate((0.985, 0.9, 0.985, 0.9, 0.985, 0.9, 0.985, 0.9, 0.985))
    ]
    rival = evidence("rival", "mnist", known="REFUTED", rival_of="memory-window")
    deep = tuple(criterion.judge([0.985, 0.99, 0.98]) for criterion in _at_depths())
    rival = dataclasses.replace(rival, findings=deep + rival.findings)
    return Document((shown, *others, *swept, rival), dict(FACTS))


def _at_depths():
    for depth in range(1, 13):
        yield dataclasses.replace(
            CRITERIA[1],
            name=f"consistency, depth {depth}",
            quantity=f"consistency of composites, depth {depth}",
            unit=Unit.DIFFERENCE,
        )


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Write the page of everything."""
    path = tmp_path_factory.mktemp("made") / "report.html"
    write_html(path, everything())
    return path.as_uri()


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """Write the page of the published evidence."""
    (file,) = (ROOT / "evidence" / "fast-cpu").glob("evidence.json*")
    path = tmp_path_factory.mktemp("published") / "report.html"
    write_html(path, read_document(file), meanings=project_meanings(ROOT))
    return path.as_uri()


@pytest.fixture(params=["made", "published"])
def address(request):
    """Return the address of each page."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def visit(browser):
    """Return a function that opens a page and fails the test on any error of the page."""
    contexts, complaints = [], []

    def open_page(address, **options):
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}} | options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(address)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not complaints


def open_all(page):
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")


def seen(page, selector):
    """Return the texts of visible elements."""
    return [one.inner_text().strip() for one in page.locator(selector).all() if one.is_visible()]


# On a desk and on a telephone


@pytest.mark.parametrize("width", WIDTHS.values(), ids=WIDTHS)
def test_nothing_is_wider_than_the_page(visit, address, width):
    page = visit(address, viewport={"width": width, "height": 844})
    for state in ("closed", "open"):
        assert page.evaluate("document.documentElement.scrollWidth") == width, state
        open_all(page)
    lost = page.evaluate(
        "width => [...document.querySelectorAll('figure svg, .strip, .verdict, h3, p, dd, small')]"
        ".filter(one => !one.closest('.scroll') && one.getBoundingClientRect().right > width + 1)"
        ".map(one => one.outerHTML.slice(0, 200))",
        width,
    )
    assert not lost


@pytest.mark.parametrize("width", WIDTHS.values(), ids=WIDTHS)
def test_no_letter_of_a_figure_is_small(visit, address, width):
    page = visit(address, viewport={"width": width, "height": 844})
    open_all(page)
    sizes = page.evaluate(
        "[...document.querySelectorAll('figure text, figure span, .strips *')].filter(one => one.textContent.trim())"
        ".map(one => parseFloat(getComputedStyle(one).fontSize) * (one.getScreenCTM ? one.getScreenCTM().d : 1))"
    )
    assert len(sizes) > 100
    assert min(sizes) >= SMALLEST


def test_a_telephone_shows_no_empty_cells(visit, address):
    page = visit(address, viewport={"width": 390, "height": 844})
    open_all(page)
    empty = page.evaluate(
        "[...document.querySelectorAll('td')].filter(one => !one.textContent.trim() && !one.querySelector('svg')"
        " && one.getBoundingClientRect().height > 0).length"
    )
    assert empty == 0


def test_panels_stand_beside_each_other_as_there_is_room(visit, made):
    def columns(width):
        page = visit(made, viewport={"width": width, "height": 844})
        open_all(page)
        boxes = [one.bounding_box() for one in page.locator("figure.multiples >> nth=0").locator("svg[role=img]").all()]
        assert len(boxes) == 3
        return len({round(box["x"]) for box in boxes})

    assert (columns(1280), columns(390)) == (3, 2)


def test_a_dark_page_has_light_letters_on_dark_ground(visit, made):
    page = visit(made, color_scheme="dark")
    open_all(page)
    fill = page.evaluate("getComputedStyle(document.querySelector('figure text')).fill")
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert min(map(int, fill.strip("rgb()").split(","))) > 200
    assert max(map(int, ground.strip("rgb()").split(","))) < 60


# The filter


def test_the_filter_keeps_what_is_asked_for(visit, made):
    page = visit(made)
    everything = seen(page, ".matrix tbody tr th")
    assert len(everything) == 6

    def kept(**asked):
        page.get_by_role("button", name="reset").click()
        for name, value in asked.items():
            part = page.locator(f"#filter [name={name}]")
            part.check() if value is True else part.fill(value) if name == "words" else part.select_option(value)
        page.wait_for_function("document.querySelector('output').value")
        claims = {one.get_attribute("data-claim") for one in page.locator(".matrix tbody tr").all() if one.is_visible()}
        sections = {one.get_attribute("data-claim") for one in page.locator("details.claim").all() if one.is_visible()}
        assert claims == sections
        assert page.locator("output").inner_text() == f"{len(claims)} of 6 claims"
        return claims

    assert kept(verdict="EQUIVALENT") == {"beyond-churn"}
    assert kept(verdict="REFUTED") == {"beyond-closeness", "memory-window"}, "the latter in a sweep"
    assert kept(subject="mnist") == {"rival"}
    assert kept(claim="transferability") == {"transferability"}
    assert kept(changed=True) == {"random-label-collapse", "rival"}
    assert kept(words="MEMORY WIND") == {"memory-window"}
    assert kept(words="nothing has these words") == set()
    assert kept(verdict="SUPPORTED", subject="digits") == {"memory-window"}
    page.get_by_role("button", name="reset").click()
    page.wait_for_function("document.querySelector('output').value.startsWith('6')")
    assert seen(page, ".matrix tbody tr th") == everything


def test_the_filter_hides_rows_of_other_verdicts_in_a_claim(visit, made):
    page = visit(made)
    page.locator("#filter [name=verdict]").select_option("REFUTED")
    badges = {one.inner_text() for one in page.locator(".matrix a").all() if one.is_visible() and one.inner_text()}
    assert badges == {"REFUTED", "✗", "Memory window", "beyond-closeness"}


def test_buttons_open_and_close_all_sections(visit, made):
    page = visit(made)
    sections = page.locator("details.claim")
    for button, state in (("open all", True), ("close all", False)):
        page.get_by_role("button", name=button).click()
        assert {one.evaluate("one => one.open") for one in sections.all()} == {state}


# By keyboard, and without script


def test_the_keyboard_reaches_every_link_and_opens_a_section(visit, made):
    page = visit(made)
    reached = []
    for _ in range(400):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.outerHTML.slice(0, 300)"))
        if "<summary" in reached[-1]:
            break
    links = page.locator(".matrix a").all()
    assert len(links) > 15
    for link in links:
        assert link.evaluate("one => one.outerHTML.slice(0, 300)") in reached
    section = page.locator("details.claim").first
    assert not section.evaluate("one => one.open")
    page.keyboard.press("Enter")
    assert section.evaluate("one => one.open")
    assert section.locator("blockquote").is_visible()


def test_the_focus_can_be_seen(visit, made):
    page = visit(made)
    page.keyboard.press("Tab")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"


def test_a_link_of_the_grid_opens_where_it_leads(visit, made):
    page = visit(made)
    link = page.locator(".matrix a.verdict").first
    link.focus()
    page.keyboard.press("Enter")
    target = page.locator(link.get_attribute("href"))
    target.locator(".asked").first.wait_for(state="visible", timeout=5000)


def test_without_script_every_section_opens_and_is_read(visit, address):
    page = visit(address, java_script_enabled=False)
    assert not page.locator("#filter").is_visible()
    assert all(row.is_visible() for row in page.locator(".matrix tbody tr").all())
    section = page.locator("details.claim").first
    section.locator("summary").first.click()
    assert section.locator("blockquote").first.is_visible()
    section.locator("details.row > summary").first.click()
    assert section.locator("article").first.is_visible()
    section.locator("details.numbers > summary").first.click()
    assert section.locator("table.criteria").first.is_visible()


# On paper


def test_print_is_short_and_has_an_outline_and_page_numbers(visit, published):
    pypdf = pytest.importorskip("pypdf", reason="pypdf is not installed (extra dev)")
    page = visit(published)
    claims = page.locator("details.claim").count()
    document = pypdf.PdfReader(io.BytesIO(page.pdf(prefer_css_page_size=True, tagged=True, outline=True)))
    pages = len(document.pages)
    assert pages <= MOST_PAGES
    titles = list(_titles(document.outline))
    assert {"The answer", "Claim by claim", "Provenance"} <= set(titles)
    assert len(titles) > claims
    assert all(f"{number} / {pages}" in one.extract_text() for number, one in enumerate(document.pages, start=1))


def test_print_shows_every_claim_and_folds_the_numbers(visit, made):
    page = visit(made)
    page.emulate_media(media="print")
    assert not page.locator("#filter").is_visible()
    assert all(one.is_visible() for one in page.locator("details.claim blockquote").all())
    assert not any(one.is_visible() for one in page.locator("table.criteria").all())
    open_all(page)
    assert page.locator("table.criteria").first.is_visible()


def _titles(outline):
    for one in outline:
        if isinstance(one, list):
            yield from _titles(one)
        else:
            yield one.title
