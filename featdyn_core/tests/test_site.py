"""The site's own code: links, pages, and examples as pages. CI builds the site."""

import importlib
import re
import sys
from types import SimpleNamespace

import pytest

from featdyn_core.project import checkout

ROOT = checkout()
SCRIPT = '''"""A title.

What it is about.
"""

# %%
# Above the first cell.
x = 20 + 1
print(x)


# %%
def twice(number):
    return 2 * number


# %%
# Above the last cell.
from matplotlib import pyplot

pyplot.plot([0, 1])
label = pyplot.gca().set(xlabel="epoch", ylabel="loss")
print(twice(x))
'''


@pytest.fixture
def site(monkeypatch):
    """The modules of the site by name, imported as MkDocs does."""
    monkeypatch.syspath_prepend(ROOT / "docs" / "site")
    yield SimpleNamespace(**{name: importlib.import_module(name) for name in ("gallery", "hooks")})
    for name in ("gallery", "hooks"):
        sys.modules.pop(name)


def project(folder, script):
    """Return a folder whose gallery is one script."""
    (folder / "docs" / "gallery").mkdir(parents=True)
    (folder / "docs" / "gallery" / "example.py").write_text(script)
    return folder


def test_an_example_becomes_a_page_with_what_it_prints_and_draws(site, tmp_path):
    pages = site.gallery.pages(project(tmp_path, SCRIPT))
    assert list(pages) == ["gallery/example.md", "gallery/example-1.svg"]
    assert b"<svg" in pages["gallery/example-1.svg"]
    page = pages["gallery/example.md"]
    assert page.startswith("# A title\n\nWhat it is about.\n\nAbove the first cell.\n\n```python\nx = 20 + 1\n")
    assert re.findall(r"```text\n(.*)\n```", page) == ["21", "42"]
    assert page.count("```python") == 3
    assert page.endswith("![loss over epoch](example-1.svg)")


def test_an_example_that_fails_ends_the_build(site, tmp_path):
    with pytest.raises(ZeroDivisionError):
        site.gallery.pages(project(tmp_path, '"""A title."""\n\n# %%\n1 / 0\n'))


def test_every_example_has_a_title_and_cells(site):
    for script in site.gallery.examples(ROOT):
        assert site.gallery.title(script)[0].isupper()
        assert len(script.read_text(encoding="utf-8").split("\n# %%\n")) > 2


def test_a_link_to_a_folder_becomes_text(site):
    page = SimpleNamespace(file=SimpleNamespace(src_uri="docs/verdicts.md"))
    shown = site.hooks.on_page_markdown("[`register`](../claims/register), [it](calibration.md#rows), [x](gone)", page)
    assert shown == "`register`, [it](calibration.md#rows), [x](gone)"


def test_linked_files_are_found_from_the_page(site):
    assert {"docs/calibration.md", "claims/register"} <= set(site.hooks._linked("docs/verdicts.md"))
    assert "docs/report.png" in site.hooks._linked("README.md")


def test_every_page_of_the_guide_is_in_the_navigation():
    listed = set(re.findall(r": (\S+\.md)$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE))
    assert {f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")} <= listed
    assert not [path for path in listed if not (ROOT / path).is_file()]


def test_every_public_name_is_on_one_page_of_the_reference(site):
    import featdyn_core

    pages = site.hooks._reference()
    described = re.findall(r"^::: featdyn_core\.(\w+)$", "\n".join(pages.values()), re.MULTILINE)
    assert sorted(described) == sorted({*featdyn_core.__all__})
    assert "- [`kendall`](analysis.md#featdyn_core.kendall) – Kendall's rank" in pages["reference/index.md"]


def test_a_package_without_a_page_is_named(site, monkeypatch):
    monkeypatch.delitem(site.hooks.GROUPS, "Analysis")
    with pytest.raises(ValueError, match=r"no page for the public names of \['analysis'\]"):
        site.hooks._reference()
