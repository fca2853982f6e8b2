"""Every fault at every place: kills, damage, full disks, many processes. Slow; run with ``-m faults``."""

import contextlib
import errno
import hashlib
import itertools
import os
import signal
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from multiprocessing.synchronize import Event
from pathlib import Path

import numpy as np
import pytest
import torch

from featdyn_core.errors import (
    DamagedRecordError,
    DamagedTrajectoryError,
    DamagedTransferError,
    MissingRecordError,
    StoreError,
)
from featdyn_core.files import HALF_WRITTEN
from featdyn_core.store import layout
from featdyn_core.store.keys import FILE
from featdyn_core.store.published import PublishedRecords, publish
from featdyn_core.store.records import Record, RecordFolder
from featdyn_core.store.remote import Remote
from featdyn_core.store.supply import Store
from featdyn_core.store.sync import pull_record, pull_trajectory, push_record, push_trajectory
from featdyn_core.store.verification import verify_folder
from featdyn_core.tests.store.edits import contents
from featdyn_core.tests.store.made import column, keys_of, record_of
from featdyn_core.tests.store.operations import Kill, KilledError, listening
from featdyn_core.tests.store.watched import FILES
from featdyn_core.tests.tiny import tiny_recipe, without_seconds
from featdyn_core.training import loop as training
from featdyn_core.trajectories.trajectory import Trajectory

pytestmark = pytest.mark.faults

KILLS = 50
DAMAGES = 1000
REMOTES = 100
ASKERS = 8
PATIENCE = 600.0
"""Seconds that a busy machine may take to start eight processes."""


@pytest.fixture(autouse=True)
def _resuming(monkeypatch) -> None:
    """A resume point after every epoch."""
    monkeypatch.setattr(training, "RESUME_SECONDS", 0.0)


def assert_finished(store: Store, reference: Trajectory) -> None:
    """Check that the trajectory equals an uninterrupted training, and nothing else is left."""
    found = store.get(tiny_recipe(), 0)
    assert found.digests == reference.digests, store.root
    assert without_seconds(found.log) == without_seconds(reference.log), store.root
    folder = store.folder(tiny_recipe(), 0)
    assert verify_folder(store, folder) == [], store.root
    beside = ("locks", "data-digests.json")  # which stay for the next to come
    assert {path for path in contents(store.root) if not path.startswith(beside)} == {
        f"{folder.name}/{name}" for name in FILES
    }, store.root
    assert not list((store.root / "partial").iterdir()), store.root


def test_a_training_killed_at_any_file_operation_ends_the_same(tmp_path, monkeypatch, reference):
    """After every kill, the continued training is killed again at its fourth operation."""
    operations = 0
    monkeypatch.setattr(layout, "ABANDONED_SECONDS", 0.0)  # no other process works here
    while True:
        store, kill = Store(tmp_path / str(operations), device="cpu"), Kill(operations)
        try:
            with listening(store.root, kill):
                store.get(tiny_recipe(), 0)
            break
        except KilledError:
            operations += 1
        with contextlib.suppress(KilledError), listening(store.root, Kill(3)):
            store.get(tiny_recipe(), 0)
        assert_finished(store, reference)
    assert_finished(store, reference)
    print(f"{operations} kills")
    assert operations > 40


def train_resumably(root: Path, begun: Event) -> None:
    """Train with a resume point after every epoch, in a process that may be killed."""
    torch.set_num_threads(1)
    training.RESUME_SECONDS = 0.0
    store = Store(root, device="cpu")
    begun.set()
    store.get(tiny_recipe(), 0)


def test_a_training_killed_at_random_moments_ends_the_same(tmp_path, reference):
    """The next process continues where one was killed, until one finishes; then a new store is used."""
    context, rng, kills, seconds = get_context("forkserver"), np.random.default_rng(2), 0, PATIENCE
    context.set_forkserver_preload([__name__])
    for number in itertools.count():
        root, ended = tmp_path / str(number), False
        while not ended:
            begun = context.Event()
            process = context.Process(target=train_resumably, args=(root, begun))
            process.start()
            assert begun.wait(PATIENCE)
            since = time.monotonic()
            process.join(PATIENCE if number == 0 else rng.uniform(0, seconds))
            ended = process.exitcode == 0
            process.kill()
            process.join()
            assert process.exitcode in (0, -signal.SIGKILL)
            kills += process.exitcode != 0
        if number == 0:  # without a kill, to measure how long a training takes
            seconds = time.monotonic() - since
        assert_finished(Store(root, device="cpu"), reference)
        if kills >= KILLS:
            break
    print(f"{kills} kills of {number} trainings")


