"""The command as a whole: its help, its errors, and its behaviour with terminals and closed pipes."""

import io
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from featdyn_core.cli.main import COMMANDS, command_line, main
from featdyn_core.errors import MissingTrajectoryError
from featdyn_core.project import checkout
from featdyn_core.provenance import version
from featdyn_core.register.reading import load_register
from featdyn_core.store.heartbeats import read_beats
from featdyn_core.store.supply import Store
from featdyn_core.tests.store.operations import is_alive
from featdyn_core.tests.store.watched import PATIENCE, wait_until
from featdyn_core.trajectories.recipe import load_recipe

DEEDS = {
    "init": "Create a project",
    "adopt": "Adopt checkpoints",
    "status": "List a tier's trajectories and records",
    "train": "Train a tier's missing trajectories",
    "measure": "Measure a tier's missing records",
    "publish": "Write a tier's records into fixtures/records",
    "push": "Send those of a tier's trajectories and records that are here to a remote store",
    "pull": "Fetch a tier's missing trajectories and records from a remote store",
    "verify": "Check every byte of the trajectories",
    "audit": "Train one seed of the published evidence again",
    "multiverse": "Compute each row's verdict under every other reasonable choice",
    "report": "Make one HTML file of one or more evidence files",
    "compare": "Show how two evidence files differ",
    "docs": "Write the tables of the project's documents",
    "selfcheck": "Compare this machine's engines, precisions and devices",
    "rehearse": "Try a new machine in a few minutes",
    "clean": "List what the store can do without",
}
"""Command to the start of its help."""


@pytest.fixture
def help_of(capsys, monkeypatch):
    """Return a function of arguments that returns the help they ask for, on one line."""
    monkeypatch.setenv("COLUMNS", "100")

    def asked(*arguments: str) -> str:
        with pytest.raises(SystemExit) as ended:
            main([*arguments, "--help"])
        assert ended.value.code == 0
        return " ".join(capsys.readouterr().out.split())

    return asked


def test_every_command_is_in_the_table_of_help_texts():
    assert _names() == list(DEEDS)


def test_the_help_lists_every_command(help_of):
    listed = help_of()
    for deed in DEEDS.values():
        assert deed[1:] in listed, deed


@pytest.mark.parametrize("command", DEEDS)
def test_help_says_what_it_does_what_it_prints_and_how(help_of, command):
    told = help_of(command)
    assert DEEDS[command] in told
    assert "The command" in told
    program, *example = shlex.split(told.partition("Example: ")[2])
    assert (program, example[0]) == ("featdyn", command)
    assert command_line().parse_args(example).run.__name__ == command


def test_a_misspelt_command_is_answered_with_the_right_one(refused):
    line = refused("stat")
    assert "did you mean status?" in line
    assert line.endswith("(see featdyn --help)")


def test_an_unknown_option_is_one_line(refused):
    assert "unrecognized arguments: --nothing" in refused("status", "--nothing")


def test_an_error_of_the_package_is_one_line(refused):
    assert "there is no register at nowhere" in refused("status", "--register", "nowhere")


def test_without_a_command_it_prints_the_state_of_the_project(project, capsys):
    def said() -> str:
        assert main([]) == 0
        return capsys.readouterr().out

    found = said()
    assert f"project {project}" in found
    assert "0 of 3 trajectories of the first scale are trained" in found
    assert "there is no evidence.json yet" in found
    assert "pytest -m fast" in found
    digest = load_register(project / "claims" / "register").digest
    (project / "evidence.json").write_text(json.dumps({"register": digest}), encoding="utf-8")
    assert f"featdyn report {project / 'evidence.json'}" in said()
    (project / "evidence.json").write_text('{"register": "older"}', encoding="utf-8")
    assert "was made with another register" in said()


