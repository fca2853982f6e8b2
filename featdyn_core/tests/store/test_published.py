"""Published records are judged, and anything else is refused."""

import dataclasses
import errno
import hashlib
import itertools
import json
import os
from pathlib import Path
from unittest.mock import Mock

import pytest

from featdyn_core.errors import DamagedRecordError, MissingRecordError, StoreError
from featdyn_core.files import json_digest
from featdyn_core.records.kinds import KINDS
from featdyn_core.sealed import seal_lines, unseal_lines
from featdyn_core.store import layout
from featdyn_core.store import published as module
from featdyn_core.store.documents import seal
from featdyn_core.store.published import PublishedRecords, publish, published
from featdyn_core.store.records import Record
from featdyn_core.tests.store.edits import contents, flip
from featdyn_core.tests.store.made import column, record_of
from featdyn_core.tests.store.operations import Kill, KilledError, listening
from featdyn_core.tests.store.watched import fail_with
from featdyn_core.tests.tiny import tiny_recipe
from featdyn_core.trajectories.specs import OptimizerSpec

RECORDS = [record_of(column(1, 2, seed=seed)) for seed in (0, 1)]


@pytest.fixture
def folder(tmp_path) -> Path:
    """Return a folder with the published records of two seeds."""
    publish(tmp_path / "reduced", RECORDS)
    return tmp_path / "reduced"


def said(folder: Path) -> dict:
    """Return the content of a folder's manifest."""
    return unseal_lines(json.loads((folder / "manifest.json").read_text()), "records")


def edit(folder: Path, number: int = 0, **changes) -> None:
    content = said(folder)
    content["records"][number] |= changes
    (folder / "manifest.json").write_bytes(seal_lines(content, "records"))


def test_what_was_published_is_read_back(folder):
    found = PublishedRecords(folder)
    for record, request in zip(RECORDS, (column(1, 2), column(1, 2, seed=1)), strict=True):
        assert found.get(request) == Record(record.facts, record.content), str(request)
    assert found.get(column(2)).facts == RECORDS[0].facts
    assert found.describe(column(2, seed=1)) == RECORDS[1].facts


@pytest.mark.parametrize("schema", [2, 3])
def test_a_manifest_of_an_older_schema_says_the_same(folder, schema):
    newest = PublishedRecords(folder)
    content = said(folder) | {"schema": schema}
    (folder / "manifest.json").write_bytes(seal(content) if schema == 2 else seal_lines(content, "records"))
    older = PublishedRecords(folder)
    assert (older.facts, older.files, older.fault) == (newest.facts, newest.files, "")
    replace(folder, b"some images", b"four images")
    assert "does not match its seal" in PublishedRecords(folder).fault


def test_a_manifest_has_a_line_for_each_record(folder):
    lines = (folder / "manifest.json").read_text().splitlines()
    records = [json.loads(line.rstrip(",")) for line in lines[lines.index('"records": [') + 1 : -3]]
    assert [record["file"] for record in records] == [record.facts["file"] for record in RECORDS]


def test_a_manifest_tells_once_what_records_share(folder):
    text = (folder / "manifest.json").read_text()
    for fact in ("recipe_digest", "source"):
        assert [text.count(f'"{record.facts[fact]}"') for record in RECORDS] == [1, 1], fact
    assert text.count("some images") == 1


def forge(folder: Path, edit) -> None:
    """Edit the manifest as it stands, and seal it again."""
    document = json.loads((folder / "manifest.json").read_text())
    edit(document)
    del document["seal"]
    (folder / "manifest.json").write_text(json.dumps(document | {"seal": json_digest(document)}))


def other_epochs(document) -> None:
    document["shared"]["parameters"][0]["shallow"] = [7]


FORGED_TABLES = {
    "beyond its table": (
        lambda document: document["records"][1].update(source=9),
        "records, item 2, source: 9 is not the number of an entry; the table has 1",
    ),
    "below it": (
        lambda document: document["records"][0].update(data=-1),
        "item 1, data: -1 is not the number of an entry",
    ),
    "no number": (
        lambda document: document["records"][0].update(data=True),
        "data: True is not the number of an entry",
    ),
    "shorter table": (lambda document: document["shared"]["key"].pop(), "item 2, key: 1 is not the number of an entry"),
    "no table": (lambda document: document["shared"].update(source=3), "'shared' has no list for each of its paths"),
    "another entry": (other_epochs, "but a record of this content has another file name: the description was changed"),
}


@pytest.mark.parametrize(("edit", "message"), FORGED_TABLES.values(), ids=FORGED_TABLES)
def test_forged_tables_of_a_manifest_are_refused(folder, edit, message):
    forge(folder, edit)
    with pytest.raises(DamagedRecordError, match=message) as caught:
        PublishedRecords(folder).get(column(1))
    assert str(folder / "manifest.json") in str(caught.value)


