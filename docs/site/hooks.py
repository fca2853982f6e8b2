"""Hooks that MkDocs calls while it builds the site: they collect pages from the repository and run the examples.

A page has the same path in the site as in the repository, so its relative links hold. If a page links to a file that is
not a page, the site includes that file. A link to a folder becomes plain text, because the site shows no folders.
"""

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from posixpath import normpath
from typing import Any

import gallery  # beside this file
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

import featdyn_core

ROOT = Path(__file__).parents[2]
LINK = re.compile(r"\[((?:[^\[\]]|\[[^\[\]]*\])*)\]\((?!https?:|mailto:|#)([^)\s#]+)(#[^)\s]*)?\)")
"""A link to another file: its text, its path and its anchor. The text may hold the brackets of an image."""

GROUPS = {
    "Evidence and figures": ("report", "plots", "provenance"),
    "Verdicts": ("verdicts",),
    "Trajectories and data": ("trajectories", "store", "data", "networks", "seeds", "launch", "errors"),
    "Measures": ("measures",),
    "Records": ("records",),
    "Analysis": ("analysis",),
    "Claims": ("harness", "register", "planted"),
}
"""Pages of the reference, each with the packages whose public names it lists."""


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Give the gallery and the reference their places in the navigation."""
    examples = [{gallery.title(path): f"gallery/{path.stem}.md"} for path in gallery.examples(ROOT)]
    reference = [{"Overview": "reference/index.md"}, *({title: f"reference/{_slug(title)}.md"} for title in GROUPS)]
    assert config.nav is not None, "mkdocs.yml has a nav"
    config.nav[3:3] = [{"Gallery": examples}, {"Reference": reference}]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages of the navigation, the files they link to, the gallery and the reference."""
    sources = [path for path in _paths(config.nav) if (ROOT / path).is_file()]
    linked = {target for path in sources for target in _linked(path) if (ROOT / target).is_file()}
    for path in [*sources, *sorted(linked - set(sources))]:
        if not path.endswith(".md") or path in sources:
            files.append(File.generated(config, path, abs_src_path=str(ROOT / path)))
    for name, content in {**gallery.pages(ROOT), **_reference()}.items():
        files.append(File.generated(config, name, content=content))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Replace links to folders by their text."""

    def shown(link: re.Match[str]) -> str:
        return link[1] if (ROOT / _target(page.file.src_uri, link[2])).is_dir() else link[0]

    return LINK.sub(shown, markdown)


def _paths(nav: Any) -> Iterator[str]:
    """Yield the paths of a navigation."""
    if isinstance(nav, str):
        yield nav
    for item in nav.values() if isinstance(nav, dict) else nav if isinstance(nav, list) else ():
        yield from _paths(item)


def _target(page: str, path: str) -> str:
    """Return the path, in the repository, of the target of a link."""
    return normpath((PurePosixPath(page).parent / path).as_posix())


def _linked(page: str) -> list[str]:
    return [_target(page, link[2]) for link in LINK.finditer((ROOT / page).read_text(encoding="utf-8"))]


def _slug(title: str) -> str:
    return title.lower().replace(" ", "-")


def _public() -> dict[str, list[str]]:
    """Return the public names of each package, as listed in the stub of the public names."""
    found: dict[str, list[str]] = {}
    stub = ast.parse((ROOT / "featdyn_core" / "__init__.pyi").read_text(encoding="utf-8"))
    for node in stub.body:
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                found.setdefault((node.module or alias.name).split(".")[0], []).append(alias.name)
    return found


def _summary(name: str) -> str:
    """Return the first line of the docstring of a function or a class."""
    one = getattr(featdyn_core, name)
    said = inspect.getdoc(one) if inspect.isfunction(one) or inspect.isclass(one) else None
    return f" – {said.splitlines()[0].replace('``', '`')}" if said else ""


def _reference() -> dict[str, str]:
    """Return the pages of the reference by their paths.

    Raises:
        ValueError: ``GROUPS`` lacks a package that has public names.
    """
    public = _public()
    if absent := set(public) - {package for packages in GROUPS.values() for package in packages}:
        raise ValueError(f"docs/site/hooks.py: GROUPS has no page for the public names of {sorted(absent)}")
    pages, overview = (
        {},
        [
            "# Reference",
            "Import all public names from `featdyn_core` itself. Examples assume `from featdyn_core import …`, "
            "`import numpy as np`, `import torch` and `from fractions import Fraction`; the unit tests run them.",
        ],
    )
    for title, packages in GROUPS.items():
        names = sorted((name for package in packages for name in public.get(package, [])), key=str.casefold)
        page = f"{_slug(title)}.md"
        pages[f"reference/{page}"] = "\n\n".join([f"# {title}", *(f"::: featdyn_core.{name}" for name in names)])
        lines = (f"- [`{name}`]({page}#featdyn_core.{name}){_summary(name)}" for name in names)
        overview += [f"## {title}", "\n".join(lines)]
    return {"reference/index.md": "\n\n".join(overview), **pages}
