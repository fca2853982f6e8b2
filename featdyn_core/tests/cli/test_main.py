"""The command: what it prints, where it writes, and how it refuses."""

import io
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from featdyn_core.cli.main import main
from featdyn_core.errors import AbsentDataError, MissingTrajectoryError
from featdyn_core.harness.plan import all_cells
from featdyn_core.project import records_folder, register_folder
from featdyn_core.provenance import version
from featdyn_core.register.reading import load_register
from featdyn_core.store import supply as store_module
from featdyn_core.store.published import published
from featdyn_core.store.supply import Store
from featdyn_core.tests.report.sample import evidence
from featdyn_core.tests.store.edits import flip
from featdyn_core.tests.toy import MEDIUM, edit, entry, write_project, write_sweeps
from featdyn_core.trajectories.recipe import load_recipe
from featdyn_core.verdicts.evidence import Evidence, write_evidence


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """Return the folder of a toy project that one stands in, with a store of its own."""
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


def count(lines: list[str], word: str) -> int:
    return sum(word in line for line in lines)


def states(lines: list[str]) -> dict[tuple[str, str], str]:
    """State of each recipe and its seeds, in the table that status prints."""
    rows = [[cell.strip() for cell in line.strip("│").split("│")] for line in lines if line.startswith("│")]
    return {(recipe, seeds): state for recipe, seeds, state in rows}


# What there is


def test_status_and_verify_for_a_program(run, project):
    run("train", "--seeds", "0", "--jobs", "1")
    found = json.loads("\n".join(run("status", "--json")[1]))
    assert found["records"] == {"measured": 0, "wanted": 9}
    assert [(item["seed"], item["state"]) for item in found["trajectories"]] == [
        (0, "complete"),
        (1, "missing"),
        (2, "missing"),
    ]
    assert (project / "store" / found["trajectories"][0]["folder"]).is_dir()
    status, lines = run("verify", "--json")
    found = json.loads("\n".join(lines))
    assert (status, found["checked"], found["damaged"], list(found["problems"].values())) == (0, 1, 0, [[]])


def test_a_dry_run_trains_nothing_and_says_what_a_training_costs(run, project):
    status, lines = run("train", "--dry-run", "--jobs", "2")
    assert (status, len(lines)) == (0, 2)
    assert lines[0] == "toy, seeds 0-2: 3 to train; none like it is here that tells what it costs"
    assert lines[1].endswith("in 2 processes, 0 MB, and 3 of which nothing is known")
    assert not (project / "store").exists()
    run("train", "--seeds", "1", "--jobs", "1")
    lines = run("train", "--dry-run", "--tier", "full", "--jobs", "1")[1]
    assert re.fullmatch(
        r"toy-reduced, seeds 3-5: 3 to train, about 0\.\d minutes of a process and 0\.\d MB each", lines[0]
    )
    assert run("train", "--dry-run")[1][1] == "toy, seeds 1: already complete"


def test_clean_says_what_it_would_free_before_it_frees_it(run, project):
    run("train", "--jobs", "1")
    run("measure", "--jobs", "1")
    (project / "store/partial/abc").mkdir(parents=True)
    (project / "store/partial/abc/epoch-0001.safetensors").write_bytes(bytes(2_000_000))
    (outdated,) = (project / "store/records").glob("toy-1-*/stranger-*.json")
    outdated.write_text(outdated.read_text().replace('"source": "', '"source": "of another '))
    for yes, last in (((), "would be freed; remove it with: featdyn clean --yes"), (("--yes",), "freed")):
        status, lines = run("clean", *yes)
        assert (status, lines[0]) == (0, "an interrupted training, abc: 2.0 MB")
        assert lines[1].startswith(f"a record measured by other code, {outdated.stem}: ")
        assert lines[-1] == f"2 things, 2.0 MB {last}"
    assert run("clean")[1] == ["0 things, 0.0 MB to be freed"]
    assert run("status")[1][-1] == "records: 8 of 9 measured"
    assert len(list((project / "store/records").glob("*/*.npz"))) == 8


# Training


