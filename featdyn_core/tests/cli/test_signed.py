"""Published manifests can be signed, and are verified if there is a public key."""

import json

import pytest

from featdyn_core.cli.main import main
from featdyn_core.project import records_folder
from featdyn_core.store.published import publish
from featdyn_core.store.signatures import PUBLIC_KEY, sign
from featdyn_core.tests.signing import install, uninstall
from featdyn_core.tests.store.made import column, record_of
from featdyn_core.verdicts.documents import write_evidence
from featdyn_core.verdicts.evidence import Evidence

NAME = "published/small/manifest.json"


@pytest.fixture
def key(project, monkeypatch):
    """Return the key of a project with one published record and a signing tool."""
    install(project / "bin", monkeypatch)
    publish(records_folder() / "small", [record_of(column(1))])
    (project / "key").write_text("mine")
    return project / "key"


def test_published_manifests_are_verified_where_a_key_is(run, key):
    assert run("verify")[1][-1] == "1 checked, 0 damaged"
    status, lines = run("verify", "--public-key", str(key))
    assert status == 1
    assert f"{NAME}: {records_folder() / 'small/manifest.json'} has no signature" in lines[0]
    sign(records_folder() / "small/manifest.json", key)
    assert run("verify", "--public-key", str(key)) == (0, ["2 checked, 0 damaged"])
    (records_folder() / PUBLIC_KEY).write_text(key.read_text())
    assert run("verify")[1][-1] == "2 checked, 0 damaged"
    publish(records_folder() / "small", [record_of(column(2))])
    status, lines = run("verify")
    assert status == 1
    assert "is not what was signed by the key" in lines[0]


def test_without_the_tool_a_signature_is_not_checked(run, key, project, monkeypatch, capsys):
    (records_folder() / PUBLIC_KEY).write_text(key.read_text())
    uninstall(project / "empty", monkeypatch)
    status, lines = run("verify", "--json")
    found = json.loads("\n".join(lines))
    assert (status, found["damaged"], list(found["not checked"])) == (0, 0, [NAME])
    assert main(["verify", "--public-key", str(key), "--device", "cpu"]) == 2
    assert "minisign, which signs and verifies, is not installed" in capsys.readouterr().err


def test_publishing_signs(run, key, project, monkeypatch):
    run("train", "--jobs", "1")
    run("measure", "--jobs", "1")
    status, lines = run("publish", "--sign", str(key))
    assert (status, lines[-1]) == (0, f"signed {records_folder() / 'small/manifest.json'}")
    assert run("verify", "--public-key", str(key))[0] == 0
    (records_folder() / "small/manifest.json").unlink()
    uninstall(project / "empty", monkeypatch)
    assert main(["publish", "--sign", str(key), "--device", "cpu"]) == 2
    assert not (records_folder() / "small/manifest.json").exists()  # nothing is published that cannot be signed


@pytest.mark.usefixtures("key")
def test_what_no_key_signs_is_not_published(run, project, capsys):
    run("train", "--jobs", "1")
    run("measure", "--jobs", "1")
    before = (records_folder() / "small/manifest.json").read_bytes()
    assert main(["publish", "--sign", str(project / "no key"), "--device", "cpu"]) == 2
    assert "no key is not a secret key file" in capsys.readouterr().err
    assert (records_folder() / "small/manifest.json").read_bytes() == before


def test_evidence_is_read_as_it_was_signed(project, key, capsys):
    file = project / "evidence.json"
    row = Evidence("demo", "1", "digits", "fast", "small", "NOT RUN", reason="it was not run", seeds=(0, 1, 2))
    write_evidence(file, [row])
    commands = (["report", str(file), "-o", "page.html"], ["compare", str(file), str(file)])
    for command in commands:
        assert main([*command, "--public-key", str(key)]) == 2
        assert "has no signature evidence.json.minisig" in capsys.readouterr().err
    sign(file, key)
    for command in commands:
        assert main([*command, "--public-key", str(key)]) == 0
    write_evidence(file, [row], facts={"command": ["another"]})  # with a seal of its own
    for command in commands:
        assert main(command) == 0
        assert main([*command, "--public-key", str(key)]) == 2
        assert "is not what was signed by the key" in capsys.readouterr().err
