"""Published records: what was published is judged, and what was not is refused."""

import dataclasses
import errno
import json
import os
from pathlib import Path

import pytest

from featdyn_core.errors import DamagedRecordError, MissingRecordError, StoreError
from featdyn_core.records.kinds import KINDS
from featdyn_core.store.documents import seal
from featdyn_core.store.published import PublishedRecords, publish, published
from featdyn_core.store.records import Record
from featdyn_core.tests.store.edits import contents, flip
from featdyn_core.tests.store.made import column, record_of
from featdyn_core.tests.store.watched import fail_with
from featdyn_core.tests.tiny import tiny_recipe
from featdyn_core.trajectories.specs import OptimizerSpec

RECORDS = [record_of(column(1, 2, seed=seed)) for seed in (0, 1)]


@pytest.fixture
def folder(tmp_path) -> Path:
    """Return a folder with the published records of two seeds."""
    publish(tmp_path / "reduced", RECORDS)
    return tmp_path / "reduced"


def edit(folder: Path, number: int = 0, **changes) -> None:
    path = folder / "manifest.json"
    document = json.loads(path.read_text())
    document["records"][number] |= changes
    document.pop("seal")
    path.write_bytes(seal(document))


def test_what_was_published_is_read_back(folder):
    found = PublishedRecords(folder)
    for record, request in zip(RECORDS, (column(1, 2), column(1, 2, seed=1)), strict=True):
        assert found.get(request) == Record(record.facts, record.content), str(request)
    assert found.get(column(2)).facts == RECORDS[0].facts
    assert found.describe(column(2, seed=1)) == RECORDS[1].facts


def test_publishing_twice_gives_the_same_files(folder, tmp_path):
    publish(tmp_path / "again", list(reversed(RECORDS)))
    assert contents(tmp_path / "again") == contents(folder)


def test_what_is_not_published_is_missing(folder, tmp_path):
    found = PublishedRecords(folder)
    assert found.describe(column(3)) is None
    with pytest.raises(MissingRecordError, match=r"no record of the column of tiny seed 0 is published"):
        found.get(column(3))
    nothing = PublishedRecords(tmp_path / "paper")
    assert nothing.facts == []
    with pytest.raises(MissingRecordError, match="published at the scale paper"):
        nothing.get(column(1))


def test_a_renamed_recipe_finds_its_records(folder):
    assert PublishedRecords(folder).describe(column(1, recipe=tiny_recipe(name="renamed"))) == RECORDS[0].facts


def test_records_of_a_recipe_that_was_changed_are_foreign(folder):
    changed = tiny_recipe(optimizer=OptimizerSpec("sgd", 0.2))
    with pytest.raises(DamagedRecordError, match=r"records of tiny in .*reduced are foreign: .* another digest"):
        PublishedRecords(folder).get(column(1, recipe=changed))
    other = changed.replace(name="other")
    assert PublishedRecords(folder).describe(column(1, recipe=other)) is None


def remove_a_file(folder: Path) -> None:
    (folder / RECORDS[0].facts["file"]).unlink()


DAMAGED_FILES = {
    "flipped byte": (lambda folder: flip(folder / RECORDS[0].facts["file"], 50), "do not match its sha256"),
    "truncated": (lambda folder: os.truncate(folder / RECORDS[0].facts["file"], 50), "do not match its sha256"),
    "missing": (remove_a_file, "cannot be read .No such file"),
    "another digest": (lambda folder: edit(folder, sha256="0" * 64), "do not match its sha256"),
}


@pytest.mark.parametrize(("harm", "message"), DAMAGED_FILES.values(), ids=DAMAGED_FILES)
def test_damaged_files_are_named(folder, harm, message):
    harm(folder)
    found = PublishedRecords(folder)
    with pytest.raises(DamagedRecordError, match=message) as caught:
        found.get(column(1))
    assert str(folder / RECORDS[0].facts["file"]) in str(caught.value)
    assert "take what was published, or publish anew" in str(caught.value)
    assert found.get(column(1, seed=1)).facts == RECORDS[1].facts


def write(folder: Path, document: dict) -> None:
    (folder / "manifest.json").write_bytes(seal(document))


