"""Snow, frost, fog, water and mud: against their definitions, layer by layer."""

import math

import numpy as np
import pytest
from scipy import ndimage

from featdyn_core.data import corruption_weather as weather
from featdyn_core.data.corruption_kernels import smear
from featdyn_core.data.corruptions import corrupt
from featdyn_core.data.names import SEVERITIES

SEED = 11
IMAGES = np.random.default_rng(20).integers(256, size=(5, 32, 32, 3), dtype=np.uint8)
BLACK = np.zeros_like(IMAGES)
COLOURS = np.array([[0.299, 0.587, 0.114]])


def severities(*levels: object) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(("severity", "level"), list(zip(SEVERITIES, levels, strict=True)))


def generator() -> np.random.Generator:
    return np.random.default_rng(SEED)


def assert_truncated(result: np.ndarray, grey_levels: np.ndarray) -> None:
    """Check 8-bit results against real grey levels; next to a whole number the last bit may differ."""
    assert np.abs(result - np.clip(grey_levels, 0, 255) + 0.5).max() <= 0.5 + 1e-9


# --- snow -------------------------------------------------------------------------------------------


@severities(
    (0.1, 0.2, 1, 0.6, 8, 3, 0.95),
    (0.1, 0.2, 1, 0.5, 10, 4, 0.9),
    (0.15, 0.3, 1.75, 0.55, 10, 4, 0.9),
    (0.25, 0.3, 2.25, 0.6, 12, 6, 0.85),
    (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8),
)
def test_snow_layer_by_layer(severity: int, level: tuple[float, ...]) -> None:
    mean, spread, zoom, threshold, radius, sigma, kept = level
    rng = generator()
    layers, angles = rng.normal(mean, spread, size=(5, 32, 32)), rng.uniform(-135, -45, size=5)
    side = math.ceil(32 / zoom)
    top = (32 - side) // 2
    result = corrupt(IMAGES, "snow", severity, generator())
    for image, drawn, angle, whitened in zip(IMAGES, layers, angles, result, strict=True):
        layer = ndimage.zoom(drawn[top : top + side, top : top + side], zoom, order=1)
        trim = (len(layer) - 32) // 2
        layer = layer[trim : trim + 32, trim : trim + 32]
        layer[layer < threshold] = 0
        flakes = np.uint8(np.clip(layer, 0, 1) * 255)[np.newaxis, :, :, np.newaxis]
        fallen = np.rint(smear(flakes, np.array([angle]), radius, sigma))[0]
        pixels = image / 255
        grey = np.dot(pixels, [0.299, 0.587, 0.114])[..., np.newaxis]
        white = kept * pixels + (1 - kept) * np.maximum(pixels, 1.5 * grey + 0.5)
        assert_truncated(whitened, 255 * white + fallen + np.rot90(fallen, 2))


def test_snow_on_black_is_its_own_half_turn() -> None:
    white = corrupt(BLACK, "snow", 2, generator())
    assert white.max() > 60
    assert np.array_equal(white, white[:, ::-1, ::-1])
    assert np.array_equal(white, white[..., :1].repeat(3, axis=3))


# --- fog and frost ----------------------------------------------------------------------------------


def test_plasma_is_the_diamond_square_walk() -> None:
    size, decay = 8, 1.75
    height = np.zeros((size, size))
    rng, step, reach = generator(), size, 100.0

    def draw(points: list[tuple[int, int]], offsets: list[tuple[int, int]]) -> None:
        noise = rng.uniform(-(reach**2), reach**2, size=len(points))
        for (row, column), shift in zip(points, noise, strict=True):
            around = [height[(row + down) % size, (column + right) % size] for down, right in offsets]
            height[row, column] = sum(around) / 4 + shift

    while step > 1:
        half = step // 2
        whole, middle = range(0, size, step), range(half, size, step)
        cross = [(0, half), (0, -half), (half, 0), (-half, 0)]
        draw([(r, c) for r in middle for c in middle], [(i, j) for i in (half, -half) for j in (half, -half)])
        draw([(r, c) for r in whole for c in middle], cross)
        draw([(r, c) for r in middle for c in whole], cross)
        step, reach = half, reach / decay
    height = (height - height.min()) / (height.max() - height.min())
    assert weather.plasma(1, (8, 8), decay, generator())[0] == pytest.approx(height)
    assert weather.plasma(1, (7, 5), decay, generator())[0] == pytest.approx(height[:7, :5])


