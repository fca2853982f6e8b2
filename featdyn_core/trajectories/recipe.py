"""What determines a training: a TOML file read into a frozen ``Recipe`` with a digest.

The digest covers every field that changes the training, and not the recipe's name, so that a renamed recipe
finds its trajectories again and a changed one never finds the wrong ones.
"""

import dataclasses
import hashlib
import itertools
import json
import math
import os
import tomllib
import types
import typing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from featdyn_core.errors import RecipeError
from featdyn_core.networks.names import NETWORKS
from featdyn_core.project import recipes_folder

SCHEMA = 1


@dataclass(frozen=True)
class DataSpec:
    """Which images.

    ``subset``: number of training images drawn, or None for all. ``augmentation``: none or crop-flip.
    """

    set: str
    subset: int | None = None
    augmentation: str = "none"


@dataclass(frozen=True)
class LabelSpec:
    """What is done to the training labels.

    ``randomized``: fraction drawn anew (section 5). ``permuted``: whether classes are renamed consistently.
    """

    randomized: float = 0.0
    permuted: bool = False


@dataclass(frozen=True)
class NetworkSpec:
    """Name and options of the network (see ``models.build_model``)."""

    name: str
    options: dict[str, Any] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True)
class OptimizerSpec:
    """``name``: sgd or adam.

    ``momentum`` is sgd's alone. ``weight_decay`` is added to the gradient of every parameter (L2).
    """

    name: str
    learning_rate: float
    momentum: float = 0.0
    weight_decay: float = 0.0


@dataclass(frozen=True)
class ScheduleSpec:
    """The learning rate is multiplied by ``factor`` after each of the ``milestones`` (in epochs)."""

    milestones: tuple[int, ...] = ()
    factor: float = 0.1


@dataclass(frozen=True)
class FreezeSpec:
    """From ``epoch`` epochs on the part before ``cut`` stands still (App. F.B); never without an epoch."""

    epoch: int | None = None
    cut: str = ""


@dataclass(frozen=True)
class TrainingSpec:
    """``checkpoints``: epochs kept, 0 being the initial network; in TOML a list of [first, last, step].

    ``precision``: fp32, or bf16 for autocast with fp32 weights, normalisation and loss.
    """

    epochs: int
    batch_size: int
    checkpoints: tuple[int, ...]
    precision: str = "fp32"


@dataclass(frozen=True)
class Recipe:
    """Everything but the seed that determines a trajectory."""

    name: str
    data: DataSpec
    network: NetworkSpec
    optimizer: OptimizerSpec
    training: TrainingSpec
    labels: LabelSpec = LabelSpec()
    schedule: ScheduleSpec = ScheduleSpec()
    freeze: FreezeSpec = FreezeSpec()

    def __post_init__(self) -> None:
        _check(self)

    def to_dict(self) -> dict[str, Any]:
        """Plain nested dictionary, JSON-ready, of every field but the name that is not at its default.

        Leaving out defaults keeps the digests of old recipes when a later version adds a field.
        """
        tables = {field.name: _explicit(getattr(self, field.name)) for field in dataclasses.fields(self)}
        del tables["name"]
        return {"schema": SCHEMA, **{name: table for name, table in tables.items() if table}}

    @property
    def digest(self) -> str:
        """Hex sha256 of the canonical JSON of every field but the name."""
        return hashlib.sha256(json.dumps(self.to_dict(), sort_keys=True).encode()).hexdigest()

    def learning_rate(self, epoch: int) -> float:
        """Learning rate while epoch number ``epoch`` (from 0) is trained."""
        passed = sum(epoch >= milestone for milestone in self.schedule.milestones)
        return self.optimizer.learning_rate * self.schedule.factor**passed

    def replace(self, **tables: Any) -> "Recipe":
        """Return a copy with other tables or another name, checked like a new recipe."""
        return dataclasses.replace(self, **tables)


def load_recipe(source: str | os.PathLike[str]) -> Recipe:
    """Read a recipe by path (ending in .toml) or by name from the recipes folder.

    Raises:
        RecipeError: no such recipe, not TOML, a missing or unknown field, or a value out of range.
    """
    path = Path(source)
    if path.suffix != ".toml":
        path = recipes_folder() / f"{source}.toml"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in path.parent.glob("*.toml"))) or "none"
        raise RecipeError(f"unknown recipe {str(source)!r}; {path.parent} holds: {known}")
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: not a TOML file: {error}") from error
    return parse_recipe(document, name=path.stem)


def parse_recipe(document: dict[str, Any], name: str) -> Recipe:
    """Build a recipe from a parsed TOML document (see ``load_recipe``)."""
    tables = dict(document)
    _check_schema(tables.pop("schema", None), name)
    if "name" in tables:
        raise RecipeError(f"recipe {name!r}: unknown field 'name'; a recipe is called after its file")
    network = tables.get("network")
    if isinstance(network, dict):
        options = {option: value for option, value in network.items() if option != "name"}
        chosen = {"name": network["name"]} if "name" in network else {}
        tables["network"] = {**chosen, "options": options}
    training = tables.get("training")
    if isinstance(training, dict) and "checkpoints" in training:
        tables["training"] = {**training, "checkpoints": _expand(training["checkpoints"], name)}
    return typing.cast(Recipe, _build(Recipe, {"name": name, **tables}, f"recipe {name!r}"))


def restore_recipe(tables: dict[str, Any], name: str) -> Recipe:
    """Build a recipe from what its ``to_dict`` gave.

    Raises:
        RecipeError: another schema version, a missing or unknown field, or a value out of range.
    """
    fields = dict(tables)
    _check_schema(fields.pop("schema", None), name)
    return typing.cast(Recipe, _build(Recipe, {"name": name, **fields}, f"recipe {name!r}"))


