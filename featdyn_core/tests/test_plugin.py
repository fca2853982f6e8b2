"""The plugin as a user meets it: a small project with its own register, run by pytester in a process of its own."""

import json
import os
import time
import urllib.request
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from unittest.mock import Mock

import pytest
import torch._dynamo  # optimisers import it at their first step; pytester would unload it half-way  # noqa: F401

from featdyn_core.verdicts.evidence import read_evidence

REGISTER = """
schema = 1
pilot_seeds = [100]

[scales.small]
seeds = [0, 1, 2]
recipes = { digits = "tiny" }
images = 50

[scales.reduced]
seeds = [0, 1, 2]
recipes = { digits = "tiny", cifar100 = "absent" }
images = 50

[scales.paper]
seeds = [0, 1, 2]
recipes = { digits = "tiny" }
images = 50

[claims.demo]
title = "Demo"
section = "1"
sentence = "It holds."

[[claims.demo.criteria]]
name = "effect"
quantity = "what the test says"
direction = "above"
bound = 0.5

[[claims.demo.criteria]]
name = "null"
quantity = "the control"
direction = "below"
bound = 0.1
role = "control"
"""

RECIPE = """
schema = 1
[data]
set = "digits"
subset = 60
[network]
name = "mlp"
hidden = [4]
[optimizer]
name = "sgd"
learning_rate = 0.01
[training]
epochs = 2
batch_size = 30
checkpoints = [[0, 2, 1]]
"""

