"""Items come back from a remote store as they were; others are refused, and nothing of them stays."""

import hashlib
import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from featdyn_core.errors import (
    DamagedTrajectoryError,
    DamagedTransferError,
    MissingTrajectoryError,
    StoreError,
)
from featdyn_core.store import locks
from featdyn_core.store import sync as module
from featdyn_core.store.documents import seal
from featdyn_core.store.measurements import Measurements
from featdyn_core.store.records import RecordFolder
from featdyn_core.store.remote import Remote
from featdyn_core.store.supply import Store
from featdyn_core.store.sync import Moved, pull_record, pull_trajectory, push_record, push_trajectory
from featdyn_core.tests.store.edits import contents, edit_manifest, flip
from featdyn_core.tests.store.made import column, record_of
from featdyn_core.tests.store.watched import FILES
from featdyn_core.tests.tiny import tiny_continuation, tiny_recipe

TENSORS = len(FILES) - 1
KEYS = {0: "key-0"}


@pytest.fixture
def remote(tmp_path) -> Remote:
    """Return an empty remote store, whose files are at ``tmp_path / "remote"``."""
    return Remote(str(tmp_path / "remote"))


@pytest.fixture
def here(store) -> Store:
    """Return a store with the tiny trajectory of seed 0."""
    store.get(tiny_recipe(), 0)
    return store


@pytest.fixture
def there(tmp_path) -> Store:
    """Return another, empty store."""
    return Store(tmp_path / "there", device="cpu")


@pytest.fixture
def pushed(here, remote, tmp_path) -> Path:
    """Return the folder of a remote store that has the trajectory."""
    push_trajectory(here, remote, tiny_recipe(), 0)
    return tmp_path / "remote"


def manifest_in(pushed: Path) -> Path:
    (path,) = pushed.glob("trajectories/*.json")
    return path


def edit_pushed(pushed: Path, edit) -> None:
    """Change a pushed manifest and seal it again."""
    path = manifest_in(pushed)
    path.rename(path.with_name("manifest.json"))
    edit_manifest(path.parent, edit)
    path.with_name("manifest.json").rename(path)


# Trajectories


def test_a_trajectory_comes_back_byte_for_byte(here, there, remote):
    sent = push_trajectory(here, remote, tiny_recipe(), 0)
    fetched = pull_trajectory(there, remote, tiny_recipe(), 0)
    assert sent == fetched
    assert sent.files == TENSORS
    folder = there.folder(tiny_recipe(), 0)
    assert contents(folder) == contents(here.folder(tiny_recipe(), 0))
    assert there.status(tiny_recipe(), 0) == "complete"
    assert not list(there.root.glob("incoming/*"))


def test_a_pulled_trajectory_is_gone_on_with(here, there, remote):
    push_trajectory(here, remote, tiny_recipe(), 0)
    pull_trajectory(there, remote, tiny_recipe(), 0)
    assert there.get(tiny_continuation(), 0).digests == here.get(tiny_continuation(), 0).digests


def test_a_trajectory_without_its_optimizer_is_sent_as_it_is(here, there, remote):
    folder = here.folder(tiny_recipe(), 0)
    edit_manifest(folder, lambda manifest: manifest.pop("optimizer"))
    (folder / "optimizer.safetensors").unlink()
    assert push_trajectory(here, remote, tiny_recipe(), 0).files == TENSORS - 1
    pull_trajectory(there, remote, tiny_recipe(), 0)
    assert contents(there.folder(tiny_recipe(), 0)) == contents(folder)


def test_what_is_there_is_not_sent_or_fetched_again(here, there, remote):
    push_trajectory(here, remote, tiny_recipe(), 0)
    assert push_trajectory(here, remote, tiny_recipe(), 0) == Moved()
    pull_trajectory(there, remote, tiny_recipe(), 0)
    assert pull_trajectory(there, remote, tiny_recipe(), 0) == Moved()


def test_what_a_remote_store_does_not_have(here, there, remote):
    assert pull_trajectory(there, remote, tiny_recipe(), 0) is None
    with pytest.raises(MissingTrajectoryError):
        push_trajectory(there, remote, tiny_recipe(), 0)
    assert here.status(tiny_recipe(), 0) == "complete"


