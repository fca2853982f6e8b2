"""The files of one trajectory: complete or absent, and named damage."""

import errno
import hashlib
import json
import os
import shutil
import time
from pathlib import Path

import pytest
import torch

from featdyn_core.errors import DamagedTrajectoryError, StoreError
from featdyn_core.files import sha256_of
from featdyn_core.store import heartbeats
from featdyn_core.store.documents import seal
from featdyn_core.store.folder import FolderSink, read_optimizer, read_tensors
from featdyn_core.store.layout import Layout, checkpoint_name
from featdyn_core.store.manifest import read_manifest
from featdyn_core.tests.store.edits import contents, flip
from featdyn_core.tests.tiny import same_state, tiny_recipe, without_seconds
from featdyn_core.trajectories.sink import ResumePoint
from featdyn_core.trajectories.trajectory import EpochRecord

LOG = (
    EpochRecord(0, float("nan"), 0.1, 0.1, 2.3, 0.0),
    EpochRecord(1, 2.0, 0.3, 0.1, None, 0.5),
    EpochRecord(2, 1.5, 0.5, 0.1, 1.4, 0.5),
    EpochRecord(3, 1.0, 0.7, 0.1, 0.9, 0.5),
)


def state(epoch: int) -> dict[str, torch.Tensor]:
    """Return tensors of several types, one of them not contiguous."""
    weight = torch.arange(6.0).view(2, 3).T + epoch
    return {"weight": weight, "norm.num_batches_tracked": torch.tensor(epoch), "bias": torch.ones(2) * epoch}


def point(epoch: int) -> ResumePoint:
    return ResumePoint(epoch, state(epoch), {"0.momentum_buffer": torch.ones(3) * epoch}, LOG[: epoch + 1])


def sink_in(root: Path, **facts) -> FolderSink:
    return FolderSink(Layout(root), "k", tiny_recipe(), 4, **facts)


def beat_of(sink: FolderSink) -> Path:
    return sink.layout.heartbeat(sink.key)


def fill(sink: FolderSink, last: int = 3) -> FolderSink:
    for epoch in range(last + 1):
        sink.checkpoint(epoch, state(epoch))
    sink.save_resume_point(point(last))
    return sink


@pytest.fixture
def finished(tmp_path) -> Path:
    sink = fill(sink_in(tmp_path))
    sink.finish(tmp_path / "tiny", LOG, {"device": "cpu"})
    return tmp_path / "tiny"


def test_finished_trajectory_gives_back_what_was_written(finished):
    manifest = read_manifest(finished)
    assert (manifest.key, manifest.recipe, manifest.seed) == ("k", tiny_recipe(), 4)
    assert without_seconds(manifest.log) == without_seconds(LOG)
    assert list(manifest.digests) == [0, 1, 2, 3]
    for epoch, digest in manifest.digests.items():
        assert same_state(read_tensors(finished, checkpoint_name(epoch), digest), state(epoch)), f"epoch {epoch}"


def test_finished_trajectory_says_what_it_is(finished):
    content = json.loads((finished / "manifest.json").read_text(encoding="utf-8"))
    assert content["recipe"] == {"name": "tiny", **json.loads(json.dumps(tiny_recipe().to_dict()))}
    assert content["recipe_digest"] == tiny_recipe().digest
    assert (content["seed"], content["device"], content["schema"]) == (4, "cpu", 1)


def test_finishing_leaves_nothing_but_the_trajectory(tmp_path):
    sink = fill(sink_in(tmp_path))
    sink.progress(LOG[3])
    (sink.folder / "epoch-0002.safetensors.77.tmp").touch()  # of a trainer that was killed
    sink.finish(tmp_path / "tiny", LOG, {})
    names = {path.name for path in (tmp_path / "tiny").iterdir()}
    assert names == {"manifest.json", *(f"epoch-{epoch:04d}.safetensors" for epoch in range(4))}
    assert not list((tmp_path / "partial").iterdir())
    assert not list((tmp_path / "progress").iterdir())


