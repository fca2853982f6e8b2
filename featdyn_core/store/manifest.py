"""The manifest of a finished trajectory, with one writer and one reader."""

import dataclasses
import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from featdyn_core.errors import DamagedTrajectoryError, RecipeError, StoreError
from featdyn_core.files import LARGEST_DOCUMENT, read_file, write_atomically
from featdyn_core.store.documents import one_line, parse, seal, unseal
from featdyn_core.store.layout import MANIFEST, OPTIMIZER, checkpoint_name
from featdyn_core.trajectories.recipe import Recipe, restore_recipe
from featdyn_core.trajectories.trajectory import EpochRecord

SCHEMA = 1

_REQUIRED = ("schema", "key", "recipe", "recipe_digest", "seed", "checkpoints", "log")
_UNSEALED = (*_REQUIRED, "data", "device", "engine", "threads", "versions", "finished", "seconds_since_resume")
"""Fields of the manifests of earlier versions, which had no seal."""

_SHA256 = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True)
class Manifest:
    """Facts about a finished trajectory.

    Attributes:
        key: hex digest of recipe, seed and data.
        recipe: recipe of the training.
        seed: the training seed.
        log: one record for each epoch, the first for the initial network; empty for adopted trainings.
        digests: epoch to hex sha256 of its checkpoint, ascending.
        facts: further facts about the training: data, device, conditions, environments, date.
        optimizer: hex sha256 of the optimiser's tensors after the last epoch; empty if an earlier version trained it.
    """

    key: str
    recipe: Recipe
    seed: int
    log: tuple[EpochRecord, ...]
    digests: dict[int, str]
    facts: dict[str, Any] = field(default_factory=dict)
    optimizer: str = ""

    @property
    def files(self) -> dict[str, str]:
        """Name to hex sha256 of every file of tensors."""
        checkpoints = {checkpoint_name(epoch): digest for epoch, digest in self.digests.items()}
        return checkpoints | ({OPTIMIZER: self.optimizer} if self.optimizer else {})


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest of a trajectory into its folder."""
    content = {
        "schema": SCHEMA,
        "key": manifest.key,
        "recipe": {"name": manifest.recipe.name, **manifest.recipe.to_dict()},
        "recipe_digest": manifest.recipe.digest,
        "seed": manifest.seed,
        "checkpoints": {
            str(epoch): {"file": checkpoint_name(epoch), "sha256": digest} for epoch, digest in manifest.digests.items()
        },
        "log": log_tables(manifest.log),
        **({"optimizer": {"file": OPTIMIZER, "sha256": manifest.optimizer}} if manifest.optimizer else {}),
        **manifest.facts,
    }
    write_atomically(folder / MANIFEST, seal(content))


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of the finished trajectory in ``folder``.

    Raises:
        DamagedTrajectoryError: it is missing, is not what ``write_manifest`` writes, or has another schema version.
        StoreError: reading it is not permitted.
    """
    try:
        text = read_file(folder / MANIFEST, LARGEST_DOCUMENT)
        schema = parse(text)["schema"]  # before the seal, which another schema may have made otherwise
        if schema == SCHEMA:
            return _parse(unseal(text, _UNSEALED))
    except PermissionError as error:
        raise StoreError(refusal(folder, error)) from error
    except RecipeError as error:
        raise DamagedTrajectoryError(damage(folder, f"{MANIFEST} has no valid recipe ({error})")) from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise DamagedTrajectoryError(
            damage(folder, f"{MANIFEST} cannot be read ({type(error).__name__}: {error})")
        ) from error
    raise DamagedTrajectoryError(
        f"{folder}: {MANIFEST} has schema {one_line(repr(schema))}, this version reads {SCHEMA}; "
        "move the folder away, or use the version of featdyn that wrote it"
    )


def log_tables(log: tuple[EpochRecord, ...]) -> list[dict[str, Any]]:
    """Return a log as tables for JSON."""
    return [dataclasses.asdict(record) for record in log]


def read_log(tables: Any, first: int, last: int) -> tuple[EpochRecord, ...]:
    """Return the log of the epochs ``first`` to ``last`` from JSON tables; null stands for a number that is not finite.

    Tables that are not a log are a ``TypeError``.

    Raises:
        ValueError: its epochs are others.
    """
    log = tuple(_record(**table) for table in tables)
    if len(log) != last - first + 1 or any(record.epoch != epoch for epoch, record in enumerate(log, first)):
        raise ValueError(f"the log is not of the epochs from {first} to {last}")
    return log


def damage(folder: Path, what: str) -> str:
    """Return a message on damage of a finished trajectory, with the mend."""
    return f"{folder} is damaged: {one_line(what)}; remove this folder, and the next run trains it again"


def refusal(folder: Path, error: PermissionError) -> str:
    """Return a message that names the file whose reading is not permitted."""
    return f"{error.filename or folder} may not be read ({error.strerror}); allow it, and run again"


def read_digest(digest: Any) -> str:
    """Return a hex sha256 from JSON.

    Raises:
        ValueError: it is not a sha256.
    """
    if not (isinstance(digest, str) and _SHA256.fullmatch(digest)):
        raise ValueError(f"{digest!r} is not a sha256")
    return digest


def _parse(content: dict[str, Any]) -> Manifest:
    tables = dict(content["recipe"])
    recipe = restore_recipe(tables, name=tables.pop("name"))
    seed, key = content["seed"], content["key"]
    if recipe.digest != content["recipe_digest"]:
        raise RecipeError("the recipe is not the one with the recorded digest")
    if type(seed) is not int or seed < 0 or type(key) is not str:
        raise ValueError(f"seed {seed!r} and key {key!r}, expected a number from 0 on and a text")
    digests = {}
    for epoch in recipe.training.checkpoints:
        digests[epoch] = _entry(content["checkpoints"][str(epoch)], checkpoint_name(epoch))
    if len(content["checkpoints"]) != len(digests):
        raise ValueError("its checkpoints are not those of the recipe")
    # What was trained elsewhere comes without a log.
    log = () if recipe.adopted else read_log(content["log"], recipe.first_epoch, recipe.training.epochs)
    optimizer = _entry(content["optimizer"], OPTIMIZER) if "optimizer" in content else ""
    facts = {name: value for name, value in content.items() if name not in (*_REQUIRED, "optimizer")}
    return Manifest(key, recipe, seed, log, digests, facts, optimizer)


def _entry(entry: dict[str, Any], name: str) -> str:
    """Return the hex sha256 of a file that must have that name.

    Raises:
        ValueError: it has another name.
    """
    if entry["file"] != name:
        raise ValueError(f"the file {name} is called {entry['file']!r}")
    return read_digest(entry["sha256"])


def _record(epoch: Any, probe_loss: Any, **numbers: Any) -> EpochRecord:
    found = {name: math.nan if number is None else number for name, number in numbers.items()}
    present = [*found.values()] if probe_loss is None else [probe_loss, *found.values()]
    if type(epoch) is not int or not all(type(number) in (int, float) for number in present):
        raise TypeError(f"the log's record of epoch {epoch!r} does not hold numbers")
    return EpochRecord(epoch=epoch, probe_loss=probe_loss, **found)