def test_without_a_command_and_without_a_project_it_offers_one(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main([]) == 0
    found = capsys.readouterr().out
    assert found.startswith("there is no project here")
    assert "featdyn init" in found


@pytest.mark.parametrize(("command", "said"), [("docs", True), ("init", False)])
def test_outside_a_project_it_says_that_it_uses_the_checkout(command, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(f"featdyn_core.cli.main.{command}.{command}", lambda _: 0)
    assert main([command]) == 0
    assert (f"using the checkout {checkout()}" in capsys.readouterr().err) == said


@pytest.mark.parametrize("name", ["FORCE_COLOR", "TTY_COMPATIBLE"])
def test_a_log_has_no_bars_whatever_colours_are_asked_for(name, run, monkeypatch):
    monkeypatch.setenv(name, "1")
    status, lines = run("train", "--seeds", "100", "--jobs", "1")
    assert status == 0
    assert any("seed 100" in line and "epoch 3" in line for line in lines), lines
    assert not any("\x1b" in line for line in lines)
    assert os.environ[name] == "1"


def test_it_knows_its_version(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith(f"featdyn {version('featdyn')}")


def test_an_interruption_is_one_line_that_says_how_to_go_on(project, capsys, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("featdyn_core.cli.train.train_missing", interrupted)
    arguments = ["train", "--store", str(project / "a store"), "--jobs", "1"]
    assert main(arguments) == 130
    assert capsys.readouterr().err == f"featdyn: interrupted; continue with: featdyn {shlex.join(arguments)}\n"


PROGRAM = """
import sys
from featdyn_core.training import loop

loop.RESUME_SECONDS = 0.0  # in the workers too, which run this file as far as here
if __name__ == "__main__":
    from featdyn_core.cli.main import main
    raise SystemExit(main(sys.argv[1:]))
"""
ENDLESS = "epochs = 1000000\nbatch_size = 30\ncheckpoints = [[0, 1000000, 1000000]]"


@pytest.fixture
def endless(project):
    """Return the arguments of an endless training that can resume from every epoch."""
    toy = (project / "fixtures/recipes/toy.toml").read_text()
    (project / "fixtures/recipes/endless.toml").write_text(toy.partition("epochs =")[0] + ENDLESS)
    (project / "program.py").write_text(PROGRAM)
    return ["train", "--only", "endless", "--seeds", "0-1", "--device", "cpu", "--jobs"]


def ended_by_sigterm(project, arguments, begun) -> tuple[list[str], str]:
    """Run the command in a process and end it once ``begun`` holds; return its output and its last message."""
    command = [sys.executable, project / "program.py", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            wait_until(begun)
            process.terminate()
            printed, told = process.communicate(timeout=PATIENCE)
        finally:
            process.kill()
    assert process.returncode == 143
    return printed.splitlines(), told


def resume_points(project) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in project.glob("store/partial/*/resume.json")}


def test_sigterm_ends_workers_and_leaves_them_resumable(project, run, endless):
    workers = set()

    def both_at_work() -> bool:
        workers.update(beat.process for beat in read_beats(project / "store"))
        return len(workers) == len(resume_points(project)) == 2

    lines, told = ended_by_sigterm(project, [*endless, "2"], both_at_work)
    again = f"featdyn {shlex.join([*endless, '2'])}"
    assert told == f"featdyn: SIGTERM ended this command and its processes; continue with: {again}\n"
    assert lines[-1].startswith("0 trained, 0 already complete, 2 not; ")
    assert not [worker for worker in workers if is_alive(worker)]
    found = json.loads("\n".join(run("status", *endless[1:5], "--json")[1]))["trajectories"]
    assert all(re.fullmatch(r"partial \([1-9]\d*/1000000\)", item["state"]) for item in found)

    before = resume_points(project)
    lines = ended_by_sigterm(project, [*endless, "1"], lambda: resume_points(project) != before)[0]
    for seed in (0, 1):
        line = rf"endless seed {seed} was interrupted and resumes at epoch [1-9]\d*/1000000"
        assert re.fullmatch(line, lines[seed])


def test_a_command_without_an_output_ends_well(project):
    command = f"{shlex.quote(sys.executable)} -m featdyn_core status >&-"
    found = subprocess.run(["bash", "-c", command], stderr=subprocess.PIPE, text=True, cwd=project, check=False)
    assert (found.returncode, found.stderr) == (0, "")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a full disk")
@pytest.mark.parametrize("command", ["status", "train --jobs 1 --device cpu"])
def test_an_output_on_a_full_disk_is_one_line(project, command):
    text = f"{shlex.quote(sys.executable)} -m featdyn_core {command} >/dev/full"
    found = subprocess.run(["bash", "-c", text], stderr=subprocess.PIPE, text=True, cwd=project, check=False)
    told = f"featdyn: the output cannot be written (No space left on device); continue with: featdyn {command}\n"
    assert (found.returncode, found.stderr) == (2, told)


def test_a_reader_who_has_seen_enough_is_no_error(project):
    command = (
        f"{shlex.quote(sys.executable)} -c 'from featdyn_core.cli.main import main; raise SystemExit(main())' status"
    )
    found = subprocess.run(
        ["bash", "-c", f"{command} | true; echo ${{PIPESTATUS[0]}}"],
        capture_output=True,
        text=True,
        cwd=project,
        check=True,
    )
    assert (found.stdout.strip() in ("0", "141"), found.stderr) == (True, "")


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
@pytest.mark.parametrize("name", ["a[/b]c", "größe", "undecodable\udcff"])
def test_a_store_of_any_name_is_printed_on_any_terminal(project, monkeypatch, name, encoding):
    monkeypatch.setenv("COLUMNS", "400")
    printed = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", printed)
    for command in (["status"], ["train", "--only", "toy", "--seeds", "0", "--jobs", "1"]):
        assert main([*command, "--store", str(project / name), "--device", "cpu"]) == 0
    printed.flush()
    found = printed.buffer.getvalue().decode(encoding)
    assert name.encode(encoding, "backslashreplace").decode(encoding) in found


@pytest.mark.parametrize("name", ["toy", "a recipe's folder/toy.toml"])
def test_advice_on_what_is_not_trained_can_be_pasted(project, monkeypatch, name):
    path = project / name
    path.parent.mkdir(exist_ok=True)
    if path.suffix:
        path.write_text((project / "fixtures/recipes/toy.toml").read_text())
    store = Store(project / "a store", device="cpu")
    with pytest.raises(MissingTrajectoryError) as found:
        store.get(load_recipe(path if path.suffix else name), 7, train=False)
    program, *arguments = shlex.split(str(found.value).partition("train it with: ")[2])
    monkeypatch.delenv("FEATDYN_STORE")
    assert program == "featdyn"
    assert main([*arguments, "--device", "cpu", "--jobs", "1"]) == 0
    assert store.get(load_recipe("toy"), 7, train=False).epochs == (0, 1, 2, 3)


def _names() -> list[str]:
    return [module.__name__.rpartition(".")[2] for module in COMMANDS]
