"""A project is created in a folder without one."""

import pytest

from featdyn_core.cli.main import main


def test_a_project_is_begun_in_a_folder(project, capsys):
    assert main(["init", "mine"]) == 0
    written = sum(path.is_file() for path in (project / "mine").rglob("*"))
    advice = "decide the claims there with: pytest -m fast -n 2"
    assert capsys.readouterr().out == f"wrote {written} files to {project / 'mine'}; {advice}\n"


def test_init_refuses_in_one_line(refused):
    assert "is there already; create the project in another folder" in refused("init")
    assert "unrecognized arguments: theirs" in refused("init", "mine", "theirs")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--adopted", "mine", "--window", "4-7"), "bring checkpoints in first: featdyn adopt mine"),
        (
            ("--recipe", "fixtures/recipes/toy.toml"),
            "--window A-B is missing; the epochs of the claims must be fixed before",
        ),
        (("--recipe", "fixtures/recipes/toy.toml", "--window", "4"), "--window 4: expected a first and a last epoch"),
        (("--recipe", "fixtures/recipes/toy.toml", "--window", "1-2-3"), "1-2-3: expected a first and a last epoch"),
        (("--recipe", "x.toml", "--adopted", "mine"), "--adopted and --recipe exclude each other"),
        (("new", "--claims", "memory-window"), "--claims is for a project on your own trainings; add --adopted"),
    ],
)
def test_a_project_of_ones_own_is_refused_in_one_line(refused, arguments, told):
    assert told in refused("init", *arguments)


def test_a_project_of_ones_own_recipe(project, capsys):
    command = ["init", "mine", "--recipe", "fixtures/recipes/toy.toml", "--window", "1-3", "--claims", "memory-window"]
    assert main([*command, "--seeds", "3-6"]) == 0
    assert capsys.readouterr().out == f"wrote 12 files to {project / 'mine'}; decide the claims there with: pytest\n"
    assert "seeds = [3, 4, 5, 6]" in (project / "mine/claims/register/scales.toml").read_text()
