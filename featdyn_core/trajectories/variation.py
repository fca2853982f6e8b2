"""A recipe that differs from another in some of its fields."""

import copy
from collections.abc import Mapping
from typing import Any

from featdyn_core.errors import RecipeError
from featdyn_core.trajectories.recipe import Recipe, parse_recipe
from featdyn_core.trajectories.recipe_text import as_written


def varied(recipe: Recipe, tables: Mapping[str, Mapping[str, Any]], name: str) -> Recipe:
    """Return a recipe with fields of some of its tables replaced, called ``<recipe>-<name>``.

    Its content identifies it, as for any recipe, so equal variations are trained once.

    Args:
        recipe: the base.
        tables: fields and values by the name of their table, as in a recipe's file. A network with a name replaces the
            base's network with all its options.
        name: name of the variation.

    Raises:
        RecipeError: a table or field is unknown, or a value is out of range.
    """
    document = as_written(copy.deepcopy(recipe.to_dict()))
    for table, fields in tables.items():
        if not isinstance(fields, Mapping):
            raise RecipeError(f"variation {name!r}: {table} must be a table of the recipe")
        replaced = table == "network" and "name" in fields
        document[table] = dict(fields) if replaced else {**document.get(table, {}), **fields}
    return parse_recipe(document, f"{recipe.name}-{name}")
