"""The command that adopts checkpoints: its output, its files and its errors."""

import functools

import pytest

from featdyn_core.cli.main import main
from featdyn_core.tests.elsewhere import NETWORK, saved, trained
from featdyn_core.trajectories.recipe import load_recipe

states_of = functools.cache(trained)
COMMON = ("--network", NETWORK, "--data", "digits", "--cuts", "0,2,4", "--image-mean", "0", "--image-std", "1")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Return an empty folder outside any project, as the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FEATDYN_STORE", str(tmp_path / "store"))
    return tmp_path


@pytest.fixture
def seeds(folder):
    """Save three trainings; return the options that name them."""
    patterns = [saved(folder / "runs" / str(seed), states_of(seed)) for seed in range(3)]
    return [part for seed, pattern in enumerate(patterns) for part in ("--seed", f"{seed}={pattern}")]


def test_checkpoints_are_adopted_in_an_empty_folder(folder, seeds, capsys):
    assert main(["adopt", "mine", *COMMON, *seeds, "--source", "1=a friend", "--batch-size", "20"]) == 0
    *told, adopted, advice = capsys.readouterr().out.splitlines()
    assert [line.partition(",")[0] for line in told] == [f"seed {seed}: 8 checkpoints" for seed in range(3)]
    path = folder / "fixtures" / "recipes" / "mine.toml"
    assert adopted == f"adopted 3 trainings, epochs 0 to 7 of each: {path}"
    assert advice == "begin a project on them: featdyn init --adopted mine --window A-B"
    recipe = load_recipe(path)
    assert (recipe.training.batch_size, recipe.adopted.sources) == (20, {"1": "a friend"})
    assert recipe.adopted.unknown == ("learning_rate", "augmentation")


def test_a_project_is_begun_on_them(seeds, capsys):
    main(["adopt", "mine", *COMMON, *seeds])
    capsys.readouterr()
    assert main(["init", "--adopted", "mine", "--window", "4-7"]) == 0
    told, written = capsys.readouterr().out.splitlines()
    assert told == "not asked: not-convergence: nobody knows the log of mine"
    assert written.startswith("wrote 25 files to ")
    assert main(["train"]) == 0
    assert "0 trained, 3 already complete, 0 not" in capsys.readouterr().out


def test_a_file_says_what_options_say(folder, seeds, capsys):
    main(["adopt", "mine", *COMMON, *seeds])
    recipe = load_recipe(folder / "fixtures/recipes/mine.toml")
    (folder / "mine.toml").write_text(
        f'network = "{NETWORK}"\ndata = "digits"\ncuts = ["0", "2", "4"]\n'
        "options = { image_mean = [0.0], image_std = [1.0] }\n[seeds]\n"
        + "".join(f'{seed} = "runs/{seed}/epoch_{{epoch}}.pt"\n' for seed in range(3))
    )
    assert main(["adopt", "mine.toml"]) == 0
    assert load_recipe(folder / "fixtures/recipes/mine.toml").digest == recipe.digest
    assert "adopted 3 trainings" in capsys.readouterr().out


def test_a_seam_is_an_error_and_a_side_is_taken(folder, capsys):
    mixed = {epoch: states_of(int(epoch > 2))[epoch] for epoch in range(8)}
    seed = f"0={saved(folder / 'mixed', mixed)}"
    assert main(["adopt", "mine", *COMMON, "--seed", seed]) == 2
    told = capsys.readouterr().err
    assert "seed 0 is not one training: between 2 and 3" in told
    assert "take one side: --take 0=0-2 or --take 0=3-7" in told
    assert main(["adopt", "mine", *COMMON, "--seed", seed, "--take", "0=3-7"]) == 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("mine", "--data", "digits"), "--network is missing: add it, or name a .toml file that has it"),
        (("mine", *COMMON), "there is nothing to adopt"),
        (("mine", *COMMON, "--seed", "runs"), "--seed runs: write it as SEED="),
        (("mine", *COMMON, "--seed", "0=a", "--seed", "0=b"), "this seed occurs twice"),
        (("mine", *COMMON, "--seed", "0=a", "--take", "0=4"), "'4' is not a first and a last epoch, such as 4-29"),
        (("mine", *COMMON, "--seed", "0=no/{epoch}.pt"), "there is no file no/{epoch}.pt"),
        (("absent.toml",), "absent.toml cannot be read"),
    ],
)
def test_what_cannot_be_adopted_is_reported_in_one_line(folder, capsys, arguments, told):
    assert main(["adopt", *arguments]) == 2
    _, line = capsys.readouterr().err.splitlines()  # the first line says that this folder is not a project
    assert told in line
    assert not list(folder.rglob("*.safetensors"))


def test_another_recipe_of_the_name_stays(folder, seeds, capsys):
    main(["adopt", "mine", *COMMON, *seeds])
    assert main(["adopt", "mine", *COMMON, *seeds, "--take", "0=0-5"]) == 2
    assert "is another recipe; adopt these checkpoints under another name" in capsys.readouterr().err
    assert load_recipe(folder / "fixtures/recipes/mine.toml").training.epochs == 7
