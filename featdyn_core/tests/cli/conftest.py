"""A toy project as working directory, and commands that are run there or refused."""

from collections.abc import Callable
from pathlib import Path

import pytest

from featdyn_core.cli.main import main
from featdyn_core.errors import AbsentDataError
from featdyn_core.store import supply
from featdyn_core.tests.toy import entry, write_project


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """Return the folder of a toy project with its own store, as the working directory."""
    monkeypatch.chdir(write_project(tmp_path))
    monkeypatch.setenv("FEATDYN_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path


@pytest.fixture
def run(project, capsys):  # noqa: ARG001 - one stands in it
    """Return a function that runs a command and returns its exit status and the lines it printed."""

    def command(*arguments: str) -> tuple[int, list[str]]:
        capsys.readouterr()
        status = main([*arguments, *(() if arguments[0] == "clean" else ("--device", "cpu"))])
        return status, capsys.readouterr().out.splitlines()

    return command


@pytest.fixture
def refused(project, capsys) -> Callable[..., str]:
    """Return a function that runs a command on bad input and returns its one line of output."""

    def command(*arguments: str) -> str:
        capsys.readouterr()
        try:
            status = main(arguments)
        except SystemExit as ended:  # of the parser
            status = ended.code
        printed = capsys.readouterr()
        assert (status, printed.out) == (2, "")
        (line,) = printed.err.splitlines()
        assert line.startswith("featdyn: ")
        assert not (project / "store").exists()
        return line

    return command


@pytest.fixture
def fetched(monkeypatch) -> list[tuple[int, bool]]:
    """Make data sets unavailable; return the requested ones, as (subset, whether it may be fetched)."""
    found = []

    def load(_name, *, subset, download):
        found.append((subset, download))
        raise AbsentDataError("digits could not be had")

    monkeypatch.setattr(supply, "load_dataset", load)
    return found


@pytest.fixture
def two_arms(project):
    """Add an arm to the project's claim: it reads columns of ``toy`` and of ``toy-reduced`` at the small scale."""
    text = entry(more='arms = { plain = "", other = { small = "-reduced", reduced = "" } }')
    write_project(project, demo=text.replace('kind = "column"', 'kind = "column", arms = ["plain", "other"]'))
