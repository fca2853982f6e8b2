"""The plugin as a user meets it: a toy project with its own register, run by pytester."""

import json
import os
import subprocess
import sys
import urllib.request
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from unittest.mock import Mock

import pytest
import torch._dynamo  # optimisers import it at their first step; pytester would unload it half-way  # noqa: F401

from featdyn_core.harness.plan import cells, requests
from featdyn_core.launch.progress import Watcher
from featdyn_core.project import records_folder, register_folder
from featdyn_core.register.reading import load_register
from featdyn_core.report.junit import EVIDENCE
from featdyn_core.store.heartbeats import Beat, write_beat
from featdyn_core.store.measurements import Measurements
from featdyn_core.store.published import publish, published
from featdyn_core.store.supply import Store
from featdyn_core.tests.toy import (
    FAILS,
    HOLDS,
    MEDIUM,
    MULTIVERSE,
    edit,
    entry,
    write_claim,
    write_project,
    write_sweeps,
)
from featdyn_core.verdicts.documents import read_evidence
from featdyn_core.verdicts.evidence import Evidence

TEST = "*test_demo[[]demo-small-digits[]]"
KNOWN = 'found = { "small/digits" = "REFUTED" }'


@pytest.fixture(scope="session")
def shared_store(tmp_path_factory) -> Path:
    """Return a store whose trajectories and records several tests use."""
    return tmp_path_factory.mktemp("store")


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, shared_store: Path) -> pytest.Pytester:
    """Return a project with one claim, which holds."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # files that are edited within a second look alike
    monkeypatch.setenv("FEATDYN_STORE", str(shared_store))
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    for name in ("PYTEST_ADDOPTS", "PYTEST_XDIST_WORKER", "PYTEST_XDIST_WORKER_COUNT"):
        monkeypatch.delenv(name, raising=False)
    pytester.makeconftest("pytest_plugins = ['featdyn_core.pytest_plugin.plugin']")
    pytester.makeini("[pytest]\naddopts = --strict-markers -p no:hypothesispytest\n")  # which is long in coming
    write_project(pytester.path)
    write_claim(pytester.path)
    return pytester


def evidence_of(project: pytest.Pytester, name: str = "evidence.json") -> dict[str, Evidence]:
    """Return the rows of an evidence file by id."""
    return {row.id: row for row in read_evidence(project.path / name)}


def verdicts_of(project: pytest.Pytester, name: str = "evidence.json") -> dict[str, str]:
    """Return the verdicts of an evidence file by the rows' ids."""
    return {row: str(found.verdict) for row, found in evidence_of(project, name).items()}


def document_of(project: pytest.Pytester, name: str = "evidence.json") -> dict:
    """Return the content of an evidence file."""
    return json.loads((project.path / name).read_text(encoding="utf-8"))


def publish_reduced(*seeds: int) -> None:
    """Publish the records of claims at reduced scale on the digits, for some of the seeds."""
    rows = [row for row in cells(load_register(register_folder()), "reduced") if row.subject == "digits"]
    measurements = Measurements(Store(device="cpu"))
    found = [measurements.get(request) for request in requests(rows) if request.seed in (seeds or (3, 4, 5))]
    publish(records_folder() / "reduced", found)
    published.cache_clear()


# Verdicts


@pytest.mark.parametrize(
    ("effect", "null", "verdict", "outcomes", "status"),
    [
        pytest.param(HOLDS, 0.0, "SUPPORTED", {"passed": 1}, 0, id="supported"),
        pytest.param(FAILS, 0.0, "REFUTED", {"failed": 1}, 1, id="refuted"),
        pytest.param((0.1, 0.5, 0.9), 0.0, "INCONCLUSIVE", {"failed": 1}, 1, id="inconclusive"),
        pytest.param(HOLDS, 0.3, "INVALID", {"errors": 1}, 1, id="invalid"),
    ],
)
def test_every_verdict(project, effect, null, verdict, outcomes, status):
    write_claim(project.path, effect=effect, null=null)
    result = project.runpytest("-m", "fast", "-v", "--junitxml=junit.xml")
    result.assert_outcomes(**outcomes)
    assert result.ret == status
    result.stdout.fnmatch_lines([f"{TEST} {verdict}*", f"demo*digits*{verdict}*", "*evidence: *evidence.json"])
    (row,) = evidence_of(project).values()
    assert row.verdict == verdict
    assert row.findings[0].values == effect
    assert set(row.checkpoints) == {"toy/0", "toy/1", "toy/2"}
    assert row.environment["precision of grids"] == "fp32"
    properties = {item.get("name"): item.get("value") for item in ElementTree.parse("junit.xml").iter("property")}
    assert (properties["claim"], properties["verdict"], properties["subject"]) == ("demo", verdict, "digits")
    assert "featdyn-evidence" not in properties


