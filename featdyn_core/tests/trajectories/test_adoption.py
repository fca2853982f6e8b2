"""Adoptions: files by pattern or by epoch, facts about a training, and a file with all of them."""

from pathlib import Path

import numpy as np
import pytest

from featdyn_core.errors import CheckpointError, RecipeError
from featdyn_core.trajectories.adoption import Adoption, matching, read_adoption
from featdyn_core.trajectories.specs import AdoptedSpec

NAMES = ("epoch_00.pt", "epoch_02.pt", "epoch_10.pt", "epoch_best.pt", "epoch_02.txt")


@pytest.fixture
def folder(tmp_path) -> Path:
    for name in NAMES:
        (tmp_path / name).touch()
    return tmp_path


def asked(**more) -> Adoption:
    return Adoption(**({"network": "nets:small", "data": "digits", "seeds": {"0": "a/{epoch}.pt"}} | more))


def test_the_recipe_has_the_whole_path_of_own_images(folder, monkeypatch):
    """Its file lies in another folder."""
    monkeypatch.chdir(folder)
    adopted = AdoptedSpec({"0": "0" * 64})
    sets = [asked(data=data).recipe("mine", [0, 1], adopted).data.set for data in ("own.npz", "digits")]
    assert sets == [str(folder / "own.npz"), "digits"]


def test_a_pattern_is_of_the_files_with_a_number_in_its_place(folder):
    assert matching(folder / "epoch_{epoch}.pt") == {n: folder / f"epoch_{n:02d}.pt" for n in (0, 2, 10)}


@pytest.mark.parametrize("pattern", ["epoch.pt", "{epoch}/{step}.pt", "{epoch}_{epoch}.pt", "{epoch}/a.pt"])
def test_a_pattern_without_one_place_is_refused(folder, pattern):
    with pytest.raises(RecipeError, match=r"write \{epoch\} or \{step\} once in the file's name"):
        matching(folder / pattern)


def test_files_that_are_not_there_or_twice_are_reported(folder):
    with pytest.raises(CheckpointError, match=r"there is no file .*run_.* with a number in place of {epoch}"):
        matching(folder / "run_{epoch}.pt")
    with pytest.raises(CheckpointError, match="there is no file"):
        matching(folder / "nowhere" / "{epoch}.pt")
    (folder / "epoch_2.pt").touch()
    with pytest.raises(CheckpointError, match="both have epoch 2; remove one"):
        matching(folder / "epoch_{epoch}.pt")


def test_epochs_may_be_integers_of_numpy():
    files = asked(seeds={"3": {np.int64(4): "d.pt", np.int32(1): "a.pt", 2: "b.pt"}}).files()
    assert files == {3: {1: Path("a.pt"), 2: Path("b.pt"), 4: Path("d.pt")}}
    assert [type(epoch) for epoch in files[3]] == [int] * 3


@pytest.mark.parametrize(
    ("seeds", "told"),
    [
        ({}, "there is nothing to adopt"),
        ({"-1": "a/{epoch}.pt"}, "seed '-1': trainings are numbered from 0 on"),
        ({"one": "a/{epoch}.pt"}, "trainings are numbered from 0 on"),
        ({"0": ["a.pt"]}, "is neither a pattern such as a/epoch_{epoch}.pt nor paths by epoch"),
        ({"0": {}}, "is neither a pattern"),
        ({"0": {0.5: "a.pt"}}, "seed 0: epoch 0.5 is not an integer of at least 0"),
        ({"0": {-1: "a.pt"}}, "epoch -1 is not an integer"),
        ({"0": {True: "a.pt"}}, "epoch True is not an integer"),
    ],
)
def test_seeds_that_are_none_are_refused(seeds, told):
    with pytest.raises(RecipeError) as caught:
        asked(seeds=seeds).files()
    assert told in str(caught.value)


def test_files_are_counted_in_epochs_or_in_steps():
    assert asked().counted_in() == "epoch"
    assert asked(seeds={"0": "a/{step}.pt", "1": "b/{step}.pt"}).counted_in() == "step"
    assert asked(seeds={"0": {0: "a.pt"}}, unit="step").counted_in() == "step"
    with pytest.raises(RecipeError, match="some files are counted in epochs and others in steps"):
        asked(seeds={"0": "a/{step}.pt", "1": "b/{epoch}.pt"}).counted_in()


def test_a_side_of_a_training_is_taken():
    assert asked(take={"2": (4, 6)}).span(2, [0, 3, 4, 5, 6, 7]) == [4, 5, 6]
    assert asked().span(2, [0, 3]) == [0, 3]
    with pytest.raises(CheckpointError, match=r"seed 2 has no checkpoint from 8 to 9; it has \[0, 3\]"):
        asked(take={"2": (8, 9)}).span(2, [0, 3])
    with pytest.raises(RecipeError, match=r"take of seed 2: \[9, 8\] is not a first and a last epoch"):
        asked(take={"2": (9, 8)}).span(2, [0, 3])


def test_what_nobody_knows_of_a_training_is_unknown():
    assert asked().unknown == ("batch_size", "learning_rate", "augmentation")
    assert asked(batch_size=64, learning_rate=0.1, augmentation="none").unknown == ()
    assert asked(augmentation="RandAugment").unknown == ("batch_size", "learning_rate", "augmentation")


def test_a_recipe_describes_checkpoints_and_not_their_origin():
    def recipe(digest="a" * 64, **more):
        return asked().recipe("mine", [1, 2, 4], AdoptedSpec({"0": digest}, **more))

    assert recipe(sources={"0": "somewhere"}, suspicions={"0": "odd"}).digest == recipe().digest
    assert recipe("b" * 64).digest != recipe().digest
    assert recipe(unit="step").digest != recipe().digest
    assert recipe().training.checkpoints == (1, 2, 4)


def test_a_file_says_all_of_it_and_its_paths_begin_at_its_folder(folder):
    path = folder / "mine.toml"
    path.write_text(
        'network = "nets:small"\ndata = "own.npz"\ncuts = ["0", "1", "2"]\nbatch_size = 64\n'
        'take = { 0 = [2, 10] }\n[seeds]\n0 = "epoch_{epoch}.pt"\n[sources]\n0 = "a friend"\n'
    )
    found = read_adoption(path)
    assert found.files() == {0: {n: folder / f"epoch_{n:02d}.pt" for n in (0, 2, 10)}}
    assert (found.data, found.batch_size, found.sources) == (str(folder / "own.npz"), 64, {"0": "a friend"})
    path.write_text(path.read_text().replace("batch_size", "batchsize"))
    with pytest.raises(RecipeError, match="unknown field 'batchsize'; did you mean 'batch_size'"):
        read_adoption(path)
