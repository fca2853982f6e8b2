"""Augmentation of training images: random crops of the padded image and flips (He et al. 2016, section 4.2)."""

import torch
import torch.nn.functional as F
from torch import Tensor

CROP_PADDING = 4
"""Width of the zero padding on each side, in pixels."""


class CropFlip:
    """Images with one draw of crop and flip each, all on the device.

    Args:
        images: (N, C, H, W).
        device: where to hold them.
    """

    def __init__(self, images: Tensor, device: torch.device) -> None:
        count, channels, height, width = images.shape
        self.images = F.pad(images, (CROP_PADDING,) * 4).to(device)
        self.channels, self.rows, self.columns = (torch.arange(n, device=device) for n in (channels, height, width))
        self.offsets = torch.empty((2, count, 1), dtype=torch.int64, device=device)
        self.flip = torch.empty((count, 1), dtype=torch.bool, device=device)

    def draw(self, generator: torch.Generator) -> None:
        """Draw crop and flip of every image again, on the CPU, so that they are the same on every device."""
        self.offsets.copy_(torch.randint(0, 2 * CROP_PADDING + 1, self.offsets.shape, generator=generator))
        self.flip.copy_(torch.rand(self.flip.shape, generator=generator) < 0.5)

    def take(self, chosen: Tensor) -> Tensor:
        """Images (B, C, H, W) at the indices ``chosen`` (B,), with their crops and flips."""
        row = self.offsets[0, chosen] + self.rows
        column = self.offsets[1, chosen] + torch.where(self.flip[chosen], self.columns.flip(0), self.columns)
        channel = self.channels[:, None, None]
        return self.images[chosen[:, None, None, None], channel, row[:, None, :, None], column[:, None, None, :]]
