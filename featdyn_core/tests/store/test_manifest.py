"""The manifest: read as it was written, and refused if it was changed."""

import dataclasses
import errno
import json
import re
from pathlib import Path

import pytest

from featdyn_core.errors import DamagedTrajectoryError, StoreError
from featdyn_core.store.manifest import Manifest, read_manifest, write_manifest
from featdyn_core.tests.store.edits import contents, edit_manifest
from featdyn_core.tests.tiny import tiny_recipe, without_seconds
from featdyn_core.trajectories.trajectory import EpochRecord

NAN = float("nan")
LOG = (EpochRecord(0, NAN, 0.1, 0.1, 2.3, 0.0), *(EpochRecord(n, 1.0 / n, 0.3, 0.1, 1.4, 0.5) for n in (1, 2, 3)))
DIGESTS = {epoch: f"{epoch:064x}" for epoch in range(4)}


@pytest.fixture
def finished(tmp_path) -> Path:
    folder = tmp_path / "tiny-4-000000000000"
    folder.mkdir()
    write_manifest(folder, Manifest("k", tiny_recipe(), 4, LOG, DIGESTS, {"device": "cpu"}))
    return folder


@pytest.mark.parametrize(
    "content",
    [
        "",
        '{"schema": 1',
        "[]",
        "{}",
        '{"schema": 1}',
        '{"schema": 1, "key": "k", "log": [], "checkpoints": []}',
        '{"schema": 1, "key": "k", "log": [], "checkpoints": {"0": {}}}',
        '{"schema": 1, "key": "k", "log": [], "checkpoints": {"x": {"file": "f", "sha256": "0"}}}',
        '{"schema": 1, "key": "k", "log": [{"epoch": 1}], "checkpoints": {}}',
    ],
)
def test_broken_manifest_is_damage(finished, content):
    (finished / "manifest.json").write_text(content, encoding="utf-8")
    before = contents(finished)
    message = rf"{finished} is damaged: manifest\.json cannot be read .*; remove this folder"
    with pytest.raises(DamagedTrajectoryError, match=message):
        read_manifest(finished)
    assert contents(finished) == before


def test_missing_manifest_is_damage(finished):
    (finished / "manifest.json").unlink()
    with pytest.raises(DamagedTrajectoryError, match=r"manifest\.json cannot be read \(FileNotFoundError"):
        read_manifest(finished)


def test_manifest_of_another_schema_is_not_read(finished):
    content = json.loads((finished / "manifest.json").read_text(encoding="utf-8"))
    (finished / "manifest.json").write_text(json.dumps(content | {"schema": 2}), encoding="utf-8")
    message = r"has schema 2, this version reads 1; move the folder away, or use the version of featdyn that wrote"
    with pytest.raises(DamagedTrajectoryError, match=message):
        read_manifest(finished)


def test_manifest_gives_back_what_was_written_and_null_for_nan(finished):
    found = read_manifest(finished)
    assert (found.key, found.recipe, found.seed, found.digests) == ("k", tiny_recipe(), 4, DIGESTS)
    assert without_seconds(found.log) == without_seconds(LOG)
    assert found.facts == {"device": "cpu"}
    text = (finished / "manifest.json").read_text(encoding="utf-8")
    assert json.loads(text)["log"][0]["train_loss"] is None
    assert "NaN" not in text


def test_manifest_of_an_earlier_version_has_nan_and_no_seal(finished):
    edit_manifest(finished, str, old=True)
    text = (finished / "manifest.json").read_text(encoding="utf-8")
    (finished / "manifest.json").write_text(text.replace('"train_loss": null', '"train_loss": NaN'), encoding="utf-8")
    assert without_seconds(read_manifest(finished).log) == without_seconds(LOG)


def test_manifest_gives_back_the_optimizers_digest(finished):
    assert read_manifest(finished).optimizer == ""
    write_manifest(finished, dataclasses.replace(read_manifest(finished), optimizer="b" * 64))
    found = read_manifest(finished)
    assert found.optimizer == found.files["optimizer.safetensors"] == "b" * 64
    assert found.facts == {"device": "cpu"}


