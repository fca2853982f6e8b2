"""Interrupted trainings continue to the same bits, or not at all."""

import errno
import json
import os
import signal
import subprocess
import sys

import pytest
import torch

from featdyn_core.errors import (
    DamagedTrajectoryError,
    StoreError,
)
from featdyn_core.provenance import environment
from featdyn_core.store import supply as store_module
from featdyn_core.store.heartbeats import read_beats
from featdyn_core.store.manifest import read_manifest
from featdyn_core.tests.store.edits import contents, flip
from featdyn_core.tests.store.operations import listening, refuse
from featdyn_core.tests.store.watched import FILES, Watched, assert_same, fail_with, folder_of
from featdyn_core.tests.tiny import tiny_recipe

SCRIPT = """
import sys, time
from pathlib import Path
import torch
from featdyn_core.training import loop as training
from featdyn_core.store.supply import Store
from featdyn_core.tests.tiny import tiny_recipe

def watch(key, recipe, seed, record):
    print(record.epoch, flush=True)
    if record.epoch == 2:
        time.sleep(600)

torch.set_num_threads(int(sys.argv[2]))
training.RESUME_SECONDS = 0.0
Store(Path(sys.argv[1]), device="cpu", watch=watch).get(tiny_recipe(), 0)
"""


def test_killed_process_is_seen_and_gone_on_from(store, reference):
    command = [sys.executable, "-c", SCRIPT, str(store.root), str(torch.get_num_threads())]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert [process.stdout.readline() for _ in range(2)] == ["1\n", "2\n"]
            assert store.status(tiny_recipe(), 0) == "training (1/3)"
            assert [(beat.recipe, beat.seed, beat.epochs) for beat in read_beats(store.root)] == [("tiny", 0, 3)]
        finally:
            process.kill()
        assert process.wait() == -signal.SIGKILL
    assert store.status(tiny_recipe(), 0) == "partial (2/3)"
    assert_same(store.get(tiny_recipe(), 0), reference)
    assert store.trained == [("tiny", 0, 3)]
    assert not read_beats(store.root)


@pytest.mark.usefixtures("resuming")
def test_damaged_resume_point_is_an_error_until_it_is_removed(store, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(Watched, "note", fail_with(errno.EIO))
        with pytest.raises(OSError, match="Input/output"):
            Watched(store.root).get(tiny_recipe(), 0)
    (resume,) = store.root.glob("partial/*/resume-0001.safetensors")
    resume.write_bytes(resume.read_bytes()[:-1])
    for _ in range(2):
        with pytest.raises(DamagedTrajectoryError, match=rf"remove {resume.parent} to train tiny seed 0"):
            store.get(tiny_recipe(), 0)
    assert not store.trained


@pytest.mark.usefixtures("resuming")
def test_training_does_not_resume_where_conditions_change_bits(store, monkeypatch, reference):
    with monkeypatch.context() as patch:
        patch.setattr(Watched, "note", fail_with(errno.EIO))
        with pytest.raises(OSError, match="Input/output"):
            Watched(store.root).get(tiny_recipe(), 0)
    (folder,) = store.root.glob("partial/*")
    before = contents(folder)
    with monkeypatch.context() as patch:
        patch.setattr(store_module.torch, "__version__", "0.1")
        message = rf"begun with device cpu, engine eager, torch .*, but this run has .* torch 0\.1.*remove {folder}"
        with pytest.raises(StoreError, match=message):
            store.get(tiny_recipe(), 0)
    assert contents(folder) == before
    assert_same(store.get(tiny_recipe(), 0), reference)
    assert [epoch for _, _, epoch in store.trained] == [2, 3]


def test_training_does_not_resume_where_a_processor_changes_bits(store, interrupted, monkeypatch, reference):
    before = contents(interrupted)
    with monkeypatch.context() as patch:
        patch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "DEFAULT")
        with pytest.raises(
            StoreError, match=rf"begun with .* cpu \w+, but this run has .* cpu DEFAULT.*remove {interrupted}"
        ):
            store.get(tiny_recipe(), 0)
    assert contents(interrupted) == before
    assert_same(store.get(tiny_recipe(), 0), reference)


