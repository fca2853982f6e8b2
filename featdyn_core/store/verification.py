"""Whether a stored trajectory is what it says it is: byte for byte, and as a trajectory."""

import math

from featdyn_core.errors import ModelError, StoreError
from featdyn_core.trajectories.probe import PROBE_IMAGES, evaluate_loss
from featdyn_core.trajectories.trajectory import Trajectory

PROBE_TOLERANCE = 1e-3
"""Largest absolute difference, in nats, between a logged probe loss and its re-evaluation elsewhere."""


def verify(trajectory: Trajectory) -> list[str]:
    """Check a trajectory byte for byte and as a trajectory; return what is wrong with it, in words.

    Every checkpoint matches its digest; checkpoints at different epochs differ (unless nothing was learned:
    rate 0); the logged probe loss is that of the checkpoint.
    """
    problems = []
    images, labels = trajectory.training_set()
    probe = {record.epoch: record.probe_loss for record in trajectory.log}
    for epoch in trajectory.epochs:
        try:
            network = trajectory.network(epoch)
        except (StoreError, ModelError) as error:
            problems.append(f"epoch {epoch}: {error}")
            continue
        logged = probe.get(epoch)
        if logged is None:
            problems.append(f"epoch {epoch}: no probe loss in the log")
            continue
        found = evaluate_loss(network, images[:PROBE_IMAGES], labels[:PROBE_IMAGES])
        if not math.isclose(found, logged, rel_tol=PROBE_TOLERANCE, abs_tol=PROBE_TOLERANCE):
            problems.append(f"epoch {epoch}: loss {found:.6f} where the log has {logged:.6f}")
    distinct = len(set(trajectory.digests.values()))
    if distinct != len(trajectory.epochs) and trajectory.recipe.optimizer.learning_rate > 0:
        problems.append(f"only {distinct} of {len(trajectory.epochs)} checkpoints are distinct")
    return problems