def _check_schema(schema: Any, name: str) -> None:
    if schema != SCHEMA:
        raise RecipeError(f"recipe {name!r} has schema {schema!r}; this version reads schema = {SCHEMA}")


def _build(kind: type, values: dict[str, Any], where: str) -> Any:
    """Instantiate dataclass ``kind`` from a table, checking names and types of its fields."""
    if not isinstance(values, dict):
        raise RecipeError(f"{where}: expected a table, found {values!r}")
    fields = {field.name: field for field in dataclasses.fields(kind)}
    if unknown := sorted(set(values) - set(fields)):
        raise RecipeError(f"{where}: unknown field {unknown[0]!r}; its fields are {', '.join(fields)}")
    hints = typing.get_type_hints(kind)
    arguments = {}
    for name, field in fields.items():
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if name in values:
            arguments[name] = _convert(values[name], hints[name], f"{where}, {name}")
        elif required:
            raise RecipeError(f"{where}: field {name!r} is missing")
    return kind(**arguments)


def _convert(value: Any, hint: Any, where: str) -> Any:
    if dataclasses.is_dataclass(hint):
        return _build(typing.cast(type, hint), value, where)
    if typing.get_origin(hint) is tuple and isinstance(value, list | tuple):
        if all(type(item) is int for item in value):
            return tuple(value)
    elif typing.get_origin(hint) is dict or hint is dict:
        return value
    else:
        kinds = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
        if type(value) in kinds:
            return value
        if float in kinds and type(value) is int:
            return float(value)
    shown = getattr(hint, "__name__", str(hint))
    raise RecipeError(f"{where}: expected {shown}, found {value!r}")


def _explicit(table: Any) -> Any:
    """Return the fields of a recipe's table that differ from their defaults."""
    if not dataclasses.is_dataclass(table):
        return table
    values = {field.name: (getattr(table, field.name), field) for field in dataclasses.fields(table)}
    return {name: value for name, (value, field) in values.items() if value != _default(field)}


def _default(field: dataclasses.Field[Any]) -> Any:
    return field.default if field.default_factory is dataclasses.MISSING else field.default_factory()


def _expand(ranges: Any, name: str) -> tuple[int, ...]:
    """Expand [[first, last, step], ...], both ends included, to ascending distinct epochs."""
    epochs: set[int] = set()
    for item in ranges if isinstance(ranges, list) else [ranges]:
        if not _is_range(item):
            raise RecipeError(f"recipe {name!r}, training, checkpoints: {item!r} is not [first, last, step]")
        epochs.update(range(item[0], item[1] + 1, item[2]))
    return tuple(sorted(epochs))


def _is_range(item: Any) -> bool:
    """Whether it is [first, last, step], first not after last, step positive."""
    if not (isinstance(item, list) and len(item) == 3 and all(type(number) is int for number in item)):
        return False
    return item[0] <= item[1] and item[2] > 0


def _ascending(epochs: tuple[int, ...]) -> bool:
    return all(earlier < later for earlier, later in itertools.pairwise(epochs))


def _check(recipe: Recipe) -> None:
    """Reject values out of range, naming the recipe and the field."""
    last, epochs = recipe.training.epochs, recipe.training.checkpoints
    optimizer, schedule, freeze = recipe.optimizer, recipe.schedule, recipe.freeze
    given = {"image", "classes", "mean", "std", "generator"} & set(recipe.network.options)
    rules = [
        (recipe.network.name in NETWORKS, f"network, name: unknown; one of {', '.join(NETWORKS)}"),
        (not given, f"network, {'/'.join(sorted(given))}: no option; it follows from data and seed"),
        (recipe.data.augmentation in ("none", "crop-flip"), "data, augmentation: none or crop-flip"),
        (recipe.data.subset is None or recipe.data.subset > 0, "data, subset: a positive number of images"),
        (0 <= recipe.labels.randomized <= 1, "labels, randomized: a fraction from 0 to 1"),
        (optimizer.name in ("sgd", "adam"), "optimizer, name: sgd or adam"),
        (0 <= optimizer.learning_rate < math.inf, "optimizer, learning_rate: finite, not negative"),
        (0 <= optimizer.momentum < 1, "optimizer, momentum: from 0 to below 1"),
        (optimizer.name == "sgd" or not optimizer.momentum, "optimizer, momentum: only sgd has it"),
        (0 <= optimizer.weight_decay < math.inf, "optimizer, weight_decay: finite, not negative"),
        (0 < schedule.factor < math.inf, "schedule, factor: finite, positive"),
        (_ascending((0, *schedule.milestones)), "schedule, milestones: ascending epochs from 1"),
        ((freeze.epoch is None) == (not freeze.cut), "freeze: both an epoch and a cut, or neither"),
        (freeze.epoch is None or 0 <= freeze.epoch <= last, f"freeze, epoch: from 0 to the last, {last}"),
        (last > 0, "training, epochs: at least 1"),
        (recipe.training.batch_size > 0, "training, batch_size: at least 1"),
        (recipe.training.precision in ("fp32", "bf16"), "training, precision: fp32 or bf16"),
        (_ascending((-1, *epochs)), "training, checkpoints: ascending epochs from 0"),
        (epochs[-1:] == (last,), f"training, checkpoints: the last must be the last epoch, {last}"),
    ]
    for holds, message in rules:
        if not holds:
            raise RecipeError(f"recipe {recipe.name!r}: {message}")