ARITHMETIC = {
    "oneDNN switched off": lambda patch: patch.setattr(torch.backends.mkldnn, "enabled", False),
    "oneDNN's instructions": lambda patch: patch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2"),
    "by its older name": lambda patch: patch.setenv("DNNL_MAX_CPU_ISA", "AVX2"),
    "MKL's instructions": lambda patch: patch.setenv("MKL_ENABLE_INSTRUCTIONS", "AVX2"),
}


@pytest.mark.usefixtures("interrupted")
@pytest.mark.parametrize("change", ARITHMETIC)
def test_training_is_not_gone_on_with_by_other_instructions(store, monkeypatch, reference, change):
    with monkeypatch.context() as patch:
        ARITHMETIC[change](patch)
        with pytest.raises(StoreError, match=r"begun with .* oneDNN on, .* this run has .* oneDNN (off|on \w+=AVX2)"):
            store.get(tiny_recipe(), 0)
    assert_same(store.get(tiny_recipe(), 0), reference)
    assert store.trained[-1] == ("tiny", 0, 3)


def test_a_resume_point_that_omits_its_processor_is_used(store, interrupted, reference):
    path = interrupted / "resume.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    for name in ("seal", "checkpoints", "environments"):
        del record[name]
    del record["conditions"]["cpu"], record["conditions"]["oneDNN"]
    path.write_text(json.dumps(record), encoding="utf-8")
    assert_same(store.get(tiny_recipe(), 0), reference)
    assert [epoch for _, _, epoch in store.trained] == [3]


def test_manifest_tells_who_trained_and_on_what(store):
    store.get(tiny_recipe(), 0)
    facts = read_manifest(folder_of(store)).facts
    assert facts["cpu"] == facts["conditions"]["cpu"] == torch.backends.cpu.get_cpu_capability()
    assert facts["environments"] == [environment()]
    assert {"commit", "featdyn", "torch", "machine"} <= set(environment())


@pytest.mark.parametrize("name", ["epoch-0000.safetensors", "epoch-0002.safetensors"])
def test_a_damaged_partial_checkpoint_is_not_certified(store, interrupted, name):
    flip(interrupted / name, -1)
    for _ in range(2):
        with pytest.raises(
            DamagedTrajectoryError, match=rf"{name}: its bytes do not match.*remove {interrupted} to train"
        ):
            store.get(tiny_recipe(), 0)
    assert not store.trained


def test_what_killed_writers_left_in_a_partial_folder_is_swept(store, interrupted, reference):
    for name in (
        "resume-0003.safetensors.77.tmp",
        ".resume-0003.safetensors.77.tmp",
        f".resume.json.{os.getpid()}.tmp",
    ):
        (interrupted / name).write_bytes(b"half")
    assert_same(store.get(tiny_recipe(), 0), reference)
    assert sorted(contents(folder_of(store))) == FILES


def test_leftovers_of_a_kill_after_renaming_go_at_the_next_use(store, interrupted, reference):
    """They are the resume point, half-written files and the heartbeat; a read-only store keeps them."""
    saved = contents(interrupted)
    store.get(tiny_recipe(), 0)
    leftovers = {name: saved[name] for name in saved if name.startswith("resume")} | {".resume.json.7.tmp": b"half"}
    for name, content in leftovers.items():
        (folder_of(store) / name).write_bytes(content)
    heartbeat = store.root / "progress" / f"{reference.key}.json"
    heartbeat.write_bytes(b"{}")
    with listening(store.root, refuse):
        assert_same(store.get(tiny_recipe(), 0), reference)
    assert len(contents(folder_of(store))) == len(FILES) + 3
    assert_same(store.get(tiny_recipe(), 0), reference)
    assert sorted(contents(folder_of(store))) == FILES
    assert not heartbeat.exists()


@pytest.mark.parametrize("content", ["", "[" * 10**5, '{"epoch": Infinity}', '{"epoch": "x"}', "[]"])
def test_status_of_a_damaged_resume_point_is_no_error(store, interrupted, content):
    (interrupted / "resume.json").write_text(content)
    assert store.status(tiny_recipe(), 0) == "partial (?/3)"
    with pytest.raises(DamagedTrajectoryError, match=r"resume\.json is damaged"):
        store.get(tiny_recipe(), 0)
