"""Records on disk: only what was written is read back."""

import dataclasses
import errno
import hashlib
import io
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

import featdyn_core
from featdyn_core.errors import DamagedRecordError
from featdyn_core.files import temporary_name
from featdyn_core.records.kinds import KINDS
from featdyn_core.records.request import Request
from featdyn_core.store.documents import dump, seal, unseal
from featdyn_core.store.records import Record, RecordFolder, read_record
from featdyn_core.store.source import measuring_source
from featdyn_core.tests.store.edits import flip
from featdyn_core.tests.store.made import arrays_of, column, keys_of, record_of
from featdyn_core.tests.store.operations import abandoned
from featdyn_core.tests.store.watched import fail_with
from featdyn_core.tests.tiny import tiny_recipe
from featdyn_core.trajectories.specs import OptimizerSpec

PACKAGE = Path(featdyn_core.__file__).parent


@pytest.fixture
def folder(tmp_path) -> RecordFolder:
    """Return a folder with one record, a column of the epochs 1 and 2."""
    found = RecordFolder(tmp_path / "records")
    found.write(record_of(column(1, 2)))
    return found


def files(folder: RecordFolder) -> tuple[Path, Path]:
    """Return the arrays and the description of the one record."""
    (arrays,) = folder.root.glob("*/*.npz")
    return arrays, arrays.with_suffix(".json")


def find(folder: RecordFolder, request: Request, keys: dict[int, str] | None = None) -> Record | None:
    return folder.find(request, keys or keys_of(request))


def edit(path: Path, **changes) -> None:
    """Change a description and seal it again."""
    facts = unseal(path.read_bytes()) | changes
    path.write_bytes(seal({name: value for name, value in facts.items() if value != "removed"}))


# There and back


def test_what_is_read_back_equals_what_was_written(folder):
    written, found = record_of(column(1, 2)), find(folder, column(1, 2))
    assert found.facts == written.facts
    assert found.content == written.content
    for name, array in arrays_of(column(1, 2)).items():
        assert np.array_equal(found.arrays[name], array), name
        assert found.arrays[name].dtype == array.dtype, name
    assert found.view.agreement.tolist() == [[0.95, 0.9]]
    assert found.request(tiny_recipe()) == column(1, 2)


def test_same_arrays_give_same_bytes():
    assert record_of(column(1, 2)).content == record_of(column(1, 2)).content
    assert record_of(column(1, 2)).content != record_of(column(1, 3)).content


def test_a_file_is_called_after_what_it_holds():
    request = column(1, 2)
    folder, name = record_of(request).facts["file"].split("/")
    assert folder == f"tiny-0-{tiny_recipe().digest[:8]}"
    assert name == f"column-{request.identity[:12]}.npz"


def test_a_record_serves_whoever_asks_for_less(folder):
    assert find(folder, column(2)).facts["parameters"]["shallow"] == [1, 2]
    assert find(folder, column(1, 2, 3)) is None
    assert find(folder, column(1, 2, split="training")) is None
    assert find(folder, column(1, 2, seed=1)) is None


def test_a_renamed_recipe_finds_its_records(folder):
    assert find(folder, column(1, recipe=tiny_recipe(name="new-._"))) is not None


def test_nothing_is_found_where_nothing_is(tmp_path):
    assert find(RecordFolder(tmp_path / "none"), column(1)) is None


# What belongs to something else


def test_a_record_of_another_trajectory_is_not_found(folder):
    assert find(folder, column(1), {0: "another key"}) is None


def test_a_record_of_another_recipe_is_not_found(folder):
    other = tiny_recipe(optimizer=OptimizerSpec("sgd", 0.2))
    assert find(folder, column(1, recipe=other)) is None
    arrays, _ = files(folder)  # nor if its folder has the other's name
    shutil.copytree(arrays.parent, folder.root / f"tiny-0-{other.digest[:8]}")
    assert find(folder, column(1, recipe=other)) is None


