"""The command: what it prints, where it writes, and how it refuses."""

import re
from pathlib import Path

import pytest

from featdyn_core.cli import main
from featdyn_core.errors import AbsentDataError
from featdyn_core.store import supply as store_module

RECIPE = """
schema = 1
[data]
set = "digits"
subset = 200
[network]
name = "mlp"
hidden = [12]
[optimizer]
name = "sgd"
learning_rate = 0.1
[training]
epochs = 2
batch_size = 50
checkpoints = [[0, 2, 1]]
"""


@pytest.fixture
def asked(tmp_path, monkeypatch):
    """Options that ask for one small recipe, two seeds, in a store of its own."""
    monkeypatch.setenv("COLUMNS", "200")
    recipe = tmp_path / "small.toml"
    recipe.write_text(RECIPE)
    return ["--only", str(recipe), "--seeds", "0,1", "--store", str(tmp_path / "store"), "--device", "cpu"]


def test_status_before_and_after_training(asked, capsys):
    assert main(["status", *asked]) == 0
    assert capsys.readouterr().out.count("missing") == 2
    assert main(["train", *asked, "--jobs", "1"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert [line.split(",")[0] for line in printed] == [
        f"training small seed {seed}: epoch {epoch}/2" for seed in (0, 1) for epoch in (1, 2)
    ]
    line = r"training small seed 0: epoch 1/2, loss \d\.\d{4}, [\d.e+]+ epochs/s, \d+ s left"
    assert re.fullmatch(line, printed[0])
    assert main(["status", *asked]) == 0
    assert capsys.readouterr().out.count("complete") == 2


def test_processes_share_the_training(asked, tmp_path):
    assert main(["train", *asked, "--jobs", "2"]) == 0
    assert len(list((tmp_path / "store").glob("small-*/manifest.json"))) == 2


def test_process_that_fails_says_so_and_the_status_too(asked, tmp_path, capfd):
    """Both processes meet it: neither takes the other's word for it."""
    (tmp_path / "small.toml").write_text(RECIPE.replace("learning_rate = 0.1", "learning_rate = 1e30"))
    assert main(["train", *asked, "--jobs", "2"]) == 2
    assert "lower the learning rate" in capfd.readouterr().err


def test_looking_fetches_no_data(asked, monkeypatch, capsys):
    fetched = []

    def load(_name, *, subset, download):
        fetched.append((subset, download))
        raise AbsentDataError("digits could not be had")

    monkeypatch.setattr(store_module, "load_dataset", load)
    assert main(["status", *asked]) == 0
    assert capsys.readouterr().out.count("digits could not be had") == 2
    assert main(["verify", *asked]) == 1
    assert fetched == [(200, False)] * 2  # one each: the second seed needs no second look


def test_full_tier_is_of_the_scale_that_fits_the_device(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("COLUMNS", "200")
    options = ["status", "--tier", "full", "--device", "cpu", "--store", str(tmp_path)]
    assert main(options) == 0
    assert "cifar10-reduced-noisy" in capsys.readouterr().out
    assert main([*options, "--scale", "paper"]) == 0
    assert "cifar10-paper-noisy" in capsys.readouterr().out


def test_training_at_once_alternates(asked, capsys):
    assert main(["train", *asked, "--jobs", "1", "--at-once", "2", "--engine", "eager"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert [line.split(",")[0] for line in printed] == [
        f"training small seed {seed}: epoch {epoch}/2" for epoch in (1, 2) for seed in (0, 1)
    ]


def test_verify_counts_what_is_damaged(asked, tmp_path, capsys):
    assert main(["verify", *asked]) == 1  # nothing was found to be good
    assert capsys.readouterr().out.splitlines()[-1] == "0 checked, 0 damaged"
    main(["train", *asked, "--jobs", "1"])
    capsys.readouterr()
    assert main(["verify", *asked]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "2 checked, 0 damaged"
    (checkpoint,) = (tmp_path / "store").glob("small-1-*/epoch-0002.safetensors")
    checkpoint.write_bytes(checkpoint.read_bytes()[:-1] + b"?")
    assert main(["verify", *asked]) == 1
    *lines, last = capsys.readouterr().out.splitlines()
    assert last == "2 checked, 1 damaged"
    assert "epoch-0002.safetensors" in lines[1]


def test_verify_checks_all_of_the_store_unless_told_what(asked, tmp_path, capsys):
    main(["train", *asked, "--jobs", "1"])
    capsys.readouterr()
    everything = ["verify", *asked[asked.index("--store") :]]
    assert main(everything) == 0
    *lines, last = capsys.readouterr().out.splitlines()
    assert [line.rpartition("-")[0] for line in lines] == ["small-0", "small-1"]
    assert last == "2 checked, 0 damaged"
    (manifest,) = (tmp_path / "store").glob("small-0-*/manifest.json")
    manifest.write_text("{")
    assert main(everything) == 1
    assert "manifest.json cannot be read" in capsys.readouterr().out


def test_report_and_figures_of_published_evidence(tmp_path, capsys):
    published = Path(__file__).parents[2] / "evidence" / "fast-cpu" / "evidence.json"
    page, figures = tmp_path / "report.html", tmp_path / "figures"
    assert main(["report", str(published), "-o", str(page), "--figures", str(figures)]) == 0
    assert capsys.readouterr().out.splitlines()[0] == f"wrote {page}"
    assert page.read_text(encoding="utf-8").count("<figure") == len(list(figures.glob("*.png"))) > 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param(["train", "--seeds", "a"], "--seeds 'a': expected integers with commas between", id="seeds"),
        pytest.param(["train", "--seeds=-1"], "--seeds '-1': a seed is a number from 0 on", id="negative seed"),
        pytest.param(["train", "--jobs", "0"], "--jobs 0: expected a number from 1 on", id="jobs"),
        pytest.param(["train", "--at-once", "-1"], "--at-once -1: expected a number from 1 on", id="at once"),
        pytest.param(["train", "--only", "nothing"], "nothing", id="recipe"),
        pytest.param(["train", "--device", "cpu", "--engine", "graphs"], "cpu has no CUDA graphs", id="engine"),
        pytest.param(["status", "--device", "gpu"], "unknown device 'gpu'", id="device"),
        pytest.param(["status", "--register", "nowhere.toml"], "register nowhere.toml", id="register"),
        pytest.param(["report", "nowhere.json"], "nowhere.json is no evidence file", id="evidence"),
    ],
)
def test_bad_input_is_one_line_and_status_two(options, message, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("FEATDYN_STORE", str(tmp_path))
    assert main(options) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("featdyn: ")
    assert message in line
