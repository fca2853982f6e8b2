"""Commands and sessions that a GPU machine runs, on the pretended device."""

import json

import numpy as np
import pytest

from featdyn_core.cli import rehearse
from featdyn_core.cli.main import main
from featdyn_core.launch import rehearsal
from featdyn_core.tests.pretended.api import NAME
from featdyn_core.tests.toy import RECIPES, write_claim, write_project
from featdyn_core.verdicts.claim import Verdict
from featdyn_core.verdicts.documents import read_evidence

pytestmark = pytest.mark.usefixtures("pretended_gpu")


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Return a toy project's folder, the working directory, with a small image file of its own."""
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (80, 8, 8), dtype=np.uint8), np.arange(80) % 10
    np.savez(tmp_path / "own.npz", x_train=images[:60], y_train=labels[:60], x_test=images[60:], y_test=labels[60:])
    folder = write_project(tmp_path)
    for name in RECIPES:
        path = folder / "fixtures" / "recipes" / f"{name}.toml"
        path.write_text(path.read_text().replace('"digits"', f'"{tmp_path / "own.npz"}"'))
    monkeypatch.chdir(folder)
    monkeypatch.setenv("FEATDYN_STORE", str(tmp_path / "store"))
    return folder


def manifests(folder):
    return [json.loads(path.read_text()) for path in folder.glob("store/**/manifest.json")]


def test_what_is_trained_and_measured_on_a_gpu_says_so(project, capsys):
    assert main(["train", "--device", "cuda", "--jobs", "1"]) == 0
    assert main(["measure", "--device", "cuda", "--jobs", "1"]) == 0
    assert "9 records: 0 here, 9 to be measured" in capsys.readouterr().out
    found = manifests(project)
    assert len(found) == 3
    assert {(one["device"], one["engine"]) for one in found} == {("cuda", "graphs")}
    assert {one["conditions"]["device"] for one in found if "conditions" in one} <= {NAME}


@pytest.mark.usefixtures("project")
def test_selfcheck_finds_that_all_ways_agree(capsys):
    assert main(["selfcheck", "--recipe", "toy"]) == 0
    rows = capsys.readouterr().out.splitlines()
    assert sum(row.startswith("cuda:0   graphs") and "equal" in row for row in rows) == 2


def test_a_session_of_the_full_tier_decides_on_ones_own_images(project, pytester, monkeypatch):
    """The session runs in this process, which has the device."""
    monkeypatch.chdir(project)  # pytester has gone elsewhere
    write_claim(project)
    (project / "conftest.py").write_text("pytest_plugins = ['featdyn_core.pytest_plugin.plugin']")
    options = ("-m", "full", "--device", "cuda", "-p", "no:cacheprovider", f"--rootdir={project}")
    result = pytester.runpytest_inprocess(str(project / "claims"), *options)
    result.assert_outcomes(passed=1)
    (row,) = read_evidence(project / "evidence.json")
    assert row.verdict is Verdict.SUPPORTED
    # A process of pytest-xdist has a device of its own.
    assert {one["device"].split(";")[0] for one in row.measured} <= {"cuda", "cuda:0"}
    assert {one["device"] for one in manifests(project)} <= {"cuda", "cuda:0"}


@pytest.mark.pretended
def test_a_rehearsal_goes_through(project, monkeypatch, capsys):
    monkeypatch.setattr(rehearse, "command", lambda *_, **__: ["1 passed"])
    monkeypatch.setattr(rehearse, "SAMPLE", "toy")
    monkeypatch.setattr(rehearsal, "AT_ONCE", (1, 4))
    arguments = ["rehearse", "--device", "cuda", "--recipe", "toy", "--tier", "fast", "--jobs", "1"]
    assert main([*arguments, "--minutes", "5"]) == 0, capsys.readouterr().out
    report = json.loads((project / "rehearsal.json").read_text())
    assert [entry["ended"] for entry in report.values()] == ["done"] * 7
    assert any(NAME in line for line in report["machine"]["lines"])
    assert [line.split(":")[0] for line in report["seconds of an epoch"]["lines"]] == [
        f"toy {precision}, {count} at once" for precision in ("fp32", "bf16") for count in (1, 4)
    ]
    assert report["records"]["lines"][-1] == "0 are missing"