@pytest.mark.parametrize("options", [[], ["-n", "1"]], ids=["here", "in a worker"])
def test_what_continuous_integration_reads_of_a_run(project, monkeypatch, options):
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "summary.md")
    Path("summary.md").write_text("before\n")
    write_claim(project.path, null=0.3)
    project.runpytest("-m", "fast", "--junitxml=junit.xml", "--junit-evidence", *options)
    (case,) = (case for case in ElementTree.parse("junit.xml").iter("testcase") if case.find("properties") is not None)
    properties = {item.get("name"): item.get("value") for item in case.iter("property")}
    assert json.loads(properties["featdyn-evidence"])["verdict"] == properties["verdict"] == "INVALID"
    assert float(properties["estimate"]) == pytest.approx(0.3)
    assert case.find("error") is not None
    assert case.find("failure") is None
    summary = Path("summary.md").read_text()
    assert summary.startswith("before\n## Claims: 1 INVALID\n")
    assert "| `demo` | digits | small | INVALID" in summary


def test_an_unwritable_summary_is_reported_and_fails_the_run(project, monkeypatch):
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(project.path / "nowhere" / "summary.md"))
    write_claim(project.path)
    result = project.runpytest("-m", "fast")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["GITHUB_STEP_SUMMARY *nowhere/summary.md cannot be written*"])
    assert verdicts_of(project) == {"demo-small-digits": "SUPPORTED"}


def test_a_failure_shows_quantity_interval_bound_and_control(project):
    write_claim(project.path, effect=FAILS)
    found = "*effect (decides): 0.11 [[]*, *[]] (95 %, 3 seeds; worst 0.1, 0 of 3 hold), must lie above 0.5: fails*"
    project.runpytest("-m", "fast").stdout.fnmatch_lines([found, "*null (control)*"])


def test_a_run_that_decides_nothing_does_not_exit_0(project):
    result = project.runpytest("-m", "fast", "--no-train", "--store", "nothing", "-rs")
    result.assert_outcomes(skipped=1)
    assert result.ret == 1
    result.stdout.fnmatch_lines(["no claim was decided*", "NOT RUN*featdyn train --only *toy*"])
    assert verdicts_of(project) == {"demo-small-digits": "NOT RUN"}
    assert not (project.path / "nothing").exists()


def test_a_test_that_fails_after_its_claim_was_supported_fails(project):
    path = project.path / "claims/test_demo.py"
    path.write_text(path.read_text() + "    assert not 'more'\n")
    result = project.runpytest("-m", "fast", "-v")
    result.assert_outcomes(failed=1)
    assert result.ret == 1


# Known findings


def test_a_known_finding_is_an_xfail(project):
    write_project(project.path, demo=entry(more=KNOWN))
    write_claim(project.path, effect=FAILS)
    result = project.runpytest("-m", "fast", "-v")
    result.assert_outcomes(xfailed=1)
    assert result.ret == 0
    result.stdout.fnmatch_lines([f"{TEST} REFUTED, known*", "demo*REFUTED, known*"])
    (row,) = evidence_of(project).values()
    assert (row.verdict, row.known) == ("REFUTED", "REFUTED")


@pytest.mark.parametrize(
    ("known", "effect", "verdict", "outcomes"),
    [
        ("REFUTED", (0.1, 0.5, 0.9), "INCONCLUSIVE", {"xfailed": 1}),
        ("INCONCLUSIVE", FAILS, "REFUTED", {"xfailed": 1}),
        ("INCONCLUSIVE", HOLDS, "SUPPORTED", {"passed": 1}),
    ],
)
def test_a_verdict_of_another_machine_may_be_in_accord(project, known, effect, verdict, outcomes):
    write_project(project.path, demo=entry(more=KNOWN.replace("REFUTED", known)))
    write_claim(project.path, effect=effect)
    result = project.runpytest("-m", "fast", "-v")
    result.assert_outcomes(**outcomes)
    assert result.ret == 0
    result.stdout.fnmatch_lines([f"demo*{verdict} ({known})*"])


@pytest.mark.parametrize("option", ["--no-known-findings", "--runxfail"])
def test_an_option_makes_known_findings_fail(project, option):
    write_project(project.path, demo=entry(more=KNOWN))
    write_claim(project.path, effect=FAILS)
    result = project.runpytest("-m", "fast", "-v", option)
    result.assert_outcomes(failed=1)
    assert result.ret == 1


