"""Noise, blur and digital corruptions against their definitions, written out pixel by pixel.

What only development needs is imported where it is used: the fast tier is collected without it.
"""

import colorsys
import io
import math

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from featdyn_core.data import corruption_kernels as kernels
from featdyn_core.data.corruptions import corrupt
from featdyn_core.data.names import SEVERITIES

RNG = np.random.default_rng(20)
IMAGES = RNG.integers(256, size=(4, 32, 32, 3), dtype=np.uint8)
IMAGES[1] = 255  # flat areas are where truncation shows the last bit
IMAGES[2] = np.arange(32, dtype=np.uint8)[:, np.newaxis, np.newaxis]
# Noise moments: tolerated standard errors of the mean over the pixels drawn.
STANDARD_ERRORS = 5


def severities(*levels: object) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(("severity", "level"), list(zip(SEVERITIES, levels, strict=True)))


def corrupted(kind: str, severity: int, images: np.ndarray = IMAGES, seed: int = 0) -> np.ndarray:
    return corrupt(images, kind, severity, np.random.default_rng(seed))


def truncated(unit: np.ndarray) -> np.ndarray:
    return np.uint8(np.clip(unit, 0, 1) * 255)


# --- noise ------------------------------------------------------------------------------------------


def assert_moments(kind: str, severity: int, grey: int, variance: float) -> None:
    """Check mean and variance of noise about a grey that is never clipped; truncation lowers the mean by a half."""
    noise = corrupted(kind, severity, np.full((100, 32, 32, 3), grey, np.uint8)).astype(float) - grey
    tolerance = STANDARD_ERRORS * math.sqrt(variance / noise.size)
    assert noise.mean() == pytest.approx(-0.5, abs=tolerance), f"mean of {kind} at severity {severity}"
    # The variance of a normal sample has a standard error of var·√(2/n); truncation adds 1/12.
    relative = STANDARD_ERRORS * math.sqrt(2 / noise.size)
    assert noise.var() == pytest.approx(variance + 1 / 12, rel=relative), f"variance of {kind} at severity {severity}"


@severities(0.04, 0.06, 0.08, 0.09, 0.10)
def test_gaussian_noise_moments(severity: int, level: float) -> None:
    assert_moments("gaussian_noise", severity, 128, (255 * level) ** 2)


@severities(0.06, 0.1, 0.12, 0.16, 0.2)
def test_speckle_noise_moments(severity: int, level: float) -> None:
    assert_moments("speckle_noise", severity, 100, (100 * level) ** 2)


@severities(500, 250, 100, 75, 50)
def test_shot_noise_moments(severity: int, level: float) -> None:
    flat = np.full((100, 32, 32, 1), 51, np.uint8)
    noisy = kernels.shot_noise(flat, np.random.default_rng(0), level)
    variance = 51 * 255 / level
    assert noisy.mean() == pytest.approx(51, abs=STANDARD_ERRORS * math.sqrt(variance / flat.size))
    assert noisy.var() == pytest.approx(variance, rel=0.03)
    assert set(np.unique(corrupted("shot_noise", severity, flat))) <= set(truncated(np.arange(level + 1) / level))


@severities(0.01, 0.02, 0.03, 0.05, 0.07)
def test_impulse_noise_shares(severity: int, level: float) -> None:
    noisy = corrupted("impulse_noise", severity, np.full((100, 32, 32, 3), 100, np.uint8))
    tolerance = STANDARD_ERRORS * math.sqrt(level / 2 / noisy.size)
    assert set(np.unique(noisy)) == {0, 100, 255}
    assert (noisy == 0).mean() == pytest.approx(level / 2, abs=tolerance)
    assert (noisy == 255).mean() == pytest.approx(level / 2, abs=tolerance)


# --- blur -------------------------------------------------------------------------------------------


@severities(0.4, 0.6, 0.7, 0.8, 1.0)
def test_gaussian_blur_is_scipys_per_channel(severity: int, level: float) -> None:
    blurred = corrupted("gaussian_blur", severity)
    for image, result in zip(IMAGES, blurred, strict=True):
        for channel in range(3):
            smooth = ndimage.gaussian_filter(image[..., channel] / 255, level, mode="nearest", truncate=4)
            assert np.array_equal(result[..., channel], truncated(smooth)), f"channel {channel}"


