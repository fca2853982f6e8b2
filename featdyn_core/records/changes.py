"""Feature changes of fixed samples by single updates, kept as the tests of isotropy need them (section 6).

A record holds changes by SGD, and changes by isotropic parameter noise of equal norm. The network's Jacobian shapes the
changes by noise. For one or two samples the record keeps Gram matrices. For more samples it keeps spectra, which serve
all tests and take a twentieth of the space.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from featdyn_core.measures.one_step.concentration import Kept
from featdyn_core.measures.one_step.gram import ChangeGram
from featdyn_core.measures.one_step.spectra import ChangeSpectra
from featdyn_core.records.kind import Kind, Parameters, Resolved, Scope, check_splits, of_steps
from featdyn_core.seeds import numpy_generator

if TYPE_CHECKING:
    from featdyn_core.trajectories.trajectory import Trajectory

Floats = npt.NDArray[np.float64]
Grams = list[list[ChangeGram]]

GRAMS = 2
"""Largest number of samples for which a record keeps Gram matrices."""

PLANTED_UPDATES, PLANTED_FEATURES = 48, 64
"""Of planted changes."""


@dataclass(frozen=True)
class Options:
    """Options of changes. The protocol sets the numbers of ``updates`` and ``samples``.

    Attributes:
        window: the window over which the epochs are evenly spaced.
        points: number of epochs.
        split: the split that the samples come from.
        noise: whether changes by parameter noise are measured as well.
    """

    window: str
    points: int = 2
    split: str = "held-out"
    noise: bool = True


@dataclass(frozen=True, eq=False)
class Changes:
    """One-step changes of several samples at several epochs.

    Attributes:
        epochs: the E epochs whose checkpoints the updates start from.
        sgd: E lists, with the Gram matrix or the spectra of each sample's changes by SGD updates.
        noise: the same for isotropic parameter noise; empty where the options leave it out.

    Examples:
        >>> changes = Changes.planted([0, 10], [[1.0], [3.0]], np.random.default_rng(0))
        >>> len(changes.pairs)
        2
    """

    epochs: tuple[int, ...]
    sgd: Sequence[Sequence[Kept]]
    noise: Sequence[Sequence[Kept]]

    @property
    def pairs(self) -> list[tuple[Kept, Kept]]:
        """Pairs of the changes by SGD and by noise, one for every epoch and sample."""
        return [pair for sgd, noise in zip(self.sgd, self.noise, strict=True) for pair in zip(sgd, noise, strict=True)]

    @classmethod
    def planted(
        cls,
        epochs: Sequence[int],
        strength: npt.ArrayLike,
        rng: np.random.Generator,
        *,
        noise: npt.ArrayLike = 1.0,
        leading: int = 1,
        tail: float = math.inf,
    ) -> "Changes":
        """Return spectra of changes that are larger along some directions.

        Args:
            epochs: E epochs.
            strength: standard deviation of changes by SGD along the ``leading`` directions, over that along the other
                directions, for each epoch and sample, (E, M).
            rng: draws the changes.
            noise: the same for changes by parameter noise, of a shape that broadcasts to (E, M).
            leading: number of leading directions.
            tail: degrees of freedom of the multivariate t law of each change by SGD; infinite for the normal law.
        """
        strengths = np.asarray(strength, float)

        def drawn(strength: float, tail: float) -> ChangeSpectra:
            sample = rng.standard_normal((PLANTED_UPDATES, PLANTED_FEATURES))
            sample[:, :leading] *= strength
            if math.isfinite(tail):
                sample /= np.sqrt(rng.chisquare(tail, (PLANTED_UPDATES, 1)) / tail)
            return ChangeSpectra.of(ChangeGram.of(sample))

        sgd, by_noise = (
            [[drawn(float(one), tail) for one in samples] for samples in values]
            for values, tail in ((strengths, tail), (np.broadcast_to(noise, strengths.shape), math.inf))
        )
        return cls(tuple(epochs), sgd, by_noise)


def resolve(options: Options, scope: Scope) -> Resolved:
    """Return the parameters of the record's single part."""
    check_splits(options.split)
    epochs = scope.evenly(options.window, options.points)
    found = {**scope.counts("updates", "samples"), "epochs": epochs, "split": options.split, "images": scope.images}
    return {"": found if options.noise else {**found, "noise": False}}