def replace(folder: Path, old: bytes, new: bytes) -> None:
    text = (folder / "manifest.json").read_bytes()
    assert old in text
    (folder / "manifest.json").write_bytes(text.replace(old, new))


DAMAGED_MANIFESTS = {
    "half": (lambda folder: os.truncate(folder / "manifest.json", 100), "manifest.json cannot be read"),
    "no text": (lambda folder: (folder / "manifest.json").write_bytes(b"\xff"), "manifest.json cannot be read"),
    "a list": (lambda folder: (folder / "manifest.json").write_text("[]"), "manifest.json cannot be read"),
    "no records": (lambda folder: write(folder, {"schema": 2, "records": 3}), "manifest.json cannot be read"),
    "nested too deep": (
        lambda folder: (folder / "manifest.json").write_text("[" * 100_000),
        "manifest.json cannot be read",
    ),
    "schema": (lambda folder: write(folder, {"schema": 9, "records": []}), "has schema 9; this version reads 2"),
    "no seal": (lambda folder: (folder / "manifest.json").write_text('{"schema": 2, "records": []}'), "and no seal"),
    "other images": (lambda folder: replace(folder, b"some images", b"four images"), "does not match its seal"),
    "no record": (lambda folder: write(folder, {"schema": 2, "records": [1]}), "does not describe a record"),
    "epochs": (lambda folder: edit(folder, parameters=dict(column(1, 2, 3).parameters)), "was changed"),
    "recipe": (lambda folder: edit(folder, recipe_digest="0" * 64), "was changed"),
    "outside": (lambda folder: edit(folder, file="../../x.npz"), "was changed"),
    "no provenance": (lambda folder: edit(folder, checkpoints={}), "does not describe a record"),
}


@pytest.mark.parametrize(("harm", "message"), DAMAGED_MANIFESTS.values(), ids=DAMAGED_MANIFESTS)
def test_damaged_manifests_are_named(folder, harm, message):
    harm(folder)
    with pytest.raises(DamagedRecordError, match=message) as caught:
        PublishedRecords(folder)
    assert str(folder) in str(caught.value)


def test_records_of_another_version_are_refused(folder, monkeypatch):
    monkeypatch.setitem(KINDS, "column", dataclasses.replace(KINDS["column"], version=2))
    with pytest.raises(DamagedRecordError, match=r"of version 1, and this version of featdyn reads 2; publish anew"):
        PublishedRecords(folder)


@pytest.mark.parametrize("place", ["stray.npz", "tiny-0/stray.npz", "tiny-0/deep/stray.npz", "notes.txt"])
def test_a_file_that_the_manifest_does_not_name_is_refused(folder, place):
    (folder / place).parent.mkdir(parents=True, exist_ok=True)
    (folder / place).touch()
    with pytest.raises(DamagedRecordError, match=rf"{place} is not in the manifest of .*reduced; remove it"):
        PublishedRecords(folder)


def test_files_without_a_manifest_are_refused(folder):
    (folder / "manifest.json").unlink()
    with pytest.raises(DamagedRecordError, match=r"\.npz is not in the manifest"):
        PublishedRecords(folder)


def test_publishing_anew_replaces_what_was_there(folder):
    (folder / "stray").mkdir()
    (folder / "stray/stray.npz").touch()
    publish(folder, [record_of(column(3))])
    found = PublishedRecords(folder)
    assert found.describe(column(3)) is not None
    assert found.describe(column(1)) is None
    assert sorted(contents(folder)) == ["manifest.json", record_of(column(3)).facts["file"]]
    assert [path.name for path in folder.iterdir() if path.is_dir()] == [f"tiny-0-{tiny_recipe().digest[:8]}"]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS])
def test_a_folder_that_cannot_be_written_is_named_and_stays(folder, monkeypatch, code):
    before = contents(folder)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", fail_with(code))
        with pytest.raises(StoreError, match=r"reduced cannot be written"):
            publish(folder, [record_of(column(3))])
    assert contents(folder) == before


def test_a_manifest_is_read_once_a_process(folder):
    assert published(folder) is published(folder)
