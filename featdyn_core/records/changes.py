"""Feature changes of fixed samples by single updates, as Gram matrices: what the tests of isotropy need (section 6).

Beside the changes by SGD stand those by isotropic parameter noise of equal norm, which the network's Jacobian shapes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from featdyn_core.measures.one_step.concentration import ChangeGram
from featdyn_core.records.kind import Kind, Parameters, Resolved, Scope, check_splits
from featdyn_core.seeds import numpy_generator

if TYPE_CHECKING:
    from featdyn_core.trajectories.trajectory import Trajectory


@dataclass(frozen=True)
class Options:
    """What the register may say of changes; the protocol says how many ``updates`` of how many ``samples``.

    Attributes:
        window: over which epochs are evenly spaced.
        points: number of epochs.
        split: of the samples.
        noise: whether changes by parameter noise are measured as well.
    """

    window: str
    points: int = 2
    split: str = "held-out"
    noise: bool = True


@dataclass(frozen=True, eq=False)
class Changes:
    """One-step changes at several epochs of several samples.

    Attributes:
        epochs: E epochs of the checkpoint that every update starts from.
        sgd: E lists of one Gram matrix a sample, of changes by SGD updates.
        noise: the same of isotropic parameter noise; empty where that was not asked for.
    """

    epochs: tuple[int, ...]
    sgd: list[list[ChangeGram]]
    noise: list[list[ChangeGram]]

    @property
    def pairs(self) -> list[tuple[ChangeGram, ChangeGram]]:
        """Gram matrices by SGD and by noise of every epoch and sample."""
        return [pair for sgd, noise in zip(self.sgd, self.noise, strict=True) for pair in zip(sgd, noise, strict=True)]


def resolve(options: Options, scope: Scope) -> Resolved:
    """Return the parameters of its one part."""
    check_splits(options.split)
    epochs = scope.evenly(options.window, options.points)
    found = {**scope.counts("updates", "samples"), "epochs": epochs, "split": options.split, "images": scope.images}
    return {"": found if options.noise else {**found, "noise": False}}


def measure(trajectory: "Trajectory", parameters: Parameters) -> dict[str, npt.NDArray[Any]]:
    """Repeat single updates at each of ``epochs`` and read the features of the first ``samples`` of a ``split``.

    Features are read at the deepest of the paper's cuts; each kind of change is made ``updates`` times, parameter noise
    unless ``noise`` is False.
    """
    from featdyn_core.measures.one_step.protocol import one_step_changes, parameter_noise_changes

    epochs = list(parameters["epochs"])
    cut = trajectory.network(epochs[0]).depths[-1]
    samples = trajectory.evaluation_set(parameters["split"])[0][: parameters["samples"]]
    rng = numpy_generator(trajectory.seed, "measure", "anisotropy")
    options: dict[str, Any] = {"updates": parameters["updates"], "cut": cut, "rng": rng}
    sgd = [one_step_changes(trajectory, epoch, samples, **options) for epoch in epochs]
    arrays = {"features": np.array(sgd[0].shape[-1]), "sgd": _triangles(sgd)}
    if parameters.get("noise", True):
        noise = [parameter_noise_changes(trajectory, epoch, samples, **options) for epoch in epochs]
        arrays["noise"] = _triangles(noise)
    return arrays


def read(arrays: Mapping[str, npt.NDArray[Any]], parameters: Parameters) -> Changes:
    """Return what a record holds."""
    features = int(arrays["features"])
    sgd, noise = (
        [[ChangeGram(_square(triangle), features) for triangle in epoch] for epoch in arrays.get(name, [])]
        for name in ("sgd", "noise")
    )
    return Changes(tuple(parameters["epochs"]), sgd, noise)


def _triangles(changes: list[npt.NDArray[np.float64]]) -> npt.NDArray[np.float64]:
    """Upper triangles (E, M, K (K + 1) / 2) of the Gram matrices of E arrays (M, K, p): half of a symmetric matrix."""
    upper = np.triu_indices(changes[0].shape[1])
    return np.array([[ChangeGram.of(sample).products[upper] for sample in epoch] for epoch in changes])


def _square(triangle: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Symmetric matrix (K, K) of an upper triangle."""
    size = int((np.sqrt(8 * len(triangle) + 1) - 1) / 2)
    square = np.zeros((size, size))
    square[np.triu_indices(size)] = triangle
    return square + np.triu(square, 1).T


KIND = Kind(version=1, options=Options, resolve=resolve, measure=measure, read=read, on_cpu="Gram matrices")