def test_status_before_and_after_training_and_measuring(run):
    status, lines = run("status")
    assert (status, states(lines), lines[-1]) == (0, {("toy", "0-2"): "missing"}, "records: 0 of 9 measured")
    status, lines = run("train", "--jobs", "1")
    assert status == 0
    assert [line.split(",")[0] for line in lines[:-1]] == [
        f"training toy seed {seed}: epoch {epoch}/3" for seed in (0, 1, 2) for epoch in (1, 2, 3)
    ]
    assert re.fullmatch(r"3 trained, 0 already complete, 0 not; [\d.]+ minutes, 0\.\d MB", lines[-1])
    assert re.fullmatch(r"training toy seed 0: epoch 1/3, loss \d\.\d{4}, [\d.e+]+ epochs/s, \d+ s left", lines[0])
    status, lines = run("status")
    assert (status, states(lines), lines[-1]) == (0, {("toy", "0-2"): "complete"}, "records: 0 of 9 measured")
    assert run("measure", "--jobs", "1")[0] == 0
    assert run("status")[1][-1] == "records: 9 of 9 measured"


def test_only_one_recipe_and_other_seeds(run, project):
    status, lines = run("train", "--only", "toy", "--seeds", "0-1,100", "--jobs", "1", "--at-once", "3")
    assert status == 0
    assert [line.split(",")[0] for line in lines[:-1]] == [
        f"training toy seed {seed}: epoch {epoch}/3" for epoch in (1, 2, 3) for seed in (0, 1, 100)
    ]
    path = project / "elsewhere.toml"
    path.write_text((project / "fixtures/recipes/toy.toml").read_text())
    status, lines = run("status", "--only", str(path), "--seeds", "0-4")
    assert (status, states(lines)) == (0, {("elsewhere", "0-1"): "complete", ("elsewhere", "2-4"): "missing"})
    status, lines = run("status", "--only", "toy-reduced")
    assert states(lines) == {("toy-reduced", "3-5"): "missing"}


def test_a_branch_is_listed_and_trained_after_its_parent(run, project):
    text = 'schema = 1\nbranch = { parent = "toy", at_epoch = 1 }\ntraining = { checkpoints = [[1, 3, 1]] }'
    (project / "fixtures/recipes/toy-branch.toml").write_text(text)
    options = "--only", "toy-branch", "--seeds", "0"
    assert [line.split(",")[0] for line in run("train", *options, "--dry-run")[1][:-1]] == ["toy", "toy-branch"]
    assert run("train", *options, "--jobs", "1")[0] == 0
    assert states(run("status", *options)[1]) == {("toy", "0"): "complete", ("toy-branch", "0"): "complete"}


def test_what_a_sweep_needs_is_trained_and_measured_at_its_scale(run, project):
    write_sweeps(project)
    assert run("train", "--tier", "sweep", "--jobs", "1")[0] == 0
    assert run("measure", "--tier", "sweep", "--jobs", "1")[0] == 0
    lines = run("status", "--tier", "sweep")[1]
    assert states(lines) == {("toy", "0-2"): "complete", ("toy-slow", "0-2"): "complete"}
    assert lines[-1] == "records: 18 of 18 measured"
    lines = run("status", "--tier", "sweep", "--scale", "reduced")[1]
    assert states(lines) == {("toy-reduced", "3-5"): "missing", ("toy-reduced-slow", "3-5"): "missing"}


def test_pilot_seeds_may_be_trained_and_are_not_judged(run):
    assert run("train", "--seeds", "100", "--jobs", "1")[0] == 0
    status, lines = run("status", "--seeds", "100")
    assert (status, states(lines)) == (0, {("toy", "100"): "complete"})
    assert lines[-1] == "records: seeds 100: bounds came from 100; take others"


def test_the_full_tier_is_of_the_scale_that_fits_the_device(run):
    status, lines = run("status", "--tier", "full")
    assert (status, states(lines)) == (0, {("toy-reduced", "3-5"): "missing"})


def test_a_scale_of_any_name_is_asked_for(run, project):
    edit(project / "claims/register/scales.toml", "[scales.reduced]", MEDIUM)
    edit(project / "claims/register/demo.toml", "[windows]", "[windows]\nmedium = { late = [2, 3] }")
    status, lines = run("status", "--tier", "full", "--scale", "medium")
    assert (status, states(lines)) == (0, {("toy", "7-9"): "missing"})