def test_plasma_is_smoother_with_more_decay() -> None:
    rough, smooth = (weather.plasma(200, (32, 32), decay, generator()) for decay in (1.5, 3))
    assert np.abs(np.diff(rough, axis=1)).mean() > 1.5 * np.abs(np.diff(smooth, axis=1)).mean()
    assert rough.min(axis=(1, 2)) == pytest.approx(0)
    assert rough.max(axis=(1, 2)) == pytest.approx(1)


@severities((0.2, 3), (0.5, 3), (0.75, 2.5), (1.0, 2), (1.5, 1.75))
def test_fog_keeps_the_range_of_the_image(severity: int, level: tuple[float, float]) -> None:
    amplitude, decay = level
    dark = IMAGES // 2
    haze = weather.plasma(5, (32, 32), decay, generator())
    result = corrupt(dark, "fog", severity, generator())
    for image, mist, foggy in zip(dark, haze, result, strict=True):
        pixels = image / 255
        shrink = pixels.max() / (pixels.max() + amplitude)
        assert_truncated(foggy, 255 * shrink * (pixels + amplitude * mist[..., np.newaxis]))
        assert foggy.max() <= image.max()


@severities((1.0, 0.2), (1.0, 0.3), (0.9, 0.4), (0.85, 0.4), (0.75, 0.45))
def test_frost_is_a_bluish_overlay(severity: int, level: tuple[float, float]) -> None:
    kept, strength = level
    texture = weather.frost(BLACK, generator(), 0, 1)
    assert 0 <= texture.min() < 50 < 200 < texture.max() <= 255
    assert (texture[..., 2] >= texture[..., 1]).all()
    assert (texture[..., 1] >= texture[..., 0]).all()
    assert_truncated(corrupt(IMAGES, "frost", severity, generator()), kept * IMAGES + strength * texture)


def test_frost_is_as_strong_as_its_description_says() -> None:
    texture = weather.frost(np.zeros((500, 32, 32, 3), np.uint8), generator(), 0, 1)
    assert texture.mean() / 255 == pytest.approx(0.38, abs=0.01)


# --- spatter ----------------------------------------------------------------------------------------


def liquid(mean: float, spread: float, sigma: float, threshold: float) -> np.ndarray:
    """Return the drops (5, 32, 32) that the generator draws; 0 means dry."""
    layers = generator().normal(mean, spread, size=(5, 32, 32))
    smooth = np.stack([ndimage.gaussian_filter(layer, sigma, mode="nearest", truncate=4) for layer in layers])
    return np.where(smooth < threshold, 0, smooth)


@pytest.mark.parametrize(
    ("severity", "level"),
    [(1, (0.62, 0.1, 0.7, 0.7)), (2, (0.65, 0.1, 0.8, 0.7)), (3, (0.65, 0.3, 1.0, 0.69))],
)
def test_water_brightens_the_drops_alone(severity: int, level: tuple[float, ...]) -> None:
    drops = liquid(*level)
    light = corrupt(BLACK, "spatter", severity, generator())
    assert (light[drops == 0] == 0).all()
    # Of each image, the brightest drop is half of pale turquoise.
    assert np.array_equal(light.max(axis=(1, 2)), np.uint8([[87, 119, 119]] * 5))
    assert np.array_equal(corrupt(IMAGES, "spatter", severity, generator()) >= IMAGES, np.ones_like(IMAGES))


@pytest.mark.parametrize(("severity", "level"), [(4, (0.65, 0.1, 0.7, 0.69)), (5, (0.65, 0.1, 0.5, 0.68))])
def test_mud_covers_the_drops(severity: int, level: tuple[float, ...]) -> None:
    drops = liquid(*level) > level[-1]
    result = corrupt(IMAGES, "spatter", severity, generator())
    for image, drop, muddy in zip(IMAGES, drops, result, strict=True):
        cover = ndimage.gaussian_filter(drop.astype(float), 0.6, mode="nearest")[..., np.newaxis]
        cover[cover < 0.8] = 0
        assert cover.max() > 0
        assert_truncated(muddy, (1 - cover) * image + cover * [63, 42, 20])


