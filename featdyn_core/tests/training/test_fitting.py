"""Recipes and images that do not fit each other: found before anything is trained, with one clear error."""

import dataclasses

import pytest
import torch

from featdyn_core.data.sources import KNOWN, Dataset, load_dataset
from featdyn_core.errors import AbsentDataError, FeatdynError, ModelError, RecipeError
from featdyn_core.store.supply import Store
from featdyn_core.tests.tiny import MemorySink, tiny_digits, tiny_recipe
from featdyn_core.training.fitting import check_fit
from featdyn_core.training.loop import train
from featdyn_core.trajectories.recipe import BranchSpec, Recipe, load_recipe, recipes_folder
from featdyn_core.trajectories.specs import DataSpec, LabelSpec, NetworkSpec, TrainingSpec

RESNET = NetworkSpec("resnet8", {"width": 2})


def batches(size: int) -> TrainingSpec:
    return TrainingSpec(epochs=1, batch_size=size, checkpoints=(0, 1))


def mlp(**options: object) -> dict[str, NetworkSpec]:
    return {"network": NetworkSpec("mlp", options)}


UNFIT = {
    "pooled away": ({"network": NetworkSpec("svhn-convnet")}, ModelError, r"images of digits, \(1, 8, 8\) .*; choose"),
    "pooled away too": (
        {"network": NetworkSpec("stl10-convnet")},
        ModelError,
        r"images of digits, \(1, 8, 8\) .*; choose",
    ),
    "odd width": (
        {"network": NetworkSpec("resnet8", {"width": 3})},
        ModelError,
        "width = 3; it must be an even number",
    ),
    "no width": ({"network": NetworkSpec("resnet8", {"width": 0})}, ModelError, "width = 0; it must be an even number"),
    "nothing hidden": (mlp(hidden=[]), ModelError, r"hidden = \[\]; it must be a list of at least one width"),
    "no units": (mlp(hidden=[0]), ModelError, r"hidden = \[0\]; it must be a list of at least one width"),
    "unknown option": (mlp(width=3), ModelError, "unexpected keyword argument 'width'"),
    **{
        f"no such cut to {what}": (
            {"branch": BranchSpec(tiny_recipe(), 0, **{what: "stage9"})},
            ModelError,
            "branch: this network has no cut 'stage9'",
        )
        for what in ("keep", "freeze")
    },
    "a single image": (
        {"network": RESNET, "training": batches(199)},
        RecipeError,
        "batch_size: with 199 of 200 .* single image, .*; choose another batch_size",
    ),
    "images by ones": ({"network": RESNET, "training": batches(1)}, RecipeError, "batch_size: with 1 of 200"),
    "no whole batch": (
        {"training": batches(201)},
        RecipeError,
        "batch_size: 201, .* 200 training images .*at most 200",
    ),
}
"""Tables of a recipe that do not fit 200 digits, the error, and what it says."""


@pytest.mark.parametrize("case", UNFIT)
def test_what_does_not_fit_is_named_before_anything_is_trained(case):
    tables, kind, message = UNFIT[case]
    sink = MemorySink()
    with pytest.raises(kind, match=f"^recipe 'tiny': .*{message}"):
        train(tiny_recipe(**tables), 0, tiny_digits(), sink)
    assert not sink.states


@pytest.mark.parametrize("case", ["pooled away", "odd width", "no whole batch"])
def test_others_of_a_tier_are_trained_and_a_misfit_is_named(tmp_path, case):
    tables, kind, message = UNFIT[case]
    store = Store(tmp_path, device="cpu")
    with pytest.raises(kind, match=message):
        store.get_many([(tiny_recipe(name="unfit", **tables), 0), (tiny_recipe(), 0)])
    assert store.status(tiny_recipe(), 0) == "complete"
    assert not list(tmp_path.glob("partial/*"))


@pytest.mark.parametrize(
    "recipe",
    [
        tiny_recipe(training=batches(199)),  # a perceptron normalises nothing
        tiny_recipe(training=batches(200)),
        tiny_recipe(network=RESNET, training=batches(198)),
        tiny_recipe(network=NetworkSpec("mlp", {"hidden": [3], "dropout": 0.5})),
    ],
)
def test_what_fits_is_let_pass_and_leaves_no_trace(recipe):
    before = torch.get_rng_state()
    check_fit(recipe, tiny_digits())
    assert torch.equal(torch.get_rng_state(), before)


def image_set(recipe: Recipe) -> Dataset:
    """Return blank images of the recipe's number and shape."""
    known = KNOWN[recipe.data.set]
    count = recipe.data.subset or known.counts[0]
    pixel = torch.zeros((), dtype=torch.uint8)
    return dataclasses.replace(
        load_dataset("digits"),
        train_images=pixel.expand(count, *known.shape),
        train_labels=torch.zeros(count, dtype=torch.int64),
        classes=known.classes,
        mean=(0.5,) * known.shape[0],
        std=(0.5,) * known.shape[0],
    )


@pytest.mark.parametrize("path", sorted(recipes_folder().glob("*.toml")), ids=lambda path: path.stem)
def test_every_shipped_recipe_fits_its_images(path):
    recipe = load_recipe(path)
    if recipe.labels.file:  # which may not be here, and fits the real images alone
        recipe = recipe.replace(labels=LabelSpec())
    check_fit(recipe, image_set(recipe))


def test_missing_labels_are_found_before_training(tmp_path, monkeypatch):
    monkeypatch.setenv("FEATDYN_DATA", str(tmp_path))
    recipe = load_recipe("cifar10-reduced-human")
    with pytest.raises(AbsentDataError, match=r"^recipe 'cifar10-reduced-human': labels: .* is missing; .*CC BY-NC"):
        check_fit(recipe, image_set(recipe))


def test_unreadable_and_unfit_things_are_reported_together(tmp_path):
    unfit = tiny_recipe(name="unfit", network=NetworkSpec("svhn-convnet"))
    lost = tiny_recipe(name="lost", data=DataSpec(str(tmp_path / "none.npz")))
    with pytest.raises(FeatdynError, match=r"none\.npz does not exist.*; recipe 'unfit': the network"):
        Store(tmp_path / "store", device="cpu").get_many([(lost, 0), (unfit, 0)])