CLAIM = """
import pytest
from featdyn_core.harness.register import Measured

EFFECT, NULL = {effect}, {null}

def measure(runs):
    for trajectory in runs["clean"]:
        trajectory.network(2)
        assert [len(trajectory.evaluation_set(split)[0]) for split in ("held-out", "training")] == [50, 50]
    count = len(runs["clean"])
    grid = runs.grid(runs["clean"][0], "training", [0, 2], 2)
    assert grid.agreement.shape == (1, 2, 1)
    return Measured({{"effect": (EFFECT * count)[:count], "null": [NULL] * count}})

@pytest.mark.fast
@pytest.mark.claim("{claim}")
def test_demo(decide):
    decide(measure)

@pytest.mark.full
@pytest.mark.claim("{claim}")
def test_demo_full(decide):
    decide(measure)
"""


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A project with one claim whose numbers ``write`` chooses."""
    monkeypatch.setenv("FEATDYN_STORE", str(pytester.path / "store"))
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    monkeypatch.delenv("PYTEST_XDIST_WORKER_COUNT", raising=False)
    pytester.makeconftest("pytest_plugins = ['featdyn_core.plugin']")
    pytester.makeini("[pytest]\naddopts = --strict-markers\n")
    for path, text in (("claims/register.toml", REGISTER), ("fixtures/recipes/tiny.toml", RECIPE)):
        target = pytester.path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    write(pytester)
    return pytester


def write(project: pytest.Pytester, effect: list[float] | None = None, null: float = 0.0, claim: str = "demo") -> None:
    project.makepyfile(test_demo=CLAIM.format(effect=effect or [0.9, 0.91, 0.92], null=null, claim=claim))


def evidence_of(project: pytest.Pytester):
    return read_evidence(project.path / "evidence.json")


@pytest.mark.parametrize(
    ("effect", "null", "verdict", "outcomes", "status"),
    [
        pytest.param([0.9, 0.91, 0.92], 0.0, "SUPPORTED", {"passed": 1}, 0, id="supported"),
        pytest.param([0.1, 0.11, 0.12], 0.0, "REFUTED", {"failed": 1}, 1, id="refuted"),
        pytest.param([0.1, 0.5, 0.9], 0.0, "INCONCLUSIVE", {"failed": 1}, 1, id="inconclusive"),
        pytest.param([0.9, 0.91, 0.92], 0.3, "INVALID", {"errors": 1}, 1, id="invalid"),
    ],
)
def test_every_verdict(project, effect, null, verdict, outcomes, status):
    write(project, effect, null)
    result = project.runpytest("-m", "fast", "-v", "--junitxml=junit.xml")
    result.assert_outcomes(**outcomes)
    assert result.ret == status
    result.stdout.fnmatch_lines([f"*test_demo[[]digits[]] {verdict}*", f"*demo*{verdict}*"])
    (row,) = evidence_of(project)
    assert row.verdict == verdict
    assert row.findings[0].values == tuple(effect)
    assert set(row.checkpoints) == {"tiny/0", "tiny/1", "tiny/2"}
    assert (row.environment["precision of grids"], row.environment["flip rate"]) == ("fp32", 0.0)
    assert not list((project.path / "store" / "progress").glob("*.grid"))
    properties = {item.get("name"): item.get("value") for item in ElementTree.parse("junit.xml").iter("property")}
    assert json.loads(properties["featdyn-evidence"])["verdict"] == verdict


def test_grids_in_half_precision_say_how_many_predictions_flipped(project):
    project.runpytest("-m", "fast", "--precision", "fp16").assert_outcomes(passed=1)
    (row,) = evidence_of(project)
    assert row.environment["precision of grids"] == "fp16"
    assert 0 <= row.environment["flip rate"] < 0.05


def test_failure_message_has_quantity_value_interval_seeds_bound_and_control(project):
    write(project, [0.1, 0.11, 0.12])
    result = project.runpytest("-m", "fast")
    found = "*effect (decides): 0.11 [[]*, *[]] (95 %, 3 seeds), to lie above 0.5: fails*"
    result.stdout.fnmatch_lines([found, "*null (control)*"])


def test_a_second_look_is_judged_more_strictly(project):
    """Numbers that a first look supports: their interval of 95 % ends above the bound, that of 97.5 % below."""
    write(project, [0.57, 0.6, 0.63])
    assert project.runpytest("-m", "fast").ret == 0
    register = project.path / "claims/register.toml"
    register.write_text(REGISTER.replace("[scales.small]", "[scales.small]\nlooks = 2"))
    project.runpytest("-m", "fast").stdout.fnmatch_lines(
        ["*effect*(97.5 %, 3 seeds)*undecided*", "*[[]97.5 % interval[]]*"]
    )
    assert [row.verdict for row in evidence_of(project)] == ["INCONCLUSIVE"]


def test_xdist_gives_the_same_verdicts_and_trains_each_trajectory_once(project):
    project.makepyfile(test_other=CLAIM.format(effect=[0.9, 0.8, 0.9], null=0.0, claim="demo"))
    result = project.runpytest("-m", "fast", "-n", "2", "-v")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["*SUPPORTED*"])
    assert [row.verdict for row in evidence_of(project)] == ["SUPPORTED", "SUPPORTED"]
    assert len(list((project.path / "store").glob("tiny-*/manifest.json"))) == 3


def test_absent_data_is_not_run_and_a_run_that_decides_nothing_fails(project, monkeypatch):
    monkeypatch.setenv("FEATDYN_DATA", str(project.path / "nothing"))
    result = project.runpytest("-m", "full", "--scale", "reduced", "-k", "cifar100", "-rs")
    result.assert_outcomes(skipped=1)
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*no claim was decided*", "NOT RUN*no recipe*"])


def use_cifar10(project, monkeypatch) -> Path:
    """Let the one recipe be of CIFAR-10; return where that is looked for, with nothing there and no host to ask."""
    recipe = project.path / "fixtures/recipes/tiny.toml"
    recipe.write_text(RECIPE.replace('"digits"', '"cifar10"'))
    monkeypatch.setenv("FEATDYN_DATA", str(project.path / "data"))
    monkeypatch.setattr(urllib.request, "urlopen", Mock(side_effect=OSError("no route to host")))
    (project.path / "data").mkdir()
    return project.path / "data"


def test_data_that_cannot_be_had_is_not_run(project, monkeypatch):
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


def test_training_that_diverges_is_an_error_and_no_finding(project):
    recipe = project.path / "fixtures/recipes/tiny.toml"
    recipe.write_text(RECIPE.replace("learning_rate = 0.01", "learning_rate = 1e30"))
    result = project.runpytest("-m", "fast")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*TrainingError*tiny seed 0: loss is*lower the learning rate*"])


def test_full_tier_decides_what_it_can(project):
    result = project.runpytest("-m", "full", "--scale", "reduced")
    result.assert_outcomes(passed=1, skipped=1)
    assert result.ret == 0


def test_missing_trajectories_are_not_run_when_training_is_not_allowed(project):
    result = project.runpytest("-m", "fast", "--no-train", "-rs")
    result.assert_outcomes(skipped=1)
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*featdyn train --only tiny*"])


def test_damaged_checkpoint_is_an_error_and_is_left_as_it_was(project):
    project.runpytest("-m", "fast").assert_outcomes(passed=1)
    victim = next((project.path / "store").glob("tiny-0-*/epoch-0002.safetensors"))
    content = bytearray(victim.read_bytes())
    content[-1] ^= 1
    victim.write_bytes(content)
    result = project.runpytest("-m", "fast")
    result.assert_outcomes(errors=1)
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*DamagedTrajectoryError*epoch-0002.safetensors*remove this folder*"])
    assert victim.read_bytes() == bytes(content)


def test_too_few_seeds(project):
    result = project.runpytest("-m", "fast", "--seeds", "0,1")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*MeasurementError: claim 'demo' needs at least 3 seeds*"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param(["--device", "nonsense"], "*unknown device*", id="device"),
        pytest.param(["--seeds", "a,b"], "*expected integers*", id="seeds"),
    ],
)
def test_unusable_options(project, options, message):
    result = project.runpytest("-m", "fast", *options)
    assert result.ret != 0
    output = result.stdout if options[0] == "--seeds" else result.stderr
    output.fnmatch_lines([message])


@pytest.mark.skipif(os.path.exists("/dev/nvidia0"), reason="there is a CUDA device")
def test_cuda_without_a_device(project):
    result = project.runpytest("-m", "fast", "--device", "cuda")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*no device 'cuda'*use --device cpu*"])


def test_unwritable_store(project):
    (project.path / "file").write_text("in the way")
    result = project.runpytest("-m", "fast", "--store", str(project.path / "file"))
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*StoreError*cannot be written*FEATDYN_STORE*"])


def test_unknown_claim_is_named(project):
    write(project, claim="nothing")
    result = project.runpytest("-m", "fast")
    assert result.ret != 0
    result.stdout.fnmatch_lines(["*unknown claim 'nothing'; the register has demo*"])


def test_a_claim_test_has_exactly_one_tier(project):
    project.makepyfile(
        test_two="""
        import pytest
        @pytest.mark.fast
        @pytest.mark.full
        @pytest.mark.claim("demo")
        def test_both(decide): pass
        """
    )
    result = project.runpytest()
    assert result.ret != 0
    result.stderr.fnmatch_lines(["*exactly one of the markers*"])


def test_progress_of_other_processes_is_shown(project):
    beat = {"recipe": "elsewhere", "seed": 7, "epoch": 3, "epochs": 9, "train_loss": 1.5, "seconds_per_epoch": 2.0}
    folder = project.path / "store" / "progress"
    folder.mkdir(parents=True)
    (folder / "key.json").write_text(json.dumps(beat | {"time": time.time()}))
    project.makepyfile("import time\ndef test_wait(): time.sleep(6)")
    result = project.runpytest_subprocess()
    result.stdout.fnmatch_lines(["*training elsewhere seed 7: epoch 3/9, loss 1.5000*"])
