"""Bring checkpoints from elsewhere into a store, and write the recipe under which a project finds them."""

from collections.abc import Callable
from pathlib import Path

from featdyn_core.errors import RecipeError, StoreError
from featdyn_core.files import write_atomically
from featdyn_core.store.adopting import adopt
from featdyn_core.store.supply import Store
from featdyn_core.toml_text import toml_text
from featdyn_core.trajectories.adoption import Adoption
from featdyn_core.trajectories.recipe import Recipe, load_recipe
from featdyn_core.trajectories.recipe_text import as_written

HEAD = "# Written by `featdyn adopt`: trainings that were done elsewhere, known by their checkpoints.\n"


def adopt_into(
    recipes: Path,
    store: Store,
    name: str,
    adoption: Adoption,
    *,
    accept_order: bool = False,
    say: Callable[[str], None] = lambda _: None,
) -> tuple[Recipe, Path]:
    """Adopt checkpoints (see ``store.adopting.adopt``) and write their recipe; return the recipe and its file.

    Args:
        recipes: folder of the project's recipes.
        store: store of its trajectories.
        name: name of the recipe.
        adoption: what to adopt.
        accept_order: whether an order of epochs that looks wrong is a suspicion rather than an error.
        say: takes a line for each training.

    Raises:
        RecipeError: another recipe has this name.
        StoreError: the recipe cannot be written.
    """
    path = recipes / f"{name}.toml"
    recipe = adopt(store, name, adoption, accept_order=accept_order, say=say)
    if path.exists() and load_recipe(path).digest != recipe.digest:
        raise RecipeError(f"{path} is another recipe; adopt these checkpoints under another name, or remove it")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, (HEAD + toml_text(as_written(recipe.to_dict()))).encode())
    except OSError as error:
        raise StoreError(f"{path} cannot be written ({error.strerror or error})") from error
    return recipe, path