@pytest.mark.parametrize(
    "entry",
    [
        5,
        None,
        {},
        {"file": "../optimizer.safetensors", "sha256": "b" * 64},
        {"file": "optimizer.safetensors", "sha256": 0},
    ],
)
def test_hostile_entry_of_an_optimizer_is_one_clear_line(finished, entry):
    edit_manifest(finished, lambda manifest: manifest.update(optimizer=entry))
    with pytest.raises(DamagedTrajectoryError, match=rf"^{finished} is damaged: manifest\.json cannot be read"):
        read_manifest(finished)


def test_edit_of_any_logged_number_is_found(finished):
    path, found = finished / "manifest.json", 0
    original = path.read_text(encoding="utf-8")
    for number, record in enumerate(json.loads(original)["log"]):
        for name in record:
            content = json.loads(original)
            content["log"][number][name] = 0.25
            path.write_text(json.dumps(content, indent=1), encoding="utf-8")
            with pytest.raises(DamagedTrajectoryError, match="does not match its seal"):
                read_manifest(finished)
            found += 1
    assert found == 24


def test_field_added_by_a_later_version_is_kept(finished):
    edit_manifest(finished, lambda manifest: manifest.update(colour="green"))
    assert read_manifest(finished).facts["colour"] == "green"


NESTED = "[" * 10**5 + "]" * 10**5
LONG = "x" * 5000


HOSTILE = [
    ("seed", "Infinity"),
    ("seed", "-1"),
    ("seed", "true"),
    ("seed", "1.0"),
    ("seed", "1" * 10**5),
    ("key", "5"),
    ("recipe", NESTED),
    ("recipe", "[]"),
    ("recipe_digest", "5"),
    ("log", "5"),
    ("log", '[{"epoch": 0}]'),
    ("log", "[]"),
    ("checkpoints", "[]"),
    ("checkpoints", NESTED),
    ("schema", NESTED),
    ("schema", f'"{LONG}"'),
    ("file", "5"),
    ("file", "null"),
    ("file", f'"{LONG}"'),
    ("file", '"../epoch-0001.safetensors"'),
    ("file", '"/etc/passwd"'),
    ("file", r'"\u0000"'),
    ("sha256", "5"),
    ("sha256", '"0"'),
    ("name", "5"),
    ("epochs", str(10**12)),
    ("set", NESTED),
]
SEALABLE = [(field, value) for field, value in HOSTILE if len(value) <= len(LONG) + 2]
"""Not too deep or long for one who seals it."""


@pytest.mark.parametrize(
    ("field", "value", "sealed"),
    [*((*hostile, False) for hostile in HOSTILE), *((*hostile, True) for hostile in SEALABLE)],
)
def test_hostile_manifest_is_one_clear_line(finished, field, value, sealed):
    edit_manifest(finished, str, old=True)
    path = finished / "manifest.json"
    line = f'"{field}": {value}'
    text = re.sub(rf'"{field}": [^\[{{][^,\n]*', lambda _: line, path.read_text(encoding="utf-8"), count=1)
    if field in ("recipe", "log", "checkpoints"):
        text = f"{text[:-2]}, {line}}}"  # the last of a name counts
    path.write_text(text, encoding="utf-8")
    assert value in text
    if sealed:
        edit_manifest(finished, str)
    with pytest.raises(DamagedTrajectoryError, match=rf"^{finished}.*manifest\.json") as found:
        read_manifest(finished)
    assert "\n" not in str(found.value)
    assert len(str(found.value)) < 1000


def test_name_of_a_recipe_is_no_more_than_a_name(finished):
    edit_manifest(finished, lambda manifest: manifest["recipe"].update(name=f"../{LONG}"))
    assert read_manifest(finished).recipe.replace(name="tiny") == tiny_recipe()


def test_a_manifest_linked_from_elsewhere_is_read(finished, tmp_path):
    expected = read_manifest(finished)
    (finished / "manifest.json").rename(tmp_path.parent / "manifest.json")
    (finished / "manifest.json").symlink_to(tmp_path.parent / "manifest.json")
    assert read_manifest(finished) == expected


def test_manifest_that_must_not_be_read_is_not_called_damaged(finished, monkeypatch):
    def fail(path, *_):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr("os.open", fail)
    with pytest.raises(StoreError, match=r"manifest\.json may not be read \(Permission denied\); allow it") as found:
        read_manifest(finished)
    assert not isinstance(found.value, DamagedTrajectoryError)