def test_an_entry_of_a_table_is_under_the_seal(folder):
    for path in said(folder)["records"][0].keys() & json.loads((folder / "manifest.json").read_text())["shared"]:
        publish(folder, RECORDS)
        document = json.loads((folder / "manifest.json").read_text())
        document["shared"][path][0] = "edited"
        (folder / "manifest.json").write_text(json.dumps(document))
        assert "does not match its seal" in PublishedRecords(folder).fault, path


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
    "schema": (lambda folder: write(folder, {"schema": 9, "records": []}), "has schema 9; this version reads 2 to 4"),
    "no seal": (
        lambda folder: (folder / "manifest.json").write_text('{"schema": 4, "records": []}'),
        "does not match its seal",
    ),
    "seal of another kind": (
        lambda folder: write(folder, {"schema": 4, "records": []}),
        "does not match its seal",
    ),
    "no number": (lambda folder: replace(folder, b'"seconds":1.0', b'"seconds":NaN'), "manifest.json cannot be read"),
    "no seal of the second schema": (
        lambda folder: (folder / "manifest.json").write_text('{"schema": 2, "records": []}'),
        "and no seal",
    ),
    "other images": (lambda folder: replace(folder, b"some images", b"four images"), "does not match its seal"),
    "no record": (lambda folder: write(folder, {"schema": 2, "records": [1]}), "does not describe a record"),
    "epochs": (lambda folder: edit(folder, parameters=dict(column(1, 2, 3).parameters)), "was changed"),
    "recipe": (lambda folder: edit(folder, recipe_digest="0" * 64), "was changed"),
    "outside": (lambda folder: edit(folder, file="../../x.npz"), "not a valid path in a store"),
    "no provenance": (lambda folder: edit(folder, checkpoints={}), "does not describe a record"),
}


@pytest.mark.parametrize(("harm", "message"), DAMAGED_MANIFESTS.values(), ids=DAMAGED_MANIFESTS)
def test_damaged_manifests_are_named(folder, harm, message):
    harm(folder)
    found = PublishedRecords(folder)
    assert found.present
    assert found.has(column(1))
    for ask in (found.describe, found.get):
        with pytest.raises(DamagedRecordError, match=message) as caught:
            ask(column(1))
        assert str(folder) in str(caught.value)


def test_one_entry_that_is_damaged_costs_its_own_rows(folder):
    edit(folder, checkpoints={})
    found = PublishedRecords(folder)
    with pytest.raises(DamagedRecordError, match="does not describe a record"):
        found.get(column(1))
    assert found.get(column(1, seed=1)).facts == RECORDS[1].facts
    assert found.describe(column(1, recipe=tiny_recipe(optimizer=OptimizerSpec("sgd", 0.2), name="other"))) is None


def test_records_of_another_version_are_refused(folder, monkeypatch):
    monkeypatch.setitem(KINDS, "column", dataclasses.replace(KINDS["column"], version=2))
    found = PublishedRecords(folder)
    with pytest.raises(DamagedRecordError, match=r"of version 1, and this version of featdyn reads 2; publish anew"):
        found.get(column(1))
    assert found.find(column(1)) is None
    assert not found.newer


@pytest.mark.parametrize("changes", [{"kind": "of tomorrow"}, {"version": 99}, {"schema": 2}], ids=str)
def test_records_of_a_newer_version_cost_their_own_rows(folder, changes):
    edit(folder, **changes)
    found = PublishedRecords(folder)
    assert found.newer
    assert found.get(column(1, seed=1)).facts == RECORDS[1].facts


STRANGE = ["NOTES.md", ".DS_Store", "._manifest.json", ".#manifest.json", "tiny/stray.npz", "tiny/deep/.x.npz"]


@pytest.mark.parametrize("place", STRANGE)
def test_a_file_that_the_manifest_does_not_name_costs_nothing(folder, place):
    (folder / place).parent.mkdir(parents=True, exist_ok=True)
    (folder / place).symlink_to("nowhere") if "#" in place else (folder / place).write_bytes(b"\0")
    found = PublishedRecords(folder)
    assert [found.get(request).facts for request in (column(1), column(1, seed=1))] == [
        record.facts for record in RECORDS
    ]


def test_files_without_a_manifest_are_refused(folder):
    (folder / "manifest.json").unlink()
    with pytest.raises(DamagedRecordError, match=r"manifest\.json is not there, and .*\.npz is"):
        PublishedRecords(folder).get(column(1))


def test_a_folder_is_swept_once_however_many_records_it_gets(tmp_path, monkeypatch):
    swept = Mock()
    monkeypatch.setattr(module, "sweep", swept)
    publish(tmp_path / "new", [record_of(column(1, images=images)) for images in range(15, 20)])
    assert swept.call_count == 2  # with the folder of all


