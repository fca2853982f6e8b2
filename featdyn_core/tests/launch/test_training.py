"""A plan's missing trajectories, trained in this process or in several, and the progress messages."""

import io
from types import SimpleNamespace

import pytest
from rich.console import Console

from featdyn_core.errors import TrainingError
from featdyn_core.launch import progress, training
from featdyn_core.launch.training import Trainer, train_missing
from featdyn_core.store.heartbeats import Beat
from featdyn_core.tests.tiny import StoppedError, tiny_recipe
from featdyn_core.training import loop
from featdyn_core.trajectories.specs import OptimizerSpec

BEAT = Beat("key", "tiny", 0, 2, 3, 0.5, 1.0)
REQUESTS = [(tiny_recipe(), seed) for seed in (0, 1)]


@pytest.fixture
def trainer(tmp_path) -> Trainer:
    """Return a trainer of an empty store."""
    return Trainer(tmp_path / "store", "cpu", "eager", None)


def test_away_from_a_terminal_every_epoch_is_a_line(trainer, capsys):
    assert train_missing(trainer, REQUESTS, 1) == 0
    *lines, last = capsys.readouterr().out.splitlines()
    printed = [line.split(",")[0] for line in lines]
    assert printed == [f"training tiny seed {seed}: epoch {epoch}/3" for seed in (0, 1) for epoch in (1, 2, 3)]
    queue = ["0 done, 1 running, 1 left"] * 3 + ["1 done, 1 running, 0 left"] * 3
    assert [line.split("; ")[1] for line in lines] == queue
    assert [trainer.store().status(*request) for request in REQUESTS] == ["complete"] * 2
    assert last.startswith("2 trained, 0 already complete, 0 not; ")
    assert train_missing(trainer, REQUESTS, 1) == 0
    assert capsys.readouterr().out == "0 trained, 2 already complete, 0 not; 0.0 minutes, 0.0 MB\n"


def test_one_training_is_no_queue(trainer, capsys):
    assert train_missing(trainer, REQUESTS[:1], 1) == 0
    assert not [line for line in capsys.readouterr().out.splitlines() if "running" in line]


def test_what_was_interrupted_is_reported_before_it_resumes(trainer, capsys, monkeypatch):
    monkeypatch.setattr(loop, "RESUME_SECONDS", 0.0)

    def stop(_key, _recipe, _seed, record) -> None:
        if record.epoch == 2:
            raise StoppedError

    with pytest.raises(StoppedError):
        trainer.store(stop).get(*REQUESTS[1])
    assert train_missing(trainer, REQUESTS, 1) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if "resumes" in line] == lines[:1]
    assert lines[0] == "tiny seed 1 was interrupted and resumes at epoch 2/3"


def test_on_a_terminal_there_is_a_bar(trainer, capsys, monkeypatch):
    shown = io.StringIO()
    monkeypatch.setattr(training, "Console", lambda: Console(file=shown, force_terminal=True, width=120))
    assert train_missing(trainer, REQUESTS[:1], 1) == 0
    assert "tiny seed 0, loss" in shown.getvalue()
    assert "3/3" in shown.getvalue()
    assert capsys.readouterr().out.startswith("1 trained")


def test_on_a_terminal_processes_have_bars(trainer, capsys, monkeypatch):
    shown = io.StringIO()
    monkeypatch.setattr(training, "Console", lambda: Console(file=shown, force_terminal=True, width=120))
    monkeypatch.setattr(progress.Watcher, "run", lambda watcher: [watcher.beats(beat) for beat in (BEAT,)])
    assert train_missing(trainer, [], 2) == 0
    assert "tiny seed 0, loss 0.5000" in shown.getvalue()
    assert "2/3" in shown.getvalue()
    assert capsys.readouterr().out.startswith("0 trained")


def test_on_a_terminal_a_queue_has_a_bar_of_its_own(trainer, monkeypatch):
    shown = io.StringIO()
    monkeypatch.setattr(training, "Console", lambda: Console(file=shown, force_terminal=True, width=120))
    assert train_missing(trainer, REQUESTS[:1], 1) == 0
    assert "trainings" not in shown.getvalue(), "one training is no queue"
    assert train_missing(trainer, REQUESTS, 1) == 0
    last = shown.getvalue()[shown.getvalue().rindex("trainings, ") :].splitlines()
    assert "trainings, 0 running" in last[0]
    assert "2/2" in last[0]
    assert not [line for line in last if "seed" in line], "bars of finished trainings make room"


def test_with_processes_the_queue_has_a_bar(trainer, monkeypatch):
    shown = io.StringIO()
    monkeypatch.setattr(training, "Console", lambda: Console(file=shown, force_terminal=True, width=120))
    trainer.store().get(*REQUESTS[0])
    idle = SimpleNamespace(start=lambda: None, join=lambda: None, pid=None, exitcode=0)
    monkeypatch.setattr(progress.Watcher, "run", lambda watcher: watcher.beats(BEAT))
    monkeypatch.setattr(training.multiprocessing, "get_context", lambda _: SimpleNamespace(Process=lambda **_: idle))
    assert train_missing(trainer, REQUESTS, 2) == 0
    assert "trainings, 0 running" in shown.getvalue()
    assert "1/2" in shown.getvalue()
    assert "tiny seed 0, loss 0.5000" in shown.getvalue()


def test_what_fails_here_is_raised(trainer):
    with pytest.raises(TrainingError, match="lower the learning rate"):
        train_missing(trainer, [(tiny_recipe(optimizer=OptimizerSpec("sgd", 1e30)), 0)], 1)


def test_a_failure_in_a_process_is_reported_and_sets_the_status(trainer, capfd):
    """This process trains in place of the workers."""
    with pytest.raises(SystemExit) as ended:
        training._train_silently(trainer, [(tiny_recipe(optimizer=OptimizerSpec("sgd", 1e30)), 0), *REQUESTS])
    assert ended.value.code == 2
    assert "featdyn: tiny seed 0: loss is" in capfd.readouterr().err
    assert [trainer.store().status(*request) for request in REQUESTS] == ["complete"] * 2