@pytest.mark.parametrize(
    ("effect", "null", "verdict", "outcomes"),
    [
        pytest.param(HOLDS, 0.0, "SUPPORTED", {"failed": 1}, id="supported"),
        pytest.param(FAILS, 0.3, "INVALID", {"errors": 1}, id="invalid"),
    ],
)
def test_a_verdict_that_contradicts_a_known_finding_fails(project, effect, null, verdict, outcomes):
    write_project(project.path, demo=entry(more=KNOWN))
    write_claim(project.path, effect=effect, null=null)
    result = project.runpytest("-m", "fast", "-v")
    result.assert_outcomes(**outcomes)
    assert result.ret == 1
    result.stdout.fnmatch_lines([f"{TEST} {verdict}, was REFUTED*", "*contradicts the known finding REFUTED*"])


def test_a_known_finding_that_is_not_run_is_skipped(project):
    write_project(project.path, demo=entry(more=KNOWN))
    result = project.runpytest("-m", "fast", "--no-train", "--store", "nothing")
    result.assert_outcomes(skipped=1)


# Replay


def test_published_records_are_judged_beside_the_small_scale(project):
    publish_reduced()
    result = project.runpytest("-m", "fast", "-v")
    result.assert_outcomes(passed=2)
    replayed = "demo-reduced-digits-replayed"
    result.stdout.fnmatch_lines_random(
        [f"{TEST} SUPPORTED*", f"*test_demo[[]{replayed}[]] SUPPORTED*", "demo*digits*reduced, replayed*SUPPORTED*"]
    )
    rows = evidence_of(project)
    assert list(rows) == ["demo-small-digits", replayed]
    assert rows[replayed].replayed
    assert (rows[replayed].tier, rows[replayed].seeds) == ("fast", (3, 4, 5))


def test_a_partial_publication_is_not_run_and_says_what_it_lacks(project):
    publish_reduced(3, 4)
    result = project.runpytest("-m", "fast", "-v", "-rs")
    result.assert_outcomes(passed=1, skipped=1)
    result.stdout.fnmatch_lines(["*no record of the * toy-reduced seed * is published*"])


def test_a_damaged_published_record_is_an_error(project):
    publish_reduced()
    victim = next((project.path / "fixtures/records/reduced").glob("toy-reduced-4-*/stranger-*.npz"))
    victim.write_bytes(victim.read_bytes()[:-1])
    result = project.runpytest("-m", "fast", "-k", "replayed")
    result.assert_outcomes(errors=1)
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*DamagedRecordError*toy-reduced-4-*do not match its sha256*publish anew"])


def test_a_damaged_manifest_costs_the_rows_of_its_scale(project):
    publish_reduced()
    (project.path / "fixtures/records/reduced/manifest.json").write_text("{")
    result = project.runpytest("-m", "fast")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*DamagedRecordError*manifest.json cannot be read*"])


# Selection


def test_what_was_not_selected_is_reported_in_a_file_of_its_own(project):
    write_project(project.path, demo=entry(), other=entry(section="2"))
    write_claim(project.path, "other")
    project.runpytest("-m", "fast").assert_outcomes(passed=2)
    whole = (project.path / "evidence.json").read_bytes()
    result = project.runpytest("-m", "fast", "-k", "test_other")
    result.assert_outcomes(passed=1, deselected=3)
    result.stdout.fnmatch_lines(["not selected: 1 of 2 rows", "*evidence.partial.json (partial: *)"])
    assert verdicts_of(project, "evidence.partial.json") == {
        "demo-small-digits": "DESELECTED",
        "other-small-digits": "SUPPORTED",
    }
    assert document_of(project, "evidence.partial.json")["selection"] == {"markers": "fast", "keywords": "test_other"}
    assert (project.path / "evidence.json").read_bytes() == whole


def test_a_claim_of_the_register_without_a_test_is_deselected(project):
    write_project(project.path, demo=entry(), other=entry(section="2"))
    project.runpytest("-m", "fast")
    assert verdicts_of(project, "evidence.partial.json")["other-small-digits"] == "DESELECTED"


