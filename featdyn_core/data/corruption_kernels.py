"""Noise, blur and digital corruptions, one small function a kind.

Every kernel maps uint8 images (N, H, W, C) to real grey levels of the same shape, where 255 is white; it does not clip
or truncate, because ``featdyn_core.data.corruptions.corrupt`` does that for all. If a difference in the last bit could
change the truncation to 8 bits, floating-point operations keep the order of the original generator.
"""

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

Images = npt.NDArray[np.uint8]
Levels = npt.NDArray[Any]


# --- noise ----------------------------------------------------------------------------------------


def gaussian_noise(images: Images, rng: np.random.Generator, sigma: float) -> Levels:
    """Add normal noise of standard deviation ``sigma`` (white = 1) to every channel."""
    return images + rng.normal(scale=255 * sigma, size=images.shape)


def shot_noise(images: Images, rng: np.random.Generator, photons: float) -> Levels:
    """Count photons: Poisson with mean ``photons`` where a channel is white."""
    return rng.poisson(images / 255 * photons) / photons * 255


def impulse_noise(images: Images, rng: np.random.Generator, share: float) -> Levels:
    """Set each channel of each pixel with probability ``share`` to black or white, evenly."""
    hit, white = rng.random((2, *images.shape))
    return np.where(hit < share, np.where(white < 0.5, 255, 0), images)


def speckle_noise(images: Images, rng: np.random.Generator, sigma: float) -> Levels:
    """Multiply every channel by 1 + normal noise of standard deviation ``sigma``."""
    return images * (1 + rng.normal(scale=sigma, size=images.shape))


# --- blur -----------------------------------------------------------------------------------------


def gaussian_blur(images: Images, sigma: float) -> Levels:
    """Convolve with a Gaussian of ``sigma`` pixels; see ``smooth``."""
    return smooth(images / 255, sigma) * 255


def defocus_blur(images: Images, radius: float, alias_sigma: float) -> Levels:
    """Convolve with a disk, as an aperture out of focus does; see ``disk``. Edges are mirrored."""
    weights = disk(radius, alias_sigma).astype(np.float64)
    return ndimage.correlate(images / 255, weights[np.newaxis, :, :, np.newaxis], mode="mirror") * 255


def disk(radius: float, alias_sigma: float) -> npt.NDArray[np.float32]:
    """Return the weights of a disk, (k, k) with k = 2·int(radius) + 3 and sum 1.

    Args:
        radius: of the disk, in pixels.
        alias_sigma: of the Gaussian over 3×3 pixels that softens its rim, in pixels.
    """
    reach = int(radius) + 1
    offset = np.arange(-reach, reach + 1)
    inside = (offset[:, np.newaxis] ** 2 + offset**2 <= radius**2).astype(np.float32)
    inside /= inside.sum()
    # Single precision throughout, as in the original: whether a flat area stays as it is, or loses a grey
    # level to the truncation, hangs on the last bit of the sum.
    tap = np.exp(-np.array([1, 0, 1]) / (2 * alias_sigma**2))
    tap = (tap / tap.sum()).astype(np.float32)
    across = ndimage.correlate1d(inside, tap, axis=1, mode="constant")
    return ndimage.correlate1d(across, tap, axis=0, mode="constant")


def glass_blur(images: Images, rng: np.random.Generator, sigma: float, rounds: float) -> Levels:
    """Blur, displace each pixel at random by at most one, ``rounds`` times, and blur again.

    The original means to swap neighbours, walking from the lower right corner and drawing offsets of -1 or
    0. Its swap of two numpy views only copies the neighbour, and a neighbour is always visited later than
    its copy is taken. A round is therefore one gather, and is written as one. The first two rows and
    columns stay.

    Args:
        images: (N, H, W, C), uint8.
        rng: numpy generator.
        sigma: of the Gaussian, in pixels.
        rounds: number of displacements, a whole number.
    """
    pixels = (smooth(images / 255, sigma) * 255).astype(np.uint8)
    count, height, width, _ = pixels.shape
    rows, columns = np.arange(2, height)[:, np.newaxis], np.arange(2, width)
    which = np.arange(count)[:, np.newaxis, np.newaxis]
    for _ in range(int(rounds)):
        up, left = rng.integers(2, size=(2, count, rows.size, columns.size))
        pixels[:, 2:, 2:] = pixels[which, rows - up, columns - left]
    return smooth(pixels / 255, sigma) * 255


def motion_blur(images: Images, rng: np.random.Generator, radius: float, sigma: float) -> Levels:
    """Smear along a line at -45° to 45° from the horizontal, one angle an image; rounded, not truncated."""
    return np.rint(smear(images, rng.uniform(-45, 45, size=len(images)), radius, sigma))