@pytest.mark.parametrize("at", range(TENSORS))
def test_an_interrupted_push_lists_nothing_and_goes_on(here, there, remote, at, monkeypatch):
    with monkeypatch.context() as patch:
        _interrupt(patch, Remote, "put_object", at)
        with pytest.raises(KeyboardInterrupt):
            push_trajectory(here, remote, tiny_recipe(), 0)
    assert pull_trajectory(there, remote, tiny_recipe(), 0) is None
    assert push_trajectory(here, remote, tiny_recipe(), 0).files == TENSORS - at
    assert pull_trajectory(there, remote, tiny_recipe(), 0).files == TENSORS


@pytest.mark.parametrize("at", range(TENSORS))
def test_an_interrupted_pull_shows_nothing_and_goes_on(pushed, there, remote, at, monkeypatch):
    with monkeypatch.context() as patch:
        _interrupt(patch, Remote, "get_object", at)
        with pytest.raises(KeyboardInterrupt):
            pull_trajectory(there, remote, tiny_recipe(), 0)
    assert there.status(tiny_recipe(), 0) == "missing"
    assert pull_trajectory(there, remote, tiny_recipe(), 0).files == TENSORS - at
    assert there.status(tiny_recipe(), 0) == "complete"
    assert pushed.is_dir()


def _interrupt(patch, owner, name, at):
    """Let a method be interrupted when it is called for the ``at``-th time."""
    original, calls = getattr(owner, name), iter(range(at + 1))

    def interrupted(self, argument):
        if next(calls) == at:
            raise KeyboardInterrupt
        return original(self, argument)

    patch.setattr(owner, name, interrupted)


def test_what_is_damaged_here_is_not_sent(here, remote, tmp_path):
    flip(here.folder(tiny_recipe(), 0) / "epoch-0003.safetensors", 200)
    with pytest.raises(DamagedTrajectoryError, match=r"epoch-0003\.safetensors"):
        push_trajectory(here, remote, tiny_recipe(), 0)
    assert not list((tmp_path / "remote").glob("trajectories/*"))


def test_what_is_damaged_there_is_not_taken(pushed, there, remote):
    for path in pushed.glob("objects/*"):
        flip(path, 50)
    with pytest.raises(DamagedTransferError, match="is damaged"):
        pull_trajectory(there, remote, tiny_recipe(), 0)
    assert there.status(tiny_recipe(), 0) == "missing"


def test_what_is_being_trained_here_is_not_fetched(pushed, there, remote):
    key = there.key(tiny_recipe(), 0)
    with locks.hold(there.layout.lock(key)), pytest.raises(StoreError, match="seed 0 is being trained in"):
        pull_trajectory(there, remote, tiny_recipe(), 0)
    assert pushed.is_dir()


# Hostile trajectories


def _other_seed(manifest):
    manifest["seed"] = 1


def _other_recipe(manifest):
    manifest["recipe"]["optimizer"]["learning_rate"] = 1e-3


def _a_place_elsewhere(manifest):
    manifest["checkpoints"]["0"]["file"] = "../../../outside.safetensors"


def _no_digest(manifest):
    manifest["checkpoints"]["0"]["sha256"] = "../../secret"


def _an_optimizer_elsewhere(manifest):
    manifest["optimizer"]["file"] = "../../../outside.safetensors"


def _more_checkpoints(manifest):
    entry = manifest["checkpoints"]["0"]
    manifest["checkpoints"] |= {str(epoch): entry for epoch in range(100, 200)}


@pytest.mark.parametrize(
    "edit", [_other_seed, _other_recipe, _a_place_elsewhere, _no_digest, _an_optimizer_elsewhere, _more_checkpoints]
)
def test_a_manifest_that_is_not_that_of_the_trajectory(pushed, there, remote, edit, tmp_path):
    edit_pushed(pushed, edit)
    before = contents(tmp_path / "remote")
    with pytest.raises(DamagedTransferError, match="nothing of it was taken"):
        pull_trajectory(there, remote, tiny_recipe(), 0)
    assert there.status(tiny_recipe(), 0) == "missing"
    assert contents(tmp_path / "remote") == before
    assert not list(tmp_path.glob("*.safetensors"))


@pytest.mark.parametrize("text", [b"", b"[1]", b"{}", b"[" * 100_000, b"\xff", b'{"recipe": 3}', b'{"recipe": null'])
def test_what_is_no_manifest(pushed, there, remote, text):
    manifest_in(pushed).write_bytes(text)
    with pytest.raises(DamagedTransferError, match="no manifest"):
        pull_trajectory(there, remote, tiny_recipe(), 0)


