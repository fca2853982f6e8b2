"""A store, an uninterrupted training, and an interrupted one."""

from pathlib import Path

import pytest

from featdyn_core.store.supply import Store
from featdyn_core.tests.store.watched import StoppedError, Watched
from featdyn_core.tests.tiny import tiny_recipe
from featdyn_core.training import loop as training
from featdyn_core.trajectories.trajectory import Trajectory


@pytest.fixture
def store(tmp_path) -> Watched:
    """Return an empty store."""
    return Watched(tmp_path / "store")


@pytest.fixture(scope="session")
def reference(tmp_path_factory) -> Trajectory:
    """Return the tiny trajectory of seed 0, trained without interruption."""
    return Store(tmp_path_factory.mktemp("reference"), device="cpu").get(tiny_recipe(), 0)


@pytest.fixture
def resuming(monkeypatch) -> None:
    """Save a resume point after every epoch."""
    monkeypatch.setattr(training, "RESUME_SECONDS", 0.0)


@pytest.fixture
def interrupted(store, monkeypatch) -> Path:
    """Return the partial folder of a training that ended after its second epoch."""

    def note(_self, _key, _recipe, _seed, record):
        if record.epoch == 2:
            raise StoppedError

    monkeypatch.setattr(training, "RESUME_SECONDS", 0.0)
    with monkeypatch.context() as patch:
        patch.setattr(Watched, "note", note)
        with pytest.raises(StoppedError):
            Watched(store.root).get(tiny_recipe(), 0)
    (folder,) = store.root.glob("partial/*")
    return folder