@pytest.mark.parametrize("muddy", [0, 1])
def test_a_dry_image_stays(muddy: int) -> None:
    assert np.array_equal(weather.spatter(IMAGES, generator(), 0.6, 0.1, 0.7, 9.0, 0.5, muddy), IMAGES)


def test_colours_become_luma_on_grey_images() -> None:
    colour = corrupt(BLACK, "frost", 3, generator()).astype(float)
    grey = corrupt(BLACK[..., :1], "frost", 3, generator())
    assert np.abs(grey[..., 0] - colour @ COLOURS[0]).max() < 1.01


def test_rims_ring_a_drop() -> None:
    drop = np.zeros((2, 16, 16), np.uint8)
    drop[0, 4:12, 5:11] = 200
    rims = weather._rims(drop)
    assert not rims[1].any()
    inside, count = ndimage.label(~rims[0])
    assert count == 2, "the rim must part the inside from the outside"
    assert inside[8, 8] != inside[0, 0]
    assert rims[0].sum() <= 2 * (8 + 6) + 4, "the rim must be one pixel wide"


def test_rims_follow_both_diagonals() -> None:
    rows, columns = np.indices((16, 16))
    across = np.stack([rows + columns - 15.5, columns - rows - 0.5])
    rims = weather._rims((across < 0).astype(np.uint8) * 200)[:, 1:-1, 1:-1]
    across = np.abs(across[:, 1:-1, 1:-1])
    assert rims[across < 1].all()
    assert not rims[across > 1].any()


def test_rims_need_one_steep_pixel_in_each_piece() -> None:
    steps = np.zeros((2, 12, 24), np.uint8)
    steps[:, :, 12:] = 30  # |dx| = 4·30 = 120: above 50, below 150
    assert not weather._rims(steps).any()
    steps[0, 6:, 12:] = 40  # 160: above both
    rims = weather._rims(steps)
    assert rims[0, :, 10:14].any(axis=1).all(), "the weak part of a piece with a steep pixel must stay"
    assert not rims[1].any()


def test_rim_distance_is_the_shortest_walk() -> None:
    rims = np.zeros((3, 12, 14), bool)
    rims[0, 2, 3] = rims[0, 9, 12] = rims[1, 0, 0] = True
    moves = {(1, 0): 1, (0, 1): 1, (1, 1): 1.4, (1, 2): 2.1969, (2, 1): 2.1969}
    walk = np.where(rims, 0.0, 20.0)
    for _ in range(14):
        for (down, right), length in moves.items():
            for row, column in ((down, right), (-down, right), (down, -right), (-down, -right)):
                moved = np.pad(walk, ((0, 0), (2, 2), (2, 2)), constant_values=20)
                shifted = moved[:, 2 + row : 14 + row, 2 + column : 16 + column]
                walk = np.minimum(walk, shifted + length)
    # Where two rims compete, the one nearest in Euclidean distance may be a little farther to walk.
    assert weather._rim_distance(rims) == pytest.approx(walk, abs=0.21)
    assert weather._rim_distance(rims[1:]) == pytest.approx(walk[1:])
    assert (weather._rim_distance(rims)[2] == 20).all()


def test_relief_lights_the_slopes_from_one_side() -> None:
    drops = np.zeros((1, 16, 16), np.uint8)
    drops[0, 3:10, 4:13] = 200

    def weighted(layer: np.ndarray, weights: list[list[int]]) -> np.ndarray:
        padded = np.pad(layer, 1, mode="reflect")
        return sum(weights[i][j] * padded[i : i + 16, j : j + 16] for i in range(3) for j in range(3))

    box = [[1, 1, 1]] * 3
    distance = weighted(weather._rim_distance(weather._rims(drops))[0], box) // 9
    order = np.array([[(distance <= value).sum() for value in row] for row in distance])
    equalised = np.rint((order - order.min()) / (256 - order.min()) * 255)
    lit = np.clip(weighted(equalised, [[-2, -1, 0], [-1, 1, 1], [0, 1, 2]]), 0, 255)
    assert np.array_equal(weather._relief(drops)[0], np.rint(weighted(lit, box) / 9))


def test_equalised_ranks_the_values() -> None:
    layers = np.array([[[3, 3, 5, 9]], [[0, 1, 2, 20]], [[7, 7, 7, 7]]])
    assert weather._equalised(layers).tolist() == [[[0, 0, 128, 255]], [[0, 85, 170, 255]], [[7, 7, 7, 7]]]