def measure(trajectory: "Trajectory", parameters: Parameters) -> dict[str, npt.NDArray[Any]]:
    """Repeat single updates at each of ``epochs`` and read the features of the first ``samples`` of a ``split``.

    Features are read at the deepest of the paper's cuts. Each kind of change is made ``updates`` times. Parameter noise
    is left out if ``noise`` is False.
    """
    from featdyn_core.measures.one_step.protocol import one_step_changes, parameter_noise_changes

    epochs = list(parameters["epochs"])
    cut = trajectory.network(epochs[0]).depths[-1]
    samples = trajectory.evaluation_set(parameters["split"])[0][: parameters["samples"]]
    rng = numpy_generator(trajectory.seed, "measure", "anisotropy")
    options: dict[str, Any] = {"updates": parameters["updates"], "cut": cut, "rng": rng}
    keep = _triangles if parameters["samples"] <= GRAMS else _spectra

    def grams(protocol: Callable[..., Floats]) -> Grams:
        changes = (protocol(trajectory, epoch, samples, **options) for epoch in epochs)  # of one epoch at a time
        return [[ChangeGram.of(sample) for sample in epoch] for epoch in changes]

    sgd = grams(one_step_changes)
    arrays = {"features": np.array(sgd[0][0].features), **keep("sgd", sgd)}
    if parameters.get("noise", True):
        arrays |= keep("noise", grams(parameter_noise_changes))
    return arrays


def read(arrays: Mapping[str, npt.NDArray[Any]], parameters: Parameters) -> Changes:
    """Return the view of a record."""
    features = int(arrays["features"])
    sgd, noise = (
        [[ChangeGram(_square(triangle), features) for triangle in epoch] for epoch in arrays[name]]
        if name in arrays
        else _spectra_of(name, arrays, parameters["updates"])
        for name in ("sgd", "noise")
    )
    return Changes(tuple(parameters["epochs"]), sgd, noise)


def _triangles(name: str, grams: Grams) -> dict[str, npt.NDArray[Any]]:
    """Upper triangles (E, M, K (K + 1) / 2) of Gram matrices: half of a symmetric matrix."""
    upper = np.triu_indices(grams[0][0].updates)
    return {name: np.array([[gram.products[upper] for gram in epoch] for epoch in grams])}


def _spectra(name: str, grams: Grams) -> dict[str, npt.NDArray[Any]]:
    """Spectra of Gram matrices, in single precision. Only noise has spectra of halves, which tests compare.

    Spectra of the variance are kept as shares of its ``total``, because squares of small changes are beyond single
    precision.
    """
    found = [[ChangeSpectra.of(gram) for gram in epoch] for epoch in grams]
    total = np.array([[one.variance.sum() for one in epoch] for epoch in found])
    unit = np.where(total, total, 1)[..., None]
    undefined = np.full(grams[0][0].updates // 2, np.nan)
    arrays = {
        "total": total,
        "variance": np.array([[one.variance for one in epoch] for epoch in found]) / unit,
        "directions": np.array([[one.directions if len(one.directions) else undefined for one in e] for e in found]),
    }
    if name == "noise" and found[0][0].halves:
        halves = np.array([[[half.variance for half in one.halves] for one in epoch] for epoch in found])
        arrays["halves"] = halves / unit[..., None]
    return {f"{name} {of}": array.astype(np.float64 if of == "total" else np.float32) for of, array in arrays.items()}


def _spectra_of(name: str, arrays: Mapping[str, npt.NDArray[Any]], updates: int) -> list[list[ChangeSpectra]]:
    """Spectra of each epoch and sample; empty if the record keeps none."""
    if f"{name} total" not in arrays:
        return []
    features, half, none = int(arrays["features"]), updates // 2, np.empty(0)
    total, variance, directions = (arrays[f"{name} {of}"].astype(float) for of in ("total", "variance", "directions"))
    halves = arrays.get(f"{name} halves", np.empty((*total.shape, 0, 0))).astype(float) * total[..., None, None]

    def one(place: tuple[int, int]) -> ChangeSpectra:
        parts = tuple(ChangeSpectra(half, features, values, none) for values in halves[place])
        known = none if np.isnan(directions[place]).any() else directions[place]
        return ChangeSpectra(updates, features, variance[place] * total[place], known, parts)

    epochs, samples = total.shape
    return [[one((epoch, sample)) for sample in range(samples)] for epoch in range(epochs)]


def _square(triangle: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Symmetric matrix (K, K) of an upper triangle."""
    size = int((np.sqrt(8 * len(triangle) + 1) - 1) / 2)
    square = np.zeros((size, size))
    square[np.triu_indices(size)] = triangle
    return square + np.triu(square, 1).T


KIND = Kind(
    version=1,
    options=Options,
    resolve=resolve,
    measure=measure,
    read=read,
    on_cpu="Gram matrices",
    needs=of_steps,
)
