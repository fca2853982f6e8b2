"""The corruptions of CIFAR-10-C, for any small images and from any seed.

Own implementation of the generator behind CIFAR-10-C (Hendrycks & Dietterich, "Benchmarking Neural Network
Robustness to Common Corruptions and Perturbations", ICLR 2019; ``make_cifar_c.py`` in the repository
hendrycks/robustness) with the severities of CIFAR-10-C, which are milder than those of ImageNet-C. The published files
were drawn without a seed, so random kinds can match them in distribution only. The deterministic kinds follow the
original's definitions, down to the final truncation (not rounding) to 8 bits. They have not been compared with the
published files yet. ``corrupted_test_set`` uses those files if they are present.

One kind differs: **frost is synthesised**. The original overlays photographs of frozen glass, which are not part of
this package. Here the overlay is a fractal texture, little more than half as strong. Measurements on ``frost`` must be
labelled accordingly. At severity 3, ``spatter`` clips values that wrap around in the original (see
``corruption_weather``).

Severity is a name, not a distance. In ``elastic_transform`` the random affinity shrinks from severity 1 to 5 while the
local distortion grows. ``saturate`` weakens colours at 1 and 2 but strengthens them from 3. So the squared distance to
the clean image is not monotone in the severity.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from featdyn_core.data import corruption_kernels as kernels
from featdyn_core.data import corruption_weather as weather
from featdyn_core.data.names import SEVERITIES
from featdyn_core.data.official import FOLDER, load_official_corruption
from featdyn_core.data.sources import Dataset
from featdyn_core.errors import DataError

# Number of images in a batch, which bounds the memory of the float intermediates and keeps them near the cache.
_CHUNK = 250


@dataclass(frozen=True)
class _Corruption:
    """One kind: its kernel and, for each of the five severities, the kernel's parameters.

    A kernel maps uint8 images (N, H, W, C) to real grey levels of the same shape, where 255 is white; it
    need not clip. The call is ``kernel(images, *level)``, or ``kernel(images, rng, *level)`` if it is
    stochastic.
    """

    kernel: Callable[..., npt.NDArray[Any]]
    levels: tuple[tuple[float, ...], ...]
    stochastic: bool = False


_MCE = {
    "gaussian_noise": _Corruption(
        kernels.gaussian_noise, ((0.04,), (0.06,), (0.08,), (0.09,), (0.10,)), stochastic=True
    ),
    "shot_noise": _Corruption(kernels.shot_noise, ((500,), (250,), (100,), (75,), (50,)), stochastic=True),
    "impulse_noise": _Corruption(kernels.impulse_noise, ((0.01,), (0.02,), (0.03,), (0.05,), (0.07,)), stochastic=True),
    "defocus_blur": _Corruption(kernels.defocus_blur, ((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1.0, 0.2), (1.5, 0.1))),
    "glass_blur": _Corruption(
        kernels.glass_blur, ((0.05, 1), (0.25, 1), (0.4, 1), (0.25, 2), (0.4, 2)), stochastic=True
    ),
    "motion_blur": _Corruption(
        kernels.motion_blur, ((6, 1.0), (6, 1.5), (6, 2.0), (8, 2.0), (9, 2.5)), stochastic=True
    ),
    "zoom_blur": _Corruption(kernels.zoom_blur, ((1.06,), (1.11,), (1.16,), (1.21,), (1.26,))),
    "snow": _Corruption(
        weather.snow,
        (
            (0.1, 0.2, 1, 0.6, 8, 3, 0.95),
            (0.1, 0.2, 1, 0.5, 10, 4, 0.9),
            (0.15, 0.3, 1.75, 0.55, 10, 4, 0.9),
            (0.25, 0.3, 2.25, 0.6, 12, 6, 0.85),
            (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8),
        ),
        stochastic=True,
    ),
    "frost": _Corruption(
        weather.frost, ((1.0, 0.2), (1.0, 0.3), (0.9, 0.4), (0.85, 0.4), (0.75, 0.45)), stochastic=True
    ),
    "fog": _Corruption(weather.fog, ((0.2, 3.0), (0.5, 3.0), (0.75, 2.5), (1.0, 2.0), (1.5, 1.75)), stochastic=True),
    "brightness": _Corruption(kernels.brightness, ((0.05,), (0.1,), (0.15,), (0.2,), (0.3,))),
    "contrast": _Corruption(kernels.contrast, ((0.75,), (0.5,), (0.4,), (0.3,), (0.15,))),
    "elastic_transform": _Corruption(
        kernels.elastic_transform,
        ((0, 0, 0.08), (0.05, 0.2, 0.07), (0.08, 0.06, 0.06), (0.1, 0.04, 0.05), (0.1, 0.03, 0.03)),
        stochastic=True,
    ),
    "pixelate": _Corruption(kernels.pixelate, ((0.95,), (0.9,), (0.85,), (0.75,), (0.65,))),
    "jpeg_compression": _Corruption(kernels.jpeg_compression, ((80,), (65,), (58,), (50,), (40,))),
}

_EXTRA = {
    "speckle_noise": _Corruption(kernels.speckle_noise, ((0.06,), (0.1,), (0.12,), (0.16,), (0.2,)), stochastic=True),
    "gaussian_blur": _Corruption(kernels.gaussian_blur, ((0.4,), (0.6,), (0.7,), (0.8,), (1.0,))),
    "spatter": _Corruption(
        weather.spatter,
        (
            (0.62, 0.1, 0.7, 0.7, 0.5, 0),
            (0.65, 0.1, 0.8, 0.7, 0.5, 0),
            (0.65, 0.3, 1.0, 0.69, 0.5, 0),
            (0.65, 0.1, 0.7, 0.69, 0.6, 1),
            (0.65, 0.1, 0.5, 0.68, 0.6, 1),
        ),
        stochastic=True,
    ),
    "saturate": _Corruption(kernels.saturate, ((0.3, 0), (0.1, 0), (1.5, 0), (2.0, 0.1), (2.5, 0.2))),
}

_ALL = _MCE | _EXTRA

KINDS = tuple(_MCE)
"""The fifteen kinds that the mean corruption error averages over, in the published order."""
EXTRA_KINDS = tuple(_EXTRA)
"""The four kinds that CIFAR-10-C adds for validation, outside the mean corruption error."""
STOCHASTIC = frozenset(kind for kind, corruption in _ALL.items() if corruption.stochastic)
"""The kinds that draw from ``rng``; all others depend on the image and the severity only."""


def corrupt(images: npt.NDArray[np.uint8], kind: str, severity: int, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Return the images under one corruption of CIFAR-10-C.

    Grey images take every kind except ``saturate``; colours of a kind (frost, water, mud) become their luma. Lengths in
    pixels suit 32×32 images and do not grow with the image, except in ``elastic_transform``. ``frost`` is synthesised
    (see the module's description).

    A ``DataError`` is raised for an unknown kind or severity, images of another type or shape, ``saturate`` of grey
    images, or an ``rng`` that is not a numpy generator.

    Args:
        images: (N, H, W, C), uint8, C = 3 (RGB) or 1 (grey); not changed.
        kind: one of ``KINDS`` or ``EXTRA_KINDS``.
        severity: 1 (mild) to 5 (strong).
        rng: numpy generator; only the kinds in ``STOCHASTIC`` draw from it.

    Returns:
        A new array of the same shape and type.

    Examples:
        >>> images = np.full((2, 32, 32, 3), 128, np.uint8)
        >>> corrupt(images, "brightness", 3, np.random.default_rng(0))[0, 0, 0].tolist()
        [166, 166, 166]
    """
    _check(images, kind, severity, rng)
    corruption = _ALL[kind]
    drawn = (rng,) if corruption.stochastic else ()
    result = np.empty_like(images)
    for start in range(0, len(images), _CHUNK):
        part = slice(start, start + _CHUNK)
        grey_levels = corruption.kernel(images[part], *drawn, *corruption.levels[severity - 1])
        result[part] = np.clip(grey_levels, 0, 255).astype(np.uint8)
    return result