HEADERS = {
    "giant header": (2**62).to_bytes(8, "little") + b"{}",
    "header that is no JSON": (4).to_bytes(8, "little") + b"\x80\x04K\x01",
    "pickle": b"\x80\x04\x95\x0c\x00\x00\x00\x00\x00\x00\x00\x8c\x02os\x94\x8c\x06system\x94\x93\x94.",
    "nothing": b"",
}


@pytest.mark.parametrize("content", HEADERS.values(), ids=HEADERS)
def test_an_object_that_is_no_checkpoint_is_refused_by_content(pushed, there, remote, content):
    digest = hashlib.sha256(content).hexdigest()
    remote.put_object(content)
    edit_pushed(pushed, lambda manifest: manifest["checkpoints"]["0"].update(sha256=digest))
    with pytest.raises(DamagedTransferError, match="no checkpoint"):
        pull_trajectory(there, remote, tiny_recipe(), 0)
    assert not list(there.root.rglob("*.safetensors"))


def test_a_link_among_what_arrived_is_not_followed(pushed, there, remote, tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(b"kept")
    incoming = there.layout.incoming(there.key(tiny_recipe(), 0))
    incoming.mkdir(parents=True)
    (incoming / "epoch-0000.safetensors").symlink_to(secret)
    pull_trajectory(there, remote, tiny_recipe(), 0)
    assert secret.read_bytes() == b"kept"
    assert not (there.folder(tiny_recipe(), 0) / "epoch-0000.safetensors").is_symlink()
    assert pushed.is_dir()


# Records


def test_a_record_comes_back(tmp_path, remote):
    record = record_of(column(1, 2))
    assert push_record(remote, record) == Moved(1, len(record.content))
    assert push_record(remote, record) == Moved()
    folder = RecordFolder(tmp_path / "records")
    assert pull_record(folder, remote, column(1), KEYS) == Moved(1, len(record.content))
    assert pull_record(folder, remote, column(1), KEYS) == Moved()
    found = folder.find(column(1), KEYS)
    assert (found.facts, found.content) == (record.facts, record.content)


@pytest.mark.parametrize("changes", [{"source": "of before the edit"}, {"key": "key-1"}, {"version": 2}])
def test_a_record_of_another_source_or_version_is_not_wanted(tmp_path, remote, changes):
    push_record(remote, record_of(column(1), **changes))
    assert pull_record(RecordFolder(tmp_path / "records"), remote, column(1), KEYS) is None


def test_records_of_another_kind_are_not_looked_at(tmp_path, remote):
    remote.put_document(f"records/{tiny_recipe().digest[:12]}-0/stranger-123.json", b"no description")
    push_record(remote, record_of(column(1)))
    assert pull_record(RecordFolder(tmp_path / "records"), remote, column(1), KEYS).files == 1


def _described(remote: Remote, **changes) -> None:
    """Push a record with a changed description."""
    record = record_of(column(1))
    remote.put_object(record.content)
    facts = seal(record.facts | changes)
    remote.put_document(f"records/{tiny_recipe().digest[:12]}-0/column-123.json", facts)


@pytest.mark.parametrize("changes", [{"file": "../../outside.npz"}, {"recipe": "../../outside"}, {"kind": "code"}])
def test_a_description_that_leads_elsewhere_is_refused(tmp_path, remote, changes):
    _described(remote, **changes)
    with pytest.raises(DamagedTransferError, match="nothing of it was taken"):
        pull_record(RecordFolder(tmp_path / "records"), remote, column(1), KEYS)
    assert not list(tmp_path.rglob("*.npz"))


def test_a_name_leading_elsewhere_is_refused_in_a_matching_file(tmp_path, remote):
    record = record_of(column(1, recipe=tiny_recipe()), recipe="/outside")
    remote.put_object(record.content)
    facts = seal(record.facts)
    remote.put_document(f"records/{tiny_recipe().digest[:12]}-0/column-123.json", facts)
    with pytest.raises(DamagedTransferError, match="not a valid path in a store"):
        pull_record(RecordFolder(tmp_path / "records"), remote, column(1), KEYS)


def _document(remote: Remote, name: str, content: bytes) -> None:
    remote.put_document(f"records/{tiny_recipe().digest[:12]}-0/{name}", content)


STRANGE = {
    "no description": b"no description",
    "endless": b"[" * 100_000,
    "hostile parameters": seal(record_of(column(1)).facts | {"parameters": {"shallow": 3}}),
    "newer schema": seal(record_of(column(1)).facts | {"schema": 2}),
    "unknown kind": seal(record_of(column(1)).facts | {"kind": "of tomorrow"}),
    "elsewhere": seal(record_of(column(1)).facts | {"file": "../../outside.npz"}),
}


@pytest.mark.parametrize("content", STRANGE.values(), ids=STRANGE)
def test_a_strange_document_keeps_nobody_from_a_record(tmp_path, remote, content):
    for name in ("column-000.json", "column-fff.json"):
        _document(remote, name, content)
    push_record(remote, record_of(column(1, 2)))
    for request in (column(1, 2), column(1)):
        assert pull_record(RecordFolder(tmp_path / str(request.parameters)), remote, request, KEYS).files == 1


def test_thousands_of_stray_documents_keep_nobody_from_a_record(tmp_path, remote):
    _document(remote, "column-000.json", b"stray")
    (folder,) = (tmp_path / "remote/records").iterdir()
    for number in range(12_000):
        (folder / f"column-{number:06x}.json").touch()
    push_record(remote, record_of(column(1, 2)))
    assert pull_record(RecordFolder(tmp_path / "records"), remote, column(1, 2), KEYS).files == 1


def test_a_record_of_a_newer_schema_is_not_wanted(tmp_path, remote):
    _document(remote, "column-000.json", STRANGE["newer schema"])
    assert pull_record(RecordFolder(tmp_path / "records"), remote, column(1), KEYS) is None


def test_what_a_failed_pull_found_damaged_is_pushed_again(pushed, here, there, remote):
    """The sending store knows of the damage only from the report of the pull."""
    flip(victim := sorted((pushed / "objects").iterdir())[0], 50)
    with pytest.raises(DamagedTransferError, match="is damaged"):
        pull_trajectory(there, remote, tiny_recipe(), 0)
    again = Remote(remote.url)
    assert push_trajectory(here, again, tiny_recipe(), 0).files == 1
    assert hashlib.sha256(victim.read_bytes()).hexdigest() == victim.name
    assert pull_trajectory(there, again, tiny_recipe(), 0).files > 0
    assert push_trajectory(here, Remote(remote.url), tiny_recipe(), 0) == Moved()
    assert not list((pushed / "damaged").iterdir())


def test_push_with_verify_sends_what_is_damaged_there_again(pushed, here, there, remote):
    for path in (pushed / "objects").iterdir():
        flip(path, 50)
    assert push_trajectory(here, remote, tiny_recipe(), 0) == Moved()
    assert push_trajectory(here, Remote(remote.url, verify=True), tiny_recipe(), 0).files == TENSORS
    assert push_trajectory(here, Remote(remote.url, verify=True), tiny_recipe(), 0) == Moved()
    assert pull_trajectory(there, remote, tiny_recipe(), 0).files == TENSORS


def _archive(arrays: int = 1, size: int = 1) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(arrays):
            archive.writestr(f"{number}.npy", bytes(size))
    return buffer.getvalue()


@pytest.mark.parametrize("content", [b"no archive", _archive(arrays=1001), _archive(size=5000)])
def test_absent_or_excessive_arrays_are_refused(tmp_path, remote, content, monkeypatch):
    monkeypatch.setattr(module, "LARGEST_OBJECT", 4000)
    remote.put_object(content)
    _described(remote, sha256=hashlib.sha256(content).hexdigest())
    with pytest.raises(DamagedTransferError, match=r"no record|more than any record holds"):
        pull_record(RecordFolder(tmp_path / "records"), remote, column(1), KEYS)


def test_objects_in_what_was_pulled_are_refused(tmp_path, remote):
    buffer = io.BytesIO()
    np.savez_compressed(buffer, cuts=np.array([{"code": 1}], object))
    remote.put_object(buffer.getvalue())
    _described(remote, sha256=hashlib.sha256(buffer.getvalue()).hexdigest())
    folder = RecordFolder(tmp_path / "records")
    with pytest.raises(DamagedTransferError, match="Object arrays cannot be loaded"):
        pull_record(folder, remote, column(1), KEYS)
    assert folder.find(column(1), KEYS) is None


def test_a_measured_record_travels_with_its_trajectory(here, there, remote):
    record = Measurements(here).get(column(1, 2))
    push_trajectory(here, remote, tiny_recipe(), 0)
    push_record(remote, record)
    pull_trajectory(there, remote, tiny_recipe(), 0)
    records = Measurements(there, measure=False)
    assert pull_record(records.records, remote, column(1, 2), {0: there.key(tiny_recipe(), 0)}).files == 1
    assert records.get(column(1, 2)).content == record.content
