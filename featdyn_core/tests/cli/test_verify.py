"""What is checked and what is found damaged; a check of nothing is not a success."""

import json

import pytest

from featdyn_core.cli.main import main
from featdyn_core.tests.store.edits import flip


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


def test_verify_checks_the_whole_store_by_default(run, project):
    run("train", "--jobs", "1")
    status, lines = run("verify")
    assert [line.rpartition("-")[0] for line in lines[:-1]] == ["toy-0", "toy-1", "toy-2"]
    assert (status, lines[-1]) == (0, "3 checked, 0 damaged")
    (manifest,) = (project / "store").glob("toy-0-*/manifest.json")
    manifest.write_text("{")
    status, lines = run("verify")
    assert status == 1
    assert "manifest.json cannot be read" in lines[0]


def test_verify_for_a_program(run):
    run("train", "--seeds", "0", "--jobs", "1")
    status, lines = run("verify", "--json")
    found = json.loads("\n".join(lines))
    assert (status, found["checked"], found["damaged"], list(found["problems"].values())) == (0, 1, 0, [[]])


def test_verify_says_what_it_does_not_check(run, capsys):
    run("train", "--seeds", "0", "--jobs", "1")
    assert main(["verify", "--seeds", "0,1", "--device", "cpu"]) == 0
    printed = capsys.readouterr()
    assert printed.out.splitlines() == ["toy seed 0: good", "1 checked, 0 damaged"]
    assert printed.err == "toy seed 1: not checked: it is not complete\n"


def test_verify_checks_records_here_and_published(run, project):
    for command in (["train", "--jobs", "1"], ["measure", "--jobs", "1"], ["publish"]):
        assert run(*command)[0] == 0
    assert run("verify")[1][-1] == "21 checked, 0 damaged"  # 3 trajectories, 9 records, and 9 published
    assert run("verify", "--seeds", "1")[1][-1] == "7 checked, 0 damaged"
    for path in [next(project.glob("store/records/toy-1-*/*.npz")), *project.glob("fixtures/records/*/toy-2-*/col*")]:
        flip(path, 60)
    status, lines = run("verify")
    assert status == 1
    assert [line.partition(":")[0].rsplit("/", 2)[-2].split("-")[1] for line in lines if "sha256" in line] == [
        "1",
        "2",
        "2",
    ]
    assert run("verify", "--seeds", "0")[0] == 0


def test_verify_fetches_no_data(run, fetched):
    assert run("verify", "--only", "toy")[0] == 1
    assert fetched == [(60, False)]  # the second seed needs no second look


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["--only", "nothing"], "unknown recipe 'nothing'", id="recipe"),
        pytest.param(["--device", "gpu"], "unknown device 'gpu'", id="device"),
    ],
)
def test_verify_refuses_in_one_line(refused, arguments, message):
    assert message in refused("verify", *arguments)
