"""Random images with only the mean and the covariance of an image set: the control of section 5."""

import numpy as np
import torch

WHITE = 255


def random_images(images: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Draw as many images from the Gaussian law with the mean and the covariance of the given images.

    Each is the mean image plus a random combination of the deviations from it, ``μ + Σ_i z_i (x_i − μ) / √N`` with
    independent standard normal ``z_i``, whose covariance over the draws is ``Σ_i (x_i − μ)(x_i − μ)ᵀ / N`` exactly,
    also where pixels outnumber images. **Reading:** mean and covariance are over all pixels and channels, of the law
    before its values are rounded and clipped to grey levels, as networks take them.

    Args:
        images: (N, C, H, W) uint8; not changed.
        rng: numpy generator.

    Returns:
        (N, C, H, W) uint8.
    """
    flat = images.flatten(1).double().numpy()
    mean, weights = flat.mean(axis=0), rng.standard_normal((len(flat), len(flat)))
    drawn = mean + weights @ (flat - mean) / np.sqrt(len(flat))
    return torch.from_numpy(np.clip(np.rint(drawn), 0, WHITE).astype(np.uint8)).reshape(images.shape)
