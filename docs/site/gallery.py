"""Run the scripts of ``docs/gallery`` and make a page of each, with what it prints and draws.

A script begins with a docstring, whose first line is its title. ``# %%`` begins a new cell. Comments directly below it
are the text above the cell.
"""

import ast
import contextlib
import io
import itertools
import re
from pathlib import Path
from typing import Any

from matplotlib import pyplot

CELL = re.compile(r"^# %%.*\n", re.MULTILINE)


def examples(root: Path) -> list[Path]:
    """Return the scripts, in the order of their names."""
    return sorted((root / "docs" / "gallery").glob("*.py"))


def title(script: Path) -> str:
    """Return the title of a script: the first line of its docstring, without the full stop."""
    return _docstring(script).splitlines()[0].rstrip(".")


def pages(root: Path) -> dict[str, str | bytes]:
    """Run all scripts in the project's folder; return pages and figures by their paths in the site.

    An exception in a script ends the build.
    """
    pyplot.switch_backend("agg")
    with contextlib.chdir(root):
        return {name: content for script in examples(root) for name, content in _page(script).items()}


def _page(script: Path) -> dict[str, str | bytes]:
    """Run a script cell by cell; return its page, and its figures."""
    names: dict[str, Any] = {"__name__": "__main__"}
    _, *about = _docstring(script).split("\n", 1)
    parts, figures = [f"# {title(script)}", *(text.strip() for text in about)], {}
    for cell in _cells(script):
        above, code = _split(cell)
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(code, str(script), "exec"), names)
        parts += [above, f"```python\n{code.strip()}\n```"]
        if printed.getvalue():
            parts.append(f"```text\n{printed.getvalue().rstrip()}\n```")
        for number in pyplot.get_fignums():
            name = f"{script.stem}-{len(figures) + 1}.svg"
            figures[f"gallery/{name}"] = _svg(pyplot.figure(number))
            parts.append(f"![{_alternative(pyplot.figure(number))}]({name})")
        pyplot.close("all")
    return {f"gallery/{script.stem}.md": "\n\n".join(filter(None, parts)), **figures}


def _docstring(script: Path) -> str:
    return ast.get_docstring(ast.parse(script.read_text(encoding="utf-8"))) or script.stem


def _cells(script: Path) -> list[str]:
    """Return the source of each cell; the docstring comes before the first."""
    return CELL.split(script.read_text(encoding="utf-8"))[1:]


def _split(cell: str) -> tuple[str, str]:
    """Return the text above a cell, and its code."""
    lines = cell.splitlines(keepends=True)
    above = list(itertools.takewhile(lambda line: line.startswith("#"), lines))
    return "".join(line.lstrip("# ") for line in above).strip(), "".join(lines[len(above) :])


def _svg(figure: Any) -> bytes:
    drawn = io.BytesIO()
    figure.savefig(drawn, format="svg", bbox_inches="tight", metadata={"Date": None})
    return drawn.getvalue()


def _alternative(figure: Any) -> str:
    """Return a description of a figure, for readers who do not see it."""
    axes = figure.axes[0]
    return ": ".join(filter(None, [axes.get_title(loc="left"), f"{axes.get_ylabel()} over {axes.get_xlabel()}"]))