@severities((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1.0, 0.2), (1.5, 0.1))
def test_defocus_blur_is_a_mirrored_convolution(severity: int, level: tuple[float, float]) -> None:
    disk = kernels.disk(*level)
    assert disk.sum() == pytest.approx(1, abs=1e-6)
    assert np.array_equal(disk, disk[::-1, ::-1])
    assert np.array_equal(disk, disk.T)
    reach = len(disk) // 2
    padded = np.pad(IMAGES / 255, ((0, 0), (reach, reach), (reach, reach), (0, 0)), mode="reflect")
    blurred = sum(
        disk[row, column].astype(float) * padded[:, row : row + 32, column : column + 32]
        for row in range(len(disk))
        for column in range(len(disk))
    )
    # A grey level may go either way where the sums differ in the last bit next to a whole number.
    assert np.abs(corrupted("defocus_blur", severity) - blurred * 255 + 0.5).max() < 0.5 + 1e-6


def test_disk_counts_pixels_within_the_radius() -> None:
    sharp = 0.01
    assert kernels.disk(0.5, sharp).round(6).tolist() == [[0, 0, 0], [0, 1, 0], [0, 0, 0]]
    assert np.count_nonzero(kernels.disk(1.0, sharp)) == 5
    assert np.count_nonzero(kernels.disk(1.5, sharp)) == 9


def test_disk_is_softened_by_a_gaussian() -> None:
    side = math.exp(-1 / (2 * 0.4**2))
    tap = np.array([side, 1, side]) / (1 + 2 * side)
    assert kernels.disk(0.3, 0.4) == pytest.approx(np.outer(tap, tap), abs=1e-7)


class Recorder:
    """A generator that keeps its draws for a replay."""

    def __init__(self) -> None:
        self._rng = np.random.default_rng(5)
        self.drawn: list[np.ndarray] = []

    def integers(self, high: int, size: tuple[int, ...]) -> np.ndarray:
        """Draw integers below ``high`` and keep them."""
        self.drawn.append(self._rng.integers(high, size=size))
        return self.drawn[-1]

    def uniform(self, low: float, high: float, size: tuple[int, ...]) -> np.ndarray:
        """Draw reals from ``low`` to ``high`` and keep them."""
        self.drawn.append(self._rng.uniform(low, high, size=size))
        return self.drawn[-1]


@severities((0.05, 1), (0.25, 1), (0.4, 1), (0.25, 2), (0.4, 2))
def test_glass_blur_is_the_pixel_walk(severity: int, level: tuple[float, int]) -> None:
    recorder = Recorder()
    blurred = kernels.glass_blur(IMAGES, recorder, *level)
    assert len(recorder.drawn) == level[1]
    for n, image in enumerate(IMAGES):
        sigma = (level[0], level[0], 0)
        pixels = np.uint8(ndimage.gaussian_filter(image / 255, sigma, mode="nearest") * 255)
        for up, left in (drawn[:, n] for drawn in recorder.drawn):
            for h in range(31, 1, -1):
                for w in range(31, 1, -1):
                    there = h - up[h - 2, w - 2], w - left[h - 2, w - 2]
                    pixels[h, w], pixels[there] = pixels[there], pixels[h, w]  # swaps views, as the original
        expected = ndimage.gaussian_filter(pixels / 255, sigma, mode="nearest") * 255
        assert np.array_equal(np.uint8(blurred[n]), np.uint8(expected)), f"image {n}"
    assert np.array_equal(
        corrupted("glass_blur", severity),
        np.uint8(kernels.glass_blur(IMAGES, np.random.default_rng(0), *level)),
    )


def test_smear_trails_behind_each_pixel() -> None:
    point = np.zeros((3, 9, 9, 1))
    point[:, 4, 4] = 1
    right, down, steep = kernels.smear(point, np.array([0.0, 90.0, 45.0]), radius=2, sigma=1)[..., 0]
    weights = np.exp(-(np.arange(5) ** 2) / 2)
    weights /= weights.sum()
    assert right[4, 4::-1] == pytest.approx(weights)
    assert down[4::-1, 4] == pytest.approx(weights)
    assert right.sum() == pytest.approx(1)
    assert np.trace(steep) == pytest.approx(1)  # taps 0..4 fall at rounded multiples of √½ on the diagonal
    assert steep[2, 2] == pytest.approx(weights[3])