def test_a_record_of_two_trajectories_is_of_both(tmp_path):
    folder = RecordFolder(tmp_path)
    request = column(1, partner=7)
    folder.write(record_of(request))
    assert find(folder, request) is not None
    assert find(folder, request, {0: "key-0", 7: "trained anew"}) is None
    assert find(folder, request, {0: "trained anew", 7: "key-7"}) is None
    edit(files(folder)[1], partner=None)
    assert find(folder, request) is None


def test_a_record_of_another_version_is_not_found_and_no_damage(folder, monkeypatch):
    monkeypatch.setitem(KINDS, "column", dataclasses.replace(KINDS["column"], version=2))
    assert find(folder, column(1)) is None
    folder.write(record_of(column(1)))
    assert find(folder, column(1)).facts["version"] == 2


def test_an_edit_of_measuring_source_never_meets_an_old_record(tmp_path):
    folder = RecordFolder(tmp_path)
    folder.write(record_of(column(1), source="of before the edit"))
    assert find(folder, column(1)) is None
    folder.write(record_of(column(1)))
    assert find(folder, column(1)).facts["source"] == measuring_source("column")


# Damage


def flip_a_byte(arrays: Path, _: Path) -> None:
    flip(arrays, arrays.stat().st_size // 2)


def truncate(arrays: Path, _: Path) -> None:
    arrays.write_bytes(arrays.read_bytes()[:-10])


def remove_arrays(arrays: Path, _: Path) -> None:
    arrays.unlink()


def put_a_folder_there(arrays: Path, _: Path) -> None:
    arrays.unlink()
    arrays.mkdir()


DAMAGES = {
    "flipped byte": (flip_a_byte, "is damaged: its bytes do not match its sha256"),
    "truncated": (truncate, "is damaged: its bytes do not match its sha256"),
    "no arrays": (remove_arrays, "cannot be read .No such file or directory."),
    "a folder": (put_a_folder_there, "cannot be read"),
    "half a description": (lambda _, facts: facts.write_bytes(facts.read_bytes()[:-10]), "cannot be read"),
    "no text": (lambda _, facts: facts.write_bytes(b"\xff\xfe"), "cannot be read"),
    "nested too deep": (lambda _, facts: facts.write_text("[" * 100_000), "cannot be read"),
    "no table": (lambda _, facts: facts.write_text("[]"), "expected an object, found a list"),
    "no seal": (lambda _, facts: facts.write_bytes(dump(unseal(facts.read_bytes()))), "and no seal"),
    "other images": (lambda _, facts: flip(facts, facts.read_bytes().index(b"some images")), "does not match its seal"),
    "other schema": (lambda _, facts: edit(facts, schema=0), "does not describe a record"),
    "unknown kind": (lambda _, facts: edit(facts, kind="guess"), "does not describe a record"),
    "seed of text": (lambda _, facts: edit(facts, seed="0"), "does not describe a record"),
    "no digest": (lambda _, facts: edit(facts, sha256="removed"), "does not describe a record"),
    "no version": (lambda _, facts: edit(facts, version="removed"), "does not describe a record"),
    "no data": (lambda _, facts: edit(facts, data={}), "does not describe a record"),
    "partner of text": (lambda _, facts: edit(facts, partner="1"), "does not describe a record"),
    "other epochs": (lambda _, facts: edit(facts, parameters=dict(column(1, 2, 3).parameters)), "was changed"),
    "other version": (lambda _, facts: edit(facts, version=2), "was changed"),
    "other seed": (lambda _, facts: edit(facts, seed=1), "was changed"),
    "other recipe": (lambda _, facts: edit(facts, recipe_digest="0" * 64), "was changed"),
    "outside": (lambda _, facts: edit(facts, file="../../column.npz"), "not a valid path in a store"),
    "absolute": (lambda _, facts: edit(facts, file="/etc/passwd"), "not a valid path in a store"),
}


@pytest.mark.parametrize(("harm", "message"), DAMAGES.values(), ids=DAMAGES)
def test_damage_is_named_with_its_mend(folder, harm, message):
    arrays, facts = files(folder)
    harm(arrays, facts)
    with pytest.raises(DamagedRecordError, match=message) as found:
        find(folder, column(1))
    assert f"remove {arrays.with_suffix('')}.*, and it is measured again" in str(found.value)
    shutil.rmtree(arrays.parent)
    assert find(folder, column(1)) is None


@pytest.mark.parametrize("harm", [lambda _, facts: edit(facts, schema=9), *(harm for harm, _ in DAMAGES.values())])
def test_damage_beside_a_record_keeps_nobody_from_it(folder, harm):
    """A record of three epochs lies next to the damaged one of two, before or after it by name."""
    arrays, facts = files(folder)
    for epochs in ((1, 2, 3), (1, 2, 4)):
        folder.write(record_of(column(*epochs)))
    harm(arrays, facts)
    assert find(folder, column(1, 3)).request(tiny_recipe()) == column(1, 2, 3)
    assert find(folder, column(4)).request(tiny_recipe()) == column(1, 2, 4)


def test_a_description_of_a_newer_schema_is_left_to_its_version(folder):
    _, facts = files(folder)
    edit(facts, schema=9)
    assert find(folder, column(1)) is None


def test_bytes_that_are_no_arrays_are_damage():
    record = dataclasses.replace(record_of(column(1)), content=b"PK no arrays")
    with pytest.raises(DamagedRecordError, match=r"tiny-0-.*\.npz cannot be unpacked"):
        _ = record.arrays


def test_objects_are_not_unpickled():
    buffer = io.BytesIO()
    np.savez_compressed(buffer, epochs=np.array([{}], dtype=object))
    with pytest.raises(DamagedRecordError, match="cannot be unpacked"):
        _ = dataclasses.replace(record_of(column(1)), content=buffer.getvalue()).arrays


def test_arrays_of_another_kind_are_damage():
    buffer = io.BytesIO()
    np.savez_compressed(buffer, epochs=np.array([1]))
    with pytest.raises(DamagedRecordError, match=r"tiny-0-.*\.npz cannot be read: KeyError"):
        _ = dataclasses.replace(record_of(column(1)), content=buffer.getvalue()).view


def test_a_record_without_its_file_is_damage(tmp_path):
    with pytest.raises(DamagedRecordError, match=r"cannot be read .*; weep"):
        read_record(tmp_path, record_of(column(1)).facts, "weep")


def test_a_description_that_is_nested_too_deep_is_damage(folder):
    """Written by hand, because at some depths JSON can be read but not written."""
    _, facts = files(folder)
    written = dump(unseal(facts.read_bytes()) | {"parameters": {"shallow": "deep"}})
    for depth in (300, 600, *range(800, 1000), 5000):
        content = written.replace(b'"deep"', b"[" * depth + b"]" * depth)
        digest = hashlib.sha256(content).hexdigest()
        facts.write_bytes(content.removesuffix(b"\n}") + f',\n "seal": "{digest}"\n}}'.encode())
        with pytest.raises(DamagedRecordError, match=r"nested too deep|the description was changed"):
            find(folder, column(1))


# Writing


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS])
def test_what_cannot_be_written_leaves_what_was_there(folder, monkeypatch, code):
    before = {path: path.read_bytes() for path in folder.root.rglob("*.*")}
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", fail_with(code))
        with pytest.raises(OSError, match=os.strerror(code)):
            folder.write(record_of(column(1, 2), seconds=2.0))
    assert {path: path.read_bytes() for path in folder.root.rglob("*.*")} == before


def test_a_description_without_arrays_is_never_left(folder, monkeypatch):
    """The description is written after the arrays."""
    replace = Path.replace

    def only_arrays(path, target):
        if Path(target).suffix == ".json":
            raise OSError(errno.ENOSPC, "No space left on device")
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", only_arrays)
    with pytest.raises(OSError, match="No space left"):
        folder.write(record_of(column(3)))
    assert find(folder, column(3)) is None


def test_what_a_killed_writer_left_is_swept(folder):
    arrays, _ = files(folder)
    left = abandoned(temporary_name(arrays))
    folder.write(record_of(column(1, 2)))
    assert not left.exists()
