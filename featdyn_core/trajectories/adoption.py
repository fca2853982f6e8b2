"""Descriptions of checkpoints to adopt, from trainings that ran elsewhere, and the known facts about them."""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Integral
from pathlib import Path
from typing import Any

from featdyn_core.errors import CheckpointError, RecipeError
from featdyn_core.tables import build, shown
from featdyn_core.trajectories.recipe import OWN, Recipe
from featdyn_core.trajectories.recipe_text import read_document
from featdyn_core.trajectories.specs import (
    AUGMENTATION,
    BATCH_SIZE,
    LEARNING_RATE,
    AdoptedSpec,
    DataSpec,
    NetworkSpec,
    OptimizerSpec,
    TrainingSpec,
)

PLACE = re.compile(r"\{(epoch|step)\}")
"""Placeholders in the pattern of a training's files for the number of the epoch or of the step."""

CHUNK = 256
"""Batch size for a training whose batch size is unknown; it affects only the speed."""

Files = Mapping[int, str | os.PathLike[str]]


@dataclass(frozen=True)
class Adoption:
    """Description of the checkpoints to adopt; a TOML file has the same names (see ``read_adoption``).

    Attributes:
        network: ``package.module:function``, which builds the network of the files (see ``networks.factory``).
        data: the image set for training and measurement, by name or as the path of an ``.npz`` file. The recipe has the
            absolute path.
        seeds: files of each training, by its number from 0. The files are a pattern such as
            ``runs/a/epoch_{epoch}.pt``, or paths by epoch.
        cuts: cuts of the network, shallowest first; empty if the function returns a ``BlockNetwork``.
        take: first and last epoch to take from the files of a seed; by default all.
        options: arguments of the function, and ``image_mean`` and ``image_std`` if the network does not use the
            constants of the image set.
        batch_size: batch size of the trainings, if known.
        learning_rate: learning rate of the trainings, if known.
        weight_decay: weight decay of the trainings, if known.
        augmentation: ``none`` or ``crop-flip``; other values count as unknown.
        sources: origin of the files, by seed.
        unit: unit of the files' numbers, ``epoch`` or ``step``; patterns determine it themselves.
    """

    network: str
    data: str
    seeds: dict[str, Any]
    cuts: tuple[str, ...] = ()
    take: dict[str, tuple[int, ...]] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    batch_size: int | None = None
    learning_rate: float | None = None
    weight_decay: float | None = None
    augmentation: str | None = None
    sources: dict[str, str] = field(default_factory=dict)
    unit: str = ""

    def files(self) -> dict[int, dict[int, Path]]:
        """Return all files by seed and epoch, in ascending order.

        ``matching`` reports missing files.

        Raises:
            RecipeError: there is no seed, a seed is not a number, or epochs are invalid.
        """
        if not self.seeds:
            raise RecipeError(
                "there is nothing to adopt: name the files of each training, such as 0=runs/a/epoch_{epoch}.pt"
            )
        found = {}
        for seed, given in self.seeds.items():
            if not re.fullmatch("0|[1-9][0-9]{0,14}", str(seed)):
                raise RecipeError(f"seed {shown(seed)}: trainings are numbered from 0 on")
            named = matching(given) if isinstance(given, str | os.PathLike) else _numbered(given, str(seed))
            found[int(seed)] = dict(sorted(named.items()))
        return dict(sorted(found.items()))

    def counted_in(self) -> str:
        """Return the unit of the files' numbers.

        Raises:
            RecipeError: some files are counted in epochs, others in steps.
        """
        patterns = [str(given) for given in self.seeds.values() if isinstance(given, str | os.PathLike)]
        units = {place for pattern in patterns for place in PLACE.findall(pattern)} | ({self.unit} - {""})
        if len(units) > 1:
            raise RecipeError("some files are counted in epochs and others in steps; count all of them in one unit")
        return units.pop() if units else "epoch"

    def span(self, seed: int, epochs: Sequence[int]) -> list[int]:
        """Return the epochs that are taken from a seed.

        Raises:
            RecipeError: ``take`` is not a span of epochs.
            CheckpointError: the span has none of the seed's epochs.
        """
        chosen = self.take.get(str(seed), (epochs[0], epochs[-1]))
        if len(chosen) != 2 or chosen[0] > chosen[1]:
            raise RecipeError(f"take of seed {seed}: {list(chosen)} is not a first and a last epoch")
        taken = [epoch for epoch in epochs if chosen[0] <= epoch <= chosen[1]]
        if not taken:
            raise CheckpointError(f"seed {seed} has no checkpoint from {chosen[0]} to {chosen[1]}; it has {epochs}")
        return taken

    def recipe(self, name: str, epochs: Sequence[int], adopted: AdoptedSpec) -> Recipe:
        """Return the recipe of the trainings, with a name.

        An invalid value is a ``RecipeError``.

        Args:
            name: name of the recipe.
            epochs: ascending epochs that all trainings have.
            adopted: their checkpoints in the store.
        """
        cutting = {"cuts": list(self.cuts)} if self.cuts else {}
        augmentation = self.augmentation if self.augmentation == "crop-flip" else "none"
        last = max(epochs)
        # The recipe's file lies in another folder than the one that a path was given from.
        images = os.path.abspath(Path(self.data).expanduser()) if self.data.endswith(OWN) else self.data
        return Recipe(
            name=name,
            data=DataSpec(images, augmentation=augmentation),
            network=NetworkSpec(self.network, self.options | cutting),
            optimizer=OptimizerSpec("sgd", self.learning_rate or 0.0, weight_decay=self.weight_decay or 0.0),
            training=TrainingSpec(last, self.batch_size or CHUNK, tuple(epochs)),
            adopted=adopted,
        )

    @property
    def unknown(self) -> tuple[str, ...]:
        """Unknown facts about the trainings."""
        known = {
            BATCH_SIZE: self.batch_size is not None,
            LEARNING_RATE: self.learning_rate is not None,
            AUGMENTATION: self.augmentation in ("none", "crop-flip"),
        }
        return tuple(fact for fact, is_known in known.items() if not is_known)


