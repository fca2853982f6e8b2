"""Which options train what, and the messages."""

import re

import pytest

from featdyn_core.launch import inventory
from featdyn_core.tests.cli.printed import states
from featdyn_core.tests.toy import write_sweeps


def test_a_dry_run_trains_nothing_and_says_what_a_training_costs(run, project):
    status, lines = run("train", "--dry-run", "--jobs", "2")
    assert (status, len(lines)) == (0, 2)
    cost = r"about \d+ seconds? of a process and \d+\.\d kB each"
    assert re.fullmatch(rf"toy, seeds 0-2: 3 to train, {cost}", lines[0])
    assert re.fullmatch(r"together: about \d+ seconds? in 2 processes, \d+\.\d [kM]B", lines[1])
    assert not (project / "store").exists()
    run("train", "--seeds", "1", "--jobs", "1")
    lines = run("train", "--dry-run", "--tier", "full", "--jobs", "1")[1]
    assert re.fullmatch(rf"toy-reduced, seeds 3-5: 3 to train, {cost}", lines[0])
    assert run("train", "--dry-run")[1][1] == "toy, seeds 1: already complete"


def test_a_dry_run_knows_how_many_train_at_once(run, monkeypatch):
    timed = []
    monkeypatch.setattr(inventory, "epoch_seconds", lambda *_, at_once, **__: timed.append(at_once) or 1.0)
    assert run("train", "--dry-run", "--jobs", "1", "--at-once", "2")[0] == 0
    assert timed == [2]


def test_pilot_seeds_may_be_trained_and_are_not_judged(run):
    assert run("train", "--seeds", "100", "--jobs", "1")[0] == 0
    status, lines = run("status", "--seeds", "100")
    assert (status, states(lines)) == (0, {("toy", "100"): "complete"})
    assert lines[-1] == "records: seeds 100: bounds came from the pilot seeds 100; take others"


def test_a_branch_is_listed_and_trained_after_its_parent(run, project):
    text = 'schema = 1\nbranch = { parent = "toy", at_epoch = 1 }\ntraining = { checkpoints = [[1, 3, 1]] }'
    (project / "fixtures/recipes/toy-branch.toml").write_text(text)
    options = "--only", "toy-branch", "--seeds", "0"
    assert [line.split(",")[0] for line in run("train", *options, "--dry-run")[1][:-1]] == ["toy", "toy-branch"]
    assert run("train", *options, "--jobs", "1")[0] == 0
    assert states(run("status", *options)[1]) == {("toy", "0"): "complete", ("toy-branch", "0"): "complete"}


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


def test_what_a_sweep_needs_is_trained_and_measured_at_its_scale(run, project):
    write_sweeps(project)
    assert run("train", "--tier", "sweep", "--jobs", "1")[0] == 0
    assert run("measure", "--tier", "sweep", "--jobs", "1")[0] == 0
    lines = run("status", "--tier", "sweep")[1]
    assert states(lines) == {("toy", "0-2"): "complete", ("toy-slow", "0-2"): "complete"}
    assert lines[-1] == "records: 18 of 18 measured"
    lines = run("status", "--tier", "sweep", "--scale", "reduced")[1]
    assert states(lines) == {("toy-reduced", "3-5"): "missing", ("toy-reduced-slow", "3-5"): "missing"}


def test_processes_share_training_and_measuring(run, project):
    assert run("train", "--jobs", "2")[0] == 0
    assert len(list((project / "store").glob("toy-*/manifest.json"))) == 3
    status, lines = run("measure", "--jobs", "2")
    assert (status, lines[0]) == (0, "9 records: 0 here, 9 to be measured")
    assert {line.split(":")[0] for line in lines[1:]} == {
        f"{kind} of toy seed {seed}" for kind in ("column", "stranger") for seed in (0, 1, 2)
    }
    assert len(list((project / "store/records").glob("*/*.npz"))) == 9


def test_several_recipes_are_trained_each_with_its_seeds(run):
    lines = run("train", "--only", "toy", "--only", "toy-reduced", "--dry-run")[1]
    assert [line.split(":")[0] for line in lines[:-1]] == ["toy, seeds 0-2", "toy-reduced, seeds 3-5"]


def test_a_parent_that_is_asked_for_is_trained_once(run, project):
    text = 'schema = 1\nbranch = { parent = "toy", at_epoch = 1 }\ntraining = { checkpoints = [[1, 3, 1]] }'
    (project / "fixtures/recipes/toy-branch.toml").write_text(text)
    lines = run("train", "--only", "toy-branch", "--only", "toy", "--seeds", "0", "--dry-run")[1]
    assert [line.split(":")[0] for line in lines[:-1]] == ["toy, seeds 0", "toy-branch, seeds 0"]
    assert lines[-1].startswith("together: about ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["--seeds", "a"], "--seeds 'a': expected seeds from 0 on", id="seeds"),
        pytest.param(["--seeds=-1"], "--seeds '-1': expected seeds from 0 on", id="negative seed"),
        pytest.param(["--jobs", "0"], "--jobs 0: expected a number from 1 on", id="jobs"),
        pytest.param(["--at-once", "-1"], "--at-once -1: expected a number from 1 on", id="at once"),
        pytest.param(["--only", "nothing"], "unknown recipe 'nothing'", id="recipe"),
        pytest.param(["--only", "toy", "--only", "nothing"], "unknown recipe 'nothing'", id="second recipe"),
        pytest.param(["--device", "cpu", "--engine", "graphs"], "cpu has no CUDA graphs", id="engine"),
        pytest.param(["--seeds", "0", "--seeds", "1"], "--seeds is given twice; it takes one value", id="twice"),
    ],
)
def test_train_refuses_in_one_line(refused, arguments, message):
    assert message in refused("train", *arguments)