@pytest.mark.parametrize("position", [0, 100, -1])
def test_flipped_bit_is_damage(finished, position):
    name, digest = checkpoint_name(2), read_manifest(finished).digests[2]
    flip(finished / name, position)
    before = contents(finished)
    message = rf"{finished} is damaged: {name}: its bytes do not match.*; remove this folder, and the next run"
    with pytest.raises(DamagedTrajectoryError, match=message):
        read_tensors(finished, name, digest)
    assert contents(finished) == before


def test_missing_and_foreign_files_are_damage(finished):
    with pytest.raises(DamagedTrajectoryError, match=r"is damaged: epoch-0009\.safetensors: .*No such file"):
        read_tensors(finished, "epoch-0009.safetensors", "0")
    (finished / "text").write_bytes(b"text")
    digest = "982d9e3eb996f559e633f4d194def3761d909f5a3b647d1a851fead67c32c9d1"
    with pytest.raises(DamagedTrajectoryError, match="is damaged: text: not a safetensors file"):
        read_tensors(finished, "text", digest)


def test_resume_point_gives_back_what_was_saved(tmp_path):
    sink = sink_in(tmp_path)
    assert sink.resume_point() is None
    fill(sink, last=1)
    fill(sink, last=2)
    found = sink_in(tmp_path).resume_point()
    assert found.epoch == 2
    assert same_state(found.network, state(2))
    assert same_state(found.optimizer, point(2).optimizer)
    assert without_seconds(found.log) == without_seconds(LOG[:3])
    assert len(list(sink.folder.glob("resume-*"))) == 1


def test_resume_point_without_optimiser_tensors(tmp_path):
    sink = sink_in(tmp_path)
    sink.checkpoint(0, state(0))
    sink.save_resume_point(ResumePoint(0, state(0), {}, LOG[:1]))
    assert sink.resume_point().optimizer == {}


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (lambda folder: (folder / "resume-0002.safetensors").write_bytes(b"x"), "do not match"),
        (lambda folder: (folder / "resume-0002.safetensors").unlink(), "No such file"),
        (lambda folder: (folder / "epoch-0001.safetensors").unlink(), r"FileNotFoundError.*epoch-0001"),
        (lambda folder: (folder / "resume.json").write_text("{"), "JSONDecodeError"),
        (lambda folder: (folder / "resume.json").write_text("[]"), "expected an object, found a list"),
        (lambda folder: (folder / "resume.json").write_text("{}"), "KeyError"),
    ],
)
def test_damaged_resume_point_is_named_with_the_mend(tmp_path, harm, reason):
    sink = fill(sink_in(tmp_path), last=2)
    harm(sink.folder)
    before = contents(sink.folder)
    message = rf"resume\.json is damaged \(.*{reason}.*remove {sink.folder} to train tiny seed 4 from its beginning"
    with pytest.raises(DamagedTrajectoryError, match=message):
        sink.resume_point()
    assert contents(sink.folder) == before
    shutil.rmtree(sink.folder)
    assert sink_in(tmp_path).resume_point() is None


def test_resume_point_of_before_survives_a_failed_save(tmp_path, monkeypatch):
    sink = fill(sink_in(tmp_path), last=1)
    real = Path.replace
    for allowed in (0, 1):  # neither tensors nor description; tensors only
        calls = iter([real] * allowed)

        def replace(source, target, calls=calls):
            next(calls, fail_with(errno.EIO))(source, target)

        monkeypatch.setattr(Path, "replace", replace)
        with pytest.raises(StoreError, match="made up"):
            sink.save_resume_point(point(2))
        assert sink.resume_point().epoch == 1, f"full after {allowed} writes"
        assert not list(sink.folder.glob("*.tmp")), f"full after {allowed} writes"


def fail_with(code: int):
    def fail(*_args):
        raise OSError(code, "made up")

    return fail