def read_adoption(path: Path) -> Adoption:
    """Read an adoption from a TOML file; patterns and the path of an ``.npz`` file are relative to its folder.

    An unreadable file, or an unknown or missing name, is a ``RecipeError``.
    """
    table = read_document(path)
    seeds = table.get("seeds")
    if isinstance(seeds, dict):
        placed = {seed: str(path.parent / given) if isinstance(given, str) else given for seed, given in seeds.items()}
        table = table | {"seeds": placed}
    if str(table.get("data", "")).endswith(OWN):
        table = table | {"data": os.path.abspath(path.parent / table["data"])}
    return build(Adoption, table, str(path))


def matching(pattern: str | os.PathLike[str]) -> dict[int, Path]:
    """Return the paths of the files that match a pattern, by number.

    Raises:
        RecipeError: the pattern does not have exactly one placeholder for the number.
        CheckpointError: there is no such file, or two have the same number.
    """
    path = Path(pattern).expanduser()
    places = PLACE.findall(path.name)
    if len(places) != 1 or PLACE.search(str(path.parent)):
        raise RecipeError(f"{path}: write {{epoch}} or {{step}} once in the file's name, in place of its number")
    before, _, after = path.name.partition(f"{{{places[0]}}}")
    wanted = re.compile(f"{re.escape(before)}([0-9]+){re.escape(after)}")
    found: dict[int, Path] = {}
    for file in sorted(path.parent.glob("*")) if path.parent.is_dir() else []:
        if named := wanted.fullmatch(file.name):
            number = int(named[1])
            if number in found:
                raise CheckpointError(f"{file} and {found[number].name} both have {places[0]} {number}; remove one")
            found[number] = file
    if not found:
        raise CheckpointError(f"there is no file {path} with a number in place of {{{places[0]}}}")
    return found


def _numbered(given: Any, seed: str) -> dict[int, Path]:
    """Return paths by epoch; integers of NumPy are valid epochs.

    Raises:
        RecipeError: it is not a table, or an epoch is not an integer of at least 0.
    """
    if not isinstance(given, Mapping) or not given:
        raise RecipeError(
            f"seed {seed}: {shown(given)} is neither a pattern such as a/epoch_{{epoch}}.pt nor paths by epoch"
        )
    for epoch in given:
        if not isinstance(epoch, Integral) or isinstance(epoch, bool) or epoch < 0:
            raise RecipeError(f"seed {seed}: epoch {shown(epoch)} is not an integer of at least 0")
    return {int(epoch): Path(path).expanduser() for epoch, path in given.items()}
