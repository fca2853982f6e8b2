"""Missing records are measured: once, by the present code and data, and only if allowed."""

import dataclasses
import datetime
import errno
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest.mock import Mock

import filelock
import pytest
import torch

from featdyn_core import devices
from featdyn_core.errors import DamagedRecordError, MissingRecordError, MissingTrajectoryError, StoreError
from featdyn_core.provenance import environment
from featdyn_core.records import column as columns
from featdyn_core.records.request import Request
from featdyn_core.store import measurements as module
from featdyn_core.store.measurements import Measurements
from featdyn_core.store.records import RecordFolder
from featdyn_core.store.source import measuring_source
from featdyn_core.store.supply import Store
from featdyn_core.tests.store.edits import contents, flip
from featdyn_core.tests.store.made import column
from featdyn_core.tests.store.operations import listening, refuse
from featdyn_core.tests.store.watched import fail_with
from featdyn_core.tests.tiny import tiny_recipe
from featdyn_core.trajectories.specs import OptimizerSpec
from featdyn_core.trajectories.training import Training

STRANGER = {"deep": 3, "images": 20, "split": "held-out", "partner": 1}


@pytest.fixture
def measurements(store) -> Measurements:
    """Return the records of an empty store."""
    return Measurements(store)


@pytest.fixture
def measured(monkeypatch) -> list[Request]:
    """Return a list of later measurements, in order."""
    seen: list[Request] = []
    original = module.measure

    def note(requests, *rest):
        seen.extend(requests)
        return original(requests, *rest)

    monkeypatch.setattr(module, "measure", note)
    return seen


def test_missing_records_are_trained_for_and_measured_once(measurements, measured):
    record = measurements.get(column(1, 2))
    again = measurements.get(column(1, 2))
    assert measured == [column(1, 2)]
    assert (again.facts, again.content) == (record.facts, record.content)
    assert measurements.missing([column(1), column(3)]) == [column(3)]


def test_a_key_is_made_once_for_all_records_of_a_training(measurements, monkeypatch):
    """It reads the state of the image files, and a plan has thousands of records."""
    keys = Mock(side_effect=measurements.store.key)
    monkeypatch.setattr(measurements.store, "key", keys)
    strangers = [Request(tiny_recipe(), seed, "stranger", STRANGER | {"partner": 1 - seed}) for seed in (0, 1)]
    wanted = [*strangers, *(column(epoch, seed=seed) for epoch in (1, 2) for seed in (0, 1))]
    assert measurements.missing(wanted) == wanted
    assert keys.call_count == 2


def test_a_record_holds_what_the_measurement_gave(measurements):
    found = measurements.get(column(1, 2, images=7)).view
    trajectory = measurements.store.get(tiny_recipe(), 0)
    made = columns.measure(trajectory, [column(1, 2).parameters])[0]
    assert (found.labels == made["labels"][:7]).all()
    assert (found.reference == made["reference"][:7]).all()
    assert (found.predictions == (made["changed"] ^ made["reference"])[..., :7]).all()


def test_a_kind_that_looks_at_no_image_needs_no_number_of_them(measurements):
    found = measurements.get(Request(tiny_recipe(), 0, "path", {"frozen": False})).view
    assert found.epochs.tolist() == list(measurements.store.get(tiny_recipe(), 0).epochs)


def test_a_record_says_where_it_comes_from(measurements):
    before = datetime.datetime.now(datetime.UTC).date()
    facts = measurements.get(column(1)).facts
    trajectory = measurements.store.get(tiny_recipe(), 0)
    assert facts["key"] == facts["checkpoints"]["key"] == trajectory.key
    assert facts["recipe_digest"] == tiny_recipe().digest
    assert facts["data"] == {"digest": trajectory.dataset.digest, "description": trajectory.dataset.describe()}
    day = facts["measured"]["date"]
    assert facts["measured"] == environment() | {"device": "cpu", "date": day}
    assert before <= datetime.date.fromisoformat(day) <= datetime.datetime.now(datetime.UTC).date()
    assert facts["source"] == measuring_source("column")
    assert facts["partner"] is None
    assert facts["seconds"] >= 0


def test_a_record_of_two_trajectories_names_both(measurements):
    facts = measurements.get(Request(tiny_recipe(), 0, "stranger", STRANGER)).facts
    one, other = (measurements.store.get(tiny_recipe(), seed) for seed in (0, 1))
    assert (facts["key"], facts["partner"]["key"], facts["partner"]["seed"]) == (one.key, other.key, 1)
    assert facts["checkpoints"]["sha256"] != facts["partner"]["sha256"]


