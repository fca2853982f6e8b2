"""Recipes, which determine a training: a TOML file becomes a frozen ``Recipe`` with a digest.

The digest covers every field that changes the training, but not the recipe's name. So a renamed recipe finds its
trajectories again, and a changed recipe never finds the wrong ones. The digest does not cover the location of a user's
``.npz`` file, because the file's content is part of a trajectory's key. For a file of labels it covers the content
only.
"""

import dataclasses
import functools
import hashlib
import itertools
import json
import math
import os
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from featdyn_core.errors import RecipeError
from featdyn_core.networks.names import NETWORKS, is_factory
from featdyn_core.project import recipes_folder
from featdyn_core.tables import build, explicit, fields, shown
from featdyn_core.trajectories.recipe_text import check_plain, expand_checkpoints, find_document, inherit
from featdyn_core.trajectories.specs import (
    AdoptedSpec,
    DataSpec,
    LabelSpec,
    NetworkSpec,
    OptimizerSpec,
    ScheduleSpec,
    TrainingSpec,
)

SCHEMA = 1

OWN = ".npz"
"""Suffix of the name of a user's own image set."""

LONGEST_NAME = 100
"""Longest name of a recipe, in characters; the name is part of the names of files and folders."""

PLAIN_NAME = rf"[A-Za-z0-9._-]{{1,{LONGEST_NAME}}}"
"""Pattern of a recipe's name."""


@dataclass(frozen=True)
class BranchSpec:
    """A training that continues from a checkpoint of another, its parent, instead of from new parameters (App. F).

    ``at_epoch``: epoch of the parent's checkpoint; the count of epochs continues from it. ``keep``: the part before
    this cut keeps the parent's values, and the rest is initialised again; by default everything is kept. ``freeze``:
    the part before this cut does not change, nor do its normalisation statistics. ``optimizer``: ``kept`` for the state
    of the parent's optimiser at its last epoch; by default a new optimiser (see ``training.branching``).
    """

    parent: "Recipe"
    at_epoch: int
    keep: str = ""
    freeze: str = ""
    optimizer: str = ""


@dataclass(frozen=True)
class Recipe:
    """Everything that determines a trajectory, except the seed.

    ``source`` is the argument of ``load_recipe``. It determines nothing, and is empty for a recipe from elsewhere.

    Examples:
        >>> load_recipe("digits-small").digest[:8]
        '6423a3b2'
    """

    name: str
    data: DataSpec
    network: NetworkSpec
    optimizer: OptimizerSpec
    training: TrainingSpec
    labels: LabelSpec = dataclasses.field(default_factory=LabelSpec)
    schedule: ScheduleSpec = dataclasses.field(default_factory=ScheduleSpec)
    branch: BranchSpec | None = None
    adopted: AdoptedSpec | None = None
    source: str = dataclasses.field(default="", compare=False, repr=False, kw_only=True)

    def __post_init__(self) -> None:
        _check(self)

    def to_dict(self) -> dict[str, Any]:
        """Return every field that differs from its default, except the name, as a JSON-ready nested dictionary.

        Without defaults, old recipes keep their digests when a later version adds a field.
        """
        tables = {name: explicit(getattr(self, name)) for name in fields(Recipe)}
        del tables["name"]
        if self.branch:
            parent = self.branch.parent
            tables["branch"]["parent"] = {"name": parent.name, **parent.to_dict()}
        return {"schema": SCHEMA, **{name: table for name, table in tables.items() if table}}

    @functools.cached_property  # a plan asks for it once for each record
    def digest(self) -> str:
        """Hex SHA-256 of the canonical JSON of every field except the name.

        It covers the name of an ``.npz`` file without its folder, the digest of a branch's parent, the SHA-256 of
        labels in a file, and the fields of adopted checkpoints that determine them.
        """
        tables = self.to_dict()
        if self.branch:
            tables["branch"]["parent"] = self.branch.parent.digest
        if self.data.set.endswith(OWN):
            tables["data"]["set"] = Path(self.data.set).name
        if self.labels.file:
            tables["labels"] = {"sha256": self.labels.sha256}
        if self.adopted:
            tables["adopted"] = explicit(self.adopted.identity)
        return hashlib.sha256(json.dumps(tables, sort_keys=True).encode()).hexdigest()

    @property
    def identity(self) -> tuple[str, str]:
        """Identity among other recipes in use: two ``.npz`` files with one name may differ."""
        return self.digest, self.data.set

    @property
    def first_epoch(self) -> int:
        """Epochs that were trained before this training begins: none, or those of a branch's parent."""
        return self.branch.at_epoch if self.branch else 0

    def lacking(self, facts: Collection[str]) -> list[str]:
        """Return the unknown ones among some facts (see ``specs.FACTS``), in words; none if featdyn trained."""
        return self.adopted.lacking(facts) if self.adopted else []

    def learning_rate(self, epoch: int) -> float:
        """Learning rate during epoch number ``epoch`` (from 0)."""
        passed = sum(epoch >= milestone for milestone in self.schedule.milestones)
        return self.optimizer.learning_rate * self.schedule.factor**passed

    def replace(self, **tables: Any) -> "Recipe":
        """Return a copy with other tables or another name, checked like a new recipe."""
        return dataclasses.replace(self, **{"source": "", **tables})


