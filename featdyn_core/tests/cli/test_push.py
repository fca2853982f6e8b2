"""Local trajectories and records are sent to a remote store once."""

import re

import pytest

from featdyn_core.tests.cli.printed import count


def test_what_is_here_is_sent_once(run, project):
    run("train", "--jobs", "1")
    run("measure", "--jobs", "1")
    url = str(project / "remote")
    status, lines = run("push", url)
    assert (status, count(lines, ": sent, ")) == (0, 12)
    # four checkpoints of three trainings, nine records, and one optimiser that has gathered nothing in all three
    assert re.fullmatch(r"12 sent, 0 there already, 0 missing, 0 failed; 22 files, [\d.]+ MB in \d+ s", lines[-1])
    assert run("push", url)[1][-1].startswith("0 sent, 12 there already, 0 missing, 0 failed; 0 files")


def test_what_is_not_here_is_no_failure(run, project):
    status, lines = run("push", str(project / "remote"))
    assert (status, lines[-1].split(";")[0]) == (0, "0 sent, 0 there already, 12 missing, 0 failed")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param([], "the following arguments are required: url", id="no address"),
        pytest.param(["nothing://there"], "nothing://there", id="protocol"),
        pytest.param(["no/where"], "does not exist", id="place"),
        pytest.param(["remote", "--only", "nothing"], "unknown recipe 'nothing'", id="recipe"),
    ],
)
def test_push_refuses_in_one_line(refused, arguments, message):
    assert message in refused("push", *arguments)
