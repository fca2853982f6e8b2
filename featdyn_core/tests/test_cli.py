"""The command: what it prints, where it writes, and how it refuses."""

from pathlib import Path

import pytest
import torch

from featdyn_core.cli import main

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


@pytest.fixture(autouse=True)
def threads():
    """Set the number of threads back: the command takes all cores."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


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
    assert main(["train", *asked]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert [line.split(",")[0] for line in printed] == [
        f"small seed {seed}: epoch {epoch}/2" for seed in (0, 1) for epoch in (1, 2)
    ]
    assert main(["status", *asked]) == 0
    assert capsys.readouterr().out.count("complete") == 2


def test_training_at_once_alternates(asked, capsys):
    assert main(["train", *asked, "--at-once", "2", "--engine", "eager"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert [line.split(",")[0] for line in printed] == [
        f"small seed {seed}: epoch {epoch}/2" for epoch in (1, 2) for seed in (0, 1)
    ]


def test_verify_counts_what_is_damaged(asked, tmp_path, capsys):
    assert main(["verify", *asked]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "0 checked, 0 damaged"
    main(["train", *asked])
    capsys.readouterr()
    assert main(["verify", *asked]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "2 checked, 0 damaged"
    (checkpoint,) = (tmp_path / "store").glob("small-1-*/epoch-0002.safetensors")
    checkpoint.write_bytes(checkpoint.read_bytes()[:-1] + b"?")
    assert main(["verify", *asked]) == 1
    *lines, last = capsys.readouterr().out.splitlines()
    assert last == "2 checked, 1 damaged"
    assert "epoch-0002.safetensors" in lines[1]


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
        pytest.param(["train", "--only", "nothing"], "nothing", id="recipe"),
        pytest.param(["train", "--device", "cpu", "--engine", "graphs"], "cpu has no CUDA graphs", id="engine"),
        pytest.param(["status", "--device", "gpu"], "unknown device 'gpu'", id="device"),
        pytest.param(["verify", "--register", "nowhere.toml"], "register nowhere.toml", id="register"),
        pytest.param(["report", "nowhere.json"], "nowhere.json is no evidence file", id="evidence"),
    ],
)
def test_bad_input_is_one_line_and_status_two(options, message, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("FEATDYN_STORE", str(tmp_path))
    assert main(options) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("featdyn: ")
    assert message in line
