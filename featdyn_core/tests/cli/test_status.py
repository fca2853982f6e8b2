"""The local part of a plan, as a table and as JSON."""

import json
import re

import pytest

from featdyn_core.tests.cli.printed import states


def test_status_before_and_after_training_and_measuring(run):
    status, lines = run("status")
    assert (status, states(lines), lines[-1]) == (0, {("toy", "0-2"): "missing"}, "records: 0 of 9 measured")
    status, lines = run("train", "--jobs", "1")
    assert status == 0
    assert [line.split(",")[0] for line in lines[:-1]] == [
        f"training toy seed {seed}: epoch {epoch}/3" for seed in (0, 1, 2) for epoch in (1, 2, 3)
    ]
    assert re.fullmatch(r"3 trained, 0 already complete, 0 not; [\d.]+ minutes, 0\.\d MB", lines[-1])
    first = r"training toy seed 0: epoch 1/3, loss \d\.\d{4}, [\d.e+]+ epochs/s, \d+ s left; 0 done, 1 running, 2 left"
    assert re.fullmatch(first, lines[0])
    status, lines = run("status")
    assert (status, states(lines), lines[-1]) == (0, {("toy", "0-2"): "complete"}, "records: 0 of 9 measured")
    assert run("measure", "--jobs", "1")[0] == 0
    assert run("status")[1][-1] == "records: 9 of 9 measured"


def test_the_full_tier_is_of_the_scale_that_fits_the_device(run):
    status, lines = run("status", "--tier", "full")
    assert (status, states(lines)) == (0, {("toy-reduced", "3-5"): "missing"})


def test_a_damaged_record_is_one_line(run, project):
    run("train", "--jobs", "1")
    run("measure", "--jobs", "1")
    for path in (project / "store/records").glob("*/stranger-*.json"):
        path.write_text(json.dumps({"kind": "stranger"}))
    status, lines = run("status")
    assert status == 0
    assert "and no seal" in lines[-1]


def test_status_for_a_program(run, project):
    run("train", "--seeds", "0", "--jobs", "1")
    found = json.loads("\n".join(run("status", "--json")[1]))
    assert found["records"] == {"measured": 0, "wanted": 9}
    assert [(item["seed"], item["state"]) for item in found["trajectories"]] == [
        (0, "complete"),
        (1, "missing"),
        (2, "missing"),
    ]
    assert (project / "store" / found["trajectories"][0]["folder"]).is_dir()


def test_a_reason_is_reported_once(run, fetched):
    _, lines = run("status")
    assert sum("digits could not be had" in line for line in lines) == 1
    assert lines[-1] == "records: unknown, for the reason above"
    assert not any(download for _, download in fetched)


def test_status_fetches_no_data(run, fetched):
    status, lines = run("status", "--only", "toy")
    assert (status, states(lines), lines[-1]) == (0, {("toy", "0-2"): "unknown (1)"}, "(1) digits could not be had")
    assert fetched == [(60, False)]  # the second seed needs no second look


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["--device", "gpu"], "unknown device 'gpu'", id="device"),
        pytest.param(["--register", "nowhere"], "there is no register at nowhere", id="register"),
        pytest.param(
            ["--tier", "full", "--scale", "paper"], "unknown scale 'paper'; the register has small, reduced", id="scale"
        ),
        pytest.param(["--scale", "reduced"], "the scale reduced is of the tier full, and not of fast", id="of tier"),
        pytest.param(["--tier", "ful"], "did you mean full?", id="tier"),
    ],
)
def test_status_refuses_in_one_line(refused, arguments, message):
    assert message in refused("status", *arguments)
