"""The path of the features: distances between an image's features at the checkpoints of a window (Fig. 11)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import scipy  # measuring imports the heavy modules on first use; reading a record needs none of them

from featdyn_core.records.kind import Kind, Parameters, Resolved, Scope, check_splits
from featdyn_core.records.path import TrainingPath
from featdyn_core.records.path import read as read_path

if TYPE_CHECKING:
    from featdyn_core.trajectories.trajectory import Trajectory

BATCH = 64
"""Number of images in a batch, each at all checkpoints."""


@dataclass(frozen=True)
class Options:
    """Options of features.

    Attributes:
        window: the window whose checkpoints are measured.
        split: the split of images to measure.
        frozen: whether the checkpoint of the window's end replaces every checkpoint.
    """

    window: str
    split: str = "held-out"
    frozen: bool = False


def resolve(options: Options, scope: Scope) -> Resolved:
    """Return the parameters of the record's single part."""
    check_splits(options.split)
    common = {"images": scope.images, "split": options.split, "frozen": options.frozen}
    return {"": {**common, "epochs": scope.epochs(options.window)}}


def measure(trajectory: "Trajectory", parameters: Parameters) -> dict[str, npt.NDArray[Any]]:
    """Measure the distances between the features of a split's images at several epochs, in eval mode.

    **Reading:** distance and norm are over all images, positions and channels of a depth together. So relative drift is
    ``(E‖h_t(x) − h_s(x)‖² / E‖h_t(x)‖²)^½``.

    Args:
        trajectory: source of checkpoints and images.
        parameters: ``epochs``, ascending; ``split``; and whether the network is ``frozen``, so that the checkpoint of
            the last epoch replaces every checkpoint.
    """
    import torch

    from featdyn_core.numerics import exact_arithmetic

    epochs, (images, _) = list(parameters["epochs"]), trajectory.evaluation_set(parameters["split"])
    source = trajectory.frozen_at(epochs[-1]) if parameters["frozen"] else trajectory
    networks = [source.network(epoch).to(trajectory.device) for epoch in epochs]
    cuts = networks[0].depths
    squares = np.zeros((len(cuts), len(epochs) * (len(epochs) - 1) // 2))
    norms = np.zeros((len(cuts), len(epochs)))
    with torch.no_grad(), exact_arithmetic():
        for batch in images.to(trajectory.device).split(BATCH):
            found = [network.features(batch, cuts) for network in networks]
            for row, cut in enumerate(cuts):
                values = np.stack([features[cut].flatten().cpu().numpy() for features in found])
                squares[row] += scipy.spatial.distance.pdist(values, "sqeuclidean")
                norms[row] += np.square(values, dtype=np.float64).sum(axis=1)
    return {
        "parts": np.array(cuts),
        "epochs": np.array(epochs, np.int64),
        "distances": np.sqrt(squares).astype(np.float32),  # one entry for each pair s < t, row by row
        "norms": np.sqrt(norms),
    }


def read(arrays: Mapping[str, npt.NDArray[Any]], parameters: Parameters) -> TrainingPath:
    """Return the path of a record. Its parts are the paper's depths; its norms are ``‖h_t‖``."""
    return read_path(arrays, parameters)


KIND = Kind(version=1, options=Options, resolve=resolve, measure=measure, read=read, on_cpu="distances")
