"""The command that writes documents."""

import pytest

from featdyn_core.cli.main import main
from featdyn_core.tests.toy import write_project

PLACE = "<!-- featdyn docs: claims -->\n<!-- end -->\n"


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Return a toy project as working directory, with two documents, one with a place for a table."""
    monkeypatch.chdir(write_project(tmp_path))
    (tmp_path / "README.md").write_text(PLACE, encoding="utf-8")
    (tmp_path / "CHANGELOG.md").write_text("# Changes\n", encoding="utf-8")
    return tmp_path


def test_check_names_what_is_out_of_date_and_the_mend(project, capsys):
    assert main(["docs", "--check"]) == 1
    assert capsys.readouterr().out == "README.md is out of date; write it again with: featdyn docs\n"
    assert (project / "README.md").read_text(encoding="utf-8") == PLACE


def test_what_was_written_is_up_to_date(project, capsys):
    assert main(["docs"]) == 0
    assert capsys.readouterr().out == "wrote README.md\n"
    assert "| `demo` |" in (project / "README.md").read_text(encoding="utf-8")
    for options in ([], ["--check"]):
        assert main(["docs", *options]) == 0
        assert capsys.readouterr().out == "all documents are up to date\n"
    assert (project / "CHANGELOG.md").read_text(encoding="utf-8") == "# Changes\n"


def test_a_table_that_there_is_not_is_an_error(project, capsys):
    (project / "README.md").write_text(PLACE.replace("claims", "clams"), encoding="utf-8")
    assert main(["docs"]) == 2
    assert "there is no table 'clams'; tables are claims; grid; findings; results" in capsys.readouterr().err
