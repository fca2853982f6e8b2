"""Recipes that differ from another in some fields."""

import pytest

from featdyn_core.errors import RecipeError
from featdyn_core.project import recipes_folder
from featdyn_core.trajectories.recipe import load_recipe
from featdyn_core.trajectories.variation import varied

BASE = load_recipe(recipes_folder() / "cifar10-reduced-noisy.toml")
"""With every table but one."""


def test_without_a_change_it_is_the_base_by_another_name():
    found = varied(BASE, {}, "same")
    assert found.name == "cifar10-reduced-noisy-same"
    assert found.digest == BASE.digest
    assert found == BASE.replace(name=found.name)


@pytest.mark.parametrize(
    ("tables", "changed"),
    [
        ({"optimizer": {"weight_decay": 0.5}}, {"optimizer"}),
        ({"training": {"batch_size": 32, "checkpoints": [[0, 60, 20]]}}, {"training"}),
        ({"schedule": {"milestones": []}}, {"schedule"}),
        ({"network": {"width": 4}}, {"network"}),
        ({"labels": {"randomized": 0.1}, "data": {"augmentation": "none"}}, {"labels", "data"}),
    ],
)
def test_only_what_is_overridden_changes(tables, changed):
    found = varied(BASE, tables, "other")
    for table in ("data", "labels", "network", "optimizer", "training", "schedule", "branch"):
        assert (getattr(found, table) != getattr(BASE, table)) == (table in changed), table
    for table, fields in tables.items():
        part = getattr(found, table)
        for name, value in fields.items():
            if name == "checkpoints":
                assert part.checkpoints == (0, 20, 40, 60)
            else:
                there = part.options[name] if table == "network" else getattr(part, name)
                assert there == (tuple(value) if name == "milestones" else value), f"{table}, {name}"
    assert found.digest != BASE.digest
    assert varied(BASE, tables, "else").digest == found.digest


def test_network_that_is_named_comes_without_the_bases_options():
    wide = varied(BASE, {"network": {"width": 4}}, "wide")
    assert varied(wide, {"network": {"name": "mlp", "hidden": [3]}}, "mlp").network.options == {"hidden": [3]}
    plain = varied(wide, {"network": {"normalised": False}}, "plain")
    assert plain.network.options == {"width": 4, "normalised": False}


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"optimiser": {"name": "adam"}}, "recipe 'cifar10-reduced-noisy-x': unknown field 'optimiser'"),
        ({"optimizer": {"rate": 1}}, "optimizer: unknown field 'rate'"),
        ({"optimizer": {"name": "adam"}}, "optimizer, momentum: only sgd has it"),
        ({"training": 3}, "variation 'x': training must be a table of the recipe"),
    ],
)
def test_what_makes_no_recipe_is_reported(tables, message):
    with pytest.raises(RecipeError, match=message):
        varied(BASE, tables, "x")
