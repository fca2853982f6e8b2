"""The kinds of record: what each measures, how it is read, and when one holds all that another asks for.

A record is one primitive measurement of one trajectory, raw enough that any bound, window inside it, level or
statistic can be taken from it without the network. Whoever makes one imports torch; whoever reads it does not.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from featdyn_core.measures.composites.averages import measure_averages, read_averages
from featdyn_core.measures.composites.closeness import measure_closeness, read_closeness
from featdyn_core.measures.composites.column import (
    column_covers,
    columns_together,
    joined_columns,
    measure_columns,
    read_column,
)
from featdyn_core.measures.composites.errors import measure_errors, read_errors
from featdyn_core.measures.composites.losses import measure_losses, read_losses
from featdyn_core.measures.composites.stranger import measure_stranger, read_stranger
from featdyn_core.measures.distances.surrogates import measure_surrogates, read_surrogates
from featdyn_core.measures.drift.features import measure_features, read_features
from featdyn_core.measures.drift.flatness import measure_flatness, read_flatness
from featdyn_core.measures.drift.log import measure_log, read_log
from featdyn_core.measures.drift.path import measure_path, read_path
from featdyn_core.measures.linearized.linearised import measure_linearised, read_linearised
from featdyn_core.measures.one_step.changes import measure_changes, read_changes
from featdyn_core.measures.regions.last_layer import measure_last_layer, read_last_layer
from featdyn_core.trajectories.recipe import Recipe

if TYPE_CHECKING:
    from featdyn_core.trajectories.trajectory import Trajectory

Arrays = Mapping[str, npt.NDArray[Any]]
Parameters = Mapping[str, Any]


def _equal(present: Parameters, wanted: Parameters) -> bool:
    return dict(present) == dict(wanted)


def _joined_if_equal(one: Parameters, other: Parameters) -> Parameters | None:
    return one if _equal(one, other) else None


@dataclass(frozen=True)
class Kind:
    """One kind of record.

    Attributes:
        version: raised when the same parameters mean another measurement.
        measure: trajectory and parameters (and a partner trajectory, for those that have one) to arrays; a kind of
            which several are measured ``together`` takes a list of parameters, and returns a list.
        read: arrays and parameters to what claims look at.
        grid: whether it evaluates a grid of composites, and so can say how far it is.
        covers: whether what is present holds all that is wanted.
        joined: parameters that cover both, if one measurement can.
        together: whether two records cost less if they are measured at once.
    """

    version: int
    measure: Callable[..., Any]
    read: Callable[[Arrays, Parameters], Any]
    grid: bool = False
    covers: Callable[[Parameters, Parameters], bool] = _equal
    joined: Callable[[Parameters, Parameters], Parameters | None] = _joined_if_equal
    together: Callable[[Parameters, Parameters], bool] | None = None


KINDS = {
    "column": Kind(1, measure_columns, read_column, True, column_covers, joined_columns, columns_together),
    "stranger": Kind(1, measure_stranger, read_stranger),
    "errors": Kind(1, measure_errors, read_errors),
    "averages": Kind(1, measure_averages, read_averages),
    "closeness": Kind(1, measure_closeness, read_closeness),
    "changes": Kind(1, measure_changes, read_changes),
    "losses": Kind(1, measure_losses, read_losses, True),
    "linearised": Kind(1, measure_linearised, read_linearised),
    "path": Kind(1, measure_path, read_path),
    "features": Kind(1, measure_features, read_features),
    "flatness": Kind(1, measure_flatness, read_flatness),
    "log": Kind(1, measure_log, read_log),
    "surrogates": Kind(1, measure_surrogates, read_surrogates),
    "last_layer": Kind(1, measure_last_layer, read_last_layer),
}


@dataclass(frozen=True)
class Request:
    """What is to be measured.

    Attributes:
        recipe: of the trajectory, with ``seed``.
        seed: the training seed.
        kind: one of ``KINDS``.
        parameters: JSON-ready; for a kind that looks at images ``images``, the largest number of a split, and for one
            that compares two trainings ``partner``, the other's seed.
    """

    recipe: Recipe
    seed: int
    kind: str
    parameters: Parameters

    @property
    def identity(self) -> str:
        """Hex sha256 of recipe, seed, kind, its version, and parameters."""
        content = [self.recipe.digest, self.seed, self.kind, KINDS[self.kind].version, dict(self.parameters)]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    @property
    def seeds(self) -> tuple[int, ...]:
        """Seeds of the trajectories that it needs."""
        partner = self.parameters.get("partner")
        return (self.seed,) if partner is None else (self.seed, partner)

    def __str__(self) -> str:
        return f"{self.kind} of {self.recipe.name} seed {self.seed}"

    def covers(self, other: "Request") -> bool:
        """Whether its record holds all that ``other`` asks for."""
        same = (self.recipe.identity, self.seed, self.kind) == (other.recipe.identity, other.seed, other.kind)
        return same and KINDS[self.kind].covers(self.parameters, other.parameters)

    def together(self, other: "Request") -> bool:
        """Whether measuring both at once costs less than one after the other."""
        same = (self.recipe.identity, self.seed, self.kind) == (other.recipe.identity, other.seed, other.kind)
        found = KINDS[self.kind].together
        return same and found is not None and found(self.parameters, other.parameters)

    def joined(self, other: "Request") -> "Request | None":
        """Return the request whose record serves both; None if there is none."""
        if (self.recipe.identity, self.seed, self.kind) != (other.recipe.identity, other.seed, other.kind):
            return None
        parameters = KINDS[self.kind].joined(self.parameters, other.parameters)
        return None if parameters is None else Request(self.recipe, self.seed, self.kind, parameters)


def measure(
    requests: Sequence[Request],
    trajectory: "Trajectory",
    partner: "Trajectory | None",
    progress: Callable[[int, int], None] | None = None,
) -> list[dict[str, npt.NDArray[Any]]]:
    """Make the arrays of one record, or of several that are measured together.

    Args:
        requests: what is to be measured.
        trajectory: of the requests' seed.
        partner: the other trajectory, where the kind compares two.
        progress: told how far a kind that evaluates a grid is, as (composites done, total).
    """
    kind, others = KINDS[requests[0].kind], [] if partner is None else [partner]
    options = {"progress": progress} if kind.grid else {}
    if kind.together:
        return list(kind.measure(trajectory, [request.parameters for request in requests], *others, **options))
    return [kind.measure(trajectory, request.parameters, *others, **options) for request in requests]
