"""A folder is listed again when it has changed, and while a change may not show yet."""

import os
from unittest.mock import Mock

from featdyn_core.store import records as module
from featdyn_core.store.listing import Listing
from featdyn_core.store.records import RecordFolder
from featdyn_core.tests.store.made import column, keys_of, record_of
from featdyn_core.tests.store.operations import settle


def first_letter(name: str) -> str:
    return name[0]


def test_names_are_grouped_and_remembered(tmp_path):
    for name in ("b2", "a1", "b1"):
        (tmp_path / name).touch()
    settle(tmp_path)
    listing = Listing(first_letter)
    found = listing.of(tmp_path)
    assert found.groups == {"a": ["a1"], "b": ["b1", "b2"]}
    assert listing.of(tmp_path) is found
    (tmp_path / "c").touch()
    assert "c" in listing.of(tmp_path).groups
    assert listing.of(tmp_path / "nowhere").groups == {}


def test_a_fresh_change_is_looked_at_again(tmp_path):
    """Another one may have the same time."""
    (tmp_path / "a").touch()
    state, listing = os.stat(tmp_path), Listing(first_letter)
    listing.of(tmp_path)
    (tmp_path / "b").touch()
    os.utime(tmp_path, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert "b" in listing.of(tmp_path).groups


def test_a_description_is_read_once_and_only_where_needed(tmp_path, monkeypatch):
    folder = RecordFolder(tmp_path)
    for images in range(20, 40):
        folder.write(record_of(column(1, images=images)))
    for path in (tmp_path, *tmp_path.iterdir()):
        settle(path)
    reading = Mock(side_effect=module._read_description)
    monkeypatch.setattr(module, "_read_description", reading)
    for images in [*range(20, 40), 25]:
        assert folder.find(column(1, images=images), keys_of(column(1))).facts["parameters"]["images"] == images
    assert reading.call_count == 20
    assert folder.find(column(9), keys_of(column(1))) is None
    assert reading.call_count == 20
