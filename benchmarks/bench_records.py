"""Judging a column of composites from its record, compared with a new evaluation.

Both sides compute the numbers that memory needs, the least favourable over depths and epochs. The baseline evaluates
the composites with the grid engine, as a claim without records must do for each question. The candidate checks the
SHA-256 of the record, unpacks it, and takes the numbers from its predictions. The networks are a ResNet-8 on the
handwritten digits with random drift, so that predictions differ from epoch to epoch. The gate requires the same
numbers.
"""

import copy
import hashlib
from functools import partial

import torch

from benchmarks.ratio import ResultsDifferError, Row, paired_ratio
from featdyn_core.data.sources import load_dataset
from featdyn_core.numerics import one_thread
from featdyn_core.records import column as columns
from featdyn_core.records.request import Request
from featdyn_core.store.records import Record, pack
from featdyn_core.trajectories.recipe import load_recipe
from featdyn_core.trajectories.trajectory import Trajectory, new_network

DRIFT = 0.05
"""Drift of each weight from epoch to epoch, in units of the root mean square of its tensor."""

Numbers = dict[str, float]


def drifting(epochs: int) -> Trajectory:
    """Return a trajectory without training."""
    recipe, dataset = load_recipe("digits-small"), load_dataset("digits")
    generator = torch.Generator().manual_seed(0)
    network, states = new_network(recipe, dataset, generator), {}
    for epoch in range(epochs):
        states[epoch] = copy.deepcopy(network.state_dict())
        for weight in network.parameters():
            size = weight.detach().square().mean().sqrt()
            weight.data += DRIFT * size * torch.randn(weight.shape, generator=generator)
    return Trajectory(recipe, 0, "", tuple(states), dataset, states.__getitem__)


def evaluated(trajectory: Trajectory, request: Request) -> Numbers:
    """Numbers of the column, evaluated."""
    with one_thread():
        return columns.read(columns.measure(trajectory, [request.parameters])[0], request.parameters).worst


def judged(record: Record) -> Numbers:
    """Numbers of the column, from its record."""
    if hashlib.sha256(record.content).hexdigest() != record.facts["sha256"]:
        raise ResultsDifferError("the record is not what was written")
    return Record(record.facts, record.content).view.worst  # a new view, which has unpacked nothing yet


def run(quick: bool) -> list[Row]:
    """Compare, after the gate: the same numbers."""
    epochs = 4 if quick else 15
    trajectory = drifting(epochs)
    common = {"split": "held-out", "images": 500, "policy": "carry", "precision": "fp32", "frozen": False}
    parameters = {"deep": epochs - 1, "shallow": list(range(epochs)), **common}
    request = Request(trajectory.recipe, 0, "column", parameters)
    record = pack(request, columns.measure(trajectory, [parameters])[0], {})
    require_equal(evaluated(trajectory, request), judged(record))
    return [
        paired_ratio(
            "numbers of a column from its record",
            f"ResNet-8 on digits, T={epochs}, three cuts, N=500, {len(record.content) / 1024:.0f} KiB",
            partial(evaluated, trajectory, request),
            partial(judged, record),
            to_reach=20.0,
            pairs=1 if quick else 5,
        )
    ]


def require_equal(one: Numbers, other: Numbers) -> None:
    """Raise unless both sides came to the same numbers, and the numbers are informative."""
    if one != other:
        raise ResultsDifferError(f"evaluated {one}, from the record {other}")
    if not 0 < one["agreement"] < 1:
        raise ResultsDifferError(f"agreement is {one['agreement']}: such networks cannot tell the sides apart")
