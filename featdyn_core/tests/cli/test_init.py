"""A project is begun where there is none."""

from featdyn_core.cli.main import main


def test_a_project_is_begun_in_a_folder(project, capsys):
    assert main(["init", "mine"]) == 0
    written = sum(path.is_file() for path in (project / "mine").rglob("*"))
    advice = "decide the claims there with: pytest -m fast -n 2"
    assert capsys.readouterr().out == f"wrote {written} files to {project / 'mine'}; {advice}\n"


def test_init_refuses_in_one_line(refused):
    assert "is there already; begin a project in another folder" in refused("init")
    assert "unrecognized arguments: theirs" in refused("init", "mine", "theirs")
