"""The README's picture shows the report that this version writes."""

import importlib.util
from pathlib import Path

import pytest
from PIL import Image

DOCS = Path(__file__).parents[3] / "docs"


@pytest.fixture(scope="module")
def script():
    """Import the script that makes the picture."""
    found = importlib.util.spec_from_file_location("report_picture", DOCS / "report.py")
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def page(script, tmp_path_factory):
    """Write the page that the picture shows."""
    return script.page(tmp_path_factory.mktemp("picture"))


def test_the_picture_is_of_this_versions_report(script, page):
    made = Image.open(DOCS / "report.png").text[script.KEY]
    assert made == script.digest(page), "docs/report.png is of another report; make it again: python docs/report.py"


@pytest.mark.parametrize(
    ("old", "new", "differs"),
    [
        ("The answer", "The answers", True),
        ("memory on held-out images: agreement", "another title", True),
        ("border-collapse", "border-spacing", True),
        ("How to read this page", "Another word below what is shown", False),
    ],
)
def test_the_digest_is_of_what_is_shown(script, page, tmp_path, old, new, differs):
    other = tmp_path / "other.html"
    text = page.read_text(encoding="utf-8")
    assert old in text
    other.write_text(text.replace(old, new), encoding="utf-8")
    assert (script.digest(other) != script.digest(page)) == differs
