"""Provenance: the commit is this project's or empty, and versions are read without imports."""

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from unittest.mock import Mock

import pytest

import featdyn_core
from featdyn_core import provenance
from featdyn_core.provenance import environment, processor, version

PACKAGE = Path(provenance.__file__).parent
MODULES = ("__init__.py", "__init__.pyi", "errors.py", "project.py", "provenance.py")
COMMIT = re.compile("[0-9a-f]{12}")


def git(folder: Path, *arguments: str) -> str:
    """Run git in a folder, without a user's settings."""
    name = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
    own = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    done = subprocess.run(["git", *name, *arguments], cwd=folder, env=own, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def repository(folder: Path) -> str:
    """Commit all that is in a folder; return the commit's first 12 digits."""
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "all", "--allow-empty")
    return git(folder, "rev-parse", "HEAD")[:12]


def place(folder: Path) -> None:
    """Put the package into a folder."""
    (folder / "featdyn_core").mkdir(parents=True)
    for name in MODULES:
        shutil.copy(PACKAGE / name, folder / "featdyn_core" / name)


def commit_seen(folder: Path, asked: str = "commit", **variables: str) -> str:
    """Return the commit, or another fact, that the package in a folder reports in a new process."""
    command = [sys.executable, "-B", "-c", f"from featdyn_core.provenance import {asked}; print({asked}())"]
    own = os.environ | {"PYTHONPATH": str(folder)} | variables
    done = subprocess.run(command, cwd=folder, env=own, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def checkout(tmp_path) -> Path:
    """Return a checkout of the package, which is not committed yet."""
    root = tmp_path / "outer" / "checkout"
    place(root)
    (root / "claims/register").mkdir(parents=True)
    (root / "claims/register/scales.toml").touch()
    return root


def test_the_package_says_its_version():
    assert featdyn_core.__version__ == importlib.metadata.version("featdyn")


def test_a_checkout_says_its_commit_and_whether_it_was_changed(checkout):
    made = repository(checkout)
    assert COMMIT.fullmatch(made)
    assert commit_seen(checkout) == made
    (checkout / "claims/register/scales.toml").write_text("# changed")
    assert commit_seen(checkout) == f"{made}-dirty"


def test_git_of_the_caller_is_not_asked(checkout, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    variables = {"GIT_DIR": str(other / ".git"), "GIT_WORK_TREE": str(other)}
    assert repository(other) != (made := repository(checkout))
    assert commit_seen(checkout, **variables) == made


def test_a_checkout_without_git_in_a_repository_has_no_commit(checkout):
    repository(checkout.parent)
    assert commit_seen(checkout) == ""
    assert commit_seen(checkout, GIT_DIR=str(checkout.parent / ".git")) == ""


@pytest.mark.parametrize("of_claims", [False, True])
def test_an_installed_package_inside_another_repository_has_none(tmp_path, of_claims):
    """Also if that is a project with its own claims."""
    installed = tmp_path / ".venv/lib/site-packages"
    place(installed)
    if of_claims:
        (tmp_path / "claims/register").mkdir(parents=True)
    repository(tmp_path)
    assert commit_seen(installed) == ""
    assert commit_seen(installed, GIT_DIR=str(tmp_path / ".git")) == ""


def test_without_git_there_is_none(checkout):
    repository(checkout)
    assert commit_seen(checkout, PATH="") == ""


@pytest.mark.parametrize(
    ("origin", "wanted"),
    [
        ("https://name:secret@example.org/us/code.git", "https://example.org/us/code"),
        ("git@example.org:us/code.git", "https://example.org/us/code"),
        ("/somewhere/here", ""),
        ("", ""),
    ],
)
def test_a_checkout_says_where_its_repository_is(checkout, origin, wanted):
    repository(checkout)
    if origin:
        git(checkout, "remote", "add", "origin", origin)
    assert commit_seen(checkout, "repository") == wanted


def test_environment_names_package_libraries_and_machine():
    found = environment()
    assert set(found) == {"commit", "featdyn", "python", "torch", "numpy", "scipy", "machine", "host"}
    assert found["numpy"] == importlib.metadata.version("numpy")
    assert found["python"] == ".".join(map(str, sys.version_info[:3]))
    assert found["host"]


def test_what_is_not_installed_has_no_version():
    assert version("no-such-distribution") == ""


def test_versions_are_known_without_importing_anything(checkout):
    text = "import sys; from featdyn_core.provenance import environment; environment(); print('torch' in sys.modules)"
    own = os.environ | {"PYTHONPATH": str(checkout)}
    done = subprocess.run(
        [sys.executable, "-B", "-c", text], cwd=checkout, env=own, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"


def test_processor_is_what_the_system_says(monkeypatch):
    processor.cache_clear()
    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_text", Mock(return_value="processor: 0\nmodel name\t: A Processor: fast\n"))
        assert processor() == "A Processor: fast"
    processor.cache_clear()
    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_text", Mock(side_effect=FileNotFoundError))
        patch.setattr(provenance.platform, "processor", lambda: "of another system")
        assert processor() == "of another system"
    processor.cache_clear()
