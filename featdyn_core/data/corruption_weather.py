"""Weather corruptions: layers of snow, frost, fog, water and mud, made at random and laid over the image.

As in ``featdyn_core.data.corruption_kernels``, a kernel maps uint8 images (N, H, W, C) to real grey levels,
where 255 is white.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from featdyn_core.data.corruption_kernels import Images, Levels, enlarge, smear, smooth

LUMA = np.array([0.299, 0.587, 0.114])
"""Weights of red, green and blue in the brightness of a colour (ITU-R BT.601)."""
FROST = np.array([0.86, 0.93, 1.0])
WATER = np.array([175, 238, 238]) / 255
MUD = np.array([63, 42, 20]) / 255
# Distances to an edge beyond this many pixels count as this many.
_FAR = 20


def snow(
    images: Images,
    rng: np.random.Generator,
    mean: float,
    spread: float,
    zoom: float,
    threshold: float,
    radius: float,
    sigma: float,
    kept: float,
) -> Levels:
    """Whiten the image and add enlarged, smeared flakes, once as drawn and once turned by 180°.

    Args:
        images: (N, H, W, C), uint8.
        rng: numpy generator.
        mean: of the normal layer that flakes are cut from (white = 1).
        spread: standard deviation of that layer.
        zoom: enlargement of the layer, at least 1.
        threshold: layer values below this are not flakes.
        radius: of the flakes' motion blur, in pixels; its direction is drawn from -135° to -45°.
        sigma: of the motion blur, in pixels.
        kept: share of the image that is not whitened.
    """
    layer = enlarge(rng.normal(mean, spread, size=(*images.shape[:3], 1)), zoom)
    flakes = (np.clip(np.where(layer < threshold, 0, layer), 0, 1) * 255).astype(np.uint8)
    fallen = np.rint(smear(flakes, rng.uniform(-135, -45, size=len(images)), radius, sigma)) / 255
    pixels = images / 255
    grey = pixels if images.shape[3] == 1 else (pixels @ LUMA)[..., np.newaxis]
    whitened = kept * pixels + (1 - kept) * np.maximum(pixels, grey * 1.5 + 0.5)
    return (whitened + fallen + fallen[:, ::-1, ::-1]) * 255


def frost(images: Images, rng: np.random.Generator, kept: float, strength: float) -> Levels:
    """Lay a **synthesised** frost over the image: ``kept`` · image + ``strength`` · texture.

    CIFAR-10-C crops its texture from photographs of frozen glass. This one has bright bluish veins where
    one fractal map crosses its middle, over the clouds of another: like frost, but not the same frost. It is
    little more than half as strong: the texture's mean is 0.38 of white, that of the five photographs 0.64.
    """
    veins, clouds = plasma(2 * len(images), images.shape[1:3], 1.6, rng).reshape(2, *images.shape[:3])
    texture = 0.55 * (1 - np.abs(2 * veins - 1)) ** 4 + 0.45 * clouds
    return kept * images + strength * 255 * _painted(texture, FROST, images)


def fog(images: Images, rng: np.random.Generator, amplitude: float, decay: float) -> Levels:
    """Add a fractal map times ``amplitude`` (white = 1), then scale back to the range of the image."""
    pixels = images / 255
    brightest = pixels.max(axis=(1, 2, 3), keepdims=True)
    haze = plasma(len(images), images.shape[1:3], decay, rng)[..., np.newaxis]
    return (pixels + amplitude * haze) * brightest / (brightest + amplitude) * 255


def plasma(count: int, shape: tuple[int, ...], decay: float, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Draw ``count`` fractal height maps by the diamond-square algorithm on a torus.

    Each pass halves the spacing of known points: first the centres of squares, then the middles of their
    edges. A new point is the mean of its four neighbours plus uniform noise within ±w², where w starts at
    100 and is divided by ``decay`` a pass (the original multiplies by w twice).

    Args:
        count: number of maps.
        shape: (H, W); a map is cut from the smallest square of a power of two that covers it.
        decay: of w from pass to pass; the larger, the smoother.
        rng: numpy generator.

    Returns:
        (count, H, W); before the cut the least value is 0 and the greatest 1.
    """
    size = max(2, 1 << (max(shape) - 1).bit_length())
    maps = np.zeros((count, size, size))
    step, wobble = size, 100.0

    def jitter(total: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return total / 4 + rng.uniform(-(wobble**2), wobble**2, size=total.shape)

    while step > 1:
        half = step // 2
        known = maps[:, ::step, ::step]
        beside, below = np.roll(known, -1, axis=2), np.roll(known, -1, axis=1)
        centres = jitter(known + beside + below + np.roll(beside, -1, axis=1))
        maps[:, half::step, half::step] = centres
        maps[:, ::step, half::step] = jitter(known + beside + centres + np.roll(centres, 1, axis=1))
        maps[:, half::step, ::step] = jitter(known + below + centres + np.roll(centres, 1, axis=2))
        step, wobble = half, wobble / decay
    maps -= maps.min(axis=(1, 2), keepdims=True)
    maps /= maps.max(axis=(1, 2), keepdims=True)
    return maps[:, : shape[0], : shape[1]]


def spatter(
    images: Images,
    rng: np.random.Generator,
    mean: float,
    spread: float,
    sigma: float,
    threshold: float,
    strength: float,
    muddy: float,
) -> Levels:
    """Splash water (added, brightest off the rims of the drops) or mud (painted over the image).

    An image that no drop falls on stays as it is (the original divides by zero there). Layer values above 1 are
    clipped, where the original's conversion to 8 bits wraps them around to near 0, which makes holes in the brightest
    drops. At severity 3 these are about 1 pixel in 4,000, in one image of six at 32×32; at other severities next to
    none.

    Args:
        images: (N, H, W, C), uint8.
        rng: numpy generator.
        mean: of the normal layer that drops are cut from (white = 1).
        spread: standard deviation of that layer.
        sigma: of the Gaussian that smooths the layer, in pixels.
        threshold: layer values below are dry.
        strength: of water, its greatest brightness (white = 1); of mud, sigma of the soft rims in pixels.
        muddy: 1 for mud, 0 for water.
    """
    layer = smooth(rng.normal(mean, spread, size=images.shape[:3]), sigma)
    liquid = np.where(layer < threshold, 0, layer)
    if muddy:
        cover = smooth((liquid > threshold).astype(float), strength)
        cover[cover < 0.8] = 0
        return images * (1 - cover[..., np.newaxis]) + 255 * _painted(cover, MUD, images)
    drops = np.clip(liquid * 255, 0, 255).astype(np.uint8)
    shine = drops * _relief(drops)
    brightest = shine.max(axis=(1, 2), keepdims=True)
    return images + 255 * _painted(strength * shine / np.where(brightest > 0, brightest, 1), WATER, images)


def _painted(layer: Levels, colour: npt.NDArray[np.float64], images: Images) -> Levels:
    """Return the layer (N, H, W) in a colour (N, H, W, 3), or in its luma (N, H, W, 1) for grey images."""
    paint = colour if images.shape[3] == 3 else colour @ LUMA[:, np.newaxis]
    return layer[..., np.newaxis] * paint


def _relief(drops: Images) -> Levels:
    """Return shades 0..255 of drops, (N, H, W) each: distance from their rims, equalised and embossed."""
    distance = np.floor(_box_mean(_rim_distance(_rims(drops)))).astype(int)
    emboss = np.array([[[-2, -1, 0], [-1, 1, 1], [0, 1, 2]]])
    shaded = ndimage.correlate(_equalised(distance), emboss, mode="mirror")
    return np.rint(_box_mean(np.clip(shaded, 0, 255)))


def _rim_distance(rims: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """Return each pixel's distance (N, H, W) from the nearest rim, in pixels, at most ``_FAR``.

    The distance is the length of a path of straight, diagonal and knight's moves at 1, 1.4 and 2.1969
    pixels (OpenCV's 5×5 approximation of the Euclidean distance), to the rim that is nearest in Euclidean
    distance.
    """
    # With the layers _FAR apart, a rim in another one counts as none. The first layer, nothing but rim, is
    # there because the transform must find some.
    apart = np.pad(~rims, ((1, 0), (0, 0), (0, 0)))
    layer, row, column = ndimage.distance_transform_edt(
        apart, sampling=(_FAR, 1, 1), return_distances=False, return_indices=True
    )[:, 1:]
    own_layer, own_row, own_column = np.indices(rims.shape)
    down, across = np.abs(row - own_row), np.abs(column - own_column)
    long, short = np.maximum(down, across), np.minimum(down, across)
    knights = np.minimum(short, long - short)
    path = 2.1969 * knights + np.where(2 * short <= long, long - 2 * short, 1.4 * (2 * short - long))
    return np.where(layer == own_layer + 1, np.minimum(path, _FAR), _FAR)


def _box_mean(layer: Levels) -> Levels:
    """Return the mean over 3×3 pixels of (N, H, W), mirrored at the edges."""
    # Sums before the division keep a constant layer constant, to the last bit.
    for axis in (1, 2):
        layer = ndimage.correlate1d(layer.astype(float), [1, 1, 1], axis=axis, mode="mirror")
    return layer / 9


def _equalised(layer: npt.NDArray[np.int_]) -> npt.NDArray[np.int_]:
    """Spread each layer's values 0.._FAR (N, H, W) over 0..255 by their ranks; a constant layer stays."""
    count, height, width = layer.shape
    bins = np.arange(count)[:, np.newaxis, np.newaxis] * (_FAR + 1) + layer
    at_most = np.bincount(bins.ravel(), minlength=count * (_FAR + 1)).reshape(count, -1).cumsum(axis=1)
    lowest = np.take_along_axis(at_most, layer.min(axis=(1, 2))[:, np.newaxis], axis=1)
    above = height * width - lowest
    ranks = np.rint((at_most - lowest) * 255 / np.maximum(above, 1)).astype(int)
    return np.where(above[..., np.newaxis] > 0, ranks.ravel()[bins], layer)


def _rims(drops: Images) -> npt.NDArray[np.bool_]:
    """Return Canny's edges (N, H, W) of drops (N, H, W), with thresholds 50 and 150 on |dx| + |dy|."""
    across, down = (_slope(drops, axis) for axis in (2, 1))
    steepness = np.abs(across) + np.abs(down)
    padded = np.pad(steepness, ((0, 0), (1, 1), (1, 1)))
    height, width = drops.shape[1:]

    def at(dy: int, dx: int) -> npt.NDArray[Any]:
        return padded[:, 1 + dy : 1 + dy + height, 1 + dx : 1 + dx + width]

    # A rim is a maximum of the steepness along the nearest of four directions to the gradient.
    tangent = np.tan(np.pi / 8)
    flat, steep = np.abs(down) < np.abs(across) * tangent, np.abs(across) < np.abs(down) * tangent
    peaks = np.select(
        [flat, steep, across * down >= 0],
        [
            (steepness > at(0, -1)) & (steepness >= at(0, 1)),
            (steepness > at(-1, 0)) & (steepness >= at(1, 0)),
            (steepness > at(-1, -1)) & (steepness > at(1, 1)),
        ],
        (steepness > at(-1, 1)) & (steepness > at(1, -1)),
    )
    # Of each connected piece above the lower threshold, all is kept if any is above the higher one.
    within_layer = np.zeros((3, 3, 3), dtype=int)
    within_layer[1] = 1
    pieces, number = ndimage.label(peaks & (steepness > 50), structure=within_layer)
    kept = np.zeros(number + 1, dtype=bool)
    kept[pieces[peaks & (steepness > 150)]] = True
    return kept[pieces]


def _slope(drops: Images, axis: int) -> npt.NDArray[np.float64]:
    """Return Sobel's derivative of (N, H, W) along ``axis`` (1 or 2), edges repeated."""
    difference = ndimage.correlate1d(drops.astype(float), [-1, 0, 1], axis=axis, mode="nearest")
    return ndimage.correlate1d(difference, [1, 2, 1], axis=3 - axis, mode="nearest")