def test_same_trajectory_same_record(measurements, tmp_path):
    again = Measurements(Store(tmp_path / "again", device="cpu"))
    assert again.get(column(1, 2)).content == measurements.get(column(1, 2)).content


def test_what_is_missing_is_measured_with_all_that_is_planned(measurements, measured):
    planned = [column(1, 2, 3, split="training"), column(1, 2, 3)]
    assert measurements.get(column(1), planned).facts["parameters"]["shallow"] == [1, 2, 3]
    measurements.get(column(2, 3), planned)
    assert measured == [column(1, 2, 3)]


def test_cheaper_joint_measurements_are_made_together_and_kept(measurements, monkeypatch):
    at_once, original = [], module.measure
    monkeypatch.setattr(module, "measure", lambda found, *rest: at_once.append(found) or original(found, *rest))
    planned = [column(1, deep=1), column(1, 2), column(1, deep=2), column(1, deep=2, split="training")]
    measurements.get(column(1, deep=1))
    assert measurements.get(column(1), planned).view.deep == 3
    assert measurements.get(column(1, deep=2), planned).view.deep == 2
    assert at_once == [planned[:1], [planned[1], planned[2]]]
    alone = Measurements(measurements.store, measurements.records.__class__(measurements.store.root / "alone"))
    assert alone.get(planned[2]).content == measurements.get(planned[2]).content


@pytest.fixture
def on_a_gpu(measurements, monkeypatch) -> Measurements:
    """Return records of trained trajectories from a store with a GPU that no test may use."""
    measurements.store.get_many([Training(tiny_recipe(), seed) for seed in (0, 1)])
    monkeypatch.setattr(devices, "cuda_devices", lambda: (2, ""))
    return Measurements(Store(measurements.store.root, device="cuda:1"), train=False)


@pytest.mark.parametrize(
    ("kind", "parameters"),
    [
        ("log", {}),
        ("path", {"frozen": False}),
        ("linearised", {"images": 10, "steps": 4, "every": 2, "frozen_from": 2}),
        ("descent", {"images": 10, "steps": 4, "every": 2, "regime": "real", "frozen": False}),
        ("labels", {"images": 10}),
    ],
)
def test_what_the_cpu_computes_is_said_to_be_of_the_cpu(measurements, on_a_gpu, kind, parameters):
    request = Request(tiny_recipe(), 0, kind, parameters)
    found = on_a_gpu.get(request)
    assert found.facts["measured"]["device"] == "cpu"
    alone = Measurements(measurements.store, RecordFolder(measurements.store.root / "alone"))
    assert found.content == alone.get(request).content


def test_what_the_cpu_computes_for_a_gpu_has_one_thread(on_a_gpu, monkeypatch):
    """The bits of statistics, averages and distances depend on the number of threads."""
    threads = []

    def measure(*_):
        threads.append(torch.get_num_threads())
        raise MissingRecordError("stop here")

    monkeypatch.setattr(module, "measure", measure)
    monkeypatch.setattr(module, "wake", lambda _: None)
    torch.set_num_threads(2)
    try:
        with pytest.raises(MissingRecordError):
            on_a_gpu.get(Request(tiny_recipe(), 0, "stranger", STRANGER))
    finally:
        torch.set_num_threads(1)
    assert threads == [1]


def test_a_part_that_the_cpu_computes_is_reported(on_a_gpu, monkeypatch):
    original = module.measure

    def measure(requests, *trajectories):
        *both, progress = trajectories
        assert [one.device for one in both] == ["cuda:1"] * 2
        return original(requests, *(dataclasses.replace(one, device="cpu") for one in both), progress)

    monkeypatch.setattr(module, "measure", measure)
    woken = []
    monkeypatch.setattr(module, "wake", woken.append)
    found = on_a_gpu.get(Request(tiny_recipe(), 0, "stranger", STRANGER))
    assert found.facts["measured"]["device"] == "cuda:1; on the cpu: statistics"
    assert woken == [torch.device("cuda:1")]


def test_a_renamed_recipe_finds_its_records(measurements, measured):
    measurements.get(column(1))
    measurements.get(column(1, recipe=tiny_recipe(name="renamed")))
    assert len(measured) == 1


def test_an_edit_of_the_measuring_source_is_measured_again(measurements, measured, monkeypatch):
    measurements.get(column(1))
    for place in ("featdyn_core.store.descriptions", "featdyn_core.store.measurements"):
        monkeypatch.setattr(f"{place}.measuring_source", lambda _: "of after the edit")
    assert measurements.missing([column(1)]) == [column(1)]
    assert measurements.get(column(1)).facts["source"] == "of after the edit"
    assert len(measured) == 2