def test_of_the_full_tier_one_scale_is_run(project):
    write_project(project.path, demo=entry().replace('["digits"]', '["digits", "cifar100"]'))
    result = project.runpytest("-m", "full", "--scale", "reduced", "--no-train", "-k", "cifar100")
    result.assert_outcomes(skipped=1, deselected=2)
    assert verdicts_of(project, "evidence.partial.json") == {
        "demo-reduced-digits": "DESELECTED",
        "demo-reduced-cifar100": "NOT RUN",
    }
    result = project.runpytest("-m", "full", "--scale", "paper")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: unknown scale 'paper'; the register has small, reduced"])


def test_a_scale_of_any_name_is_asked_for(project):
    edit(project.path / "claims/register/scales.toml", "[scales.reduced]", MEDIUM)
    edit(project.path / "claims/register/demo.toml", "[windows]", "[windows]\nmedium = { late = [2, 3] }")
    result = project.runpytest("-m", "full", "--scale", "medium", "--collect-only", "-q")
    assert [line for line in result.outlines if "[" in line] == ["claims/test_demo.py::test_demo[demo-medium-digits]"]


def test_evidence_says_what_was_run(project):
    project.runpytest("-m", "fast", "--evidence", "deep/run.json")
    document = document_of(project, "deep/run.json")
    assert document["command"][:3] == ["pytest", "-m", "fast"]
    assert document["selection"] == {"markers": "fast", "keywords": ""}
    assert document["paper"] == {"title": "A paper", "arxiv": "0000.00000"}
    assert document["register"] == load_register(register_folder()).digest
    assert document["counts"] == {"SUPPORTED": 1}
    (row,) = evidence_of(project, "deep/run.json").values()
    assert row.register == document["register"]


def test_an_unwritable_evidence_path_is_reported_before_any_run(project):
    result = project.runpytest("-m", "fast", "--evidence", str(project.path), "--store", "nothing")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*the evidence * is a folder*"])
    assert not (project.path / "nothing").exists()


@pytest.mark.parametrize("option", ["--store", "--evidence"])
def test_a_home_that_nobody_knows_is_one_line(project, option):
    result = project.runpytest("-m", "fast", option, "~nobody-of-that-name/there")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*~nobody-of-that-name/there: the home folder ~ is unknown*set {option} to a folder"])


# Errors


def test_a_claim_that_errors_is_an_error_row(project):
    write_claim(project.path, measure="def measure(run):\n    return 1 / 0")
    result = project.runpytest("-m", "fast")
    assert result.ret == 1
    (row,) = evidence_of(project).values()
    assert row.verdict == "ERROR"
    assert "ZeroDivisionError" in row.reason
    result.stdout.fnmatch_lines(["demo*ERROR*", "no claim was decided*"])


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        pytest.param('{"effect": [0.9] * 100, "null": 0.0}', "*'effect' of one seed is a list*", id="many"),
        pytest.param('{"effekt": 0.9, "null": 0.0}', "*the register has no 'effekt'*", id="unknown"),
        pytest.param('{"effect": float("nan"), "null": 0.0}', "*MeasurementError*", id="nan"),
    ],
)
def test_a_measurement_that_misfits_the_register_is_an_error(project, returned, message):
    write_claim(project.path, measure=f"def measure(run):\n    return Measured({returned})")
    result = project.runpytest("-m", "fast", "-v")
    result.assert_outcomes(errors=1)
    assert result.ret == 1
    result.stdout.fnmatch_lines([f"{TEST} ERROR*", message])
    assert verdicts_of(project) == {"demo-small-digits": "ERROR"}


def test_a_damaged_checkpoint_is_an_error_and_is_left_as_it_was(project):
    store = project.path / "own"
    project.runpytest("-m", "fast", "--store", str(store)).assert_outcomes(passed=1)
    victim = next(store.glob("toy-0-*/epoch-0002.safetensors"))
    victim.write_bytes(victim.read_bytes()[:-1] + b"?")
    before = victim.read_bytes()
    for record in store.glob("records/*/*"):
        record.unlink()
    result = project.runpytest("-m", "fast", "--store", str(store))
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*DamagedTrajectoryError*epoch-0002.safetensors*"])
    assert victim.read_bytes() == before


def test_a_training_that_diverges_is_an_error_and_no_finding(project):
    edit(project.path / "fixtures/recipes/toy.toml", "learning_rate = 0.1", "learning_rate = 1e30")
    result = project.runpytest("-m", "fast")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*TrainingError*toy seed 0: loss is*lower the learning rate*"])
    assert verdicts_of(project) == {"demo-small-digits": "ERROR"}


def test_a_store_that_cannot_be_written_is_an_error(project):
    (project.path / "file").write_text("in the way")
    result = project.runpytest("-m", "fast", "--store", str(project.path / "file"))
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*StoreError*cannot be written*FEATDYN_STORE*"])


