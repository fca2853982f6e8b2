"""Adding a claim as CONTRIBUTING.md says changes only the files that it names."""

import re
import shutil
import subprocess
import sys

import pytest

from claims.meta.modules import HERE
from featdyn_core.cli.main import main

ROOT = HERE.parent
COPIED = ("claims", "docs", "evidence", "fixtures/recipes")
EXAMPLE, CLAIM = "memory-window", "recent-memory"


def files(root):
    """Return the content of every file by its path."""
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Return a copy of the project without library, records and figures, as the working directory."""
    for folder in COPIED:
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__", "figures"))
    for path in [*ROOT.glob("*.md"), ROOT / "conftest.py", ROOT / "pyproject.toml"]:
        shutil.copy(path, tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def collected_or_run(*arguments):
    """Run pytest in the working directory; return its exit status and what it printed."""
    command = [sys.executable, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    return found.returncode, found.stdout + found.stderr


def add(project, path):
    """Write a file of the new claim like the example's; ``<claim>`` in the path stands for the claim's name."""
    old, new = (name.replace("-", "_") if path.endswith(".py") else name for name in (EXAMPLE, CLAIM))
    text = (project / path.replace("<claim>", old)).read_text(encoding="utf-8")
    text = re.sub(r"^found = .*\n", "", text, flags=re.MULTILINE)  # a new claim has no findings yet
    text = text.replace(f'"{EXAMPLE}"', f'"{CLAIM}"').replace(f"test_{old}", f"test_{new}")
    (project / path.replace("<claim>", new)).write_text(text, encoding="utf-8")


def test_a_claim_is_added_as_contributing_says(project, capsys):
    text = (project / "CONTRIBUTING.md").read_text(encoding="utf-8")
    adding = text.partition("## Adding a claim")[2].partition("\n## ")[0]
    named = re.findall(r"^\d\. `(\S*<claim>\S*)`", adding, re.MULTILINE)
    assert named == ["claims/register/<claim>.toml", "claims/test_<claim>.py"]
    assert "`featdyn docs --check`" in adding
    before = files(project)
    for path in named:
        add(project, path)
    assert main(["docs"]) == 0
    assert capsys.readouterr().out == "wrote README.md\nwrote docs/claims.md\nwrote evidence/README.md\n"
    assert main(["docs", "--check"]) == 0

    status, printed = collected_or_run("--collect-only", "claims", "-m", "fast")
    assert status == 0, printed
    assert "claims/test_recent_memory.py::test_recent_memory[recent-memory-small-digits]" in printed
    status, printed = collected_or_run("claims/meta/test_coverage.py", "-k", "not planned and not documents")
    assert status == 0, printed

    after = files(project)
    assert set(after) - set(before) == {"claims/register/recent-memory.toml", "claims/test_recent_memory.py"}
    assert {path for path in before if after[path] != before[path]} == {
        "README.md",
        "docs/claims.md",
        "evidence/README.md",
    }