def smear(images: Levels, degrees: npt.NDArray[np.float64], radius: float, sigma: float) -> Levels:
    """Return ImageMagick's motion blur (``MotionBlurImage``): half a Gaussian along a line from each pixel.

    Args:
        images: (N, H, W, C).
        degrees: (N,), the line's direction; 0 looks right, 90 looks down.
        radius: the line has 2·ceil(radius) + 1 taps, one pixel apart, the first at the pixel itself.
        sigma: of the Gaussian, in pixels.

    Returns:
        (N, H, W, C), float64. Outside the image its edge is repeated.
    """
    count, height, width, _ = images.shape
    tap = np.arange(2 * int(np.ceil(radius)) + 1)
    weights = np.exp(-(tap**2) / (2 * sigma**2))
    weights /= weights.sum()
    angles = np.deg2rad(degrees)[:, np.newaxis]
    down, right = (np.ceil(tap * part(angles) - 0.5).astype(int) for part in (np.sin, np.cos))
    rows = np.clip(np.arange(height)[:, np.newaxis] + down[:, np.newaxis], 0, height - 1)  # (N, H, taps)
    columns = np.clip(np.arange(width)[:, np.newaxis] + right[:, np.newaxis], 0, width - 1)  # (N, W, taps)
    which = np.arange(count)[:, np.newaxis, np.newaxis]
    blurred = np.zeros(images.shape)
    for k, weight in enumerate(weights):
        blurred += weight * images[which, rows[:, :, np.newaxis, k], columns[:, np.newaxis, :, k]]
    return blurred


def zoom_blur(images: Images, stop: float) -> Levels:
    """Average the image with its enlargements by 1, 1.01, … up to ``stop``."""
    pixels = images.astype(np.float32) / np.float32(255)
    # The original's steps to the last bit, because they decide the crop and whether ``stop`` itself is reached.
    factors = np.arange(1, stop, 0.01)
    total = np.zeros_like(pixels)
    for factor in factors:
        total += enlarge(pixels, factor).astype(np.float32)
    return (pixels + total) / np.float32(len(factors) + 1) * np.float32(255)


def enlarge(images: Levels, factor: float) -> Levels:
    """Return the images' centre, enlarged linearly by ``factor`` ≥ 1 to the images' size: (N, H, W, C)."""
    rows, columns = (_enlargement(side, factor) for side in images.shape[1:3])
    return np.einsum("hi,nijc,wj->nhwc", rows, images, columns, optimize=True)


def _enlargement(side: int, factor: float) -> npt.NDArray[np.float64]:
    """Return the effect of ``enlarge`` along one axis as a matrix (side, side): crop, interpolate, trim."""
    kept = int(np.ceil(side / factor))
    top = (side - kept) // 2
    # The image of the unit matrix under a linear map is the map's matrix.
    matrix = ndimage.zoom(np.eye(side)[top : top + kept], (factor, 1), order=1)
    trim = (len(matrix) - side) // 2
    return matrix[trim : trim + side]


def smooth(pixels: Levels, sigma: float) -> Levels:
    """Convolve (N, H, W, …) with a Gaussian of ``sigma`` pixels, cut at 4 sigma; the edge is repeated."""
    return ndimage.gaussian_filter(pixels, sigma, mode="nearest", truncate=4, axes=(1, 2))


# --- digital --------------------------------------------------------------------------------------


def contrast(images: Images, share: float) -> Levels:
    """Keep ``share`` of every pixel's difference from its image's and channel's mean."""
    pixels = images / 255
    means = pixels.mean(axis=(1, 2), keepdims=True)
    return ((pixels - means) * share + means) * 255


def brightness(images: Images, gain: float) -> Levels:
    """Add ``gain`` to the value of hue, saturation, value (white = 1)."""
    # Grey is broadcast to three equal channels, of which the change of value keeps every one.
    hue, saturation, value = to_hsv(np.broadcast_to(images / 255, (*images.shape[:3], 3)))
    return from_hsv(hue, saturation, np.clip(value + gain, 0, 1))[..., : images.shape[3]] * 255


def saturate(images: Images, factor: float, shift: float) -> Levels:
    """Scale the saturation of hue, saturation, value by ``factor`` and add ``shift``; RGB images only."""
    hue, saturation, value = to_hsv(images / 255)
    return from_hsv(hue, np.clip(saturation * factor + shift, 0, 1), value) * 255