def use_cifar10(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let the small recipe use CIFAR-10; return its empty folder. No host can be reached."""
    edit(project.path / "fixtures/recipes/toy.toml", '"digits"', '"cifar10"')
    monkeypatch.setenv("FEATDYN_DATA", str(project.path / "data"))
    monkeypatch.setattr(urllib.request, "urlopen", Mock(side_effect=OSError("no route to host")))
    (project.path / "data").mkdir()
    return project.path / "data"


def test_a_row_without_its_data_is_not_run(project, monkeypatch):
    use_cifar10(project, monkeypatch)
    result = project.runpytest_inprocess("-m", "fast", "-rs")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["*NOT RUN*cifar10 could not be had*no route to host*"])


def test_damaged_data_is_an_error(project, monkeypatch):
    (use_cifar10(project, monkeypatch) / "cifar10.npz").write_bytes(b"half a download")
    result = project.runpytest("-m", "fast")
    result.assert_outcomes(errors=1)
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*DataError*cifar10.npz*"])


# Processes


def test_processes_share_work_and_a_dead_one_leaves_an_error_row(project):
    claims = {name: entry(section=str(number)) for number, name in enumerate(("demo", "dies", "other"), start=1)}
    write_project(project.path, **claims)
    write_claim(project.path, "other", effect=FAILS)
    write_claim(project.path, "dies", measure="def measure(run):\n    import os\n    os._exit(1)")
    result = project.runpytest("-m", "fast", "-n", "2")
    assert result.ret == 1
    assert verdicts_of(project) == {
        "demo-small-digits": "SUPPORTED",
        "dies-small-digits": "ERROR",
        "other-small-digits": "REFUTED",
    }
    assert "crashed" in evidence_of(project)["dies-small-digits"].reason
    result.stdout.fnmatch_lines(["dies*ERROR*"])


def test_what_may_train_goes_first(project):
    path = project.path / "claims/test_demo.py"
    text = path.read_text()
    path.write_text(text.replace("def test_demo(", "def test_a_world(judge):\n    pass\n\n\ndef test_demo("))
    result = project.runpytest("-m", "fast", "--collect-only", "-q")
    names = [line.split("::")[1] for line in result.outlines if "::" in line]
    assert names == ["test_demo[demo-small-digits]", "test_a_world"]


@pytest.mark.parametrize(
    ("options", "size"), [(["-m", "fast"], 1), (["-m", "full", "--maxschedchunk=7"], 7), (["-k", "demo"], None)]
)
def test_tests_of_a_tier_are_handed_out_one_at_a_time(project, options, size):
    assert project.parseconfigure("-n", "2", *options).getoption("maxschedchunk") == size


# Seeds


@pytest.mark.parametrize(
    ("seeds", "message"),
    [
        pytest.param("1,1,2", "*a seed occurs twice*", id="repeated"),
        pytest.param("0-1,100", "*bounds came from the pilot seeds 100; take others", id="pilot"),
        pytest.param("0,1", "*a claim is judged on at least 3", id="few"),
        pytest.param("a,b", "*expected seeds from 0 on*", id="none"),
    ],
)
def test_seeds_that_cannot_be_judged_are_refused_before_training(project, seeds, message):
    result = project.runpytest("-m", "fast", "--seeds", seeds, "--store", "nothing")
    assert result.ret not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)
    result.stdout.fnmatch_lines([message])
    assert not (project.path / "nothing").exists()
    assert not (project.path / "evidence.json").exists()


def test_other_seeds_are_exploratory_and_change_no_evidence(project):
    project.runpytest("-m", "fast")
    whole = (project.path / "evidence.json").read_bytes()
    result = project.runpytest("-m", "fast", "--seeds", "6-8")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["demo*small*exploratory*", "*evidence.exploratory.json (exploratory*)"])
    (row,) = evidence_of(project, "evidence.exploratory.json").values()
    assert (row.seeds, row.exploratory) == ((6, 7, 8), True)
    assert document_of(project, "evidence.exploratory.json")["seeds"] == "6-8"
    assert (project.path / "evidence.json").read_bytes() == whole


# Collection


def test_adding_a_claim_is_one_test_file_and_one_register_file(project):
    project.runpytest("-m", "fast").assert_outcomes(passed=1)
    before = {path for path in project.path.rglob("*.*") if "evidence" not in path.name}
    write_project(project.path, demo=entry(), **{"new-one": entry("New", "3")})
    write_claim(project.path, "new-one", effect=FAILS)
    added = {path.name for path in project.path.rglob("*.*") if "evidence" not in path.name} - {
        path.name for path in before
    }
    assert added == {"new-one.toml", "test_new_one.py"}
    project.runpytest("-m", "fast").assert_outcomes(passed=1, failed=1)
    assert verdicts_of(project) == {"demo-small-digits": "SUPPORTED", "new-one-small-digits": "REFUTED"}


def collected(project: pytest.Pytester, body: str) -> pytest.RunResult:
    """Collect a project with one more test file."""
    (project.path / "claims/test_more.py").write_text(f"import pytest\n{body}\n")
    return project.runpytest("-m", "fast")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        pytest.param(
            "@pytest.mark.claim('nothing')\ndef test_more(decide): pass",
            "*unknown claim 'nothing'; the register has demo*",
            id="unknown",
        ),
        pytest.param("def test_more(decide): pass", "*uses decide without @pytest.mark.claim*", id="unnamed"),
        pytest.param("@pytest.mark.claim\ndef test_more(decide): pass", "*uses decide without*", id="no argument"),
        pytest.param("def test_more(judge): pass", "*uses judge without @pytest.mark.claim*", id="judge"),
        pytest.param(
            "@pytest.mark.claim('nothing')\ndef test_more(judge): pass", "*unknown claim 'nothing'*", id="judge unknown"
        ),
        pytest.param(
            "@pytest.mark.fast\n@pytest.mark.full\n@pytest.mark.claim('demo')\ndef test_more(): pass",
            "*exactly one of the markers*",
            id="two tiers",
        ),
    ],
)
def test_tests_that_name_no_claim_or_two_tiers_are_refused(project, body, message):
    if "judge" in body and "claim" not in body:
        body = body.replace("def", "@pytest.mark.fast\ndef")
    result = collected(project, body)
    assert result.ret != 0
    pytest.LineMatcher(result.outlines + result.errlines).fnmatch_lines([message])


def test_planted_worlds_are_fast_and_must_come_out_as_due(project):
    body = """
from featdyn_core import planted
from featdyn_core.planted import World
from featdyn_core.verdicts.measured import Measured
from featdyn_core.verdicts.claim import Verdict

def measure(run):
    return Measured({"effect": run.record("effect"), "null": 0.0})

def world(verdict):
    return World(verdict, lambda rng: planted.run({"effect": rng.uniform(0.8, 0.9)}))

@pytest.mark.claim("demo")
@pytest.mark.parametrize("verdict", [Verdict.SUPPORTED, Verdict.REFUTED, None])
def test_worlds(judge, verdict):
    assert judge(measure, world(verdict)) is Verdict.SUPPORTED
"""
    result = collected(project, body)
    result.assert_outcomes(passed=3, failed=1)
    result.stdout.fnmatch_lines(["*demo: SUPPORTED in a world where REFUTED is expected*"])


def test_a_register_that_cannot_be_used_is_one_line(project):
    edit(project.path / "claims/register/demo.toml", '"column", window = "late", deep', '"column", deep')
    project.runpytest("-m", "fast").stdout.fnmatch_lines(
        ["*claim 'demo', record 'column': options of 'column': field 'window' is missing*"]
    )
    edit(project.path / "claims/register/demo.toml", "above = 0.5", "")
    result = project.runpytest("-m", "fast")
    assert result.ret != 0
    result.stdout.fnmatch_lines(["*demo*effect*it needs one bound*"])


def test_other_tests_need_no_register(project):
    (project.path / "claims/register/demo.toml").unlink()
    (project.path / "claims/register/scales.toml").write_text("no register")
    (project.path / "test_other.py").write_text("def test_other(): pass")
    project.runpytest("test_other.py").assert_outcomes(passed=1)


def test_other_tests_keep_their_traceback(project):
    body = "from featdyn_core.errors import DataError\ndef test_other():\n    raise DataError('of a unit test')"
    (project.path / "test_other.py").write_text(body)
    result = project.runpytest("test_other.py")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([">*raise DataError('of a unit test')"])


# Devices and progress


def test_an_unknown_device_is_refused(project):
    result = project.runpytest("-m", "fast", "--device", "nonsense", "--store", "nothing")
    assert result.ret != 0
    result.stdout.fnmatch_lines(["*unknown device*"])


@pytest.mark.skipif(os.path.exists("/dev/nvidia0"), reason="there is a CUDA device")
def test_cuda_without_a_device(project):
    result = project.runpytest("-m", "fast", "--device", "cuda", "--store", "nothing")
    assert result.ret != 0
    result.stdout.fnmatch_lines(["*no device 'cuda'*use --device cpu*"])


def test_a_drivers_warning_ends_no_run(project):
    """In a new process, where the devices have not been requested yet."""
    project.makeconftest("""
        import warnings
        import torch
        def is_available():
            warnings.warn("the driver is too old")
            return False
        torch.cuda.is_available = is_available
        pytest_plugins = ["featdyn_core.pytest_plugin.plugin"]
    """)
    result = project.runpytest_subprocess("-m", "fast", "-W", "error", "--store", "new")
    result.assert_outcomes(passed=1, warnings=1)
    result.stdout.fnmatch_lines(["*the device is cpu, and torch warns: the driver is too old*"])


def test_half_precision_grids_count_flipped_predictions(project):
    project.runpytest("-m", "fast", "--precision", "fp16").assert_outcomes(passed=1)
    (row,) = evidence_of(project).values()
    assert row.environment["precision of grids"] == "fp16"
    assert 0 <= row.environment["flip rate"] < 0.05


def test_progress_of_other_processes_is_shown(project, monkeypatch, capfd):
    """It is shown although pytest captures output."""
    monkeypatch.setattr(Watcher.__init__, "__defaults__", (0.05, (), None))
    monkeypatch.setenv("FEATDYN_STORE", str(project.path / "own"))
    write_beat(project.path / "own", Beat("key", "elsewhere", 7, 3, 9, 1.5, 2.0))
    project.makepyfile("import time\ndef test_wait(): time.sleep(1)")
    project.runpytest_inprocess("-k", "test_wait").assert_outcomes(passed=1, deselected=2)
    assert "training elsewhere seed 7: epoch 3/9, loss 1.5000" in capfd.readouterr().out


# Sweeps


@pytest.fixture
def sweeping(project):
    """Return the project with a sweep at either scale."""
    write_sweeps(project.path)
    return project


def test_a_sweep_is_a_tier_of_its_own(sweeping):
    result = sweeping.runpytest("-m", "sweep", "-v")
    result.assert_outcomes(passed=2, deselected=4)
    result.stdout.fnmatch_lines(["*test_demo[[]demo-small-digits-again[]] SUPPORTED*", "demo*small*again*SUPPORTED*"])
    rows = evidence_of(sweeping)
    assert {name: (row.variation, row.effect, row.tier) for name, row in rows.items()} == {
        "demo-small-digits-again": ("again", "effect", "sweep"),
        "demo-small-digits-slow": ("slow", "effect", "sweep"),
    }
    assert set(rows["demo-small-digits-slow"].recipes) == {"toy-slow"}
    assert set(rows["demo-small-digits-again"].recipes) == {"toy"}
    sweeping.runpytest("-m", "fast").assert_outcomes(passed=1, deselected=5)
    assert list(verdicts_of(sweeping)) == ["demo-small-digits"]


def test_a_sweep_of_a_larger_scale_is_asked_for(sweeping):
    result = sweeping.runpytest("-m", "sweep", "--scale", "reduced", "--collect-only", "-q")
    assert [line for line in result.outlines if "[" in line] == [
        f"claims/test_demo.py::test_demo[demo-reduced-digits-{name}]" for name in ("again", "slow")
    ]


def test_a_sweep_that_varies_nothing_is_reported_at_collection(sweeping):
    edit(sweeping.path / "claims/sweeps/some.toml", "0.05", "0.1")
    result = sweeping.runpytest("-m", "fast")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(["*UsageError: *variation 'slow': it changes nothing of the recipe toy"])


# Every other reasonable choice


def test_multiverse_is_kept_where_it_is_asked_for(project):
    write_project(project.path, demo=entry(first=0) + MULTIVERSE)
    measure = """
def measure(run: Run) -> Measured:
    run.columns("column")
    return Measured({"effect": (0.9, 0.6, 0.1)[run.windows["late"].first] + 0.01 * (run.seed % 3), "null": 0.0})
"""
    write_claim(project.path, measure=measure)
    project.runpytest("-m", "fast", "--device", "cpu").assert_outcomes(passed=1)
    assert evidence_of(project)["demo-small-digits"].multiverse is None
    result = project.runpytest("-m", "fast", "--device", "cpu", "--multiverse")
    result.assert_outcomes(passed=1)
    found = evidence_of(project)["demo-small-digits"].multiverse
    assert found.counts == {"SUPPORTED": 10, "EQUIVALENT": 0, "INCONCLUSIVE": 0, "REFUTED": 14, "INVALID": 0}


def test_a_test_that_swallows_its_verdict_is_no_success(project):
    write_claim(project.path, effect=FAILS)
    edit(
        project.path / "claims/test_demo.py",
        "    decide(measure)",
        "    try:\n        decide(measure)\n    except BaseException:\n        pass",
    )
    result = project.runpytest("-m", "fast")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["demo-small-digits is REFUTED, but its test passed; *"])


def test_a_test_that_decides_nothing_is_no_success(project):
    write_claim(project.path)
    edit(project.path / "claims/test_demo.py", "    decide(measure)", "    assert decide")
    assert project.runpytest("-m", "fast").ret == 1
    assert verdicts_of(project) == {"demo-small-digits": "ERROR"}


# What other plugins do


def tiers_of(project: pytest.Pytester, *options: str) -> set[str]:
    """Return the tiers of a run's rows."""
    result = project.runpytest("--collect-only", "-q", *options)
    names = {line.partition("[")[2].rstrip("]") for line in result.outlines if "::test_demo[" in line}
    return {"sweep" if name.endswith(("slow", "again")) else "full" if "reduced" in name else "fast" for name in names}


@pytest.mark.parametrize(
    ("expression", "tiers"),
    [
        pytest.param([], {"fast"}, id="nothing"),
        pytest.param(["-m", "not mutation"], {"fast"}, id="not mutation"),
        pytest.param(["-m", "not sweep"], {"fast"}, id="not sweep"),
        pytest.param(["-m", "not fast"], set(), id="not fast"),
        pytest.param(["-m", "fast or full"], {"fast", "full"}, id="two"),
        pytest.param(["-m", "not fast and not sweep or full"], {"full"}, id="full"),
        pytest.param(["-m", "sweep", "--scale", "small"], {"sweep"}, id="sweep"),
    ],
)
@pytest.mark.parametrize("settings", ["own", "of a parent"])
def test_tiers_that_cost_are_run_where_they_are_named(project, expression, tiers, settings):
    """If folders outside are named, pytest takes a parent's settings, which have no tiers."""
    write_sweeps(project.path)
    options = [*expression, "-c", "/dev/null", "--rootdir=."] if settings == "of a parent" else expression
    assert tiers_of(project, *options) == tiers


@pytest.mark.parametrize("options", [[], ["-n", "2"]], ids=["here", "in workers"])
@pytest.mark.parametrize(
    ("plugin", "arguments"),
    [("pytest_repeat", ["--count=3"]), ("pytest_flakefinder", ["--flake-finder", "--flake-runs=3"])],
)
def test_a_row_that_is_decided_several_times_is_one_row(project, plugin, arguments, options):
    pytest.importorskip(plugin)
    result = project.runpytest("-m", "fast", *arguments, *options)
    result.assert_outcomes(passed=3)
    assert verdicts_of(project) == {"demo-small-digits": "SUPPORTED"}


@pytest.mark.parametrize("options", [[], ["-n", "1"]], ids=["here", "in a worker"])
def test_a_row_that_is_run_again_fails_once(project, options):
    pytest.importorskip("pytest_rerunfailures")
    write_claim(project.path, effect=FAILS)
    result = project.runpytest(
        "-m", "fast", "--reruns", "2", "-p", "no:cacheprovider", "--junitxml=claims.xml", *options
    )
    found = result.parseoutcomes()
    assert (found["failed"], found["rerun"], found.get("errors", 0)) == (1, 2, 0)
    assert verdicts_of(project) == {"demo-small-digits": "REFUTED"}
    names = [item.get("name") for item in ElementTree.parse(project.path / "claims.xml").iter("property")]
    assert names.count("verdict") == 3, "of each time that it ran"
    assert EVIDENCE not in names


# What must not end a run


def test_progress_has_nowhere_to_go_where_the_output_is_closed():
    """As if a program runs pytest without a terminal."""
    text = "import os; os.close(1); from featdyn_core.pytest_plugin.reporter import _terminal; _terminal().write('x')"
    found = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=False)
    assert (found.returncode, found.stderr) == (0, "")


def test_a_store_whose_path_is_not_text_is_named_in_evidence(project):
    store = project.path / os.fsdecode(b"st\xffore")
    project.runpytest("-m", "fast", "--no-train", f"--store={store}").assert_outcomes(skipped=1)
    (row,) = evidence_of(project).values()
    assert r"st\udcffore" in row.reason
    assert any(r"st\udcffore" in part for part in document_of(project)["command"])