def test_a_trajectory_trained_anew_is_measured_again(measurements, monkeypatch):
    measurements.get(column(1))
    monkeypatch.setattr(measurements.store, "key", lambda *_: "a" * 64)
    assert measurements.missing([column(1)]) == [column(1)]


# What must not be made


def test_records_that_must_not_be_measured_are_missing(measurements):
    looking = Measurements(measurements.store, measure=False)
    with pytest.raises(MissingRecordError, match=r"column of tiny seed 0 is not in .*records; run featdyn measure"):
        looking.get(column(1))
    assert not measurements.store.trained
    written = measurements.get(column(1))
    assert looking.get(column(1)).content == written.content


def test_trajectories_that_must_not_be_trained_are_missing(measurements):
    frugal = Measurements(measurements.store, train=False)
    with pytest.raises(MissingTrajectoryError, match="tiny seed 0 is not in the store"):
        frugal.get(column(1))
    assert not measurements.store.root.exists()
    measurements.store.get(tiny_recipe(), 0)
    assert frugal.get(column(1)).view.epochs.tolist() == [1]


# Faults


def test_a_damaged_record_is_an_error_and_stays_as_it_is(measurements, measured):
    measurements.get(column(1))
    (path,) = measurements.records.root.glob("*/*.npz")
    flip(path, 60)
    before = contents(measurements.records.root)
    for look in (measurements.get, lambda request: measurements.missing([request])):
        with pytest.raises(DamagedRecordError, match="do not match its sha256"):
            look(column(1))
    assert contents(measurements.records.root) == before
    assert len(measured) == 1


def test_a_measurement_that_fails_leaves_no_record_and_no_lock(measurements, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(module, "measure", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            measurements.get(column(1))
    assert not list(measurements.store.root.glob("records/*/*"))
    assert measurements.get(column(1)).view.epochs.tolist() == [1]


def test_full_disk_is_named_and_gone_on_from(measurements, measured, monkeypatch):
    real = Path.replace

    def replace(path, target):
        if "records" in Path(target).parts:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", replace)
        with pytest.raises(StoreError, match=rf"no space left for the store {measurements.store.root}; free some"):
            measurements.get(column(1))
    assert not list(measurements.store.root.rglob("*.tmp"))
    assert measurements.get(column(1)).view.epochs.tolist() == [1]
    assert measured == [column(1)] * 2


def test_a_read_only_store_gives_what_was_measured(measurements):
    record = measurements.get(column(1))
    with listening(measurements.store.root, refuse):
        assert measurements.get(column(1)).content == record.content
        with pytest.raises(StoreError, match=r"cannot be written \(Read-only file system: records\)"):
            measurements.get(column(2))


@pytest.mark.parametrize("thing", [(Path, "mkdir"), (filelock.FileLock, "acquire")], ids=["mkdir", "lock"])
def test_a_store_that_nobody_can_lock_is_named(measurements, monkeypatch, thing):
    measurements.store.get(tiny_recipe(), 0)
    monkeypatch.setattr(*thing, fail_with(errno.EROFS))
    with pytest.raises(StoreError, match=r"cannot be written \(Read-only file system\); set FEATDYN_STORE"):
        measurements.get(column(1))


# Several at once


def test_a_record_is_measured_once_however_many_ask(measurements, measured, monkeypatch):
    """Threads with locks of their own behave like processes, because the lock is on the file."""
    measurements.store.get(tiny_recipe(), 0)
    original = module.measure

    def slowly(*arguments):
        time.sleep(0.2)
        return original(*arguments)

    monkeypatch.setattr(module, "measure", slowly)
    others = [Measurements(Store(measurements.store.root, device="cpu")) for _ in range(3)]
    with ThreadPoolExecutor(len(others)) as pool:
        found = list(pool.map(lambda other: other.get(column(1, 2)).content, others))
    assert len(set(found)) == 1
    assert measured == [column(1, 2)]


def test_who_waited_for_another_takes_what_that_one_measured(measurements, measured, monkeypatch):
    measurements.store.get(tiny_recipe(), 0)
    acquire = filelock.FileLock.acquire

    def wait(lock, *arguments, **options):
        monkeypatch.setattr(filelock.FileLock, "acquire", acquire)
        measurements.get(column(1, 2))  # by whoever holds the lock meanwhile
        return acquire(lock, *arguments, **options)

    monkeypatch.setattr(filelock.FileLock, "acquire", wait)
    assert measurements.get(column(1, 2)).view.epochs.tolist() == [1, 2]
    assert len(measured) == 1


def test_another_recipe_has_another_record(measurements, measured):
    measurements.get(column(1))
    other = tiny_recipe(optimizer=OptimizerSpec("sgd", 0.2))
    measurements.get(column(1, recipe=other))
    assert len(measured) == 2