def corrupted_test_set(
    dataset: Dataset,
    kind: str,
    severity: int,
    rng: np.random.Generator,
    *,
    root: str | os.PathLike[str] | None = None,
) -> tuple[torch.Tensor, torch.Tensor, str]:
    """Return the test images of a data set under one corruption, from the official files if they are present.

    For ``cifar10``, ``official.load_official_corruption`` looks for the images of CIFAR-10-C under ``root``. If they
    are absent, and for every other data set, the images come from ``corrupt``. A test set of n images gets the first n
    of CIFAR-10-C if its labels equal the first n labels there. Otherwise it is refused, because it would get the wrong
    images.

    The errors of ``corrupt`` and ``load_official_corruption`` are a ``DataError``, and so are labels of ``cifar10``
    that differ from those of CIFAR-10-C.

    Args:
        dataset: data set whose test images are corrupted; not changed.
        kind: one of ``KINDS`` or ``EXTRA_KINDS``.
        severity: 1 (mild) to 5 (strong).
        rng: numpy generator; only the kinds in ``STOCHASTIC`` draw from it, and only if the images are not official.
        root: folder of image sets, see ``project.data_root``.

    Returns:
        Images, ``(M, C, H, W)`` uint8; their labels, ``dataset.test_labels``; and their source,
        ``CIFAR-10-C`` or ``synthesised``.

    Examples:
        >>> dataset = load_dataset("digits")
        >>> images, labels, source = corrupted_test_set(dataset, "fog", 3, np.random.default_rng(0))
        >>> tuple(images.shape), source
        ((597, 1, 8, 8), 'synthesised')
    """
    # In C order, because the last bit of contrast's means depends on the order and could change a grey level.
    clean = dataset.test_images.permute(0, 2, 3, 1).contiguous().numpy()
    _check(clean, kind, severity, rng)
    official = load_official_corruption(kind, severity, root=root) if dataset.name == "cifar10" else None
    if official is None:
        images, source = corrupt(clean, kind, severity, rng), "synthesised"
    else:
        images, source = _first_official(*official, dataset), FOLDER
    return torch.from_numpy(np.array(images.transpose(0, 3, 1, 2), order="C")), dataset.test_labels, source