def test_a_full_disk_is_named_at_any_write_and_training_goes_on(tmp_path, monkeypatch, reference):
    real, failures = os.fsync, 0
    for allowed in range(1000):
        store, left = Store(tmp_path / str(allowed), device="cpu"), iter(range(allowed))

        def fsync(descriptor, left=left):
            if next(left, None) is None:
                os.truncate(descriptor, os.fstat(descriptor).st_size // 2)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            real(descriptor)

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", fsync)
            try:
                store.get(tiny_recipe(), 0)
                break
            except StoreError as error:
                message = str(error)
        failures += 1
        assert message.startswith(f"no space left for the store {store.root}; free some"), (
            f"full after {allowed} writes"
        )
        assert not list(store.root.rglob("*.tmp")), f"full after {allowed} writes"
        assert_finished(store, reference)
    print(f"{failures} full disks")
    assert failures > 10


def harm(path: Path, rng: np.random.Generator, *, may_remove: bool) -> str:
    """Damage a file in one of several ways; return which, in words."""
    content = bytearray(path.read_bytes())
    position = int(rng.integers(len(content)))
    kind = str(rng.choice(["bit", "byte", "truncated", "longer", "zeroed", "removed"]))
    if kind == "removed" and may_remove:
        path.unlink()
        return f"{path.name} removed"
    if kind == "bit":
        content[position] ^= 1 << int(rng.integers(8))
    elif kind == "byte":
        content[position] = (content[position] + int(rng.integers(1, 256))) % 256
    elif kind == "longer":
        content.insert(position, int(rng.integers(256)))
    elif kind == "zeroed" and any(content[position : position + 64]):
        content[position : position + 64] = bytes(len(content[position : position + 64]))
    else:
        del content[position:]
    path.write_bytes(content)
    return f"{path.name} {kind} at {position}"


def restore(folder: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        (folder / name).write_bytes(content)


def test_every_damage_of_a_finished_trajectory_is_found(tmp_path):
    store, rng = Store(tmp_path / "store", device="cpu"), np.random.default_rng(0)
    store.get(tiny_recipe(), 0)
    folder = store.folder(tiny_recipe(), 0)
    files = contents(folder)
    overlooked = []
    for _ in range(DAMAGES):
        what = harm(folder / str(rng.choice(sorted(files))), rng, may_remove=True)
        if not verify_folder(store, folder):
            overlooked.append(what)
        restore(folder, files)
    assert overlooked == []
    assert verify_folder(store, folder) == []


def test_every_damage_of_a_partial_trajectory_is_found(tmp_path, reference):
    class StoppedError(Exception):
        pass

    def stop(_key, _recipe, _seed, record):
        if record.epoch == 2:
            raise StoppedError

    rng, root = np.random.default_rng(1), tmp_path / "store"
    with pytest.raises(StoppedError):
        Store(root, device="cpu", watch=stop).get(tiny_recipe(), 0)
    store = Store(root, device="cpu")
    (folder,) = root.glob("partial/*")
    files = contents(folder)
    assert len(files) == 5
    overlooked = []
    for _ in range(DAMAGES):
        name = str(rng.choice(sorted(files)))
        what = harm(folder / name, rng, may_remove=name != "resume.json")  # without it one trains from the beginning
        try:
            store.get(tiny_recipe(), 0)
        except DamagedTrajectoryError:
            restore(folder, files)
        else:
            overlooked.append(what)
            break
    assert overlooked == []
    assert_finished(store, reference)


@pytest.mark.parametrize("place", ["measured here", "published"])
def test_every_damage_of_records_is_found(tmp_path, place):
    requests, rng = [column(1, 2, seed=seed) for seed in (0, 1)], np.random.default_rng(3)
    records = [record_of(request) for request in requests]
    if place == "published":
        publish(tmp_path, records)
    else:
        for record in records:
            RecordFolder(tmp_path).write(record)
    files = contents(tmp_path)

    def good() -> bool:
        """Whether everything can be read as it was written, without an error."""
        try:
            if place == "published":
                found = [PublishedRecords(tmp_path).get(request) for request in requests]
            else:
                found = [RecordFolder(tmp_path).find(request, keys_of(request)) for request in requests]
        except (DamagedRecordError, MissingRecordError):
            return False
        return [one and (one.facts, one.content) for one in found] == [(one.facts, one.content) for one in records]

    overlooked = []
    for _ in range(DAMAGES):
        what = harm(tmp_path / str(rng.choice(sorted(files))), rng, may_remove=True)
        if good():
            overlooked.append(what)
        restore(tmp_path, files)
    assert overlooked == []
    assert good()


def ask(root: Path) -> tuple[int, dict[int, str]]:
    """Begin with the others; return how many epochs were trained here, and the digests."""
    torch.set_num_threads(1)
    trained = []
    store = Store(root / "store", device="cpu", watch=lambda *_: trained.append(1))
    (root / f"ready-{os.getpid()}").touch()
    while len(list(root.glob("ready-*"))) < ASKERS:
        time.sleep(0.01)
    digests = store.get(tiny_recipe(), 0).digests
    return len(trained), digests


def test_many_askers_one_training(tmp_path, reference):
    with ProcessPoolExecutor(ASKERS, mp_context=get_context("spawn")) as pool:
        found = [future.result(PATIENCE) for future in [pool.submit(ask, tmp_path) for _ in range(ASKERS)]]
    assert sorted(epochs for epochs, _ in found) == [0] * (ASKERS - 1) + [3]
    assert all(digests == reference.digests for _, digests in found)


RECORD = record_of(column(1, 2))


def push_all(store: Store, url: Path) -> None:
    push_trajectory(store, Remote(str(url)), tiny_recipe(), 0)
    push_record(Remote(str(url)), RECORD)


def pull_all(store: Store, url: Path) -> None:
    pull_trajectory(store, Remote(str(url)), tiny_recipe(), 0)
    pull_record(RecordFolder(store.root / "records"), Remote(str(url)), column(1, 2), keys_of(column(1, 2)))


def kept(store: Store) -> dict[str, bytes]:
    """Return the content of a store without locks and digests of images, which later processes use."""
    return {name: text for name, text in contents(store.root).items() if not name.startswith(("locks", FILE))}


def test_pushing_killed_at_any_operation_ends_the_same(tmp_path):
    """Pulls in between find complete items, or none."""
    here = Store(tmp_path / "here", device="cpu")
    here.get(tiny_recipe(), 0)
    push_all(here, tmp_path / "whole")
    whole, ended = contents(tmp_path / "whole"), False
    pull_all(last := Store(tmp_path / "last", device="cpu"), tmp_path / "whole")
    for kills in itertools.count():
        url, there = tmp_path / f"remote-{kills}", Store(tmp_path / f"there-{kills}", device="cpu")
        url.mkdir()
        with contextlib.suppress(KilledError), listening(url, Kill(kills)):
            push_all(here, url)
            ended = True
        with contextlib.suppress(DamagedTransferError, StoreError):
            pull_all(there, url)
        push_all(here, url)
        assert contents(url) == whole, f"killed at {kills}"
        pull_all(there, url)
        assert kept(there) == kept(last), f"killed at {kills}"
        if ended:
            break
    print(f"{kills} kills")
    assert kills > 10


def test_pulling_killed_at_any_operation_ends_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(layout, "ABANDONED_SECONDS", 0.0)  # no other process works here
    here, ended = Store(tmp_path / "here", device="cpu"), False
    here.get(tiny_recipe(), 0)
    push_all(here, tmp_path / "remote")
    pull_all(last := Store(tmp_path / "last", device="cpu"), tmp_path / "remote")
    for kills in itertools.count():
        there = Store(tmp_path / f"there-{kills}", device="cpu")
        there.root.mkdir()
        with contextlib.suppress(KilledError), listening(there.root, Kill(kills)):
            pull_all(there, tmp_path / "remote")
            ended = True
        there = Store(there.root, device="cpu")
        pull_all(there, tmp_path / "remote")
        assert there.open(tiny_recipe(), 0).digests == here.open(tiny_recipe(), 0).digests
        assert kept(there).items() >= kept(last).items(), f"killed at {kills}"
        assert all(HALF_WRITTEN.fullmatch(name) for name in kept(there).keys() - kept(last)), f"killed at {kills}"
        if ended:
            break
    print(f"{kills} kills")
    assert kills > 10


def test_publishing_killed_at_any_operation_leaves_one_set(tmp_path, monkeypatch):
    """Of six records, two stay, two get other bytes under the same name, and two are replaced by others."""
    monkeypatch.setattr(layout, "ABANDONED_SECONDS", 0.0)  # no other process works here
    kept, changed, gone = ([record_of(column(number, seed=seed)) for seed in (0, 1)] for number in (1, 2, 3))
    others = [record_of(column(4, seed=seed)) for seed in (0, 2)]
    remade = [with_other_bytes(record) for record in changed]
    old, new = [*kept, *changed, *gone], [*kept, *remade, *others]
    publish(tmp_path / "whole", new)
    kills = 0
    for first in itertools.count():
        for second in range(0, 40, 3):  # the rerun is killed too
            folder = tmp_path / f"{first}-{second}"
            publish(folder, old)
            for left in (first, second):
                with contextlib.suppress(KilledError), listening(folder, kill := Kill(left)):
                    publish(folder, new)
                kills += not kill.left
                found = PublishedRecords(folder)
                there = sorted(found.read(facts).content for facts in found.facts)
                assert there in (contents_of(old), contents_of(new)), f"killed at {first}, then at {second}"
            publish(folder, new)
            assert contents(folder) == contents(tmp_path / "whole"), f"killed at {first}, then at {second}"
        if kill.left and first > 20:
            break
    print(f"{kills} kills")
    assert kills > 200


def contents_of(records: list[Record]) -> list[bytes]:
    return sorted(record.content for record in records)


def with_other_bytes(record: Record) -> Record:
    content = record.content + b"of other code"
    return Record(record.facts | {"sha256": hashlib.sha256(content).hexdigest()}, content)


@pytest.mark.parametrize("verify", [False, True], ids=["after a failed pull", "verified"])
def test_every_damage_of_a_remote_store_is_found_and_repaired(tmp_path, verify):
    """A pull takes all or nothing. One push repairs the store: it knows what pulls found, or reads everything."""
    rng, url = np.random.default_rng(4), str(tmp_path / "remote")
    here = Store(tmp_path / "here", device="cpu")
    here.get(tiny_recipe(), 0)
    push_trajectory(here, Remote(url), tiny_recipe(), 0)
    whole, failed = contents(tmp_path / "remote"), 0
    for number in range(REMOTES):
        harmed = rng.choice(sorted(whole), size=int(rng.integers(1, 4)), replace=False)
        told = [harm(tmp_path / "remote" / str(name), rng, may_remove=True) for name in harmed]
        for attempt in range(1 if verify else len(whole)):  # each finds one damaged object
            there = Store(tmp_path / f"there-{number}-{attempt}", device="cpu")
            try:
                if pull_trajectory(there, Remote(url), tiny_recipe(), 0) is not None:
                    break
            except DamagedTransferError:
                failed += 1
                assert there.status(tiny_recipe(), 0) == "missing", told
            push_trajectory(here, Remote(url, verify=verify), tiny_recipe(), 0)
        last = Store(tmp_path / f"last-{number}", device="cpu")
        pull_trajectory(last, Remote(url), tiny_recipe(), 0)
        assert contents(last.folder(tiny_recipe(), 0)) == contents(here.folder(tiny_recipe(), 0)), told
        assert contents(tmp_path / "remote") == whole, told
    print(f"{failed} damages told of {REMOTES} remote stores")
    assert failed > REMOTES // 2
