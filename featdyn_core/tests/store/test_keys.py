"""Keys are those of the images in use, however the files were replaced."""

import dataclasses
import os
import threading
from pathlib import Path

import numpy as np
import pytest

from featdyn_core.errors import DataError
from featdyn_core.files import temporary_name
from featdyn_core.records.request import Request
from featdyn_core.store import keys
from featdyn_core.store.keys import DataDigests, trajectory_key
from featdyn_core.store.measurements import Measurements
from featdyn_core.store.supply import Store
from featdyn_core.tests.store.made import COLUMN
from featdyn_core.tests.store.operations import abandoned
from featdyn_core.tests.tiny import tiny_recipe
from featdyn_core.trajectories.specs import DataSpec


def write(path: Path, seed: int) -> None:
    """Write an image set of grey noise; every one has the same size."""
    drawn = np.random.default_rng(seed)
    images, labels = drawn.integers(0, 256, (260, 8, 8), np.uint8), np.arange(260, dtype=np.uint8) % 10
    np.savez(path, x_train=images[:200], y_train=labels[:200], x_test=images[200:], y_test=labels[200:])


def replace(path: Path, seed: int) -> None:
    """Replace a file by another image set, with the same size and time."""
    before = path.stat()
    write(path, seed)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size


@pytest.fixture
def own(tmp_path):
    """Return a file of images, and the request of a record of a training on them."""
    write(tmp_path / "own.npz", 0)
    (tmp_path / "store").mkdir()  # digests are remembered in a store that is there
    recipe = tiny_recipe(name="own", data=DataSpec(str(tmp_path / "own.npz")))
    return tmp_path / "own.npz", Request(recipe, 0, "column", COLUMN | {"shallow": [1]})


def records(tmp_path) -> Measurements:
    """Return the records of a store like another process that opens it."""
    return Measurements(Store(tmp_path / "store", device="cpu"))


def test_images_replaced_with_size_and_time_kept_are_found_out(own, tmp_path):
    path, request = own
    records(tmp_path).store.get(request.recipe, 0)
    replace(path, 1)
    anew = records(tmp_path)
    with pytest.raises(DataError, match=r"the images of .*own\.npz have changed, although their"):
        anew.get(request)
    with pytest.raises(DataError, match="run again to use the new images, or restore the old ones"):
        anew.store.get(request.recipe, 0)  # nor at the second time
    assert not anew.records.root.exists()


def test_the_next_run_trains_on_the_new_images(own, tmp_path):
    path, request = own
    first = records(tmp_path).get(request)
    replace(path, 1)
    with pytest.raises(DataError):
        records(tmp_path).store.dataset(request.recipe)
    second = records(tmp_path).get(request)
    assert (second.facts["key"], second.facts["data"]["digest"]) != (first.facts["key"], first.facts["data"]["digest"])
    for record in (first, second):
        assert record.facts["key"] == trajectory_key(request.recipe, 0, record.facts["data"]["digest"])


def test_what_a_killed_writer_left_is_swept(own, tmp_path):
    _, request = own
    digests = DataDigests(tmp_path / "store")
    left, beside = abandoned(temporary_name(digests.path)), abandoned(tmp_path / "store" / ".mine.tmp")
    at_work = temporary_name(digests.path)
    at_work.touch()
    digests.learn(request.recipe, "a" * 64)
    assert [path.exists() for path in (left, beside, at_work, digests.path)] == [False, True, True, True]


def test_a_process_goes_on_with_the_images_that_it_read(own, tmp_path):
    path, request = own
    measurements = records(tmp_path)
    digest = measurements.store.dataset(request.recipe).digest
    replace(path, 1)
    with pytest.raises(DataError):
        DataDigests(tmp_path / "store").learn(request.recipe, "of another process")
    record = measurements.get(request)
    assert record.facts["data"]["digest"] == digest
    assert record.facts["key"] == trajectory_key(request.recipe, 0, digest)


def test_what_two_processes_learn_at_once_is_kept(own, tmp_path, monkeypatch):
    _, request = own
    half = request.recipe.replace(data=dataclasses.replace(request.recipe.data, subset=100))
    write_first = keys.write_atomically

    def met(path, content):
        """The other learner begins after this one has read, and before it writes."""
        monkeypatch.setattr(keys, "write_atomically", write_first)
        other.start()
        other.join(0.5)
        write_first(path, content)

    other = threading.Thread(target=DataDigests(tmp_path / "store").learn, args=(half, "1" * 64))
    monkeypatch.setattr(keys, "write_atomically", met)
    DataDigests(tmp_path / "store").learn(request.recipe, "0" * 64)
    other.join()
    found = DataDigests(tmp_path / "store")
    assert (found.find(request.recipe), found.find(half)) == ("0" * 64, "1" * 64)
