"""Pages that tests read."""

import pytest

from featdyn_core.report.html import write_html
from featdyn_core.tests.report.pages import Page
from featdyn_core.tests.report.sample import document


@pytest.fixture
def page_of(tmp_path):
    """Return a function that makes a page and reads it."""

    def make(runs):
        write_html(tmp_path / "report.html", runs)
        return Page((tmp_path / "report.html").read_text(encoding="utf-8"))

    return make


@pytest.fixture(scope="session")
def text(tmp_path_factory):
    """Return the mark-up of the page of the made-up run."""
    path = tmp_path_factory.mktemp("report") / "new folder" / "report.html"
    write_html(path, document())
    return path.read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def page(text):
    """Return that page."""
    return Page(text)
