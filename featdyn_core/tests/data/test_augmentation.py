"""Crops and flips against a slow reference."""

import numpy as np
import pytest
import torch

from featdyn_core.data.augmentation import CropFlip
from featdyn_core.tests.tiny import SUBSET, coloured_digits, tiny_digits


def slow_crop(image: np.ndarray, row: int, column: int, flip: bool) -> np.ndarray:
    """Pad by four zeros on each side, crop at (row, column), mirror left to right."""
    _, height, width = image.shape
    padded = np.pad(image, ((0, 0), (4, 4), (4, 4)))
    cropped = padded[:, row : row + height, column : column + width]
    return cropped[:, :, ::-1] if flip else cropped


@pytest.mark.parametrize("dataset", [tiny_digits, coloured_digits])
def test_crops_and_flips_are_those_of_a_slow_reference(dataset):
    images = dataset().train_images
    crops = CropFlip(images, torch.device("cpu"))
    crops.draw(torch.Generator().manual_seed(3))
    draws = torch.Generator().manual_seed(3)
    rows, columns = torch.randint(0, 9, (2, SUBSET, 1), generator=draws).squeeze(-1).tolist()
    flips = (torch.rand((SUBSET, 1), generator=draws) < 0.5).squeeze(-1).tolist()
    assert set(rows) == set(columns) == set(range(9))
    chosen = torch.tensor([7, 3, *range(SUBSET)])
    for found, index in zip(crops.take(chosen), chosen.tolist(), strict=True):
        expected = slow_crop(images[index].numpy(), rows[index], columns[index], flips[index])
        np.testing.assert_array_equal(found.numpy(), expected)


def test_every_draw_is_another():
    crops = CropFlip(tiny_digits().train_images, torch.device("cpu"))
    generator, places = torch.Generator().manual_seed(0), torch.arange(SUBSET)
    drawn = []
    for _ in range(2):
        crops.draw(generator)
        drawn.append(crops.take(places))
    assert not torch.equal(*drawn)