def test_processes_share_training_and_measuring(run, project):
    assert run("train", "--jobs", "2")[0] == 0
    assert len(list((project / "store").glob("toy-*/manifest.json"))) == 3
    status, lines = run("measure", "--jobs", "2")
    assert (status, lines[0]) == (0, "9 records: 0 here, 9 to be measured")
    assert {line.split(":")[0] for line in lines[1:]} == {
        f"{kind} of toy seed {seed}" for kind in ("column", "stranger") for seed in (0, 1, 2)
    }
    assert len(list((project / "store/records").glob("*/*.npz"))) == 9


# Remote stores


def test_what_is_pushed_here_is_pulled_there(run, project, monkeypatch):
    run("train", "--jobs", "1")
    run("measure", "--jobs", "1")
    url = str(project / "remote")
    status, lines = run("push", url)
    assert (status, count(lines, ": sent, ")) == (0, 12)
    assert re.fullmatch(r"12 sent, 0 there already, 0 missing, 0 failed; 21 files, [\d.]+ MB in \d+ s", lines[-1])
    assert run("push", url)[1][-1].startswith("0 sent, 12 there already, 0 missing, 0 failed; 0 files")
    monkeypatch.setenv("FEATDYN_STORE", str(project / "there"))
    assert run("pull", url, "--seeds", "1")[1][-1].startswith("4 fetched, 0 here already, 0 missing, 0 failed")
    assert run("pull", url)[1][-1].startswith("8 fetched, 4 here already, 0 missing, 0 failed")
    status, lines = run("status")
    assert (states(lines), lines[-1]) == ({("toy", "0-2"): "complete"}, "records: 9 of 9 measured")


def test_what_a_remote_store_lacks_is_no_failure_and_damage_is(run, project, monkeypatch):
    run("train", "--seeds", "0", "--jobs", "1")
    url = str(project / "remote")
    status, lines = run("push", url)
    assert (status, lines[-1].split(";")[0]) == (0, "1 sent, 0 there already, 11 missing, 0 failed")
    for path in (project / "remote/objects").iterdir():
        flip(path, 0)
    monkeypatch.setenv("FEATDYN_STORE", str(project / "there"))
    status, lines = run("pull", url)
    assert (status, lines[-1].split(";")[0]) == (1, "0 fetched, 0 here already, 11 missing, 1 failed")
    assert count(lines, "is damaged: its bytes do not match their sha256") == 1


# Measuring and publishing


def test_measuring_trains_nothing(run):
    status, lines = run("measure", "--jobs", "1")
    assert (status, lines[0]) == (1, "9 records: 0 here, 0 to be measured")
    assert count(lines, "its trajectory is missing; train it with: featdyn train --only ") == 9


def test_only_the_records_of_a_recipe_are_measured(run):
    run("train", "--jobs", "1")
    assert run("measure", "--only", "toy", "--jobs", "1")[1][0] == "9 records: 0 here, 9 to be measured"


def test_only_what_some_claims_need(run, project):
    one_split = entry(first=2).replace('deep = "last" }', 'deep = "last", splits = ["training"] }', 1)
    write_project(project, demo=entry(), other=one_split)
    wanted = [run("measure", *claims)[1][0].split(":")[0] for claims in [(), ("--claims", "other")]]
    assert wanted == ["9 records", "6 records"]
    assert count(run("status", "--claims", "other,demo")[1], "0 of 9 measured") == 1


def test_publish_then_replay(run, project):
    run("train", "--tier", "full", "--jobs", "1")
    run("measure", "--tier", "full", "--jobs", "1")
    status, lines = run("publish", "--tier", "full")
    folder = records_folder() / "reduced"
    assert (status, lines) == (0, [f"published 9 records in {folder}; 0 are not measured"])
    published.cache_clear()
    rows = [row.id for row in all_cells(load_register(register_folder()))]
    assert rows == ["demo-small-digits", "demo-reduced-digits", "demo-reduced-digits-replayed"]
    write_project(project, demo=entry(), other=entry(first=0))  # whose columns hold those of demo
    status, lines = run("publish", "--tier", "full")
    assert (status, lines) == (1, [f"published 9 records in {folder}; 6 are not measured"])
    write_project(project, demo=entry(first=0))
    (project / "claims/register/other.toml").unlink()
    status, lines = run("publish", "--tier", "full")
    assert (status, lines) == (1, [f"published 3 records in {folder}; 6 are not measured"])