def test_resume_point_of_an_earlier_version_is_gone_on_from(tmp_path):
    """It has no seal, no digests of checkpoints, NaN in its log, and fewer conditions."""
    sink = fill(sink_in(tmp_path, conditions={"device": "cpu"}), last=2)
    path = sink.folder / "resume.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    for name in ("seal", "checkpoints", "environments"):
        del record[name]
    record["log"][0]["train_loss"] = float("nan")
    path.write_text(json.dumps(record), encoding="utf-8")
    sink = sink_in(tmp_path, conditions={"device": "cpu", "cpu": "AVX2"})
    assert without_seconds(sink.resume_point().log) == without_seconds(LOG[:3])
    sink.checkpoint(3, state(3))
    sink.finish(tmp_path / "tiny", LOG, {})
    assert read_manifest(tmp_path / "tiny").digests[1] == sha256_of(tmp_path / "tiny" / "epoch-0001.safetensors")


def test_resume_point_is_standard_json(tmp_path):
    text = (fill(sink_in(tmp_path), last=1).folder / "resume.json").read_bytes()
    assert json.loads(text)["log"][0]["train_loss"] is None
    assert b"NaN" not in text


@pytest.mark.parametrize("file", ["../k/resume-0002.safetensors", "/etc/passwd", "x" * 5000, 5, None])
def test_resume_point_names_no_file_but_its_own(tmp_path, file):
    sink = fill(sink_in(tmp_path), last=2)
    path = sink.folder / "resume.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    del record["seal"]
    path.write_bytes(seal(record | {"file": file}))
    with pytest.raises(DamagedTrajectoryError, match="the file of epoch 2 is called") as found:
        sink.resume_point()
    assert len(str(found.value)) < 1000


def test_a_checkpoint_changed_before_the_end_is_not_certified(tmp_path):
    sink = fill(sink_in(tmp_path))
    flip(sink.folder / "epoch-0002.safetensors", 100)
    message = rf"epoch-0002\.safetensors: its bytes do not match.*remove {sink.folder} to train tiny seed 4 from"
    with pytest.raises(DamagedTrajectoryError, match=message):
        sink.finish(tmp_path / "tiny", LOG, {})
    assert not (tmp_path / "tiny").exists()


def test_optimizer_changed_before_the_end_is_not_certified(tmp_path):
    sink = fill(sink_in(tmp_path))
    sink.keep_optimizer(point(3).optimizer)
    flip(sink.folder / "optimizer.safetensors", -1)
    message = rf"optimizer\.safetensors: its bytes do not match.*remove {sink.folder} to train tiny seed 4 from"
    with pytest.raises(DamagedTrajectoryError, match=message):
        sink.finish(tmp_path / "tiny", LOG, {})
    assert not (tmp_path / "tiny").exists()


@pytest.mark.parametrize("tensors", [point(3).optimizer, {}], ids=["momentum", "none gathered"])
def test_finished_trajectory_gives_back_its_optimizer(tmp_path, tensors):
    sink = fill(sink_in(tmp_path))
    sink.keep_optimizer(tensors)
    sink.finish(tmp_path / "tiny", LOG, {})
    manifest = read_manifest(tmp_path / "tiny")
    assert same_state(read_optimizer(tmp_path / "tiny", manifest), tensors)
    assert set(contents(tmp_path / "tiny")) == {*manifest.files, "manifest.json"}


def test_a_checkpoint_changed_before_resumption_is_not_certified(tmp_path):
    sink = fill(sink_in(tmp_path), last=2)
    flip(sink.folder / "epoch-0002.safetensors", 100)
    with pytest.raises(DamagedTrajectoryError, match=r"epoch-0002\.safetensors: its bytes do not match"):
        sink_in(tmp_path).resume_point()


