"""Requests: a request names a measurement, and tells which other requests it serves."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from featdyn_core.records.kind import Parameters
from featdyn_core.records.kinds import KINDS
from featdyn_core.trajectories.recipe import Recipe

if TYPE_CHECKING:
    from featdyn_core.trajectories.trajectory import Trajectory


@dataclass(frozen=True)
class Request:
    """A request for one measurement.

    Attributes:
        recipe: the trajectory's recipe.
        seed: the training seed.
        kind: one of ``KINDS``.
        parameters: JSON-ready parameters. A kind that looks at images has ``images``, the largest number from a split.
            A kind that compares two trainings has ``partner``, the seed of the other one.
    """

    recipe: Recipe
    seed: int
    kind: str
    parameters: Parameters

    @property
    def identity(self) -> str:
        """Hex digest that identifies its record (see ``record_identity``)."""
        return record_identity(self.recipe.digest, self.seed, self.kind, KINDS[self.kind].version, self.parameters)

    @property
    def seeds(self) -> tuple[int, ...]:
        """Seeds of the trajectories that the request needs."""
        partner = self.parameters.get("partner")
        return (self.seed,) if partner is None else (self.seed, partner)

    def __str__(self) -> str:
        return f"{self.kind} of {self.recipe.name} seed {self.seed}"

    def covers(self, other: "Request") -> bool:
        """Whether its record serves the request ``other`` too."""
        if not self._like(other):
            return False
        try:
            return KINDS[self.kind].covers(self.parameters, other.parameters)
        except (
            KeyError,
            TypeError,
            ValueError,
            AttributeError,
        ):  # no version of this kind has written these parameters
            return False

    def together(self, other: "Request") -> bool:
        """Whether measuring both together costs less than one after the other."""
        found = KINDS[self.kind].together
        return self._like(other) and found is not None and found(self.parameters, other.parameters)

    def joined(self, other: "Request") -> "Request | None":
        """Return a request whose record serves both; None if there is none."""
        parameters = KINDS[self.kind].joined(self.parameters, other.parameters) if self._like(other) else None
        return None if parameters is None else Request(self.recipe, self.seed, self.kind, parameters)

    def _like(self, other: "Request") -> bool:
        """Whether both requests have the same kind and the same training."""
        one, two = ((item.recipe.identity, item.seed, item.kind) for item in (self, other))
        return one == two


def record_identity(recipe_digest: str, seed: int, kind: str, version: int, parameters: Parameters) -> str:
    """Return the hex SHA-256 that identifies a record; it names the record's file and lock."""
    content = [recipe_digest, seed, kind, version, dict(parameters)]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def measure(
    requests: Sequence[Request],
    trajectory: "Trajectory",
    partner: "Trajectory | None",
    progress: Callable[[int, int], None] | None = None,
) -> list[dict[str, npt.NDArray[Any]]]:
    """Measure the arrays of one record, or of several that are measured together.

    Args:
        requests: the requests to measure.
        trajectory: the trajectory of the requests' seed.
        partner: the other trajectory, if the kind compares two.
        progress: called with (composites done, total) by a kind that evaluates a grid.
    """
    kind, others = KINDS[requests[0].kind], [] if partner is None else [partner]
    options = {"progress": progress} if kind.grid else {}
    if kind.together:
        return list(kind.measure(trajectory, [request.parameters for request in requests], *others, **options))
    return [kind.measure(trajectory, request.parameters, *others, **options) for request in requests]
