"""``featdyn pull`` fetches what a remote store has, and reports what arrives damaged."""

import pytest

from featdyn_core.tests.cli.printed import count, states
from featdyn_core.tests.store.edits import flip


def test_what_is_pushed_here_is_pulled_there(run, project, monkeypatch):
    run("train", "--jobs", "1")
    run("measure", "--jobs", "1")
    url = str(project / "remote")
    assert run("push", url)[0] == 0
    monkeypatch.setenv("FEATDYN_STORE", str(project / "there"))
    assert run("pull", url, "--seeds", "1")[1][-1].startswith("4 fetched, 0 here already, 0 missing, 0 failed")
    assert run("pull", url)[1][-1].startswith("8 fetched, 4 here already, 0 missing, 0 failed")
    lines = run("status")[1]
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
    monkeypatch.setenv("FEATDYN_STORE", str(project / "store"))
    for arguments in ([], ["--verify"]):  # the first sends what the pull found, the second all that is damaged
        assert run("push", url, *arguments)[1][-1].startswith("1 sent, 0 there already, 11 missing, 0 failed")
    monkeypatch.setenv("FEATDYN_STORE", str(project / "there"))
    assert run("pull", url)[1][-1].startswith("1 fetched, 0 here already, 11 missing, 0 failed")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param([], "the following arguments are required: url", id="no address"),
        pytest.param(["nothing://there"], "nothing://there", id="protocol"),
        pytest.param(["nowhere"], "nowhere: there is no remote store; check the address", id="no store"),
        pytest.param(["remote", "--claims", "nothing"], "unknown claim 'nothing'", id="claim"),
    ],
)
def test_pull_refuses_in_one_line(refused, arguments, message):
    assert message in refused("pull", *arguments)