@severities((6, 1.0), (6, 1.5), (6, 2.0), (8, 2.0), (9, 2.5))
def test_motion_blur_walks_the_line(severity: int, level: tuple[float, float]) -> None:
    radius, sigma = level
    angles = np.deg2rad(np.random.default_rng(0).uniform(-45, 45, size=len(IMAGES)))
    weights = [math.exp(-(i**2) / (2 * sigma**2)) for i in range(2 * radius + 1)]
    blurred = corrupted("motion_blur", severity)
    for n, (h, w) in enumerate([(0, 0), (15, 30), (31, 31), (7, 2)]):
        total = np.zeros(3)
        for i, weight in enumerate(weights):
            row = min(max(h + math.ceil(i * math.sin(angles[n]) - 0.5), 0), 31)
            column = min(max(w + math.ceil(i * math.cos(angles[n]) - 0.5), 0), 31)
            total += weight * IMAGES[n, row, column]
        assert np.array_equal(blurred[n, h, w], np.rint(total / sum(weights))), f"pixel ({h}, {w}) of image {n}"


@severities((1.06, 7), (1.11, 12), (1.16, 16), (1.21, 21), (1.26, 26))
def test_zoom_blur_averages_scipys_zooms(severity: int, level: tuple[float, int]) -> None:
    stop, steps = level
    factors = np.arange(1, stop, 0.01)
    assert len(factors) == steps
    blurred = corrupted("zoom_blur", severity)
    for image, result in zip(IMAGES, blurred, strict=True):
        pixels = (image / 255).astype(np.float32)
        total = np.zeros_like(pixels)
        for factor in factors:
            kept = math.ceil(32 / factor)
            top = (32 - kept) // 2
            zoomed = ndimage.zoom(pixels[top : top + kept, top : top + kept], (factor, factor, 1), order=1)
            trim = (len(zoomed) - 32) // 2
            total += zoomed[trim : trim + 32, trim : trim + 32]
        assert np.array_equal(result, truncated((pixels + total) / (steps + 1)))


# --- digital ----------------------------------------------------------------------------------------


@severities(0.75, 0.5, 0.4, 0.3, 0.15)
def test_contrast_shrinks_about_the_channel_mean(severity: int, level: float) -> None:
    for image, result in zip(IMAGES, corrupted("contrast", severity), strict=True):
        pixels = image / 255
        mean = pixels.mean(axis=(0, 1))
        assert np.array_equal(result, truncated((pixels - mean) * level + mean))


def by_colorsys(pixel: np.ndarray, saturation: tuple[float, float], value: float) -> list[float]:
    h, s, v = colorsys.rgb_to_hsv(*(pixel / 255))
    s = min(max(s * saturation[0] + saturation[1], 0), 1)
    return [255 * c for c in colorsys.hsv_to_rgb(h, s, min(v + value, 1))]


@severities(0.05, 0.1, 0.15, 0.2, 0.3)
def test_brightness_adds_to_the_value(severity: int, level: float) -> None:
    expected = [by_colorsys(pixel, (1, 0), level) for pixel in IMAGES.reshape(-1, 3)]
    exact = kernels.brightness(IMAGES, level)
    assert exact.reshape(-1, 3) == pytest.approx(np.array(expected), abs=1e-9)
    assert np.array_equal(corrupted("brightness", severity), np.uint8(exact))


@severities((0.3, 0), (0.1, 0), (1.5, 0), (2.0, 0.1), (2.5, 0.2))
def test_saturate_changes_the_saturation(severity: int, level: tuple[float, float]) -> None:
    expected = [by_colorsys(pixel, level, 0) for pixel in IMAGES.reshape(-1, 3)]
    exact = kernels.saturate(IMAGES, *level)
    assert exact.reshape(-1, 3) == pytest.approx(np.array(expected), abs=1e-9)
    assert np.array_equal(corrupted("saturate", severity), np.uint8(exact))