def test_records_of_sweeps_are_published_with_their_scale(run, project):
    write_sweeps(project)
    for tier in (["full"], ["sweep", "--scale", "reduced"]):
        run("train", "--tier", *tier, "--jobs", "1")
        run("measure", "--tier", *tier, "--jobs", "1")
    status, lines = run("publish", "--tier", "full")
    assert (status, lines) == (0, [f"published 24 records in {records_folder() / 'reduced'}; 0 are not measured"])


def test_nothing_to_publish_is_no_success(run):
    status, lines = run("publish", "--tier", "full")
    assert status == 1
    assert lines == [f"published 0 records in {records_folder() / 'reduced'}; 9 are not measured"]
    assert not records_folder().exists()


@pytest.mark.parametrize("option", [["--only", "toy"], ["--seeds", "7-9"]])
def test_publishing_is_of_all_of_a_scale(run, option, capsys):
    with pytest.raises(SystemExit) as ended:
        run("publish", *option)
    assert ended.value.code == 2
    assert "unrecognized arguments" in capsys.readouterr().err


# Verifying


def test_looking_fetches_no_data(run, monkeypatch):
    fetched = []

    def load(_name, *, subset, download):
        fetched.append((subset, download))
        raise AbsentDataError("digits could not be had")

    monkeypatch.setattr(store_module, "load_dataset", load)
    options = ("--only", "toy")
    status, lines = run("status", *options)
    assert (status, states(lines), lines[-1]) == (0, {("toy", "0-2"): "not known (1)"}, "(1) digits could not be had")
    assert run("verify", *options)[0] == 1
    assert fetched == [(60, False)] * 2  # one each: the second seed needs no second look


def test_verify_counts_what_is_damaged(run, project):
    status, lines = run("verify", "--tier", "fast")
    assert (status, lines[-1]) == (1, "0 checked, 0 damaged")  # nothing was found to be good
    run("train", "--jobs", "1")
    assert run("verify", "--tier", "fast") == (0, [*(f"toy seed {n}: good" for n in range(3)), "3 checked, 0 damaged"])
    (checkpoint,) = (project / "store").glob("toy-1-*/epoch-0002.safetensors")
    flip(checkpoint, -1)
    status, lines = run("verify", "--tier", "fast")
    assert (status, lines[-1]) == (1, "3 checked, 1 damaged")
    assert "epoch-0002.safetensors" in lines[1]


def test_verify_checks_all_of_the_store_unless_told_what(run, project):
    run("train", "--jobs", "1")
    status, lines = run("verify")
    assert [line.rpartition("-")[0] for line in lines[:-1]] == ["toy-0", "toy-1", "toy-2"]
    assert (status, lines[-1]) == (0, "3 checked, 0 damaged")
    (manifest,) = (project / "store").glob("toy-0-*/manifest.json")
    manifest.write_text("{")
    status, lines = run("verify")
    assert status == 1
    assert "manifest.json cannot be read" in lines[0]


# Reporting


