"""A plan's missing trajectories: trained here or in processes, and what is said meanwhile."""

import io

import pytest
from rich.console import Console

from featdyn_core.errors import TrainingError
from featdyn_core.launch import training
from featdyn_core.launch.training import Trainer, train_missing
from featdyn_core.tests.tiny import tiny_recipe
from featdyn_core.trajectories.recipe import OptimizerSpec

REQUESTS = [(tiny_recipe(), seed) for seed in (0, 1)]


@pytest.fixture
def trainer(tmp_path) -> Trainer:
    """Return a trainer of an empty store."""
    return Trainer(tmp_path / "store", "cpu", "eager", None)


def test_away_from_a_terminal_every_epoch_is_a_line(trainer, capsys):
    assert train_missing(trainer, REQUESTS, 1) == 0
    printed = [line.split(",")[0] for line in capsys.readouterr().out.splitlines()]
    assert printed == [f"training tiny seed {seed}: epoch {epoch}/3" for seed in (0, 1) for epoch in (1, 2, 3)]
    assert [trainer.store().status(*request) for request in REQUESTS] == ["complete"] * 2
    assert train_missing(trainer, REQUESTS, 1) == 0
    assert not capsys.readouterr().out


def test_on_a_terminal_there_is_a_bar(trainer, capsys, monkeypatch):
    shown = io.StringIO()
    monkeypatch.setattr(training, "Console", lambda: Console(file=shown, force_terminal=True, width=120))
    assert train_missing(trainer, REQUESTS[:1], 1) == 0
    assert "tiny seed 0, loss" in shown.getvalue()
    assert "3/3" in shown.getvalue()
    assert not capsys.readouterr().out


def test_what_fails_here_is_raised(trainer):
    with pytest.raises(TrainingError, match="lower the learning rate"):
        train_missing(trainer, [(tiny_recipe(optimizer=OptimizerSpec("sgd", 1e30)), 0)], 1)


def test_what_fails_in_a_process_is_told_and_is_the_exit_status(trainer, capfd):
    """Trained here, where the processes would."""
    with pytest.raises(SystemExit) as ended:
        training._train_silently(trainer, [(tiny_recipe(optimizer=OptimizerSpec("sgd", 1e30)), 0), *REQUESTS])
    assert ended.value.code == 2
    assert "featdyn: tiny seed 0: loss is" in capfd.readouterr().err
    assert [trainer.store().status(*request) for request in REQUESTS] == ["complete"] * 2
