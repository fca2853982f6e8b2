"""What is to be adopted: checkpoints of trainings that were done elsewhere, and what is known of them."""

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
"""In the pattern of a training's files: where the number of the epoch, or of the step, stands."""

CHUNK = 256
"""Images at once where nobody knows the batch size of a training: it decides nothing but speed."""

Files = Mapping[int, str | os.PathLike[str]]


@dataclass(frozen=True)
class Adoption:
    """What is to be adopted; a TOML file has the same names (see ``read_adoption``).

    Attributes:
        network: ``package.module:function``, which makes the network that the files are of (see ``networks.factory``).
        data: the image set that it was trained and is measured on, by name or as the path of an ``.npz`` file, whose
            recipe has the whole path.
        seeds: name of each training, a number from 0 on, to its files: a pattern such as ``runs/a/epoch_{epoch}.pt``,
            or epoch to path.
        cuts: where the network is cut, shallowest first; empty where the function returns a ``BlockNetwork``.
        take: seed to the first and last epoch that are taken of its files; all if left out.
        options: arguments of the function, and ``image_mean`` and ``image_std`` where images are not scaled by the
            constants of the image set.
        batch_size: of the trainings, where it is known.
        learning_rate: the same.
        weight_decay: the same.
        augmentation: ``none`` or ``crop-flip``; anything else counts as not known.
        sources: seed to where its files are from.
        unit: what files are counted in, ``epoch`` or ``step``; of patterns it is what they say.
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
        """Return seed and epoch to the file, all of them, in ascending order.

        Files that are not there are told by ``matching``.

        Raises:
            RecipeError: no seed, one that is no number, or epochs that are none.
        """
        if not self.seeds:
            raise RecipeError(
                "nothing is to be adopted: name the files of each training, such as 0=runs/a/epoch_{epoch}.pt"
            )
        found = {}
        for seed, given in self.seeds.items():
            if not re.fullmatch("0|[1-9][0-9]{0,14}", str(seed)):
                raise RecipeError(f"seed {shown(seed)}: trainings are numbered from 0 on")
            named = matching(given) if isinstance(given, str | os.PathLike) else _numbered(given, str(seed))
            found[int(seed)] = dict(sorted(named.items()))
        return dict(sorted(found.items()))

    def counted_in(self) -> str:
        """Return what the files are counted in.

        Raises:
            RecipeError: some by epochs, others by steps.
        """
        patterns = [str(given) for given in self.seeds.values() if isinstance(given, str | os.PathLike)]
        units = {place for pattern in patterns for place in PLACE.findall(pattern)} | ({self.unit} - {""})
        if len(units) > 1:
            raise RecipeError("some files are counted in epochs and others in steps; count all of them alike")
        return units.pop() if units else "epoch"

    def span(self, seed: int, epochs: Sequence[int]) -> list[int]:
        """Return those of a seed's epochs that are taken.

        Raises:
            RecipeError: what is to be taken is no span of epochs.
            CheckpointError: none of the seed's epochs is in it.
        """
        chosen = self.take.get(str(seed), (epochs[0], epochs[-1]))
        if len(chosen) != 2 or chosen[0] > chosen[1]:
            raise RecipeError(f"take of seed {seed}: {list(chosen)} are no first and last epoch")
        taken = [epoch for epoch in epochs if chosen[0] <= epoch <= chosen[1]]
        if not taken:
            raise CheckpointError(f"seed {seed} has no checkpoint from {chosen[0]} to {chosen[1]}; it has {epochs}")
        return taken

    def recipe(self, name: str, epochs: Sequence[int], adopted: AdoptedSpec) -> Recipe:
        """Return the recipe of the trainings, with a name.

        What a recipe may not hold is a ``RecipeError``.

        Args:
            name: of the recipe.
            epochs: ascending, that all trainings have.
            adopted: their checkpoints, as they are in the store.
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
        """Facts of the trainings that nobody knows."""
        known = {
            BATCH_SIZE: self.batch_size is not None,
            LEARNING_RATE: self.learning_rate is not None,
            AUGMENTATION: self.augmentation in ("none", "crop-flip"),
        }
        return tuple(fact for fact, is_known in known.items() if not is_known)


def read_adoption(path: Path) -> Adoption:
    """Read what is to be adopted from a TOML file; patterns and an ``.npz`` file are relative to its folder.

    A file that cannot be read, and an unknown or missing name, are a ``RecipeError``.
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
    """Return number to path of the files that a pattern is of.

    Raises:
        RecipeError: the pattern has no place for the number, or more than one.
        CheckpointError: there is no such file, or two of one number.
    """
    path = Path(pattern).expanduser()
    places = PLACE.findall(path.name)
    if len(places) != 1 or PLACE.search(str(path.parent)):
        raise RecipeError(f"{path}: write {{epoch}} or {{step}} once in the file's name, where its number stands")
    before, _, after = path.name.partition(f"{{{places[0]}}}")
    wanted = re.compile(f"{re.escape(before)}([0-9]+){re.escape(after)}")
    found: dict[int, Path] = {}
    for file in sorted(path.parent.glob("*")) if path.parent.is_dir() else []:
        if named := wanted.fullmatch(file.name):
            number = int(named[1])
            if number in found:
                raise CheckpointError(f"{file} and {found[number].name} are both of {places[0]} {number}; remove one")
            found[number] = file
    if not found:
        raise CheckpointError(f"there is no file {path}, with a number in the place of {{{places[0]}}}")
    return found


def _numbered(given: Any, seed: str) -> dict[int, Path]:
    """Return epoch to path, NumPy's integers too.

    Raises:
        RecipeError: no table, or an epoch that is no integer from 0 on.
    """
    if not isinstance(given, Mapping) or not given:
        raise RecipeError(
            f"seed {seed}: {shown(given)} is neither a pattern such as a/epoch_{{epoch}}.pt nor epoch to path"
        )
    for epoch in given:
        if not isinstance(epoch, Integral) or isinstance(epoch, bool) or epoch < 0:
            raise RecipeError(f"seed {seed}: epoch {shown(epoch)} is no integer from 0 on")
    return {int(epoch): Path(path).expanduser() for epoch, path in given.items()}