def test_hsv_is_scikit_images_to_the_last_bit() -> None:
    from skimage import color

    every_17th = np.arange(0, 256, 15) / 255
    colours = np.stack(np.meshgrid(every_17th, every_17th, every_17th), axis=-1)[np.newaxis].reshape(1, -1, 3)
    hsv = color.rgb2hsv(colours)
    assert np.array_equal(np.stack(kernels.to_hsv(colours), axis=-1), hsv)
    assert np.array_equal(kernels.from_hsv(*np.moveaxis(hsv, -1, 0)), color.hsv2rgb(hsv))


@severities((0, 0, 2.56), (1.6, 6.4, 2.24), (2.56, 1.92, 1.92), (3.2, 1.28, 1.6), (3.2, 0.96, 0.96))
def test_elastic_transform_samples_twice(severity: int, level: tuple[float, float, float]) -> None:
    strength, sigma, skew = level
    recorder = Recorder()
    result = kernels.elastic_transform(IMAGES, recorder, strength / 32, sigma / 32, skew / 32)
    shifts, field = recorder.drawn
    assert np.abs(shifts).max() <= skew
    anchors = np.array([[26, 26], [6, 26], [6, 6]])  # rows and columns
    for n in (0, 3):
        moved = np.column_stack([anchors + shifts[n], np.ones(3)])
        to_source = np.linalg.inv(moved) @ anchors
        rows, columns = np.indices((32, 32))
        source = np.einsum("hwi,ij->jhw", np.stack([rows, columns, np.ones((32, 32))], axis=-1), to_source)
        push = [ndimage.gaussian_filter(field[n, ..., i], sigma, mode="reflect", truncate=3) for i in (0, 1)]
        for channel in range(3):
            warped = ndimage.map_coordinates(IMAGES[n, ..., channel] / 255, source, order=1, mode="mirror")
            bent = np.array([rows + strength * push[0], columns + strength * push[1]])
            expected = ndimage.map_coordinates(warped, bent, order=1, mode="reflect") * 255
            assert result[n, ..., channel] == pytest.approx(expected, abs=1e-8), f"image {n}, channel {channel}"
    by_name = kernels.elastic_transform(IMAGES, np.random.default_rng(0), strength / 32, sigma / 32, skew / 32)
    assert np.abs(corrupted("elastic_transform", severity) - by_name).max() < 1 + 1e-8


def test_elastic_transform_bends_more_with_severity() -> None:
    """A ramp stays a plane under the affinity, so its distance from a plane is the local distortion."""
    ramp = np.broadcast_to(np.arange(32, dtype=np.uint8)[:, np.newaxis, np.newaxis] * 7, (50, 32, 32, 1))
    inner = slice(8, 24)
    rows, columns = np.indices((32, 32))[:, inner, inner]
    plane = np.column_stack([rows.ravel(), columns.ravel(), np.ones(rows.size)])
    left = []
    for severity in SEVERITIES:
        heights = corrupted("elastic_transform", severity, ramp)[:, inner, inner, 0].reshape(50, -1).T.astype(float)
        residual = heights - plane @ np.linalg.lstsq(plane, heights, rcond=None)[0]
        left.append(np.square(residual).mean())
    assert (np.diff(left) > 0).all(), left


@severities(30, 28, 27, 24, 20)
def test_pixelate_is_a_box_down_and_a_box_up(severity: int, level: int) -> None:
    box = Image.Resampling.BOX
    for image, result in zip(IMAGES, corrupted("pixelate", severity), strict=True):
        small = Image.fromarray(image).resize((level, level), box)
        assert np.array_equal(result, np.asarray(small.resize((32, 32), box)))


def test_pixelate_of_oblong_images() -> None:
    oblong, box = IMAGES[0, :20], Image.Resampling.BOX
    small = Image.fromarray(oblong).resize((20, 13), box)
    assert np.array_equal(corrupted("pixelate", 5, oblong[np.newaxis])[0], np.asarray(small.resize((32, 20), box)))


@severities(80, 65, 58, 50, 40)
def test_jpeg_compression_is_pillows(severity: int, level: int) -> None:
    for image, result in zip(IMAGES, corrupted("jpeg_compression", severity), strict=True):
        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, "JPEG", quality=level)
        assert np.array_equal(result, np.asarray(Image.open(buffer)))