def _first_official(
    images: npt.NDArray[np.uint8], labels: npt.NDArray[np.int64], dataset: Dataset
) -> npt.NDArray[np.uint8]:
    """Return the first images (N, H, W, C) of CIFAR-10-C, as many as the data set has, after a check of the labels.

    Raises:
        DataError: the labels differ.
    """
    count = len(dataset.test_labels)
    if not np.array_equal(labels[:count], dataset.test_labels.numpy()):
        raise DataError(
            f"the {count:,} test labels of {dataset.name} ({dataset.source}) are not the first {count:,} of "
            f"{FOLDER}, so their rows there are unknown; give the test images of CIFAR-10 in their published order, "
            "or synthesise with corrupt"
        )
    return images[:count]


def _check(images: npt.NDArray[np.uint8], kind: str, severity: int, rng: np.random.Generator) -> None:
    """Refuse the first argument of ``corrupt`` that does not fit.

    Raises:
        DataError: names the argument.
    """
    if kind not in _ALL:
        raise DataError(f"unknown corruption {kind!r}; the kinds are {', '.join(_ALL)}")
    if not isinstance(severity, int | np.integer) or severity not in SEVERITIES:
        raise DataError(f"severity {severity!r} of {kind} is not one of 1, 2, 3, 4, 5")
    if not isinstance(images, np.ndarray) or images.dtype != np.uint8:
        found = getattr(images, "dtype", type(images).__name__)
        raise DataError(f"{kind} takes a numpy array of uint8 grey levels, not {found}; convert to 0..255 first")
    if images.ndim != 4 or images.shape[3] not in (1, 3) or 0 in images.shape[1:]:
        raise DataError(f"{kind} takes images of shape (N, H, W, C) with C = 1 or 3, not {images.shape}")
    if kind == "saturate" and images.shape[3] == 1:
        raise DataError("saturate changes colours and these images are grey; leave it out for grey images")
    if not isinstance(rng, np.random.Generator):
        raise DataError(f"rng is {rng!r}, not a numpy generator; pass numpy.random.default_rng(seed)")