def load_recipe(source: str | os.PathLike[str]) -> Recipe:
    """Read a recipe by path (ending in .toml) or by name from the recipes folder.

    A ``RecipeError`` is raised if there is no such recipe, it is not TOML, a field is missing or unknown, or a value is
    out of range.

    Examples:
        >>> recipe = load_recipe("digits-small")
        >>> recipe.network.name, recipe.training.epochs
        ('resnet8', 28)
    """
    path = Path(os.path.expanduser(source))
    named = path.suffix != ".toml"
    if named:
        path = recipes_folder() / f"{source}.toml"
    recipe = parse_recipe(find_document(path, str(source)), name=path.stem, folder=path.parent)
    return dataclasses.replace(recipe, source=str(source) if named else os.path.abspath(path))


def parse_recipe(document: dict[str, Any], name: str, folder: Path | None = None) -> Recipe:
    """Build a recipe from a parsed TOML document (see ``load_recipe``).

    Args:
        document: the parsed TOML document.
        name: name of the recipe.
        folder: folder that the path of an ``.npz`` file is relative to, and that holds the parent of a branch; by
            default the working directory.

    Raises:
        RecipeError: the document is not a recipe.
    """
    where = f"recipe {shown(name)}"
    check_plain(document, where)
    tables = dict(document)
    _check_schema(tables.pop("schema", None), name)
    if "name" in tables:
        raise RecipeError(f"{where}: unknown field 'name'; the name of a recipe is that of its file")
    if "branch" in tables:
        tables = _with_parent(tables, where, folder or Path())
    data = tables.get("data")
    if isinstance(data, dict) and isinstance(data.get("set"), str) and data["set"].endswith(OWN):
        tables["data"] = {**data, "set": os.path.abspath((folder or Path()) / os.path.expanduser(data["set"]))}
    network = tables.get("network")
    if isinstance(network, dict):
        options = {option: value for option, value in network.items() if option != "name"}
        chosen = {"name": network["name"]} if "name" in network else {}
        tables["network"] = {**chosen, "options": options}
    training = tables.get("training")
    if isinstance(training, dict) and "checkpoints" in training:
        checkpoints = expand_checkpoints(training["checkpoints"], f"{where}, training, checkpoints")
        tables["training"] = {**training, "checkpoints": checkpoints}
    return build(Recipe, tables, where, name=name)


def _with_parent(tables: dict[str, Any], where: str, folder: Path) -> dict[str, Any]:
    """Return the tables of a branch with its parent, which gives the values that the branch leaves out.

    Raises:
        RecipeError: the parent is not named, is missing, or is a branch itself.
    """
    branch = tables["branch"]
    name = branch.get("parent") if isinstance(branch, dict) else None
    if not isinstance(name, str):
        raise RecipeError(f"{where}, branch, parent: expected the name of a recipe, found {shown(name)}")
    document = find_document(folder / f"{name}.toml", name)
    if "branch" in document:  # it might be this one
        raise RecipeError(
            f"{where}, branch, parent: {shown(name)} is a branch itself; name a training that is not a branch"
        )
    parent = parse_recipe(document, name, folder)
    del document["schema"]
    return inherit(document, tables) | {"branch": {**branch, "parent": parent}}


def restore_recipe(tables: dict[str, Any], name: str) -> Recipe:
    """Build a recipe from the result of its ``to_dict``.

    Invalid characters of the name are replaced, because earlier versions allowed any name.

    A ``RecipeError`` is raised for another schema version, a missing or unknown field, or a value out of range.
    """
    where = f"recipe {shown(name)}"
    check_plain(tables, where)
    content = dict(tables)
    _check_schema(content.pop("schema", None), name)
    branch = content.get("branch")
    if isinstance(branch, dict) and isinstance(branch.get("parent"), dict):
        parent = dict(branch["parent"])
        content["branch"] = {**branch, "parent": restore_recipe(parent, parent.pop("name", ""))}
    called = re.sub(r"[^A-Za-z0-9._-]", "_", name)[:LONGEST_NAME] if isinstance(name, str) else name
    return build(Recipe, content, where, name=called)


def _check_schema(schema: Any, name: str) -> None:
    if schema != SCHEMA:
        raise RecipeError(f"recipe {shown(name)} has schema {shown(schema)}; this version reads schema = {SCHEMA}")


