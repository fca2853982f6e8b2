"""The manifest: read as it was written, and never believed where it was changed."""

import json
from pathlib import Path

import pytest

from featdyn_core.errors import DamagedTrajectoryError
from featdyn_core.store.manifest import Manifest, read_manifest, write_manifest
from featdyn_core.tests.store.edits import contents
from featdyn_core.tests.tiny import tiny_recipe
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