def test_claims_are_listed_with_their_scales(project, capsys):
    assert main(["claims"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert count(lines, "`demo`") == 1
    other = write_project(project / "other", other=entry("Other claim"))
    assert main(["claims", "--register", str(other / "claims/register")]) == 0
    assert "`other`" in capsys.readouterr().out


@pytest.mark.usefixtures("project")
def test_two_evidence_files_are_compared(capsys):
    rows = [evidence("memory-window"), evidence("forgetting")]
    write_evidence(Path("one.json"), rows)
    write_evidence(Path("other.json"), [rows[0], evidence("forgetting", agreement=0.9)])
    assert main(["compare", "one.json", "one.json"]) == 0
    assert "2 rows in both, 0 verdicts changed" in capsys.readouterr().out
    assert main(["compare", "one.json", "other.json"]) == 1
    assert "forgetting-small-digits: SUPPORTED -> REFUTED" in capsys.readouterr().out
    assert main(["compare", "one.json", "other.json", "--json"]) == 1
    assert [row["changed"] for row in json.loads(capsys.readouterr().out)["rows"]] == [False, True]


def test_a_report_of_evidence(project, capsys):
    row = Evidence("demo", "1", "digits", "fast", "small", "NOT RUN", reason="it was not run", seeds=(0, 1, 2))
    write_evidence(project / "evidence.json", [row])
    assert main(["report", "evidence.json", "-o", "page.html"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == "wrote page.html"
    assert "it was not run" in (project / "page.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["train", "--seeds", "a"], "--seeds 'a': expected seeds from 0 on", id="seeds"),
        pytest.param(["train", "--seeds=-1"], "--seeds '-1': expected seeds from 0 on", id="negative seed"),
        pytest.param(["measure", "--seeds", "0,1"], "a claim is judged on at least 3", id="few seeds"),
        pytest.param(["measure", "--seeds", "0,1,100"], "bounds came from 100", id="pilot seeds"),
        pytest.param(["measure", "--only", "toy-reduced"], "no claim reads a record of toy-reduced", id="not read"),
        pytest.param(["train", "--jobs", "0"], "--jobs 0: expected a number from 1 on", id="jobs"),
        pytest.param(["measure", "--jobs", "-2"], "--jobs -2: expected a number from 1 on", id="jobs to measure"),
        pytest.param(["train", "--at-once", "-1"], "--at-once -1: expected a number from 1 on", id="at once"),
        pytest.param(["measure", "--claims", "nothing"], "unknown claim 'nothing'; the register has demo", id="claim"),
        pytest.param(["train", "--only", "nothing"], "unknown recipe 'nothing'", id="recipe"),
        pytest.param(["train", "--device", "cpu", "--engine", "graphs"], "cpu has no CUDA graphs", id="engine"),
        pytest.param(["status", "--device", "gpu"], "unknown device 'gpu'", id="device"),
        pytest.param(["status", "--register", "nowhere"], "there is no register at nowhere", id="register"),
        pytest.param(
            ["status", "--tier", "full", "--scale", "paper"],
            "unknown scale 'paper'; the register has small, reduced",
            id="scale",
        ),
        pytest.param(
            ["status", "--scale", "reduced"], "the scale reduced is of the tier full, and not of fast", id="tier"
        ),
        pytest.param(["report", "nowhere.json"], "nowhere.json is no evidence file", id="evidence"),
    ],
)
def test_bad_input_is_one_line_and_status_two(project, arguments, message, capsys):
    assert main(arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("featdyn: ")
    assert message in line
    assert not (project / "store").exists()


def test_a_home_that_nobody_knows_is_bad_usage(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["status", "--store", "~nobody-of-that-name/there"])
    assert ended.value.code == 2
    assert "no home folder is known" in capsys.readouterr().err.splitlines()[-1]


def test_a_damaged_record_is_one_line(run, project, capsys):
    run("train", "--jobs", "1")
    run("measure", "--jobs", "1")
    for path in (project / "store/records").glob("*/stranger-*.json"):
        path.write_text(json.dumps({"kind": "stranger"}))
    status, lines = run("status")
    assert status == 0
    assert "does not describe a record" in lines[-1]
    assert main(["publish", "--device", "cpu"]) == 2
    assert "does not describe a record" in capsys.readouterr().err


# Terminals, and advice


def test_without_a_command_it_says_what_to_do_next(capsys):
    assert main([]) == 0
    assert "pytest -m fast" in capsys.readouterr().out


def test_it_knows_its_version(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith(f"featdyn {version('featdyn')}")


def test_an_interruption_is_one_line_that_says_how_to_go_on(project, capsys, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("featdyn_core.cli.plan.train_missing", interrupted)
    arguments = ["train", "--store", str(project / "a store"), "--jobs", "1"]
    assert main(arguments) == 130
    assert capsys.readouterr().err == f"featdyn: interrupted; go on with: featdyn {shlex.join(arguments)}\n"


def test_a_reader_who_has_seen_enough_is_no_error(project):
    command = (
        f"{shlex.quote(sys.executable)} -c 'from featdyn_core.cli.main import main; raise SystemExit(main())' claims"
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
    for command in (["status"], ["train", "--only", "toy", "--seeds", "0", "--jobs", "1"], ["claims"]):
        store = [] if command == ["claims"] else ["--store", str(project / name), "--device", "cpu"]
        assert main([*command, *store]) == 0
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