def to_hsv(rgb: Levels) -> tuple[Levels, Levels, Levels]:
    """Return hue, saturation and value in [0, 1], (…) each, of colours (…, 3) in [0, 1]; grey has hue 0."""
    red, green, blue = np.moveaxis(rgb, -1, 0)
    value = rgb.max(axis=-1)
    spread = value - rgb.min(axis=-1)
    coloured = spread > 0
    divisor = np.where(coloured, spread, 1)
    sixths = np.select(
        [blue == value, green == value],
        [4 + (red - green) / divisor, 2 + (blue - red) / divisor],
        (green - blue) / divisor,
    )
    return np.where(coloured, sixths / 6 % 1, 0), spread / np.where(coloured, value, 1), value


def from_hsv(hue: Levels, saturation: Levels, value: Levels) -> Levels:
    """Return the colours (…, 3) in [0, 1] of hue, saturation and value, (…) each; inverse of ``to_hsv``."""
    sector = np.floor(hue * 6)
    along = hue * 6 - sector
    least = value * (1 - saturation)
    falling = value * (1 - along * saturation)
    rising = value * (1 - (1 - along) * saturation)
    sextant = sector.astype(int) % 6
    red = np.choose(sextant, [value, falling, least, least, rising, value])
    green = np.choose(sextant, [rising, value, value, falling, least, least])
    blue = np.choose(sextant, [least, least, rising, value, value, falling])
    return np.stack([red, green, blue], axis=-1)


def elastic_transform(images: Images, rng: np.random.Generator, strength: float, sigma: float, skew: float) -> Levels:
    """Map each image by a random affinity near the identity, then by a smooth random field of displacements.

    Args:
        images: (N, H, W, C), uint8.
        rng: numpy generator.
        strength: of the displacements before smoothing, in shorter sides of the image.
        sigma: of the Gaussian that smooths them, cut at 3 sigma, in shorter sides.
        skew: limit of the shift of the affinity's three anchors along each axis, in shorter sides.
    """
    count, height, width, _ = images.shape
    side = min(height, width)
    grid = np.stack(np.meshgrid(np.arange(height), np.arange(width), indexing="ij"), axis=-1)
    corners = np.array([[1, 1], [-1, 1], [-1, -1]]) * (side // 3)
    anchors = np.array([height, width]) // 2 + corners
    moved = anchors + rng.uniform(-skew * side, skew * side, size=(count, 3, 2))
    affinity = np.linalg.solve(_homogeneous(moved), np.broadcast_to(anchors, moved.shape).astype(float))
    warped = _sample(images / 255, _homogeneous(grid) @ affinity[:, np.newaxis], mode="mirror")
    field = rng.uniform(-1, 1, size=(count, height, width, 2))
    smoothed = ndimage.gaussian_filter(field, sigma * side, mode="reflect", truncate=3, axes=(1, 2))
    return _sample(warped, grid + strength * side * smoothed, mode="reflect") * 255


def _homogeneous(points: Levels) -> Levels:
    """Append a 1 to each of the points (…, 2): (…, 3)."""
    return np.concatenate([points, np.ones((*points.shape[:-1], 1))], axis=-1)


def _sample(images: Levels, points: Levels, mode: str) -> Levels:
    """Read the images (N, H, W, C) at real points (N, H, W, 2), row first, with linear interpolation."""
    which = np.broadcast_to(np.arange(len(images))[:, np.newaxis, np.newaxis], points.shape[:3])
    where = np.stack([which, points[..., 0], points[..., 1]])
    channels = np.moveaxis(images, -1, 0)
    return np.stack([ndimage.map_coordinates(c, where, order=1, mode=mode) for c in channels], axis=-1)


def pixelate(images: Images, share: float) -> Levels:
    """Shrink both sides to ``share`` with a box filter, and enlarge them again with a box filter."""
    height, width = images.shape[1:3]
    small = max(1, int(width * share)), max(1, int(height * share))
    box = Image.Resampling.BOX
    return _each_in_pillow(images, lambda image: image.resize(small, box).resize((width, height), box))


def jpeg_compression(images: Images, quality: float) -> Levels:
    """Compress as JPEG of ``quality`` (1..95) with Pillow's defaults, and decompress."""

    def through_jpeg(image: Image.Image) -> Image.Image:
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=int(quality))
        return Image.open(buffer)

    return _each_in_pillow(images, through_jpeg)


def _each_in_pillow(images: Images, change: Callable[[Image.Image], Image.Image]) -> Images:
    """Apply ``change`` to every image (N, H, W, C) as a Pillow image, grey ones in mode L."""
    flat = images[..., 0] if images.shape[3] == 1 else images
    return np.stack([np.asarray(change(Image.fromarray(image))) for image in flat]).reshape(images.shape)