def test_publishing_anew_replaces_what_was_there(folder):
    publish(folder, [record_of(column(3))])
    found = PublishedRecords(folder)
    assert found.describe(column(3)) is not None
    assert found.describe(column(1)) is None
    assert sorted(contents(folder)) == ["manifest.json", record_of(column(3)).facts["file"]]
    assert [path.name for path in folder.iterdir() if path.is_dir()] == [f"tiny-0-{tiny_recipe().digest[:8]}"]


def test_publishing_removes_nothing_that_it_did_not_write(folder):
    own = [*STRANGE, "tiny-9/mine.npz", str(Path(RECORDS[0].facts["file"]).with_name("mine.npz"))]
    for place in own:
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        (folder / place).write_bytes(b"mine")
    publish(folder, [record_of(column(3, seed=4))])
    assert {place for place, content in contents(folder).items() if content == b"mine"} == set(own)
    assert not (folder / RECORDS[1].facts["file"]).parent.exists()


def test_a_manifest_leads_to_no_file_outside(folder):
    outside = folder.parent / "outside.npz"
    outside.write_bytes(b"mine")
    content = said(folder) | {"retired": ["../outside.npz", "../../outside.npz", str(outside), 3]}
    (folder / "manifest.json").write_bytes(seal_lines(content, "records"))
    publish(folder, RECORDS)
    assert outside.read_bytes() == b"mine"


def test_a_manifest_names_no_file_of_somebody_else(folder):
    """This also holds for its list of files to remove."""
    own = [folder / "notes/mine.md", folder / "notes/.git", folder / "notes/mine.json"]
    for path in own:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"mine")
    document = json.loads((folder / "manifest.json").read_text())
    document["retired"] = [path.relative_to(folder).as_posix() for path in own]
    document.pop("seal")
    (folder / "manifest.json").write_bytes(seal_lines(document, "records"))
    publish(folder, [record_of(column(3))])
    assert [path.read_bytes() for path in own] == [b"mine"] * 3


def test_a_folder_in_the_place_of_a_record_stays(folder):
    place = folder / RECORDS[1].facts["file"]
    place.unlink()
    place.mkdir()
    (place / "mine").touch()
    publish(folder, [record_of(column(3))])
    assert PublishedRecords(folder).get(column(3)).facts == record_of(column(3)).facts
    assert (place / "mine").exists()


def set_of(folder: Path) -> str:
    """Return which of the two sets is published completely."""
    found = PublishedRecords(folder)
    for name, records in SETS.items():
        if found.facts == sorted((record.facts for record in records), key=lambda facts: facts["file"]):
            assert [found.read(facts).facts["sha256"] for facts in found.facts] == [
                facts["sha256"] for facts in found.facts
            ]
            return name
    raise AssertionError(f"{folder} holds none of the sets: {found.fault}")


OTHER_CONTENT = RECORDS[0].content + b"of other code"
OTHER_DIGEST = hashlib.sha256(OTHER_CONTENT).hexdigest()
SETS = {
    "old": [record_of(column(1, 2, seed=seed)) for seed in (0, 1)],
    # The same name with other bytes, a new name, and a removed one.
    "new": [Record(RECORDS[0].facts | {"sha256": OTHER_DIGEST}, OTHER_CONTENT), record_of(column(3, seed=2))],
}


def publish_until_killed(folder: Path, left: int) -> bool:
    """Publish the new set with a kill after some operations; return whether it finished."""
    try:
        with listening(folder, Kill(left)):
            publish(folder, SETS["new"])
    except KilledError:
        return False
    return True


def test_killed_anywhere_one_set_is_whole_and_a_rerun_ends_it(tmp_path, monkeypatch):
    publish(tmp_path / "whole", SETS["new"])
    found = []
    for left in itertools.count():
        folder = tmp_path / str(left)
        publish(folder, SETS["old"])
        ended = publish_until_killed(folder, left)
        found.append(set_of(folder))
        publish_until_killed(folder, 3)  # the rerun is killed too
        assert set_of(folder) in ("old", "new"), left
        monkeypatch.setattr(layout, "ABANDONED_SECONDS", 0.0)
        publish(folder, SETS["new"])
        assert contents(folder) == contents(tmp_path / "whole"), left
        if ended:
            break
    assert found == sorted(found, reverse=True), "one point at which the new set takes the place of the old"
    assert set(found) == {"old", "new"}


def test_a_disk_that_is_full_at_any_file_leaves_the_old_set(tmp_path, monkeypatch):
    real = os.fsync
    for allowed in itertools.count():
        folder, left = tmp_path / str(allowed), iter(range(allowed))
        publish(folder, SETS["old"])
        before = contents(folder)

        def full(descriptor, left=left):
            if next(left, None) is None:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            real(descriptor)

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full)
            try:
                publish(folder, SETS["new"])
                break
            except StoreError:
                pass
        assert set_of(folder) in ("old", "new")
        assert set_of(folder) == "new" or contents(folder) == before
        publish(folder, SETS["new"])
        assert set_of(folder) == "new"
    assert allowed > 3


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
