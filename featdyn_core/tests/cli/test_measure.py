"""Which records are measured, and messages about those that cannot be."""

import pytest

from featdyn_core.tests.cli.printed import count
from featdyn_core.tests.toy import entry, write_project


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


@pytest.mark.usefixtures("two_arms")
def test_each_recipe_that_is_asked_for_is_measured(run):
    names = "--only", "toy", "--only", "toy-reduced"
    counts = [run("measure", *names[:end])[1][0].split(":")[0] for end in (0, 2, 4)]
    assert counts == ["15 records", "9 records", "15 records"]
    assert run("measure", *names[2:])[1][0].startswith("6 records")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["--seeds", "0,1"], "a claim is judged on at least 3", id="few seeds"),
        pytest.param(["--seeds", "0,1,100"], "bounds came from the pilot seeds 100", id="pilot seeds"),
        pytest.param(["--only", "toy-reduced"], "no claim reads a record of toy-reduced", id="not read"),
        pytest.param(
            ["--only", "toy", "--only", "toy-reduced"], "no claim reads a record of toy-reduced", id="second not read"
        ),
        pytest.param(["--jobs", "-2"], "--jobs -2: expected a number from 1 on", id="jobs"),
        pytest.param(["--claims", "nothing"], "unknown claim 'nothing'; the register has demo", id="claim"),
    ],
)
def test_measure_refuses_in_one_line(refused, arguments, message):
    assert message in refused("measure", *arguments)