def _last_rate(recipe: Recipe) -> float:
    """Return the learning rate after all milestones; infinite if it overflows a float."""
    try:
        return recipe.optimizer.learning_rate * recipe.schedule.factor ** len(recipe.schedule.milestones)
    except OverflowError:
        return math.inf


def _ascending(epochs: tuple[int, ...]) -> bool:
    return all(earlier < later for earlier, later in itertools.pairwise(epochs))


def _check(recipe: Recipe) -> None:
    """Reject values out of range, naming the recipe and the field.

    Raises:
        RecipeError: names the recipe and the field.
    """
    where = f"recipe {shown(recipe.name)}"
    check_plain(recipe.network.options, f"{where}, network")
    last, epochs = recipe.training.epochs, recipe.training.checkpoints
    optimizer, schedule = recipe.optimizer, recipe.schedule
    own = is_factory(recipe.network.name)
    given = set() if own else {"image", "classes", "mean", "std", "generator"} & set(recipe.network.options)
    rules = [
        (
            re.fullmatch(PLAIN_NAME, recipe.name),
            f"name: at most {LONGEST_NAME} letters from a to z, digits, '.', '_' and '-'; give it another name",
        ),
        (
            own or recipe.network.name in NETWORKS,
            f"network, name: unknown; use one of {', '.join(NETWORKS)}, or package.module:function of your own",
        ),
        (not given, f"network, {'/'.join(sorted(given))}: not an option; it follows from data and seed"),
        (recipe.data.augmentation in ("none", "crop-flip"), "data, augmentation: none or crop-flip"),
        (recipe.data.subset is None or recipe.data.subset > 0, "data, subset: a positive number of images"),
        *recipe.labels.rules(recipe.data.set),
        (optimizer.name in ("sgd", "adam"), "optimizer, name: sgd or adam"),
        (0 <= optimizer.learning_rate < math.inf, "optimizer, learning_rate: finite, not negative"),
        (0 <= optimizer.momentum < 1, "optimizer, momentum: from 0 to below 1"),
        (optimizer.name == "sgd" or not optimizer.momentum, "optimizer, momentum: only sgd has it"),
        (0 <= optimizer.weight_decay < math.inf, "optimizer, weight_decay: finite, not negative"),
        (0 < schedule.factor < math.inf, "schedule, factor: finite, positive"),
        (_last_rate(recipe) < math.inf, "schedule: after its milestones the learning rate is no longer finite"),
        (_ascending((0, *schedule.milestones)), "schedule, milestones: ascending epochs from 1"),
        (last > 0, "training, epochs: at least 1"),
        (recipe.training.batch_size > 0, "training, batch_size: at least 1"),
        (recipe.training.precision in ("fp32", "bf16"), "training, precision: fp32 or bf16"),
        (_ascending((-1, *epochs)), "training, checkpoints: ascending epochs from 0"),
        (epochs[-1:] == (last,), f"training, checkpoints: the last must be the last epoch, {last}"),
        *_branch_rules(recipe),
        *(recipe.adopted.rules() if recipe.adopted else []),
        (
            not (recipe.adopted and recipe.branch),
            "adopted, branch: adopted checkpoints cannot be a branch; leave one out",
        ),
    ]
    for holds, message in rules:
        if not holds:
            raise RecipeError(f"{where}: {message}")


def _branch_rules(recipe: Recipe) -> list[tuple[bool, str]]:
    """Return the conditions on a branch, each with the message for its failure."""
    if (branch := recipe.branch) is None:
        return []
    parent, at, kept = branch.parent, branch.at_epoch, branch.parent.training.checkpoints
    shared = all(getattr(recipe, table) == getattr(parent, table) for table in ("data", "labels", "network"))
    anew, same = not branch.optimizer, recipe.optimizer.name == parent.optimizer.name
    return [
        (
            parent.branch is None,
            f"branch, parent: {parent.name} is a branch itself; name a training that is not a branch",
        ),
        (at in kept, f"branch, at_epoch: {parent.name} has no such checkpoint; it has {', '.join(map(str, kept))}"),
        (at < recipe.training.epochs, "training, epochs: more than at_epoch; the count continues from the parent's"),
        (
            recipe.training.checkpoints[:1] >= (at,),
            f"training, checkpoints: none before epoch {at}; those belong to the parent",
        ),
        (shared, "data, labels, network: the parent's are used; leave them out"),
        (branch.optimizer in ("", "kept"), "branch, optimizer: write kept, or leave it out for a new optimiser"),
        (anew or at == kept[-1], f"branch, optimizer: it is kept only at the last epoch of {parent.name}, {kept[-1]}"),
        (anew or not branch.keep, "branch, optimizer: it cannot be kept beside keep, which initialises a part again"),
        (anew or same, f"optimizer, name: {parent.optimizer.name}, because the optimiser of {parent.name} is kept"),
    ]