def test_manifest_tells_all_who_trained(tmp_path):
    first, second = {"commit": "1"}, {"commit": "2"}
    fill(sink_in(tmp_path, environment=first), last=1)
    for _ in range(2):
        sink = sink_in(tmp_path, environment=second, conditions={"cpu": "AVX2"})
        sink.resume_point()
        fill(sink, last=3)
    sink.finish(tmp_path / "tiny", LOG, {})
    facts = read_manifest(tmp_path / "tiny").facts
    assert facts["environments"] == [first, second]
    assert facts["conditions"] == {"cpu": "AVX2"}


@pytest.mark.parametrize(
    "content",
    [
        (10**11).to_bytes(8, "little") + b"{}",
        (10**5).to_bytes(8, "little") + b"[" * 10**5,
        (58).to_bytes(8, "little") + b'{"a":{"dtype":"F8_E8M0","shape":[1],"data_offsets":[0,1]}}' + b"\0",
        b"",
    ],
    ids=["header of 10^11 bytes", "nested header", "unknown type", "empty"],
)
def test_hostile_checkpoint_is_damage(finished, content):
    (finished / "x").write_bytes(content)
    with pytest.raises(
        DamagedTrajectoryError, match=r"is damaged: x: (not a safetensors file|it holds tensors of an un)"
    ):
        read_tensors(finished, "x", hashlib.sha256(content).hexdigest())


def test_a_checkpoint_linked_into_another_folder_is_read(finished, tmp_path):
    expected = read_tensors(finished, name := "epoch-0001.safetensors", digest := sha256_of(finished / name))
    elsewhere = tmp_path.parent / "elsewhere.safetensors"
    (finished / name).rename(elsewhere)
    (finished / name).symlink_to(elsewhere)
    assert same_state(read_tensors(finished, name, digest), expected)
    (finished / name).unlink()
    (finished / name).symlink_to(finished / name)
    with pytest.raises(DamagedTrajectoryError, match="Too many levels of symbolic links"):
        read_tensors(finished, name, digest)


def test_training_begins_with_a_heartbeat(tmp_path):
    sink = sink_in(tmp_path)
    sink.resume_point()
    (beat,) = heartbeats.read_beats(tmp_path)
    assert (beat.epoch, beat.process) == (0, os.getpid())
    fill(sink, last=2).resume_point()
    (beat,) = heartbeats.read_beats(tmp_path)
    assert (beat.epoch, beat.train_loss) == (2, LOG[2].train_loss)


def test_folder_that_is_removed_meanwhile_is_named(tmp_path):
    sink = sink_in(tmp_path)
    shutil.rmtree(sink.folder)
    with pytest.raises(
        StoreError, match=rf"the store {tmp_path} cannot be written \(No such file or directory: partial\)"
    ):
        sink.checkpoint(0, state(0))
    shutil.rmtree(tmp_path / "partial")
    sink.progress(LOG[1])  # a word on progress is never an error


def test_heartbeat_and_watcher_receive_epochs(tmp_path, monkeypatch):
    seen = []
    sink = sink_in(tmp_path, watch=lambda *what: seen.append(what))
    sink.progress(LOG[1])
    beat = json.loads(beat_of(sink).read_text(encoding="utf-8"))
    assert abs(beat.pop("time") - time.time()) < 60
    assert beat.pop("host")
    assert beat == {
        "recipe": "tiny",
        "seed": 4,
        "epoch": 1,
        "epochs": 3,
        "train_loss": 2.0,
        "seconds_per_epoch": 0.5,
        "process": os.getpid(),
    }
    monkeypatch.setattr(heartbeats, "HEARTBEAT_SECONDS", 1e6)
    sink.progress(LOG[2])
    assert json.loads(beat_of(sink).read_text(encoding="utf-8"))["epoch"] == 1
    monkeypatch.setattr(heartbeats, "HEARTBEAT_SECONDS", 0.0)
    sink.progress(LOG[3])
    assert json.loads(beat_of(sink).read_text(encoding="utf-8"))["epoch"] == 3
    assert seen == [("k", tiny_recipe(), 4, record) for record in LOG[1:]]
