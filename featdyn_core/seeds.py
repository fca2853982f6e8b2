"""Independent named random streams from one integer seed.

The name of a stream says what it decides; a recurring stream has the epoch in its name too. So a change to the
randomness that one part of a training consumes never shifts another part. A training can also resume at any epoch
without a saved state of a generator.
"""

import hashlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch

STREAMS = ("init", "order", "augment", "dropout", "labels", "subset", "measure", "corrupt", "reinit")


def stream_seed(seed: int, stream: str, *index: int | str) -> int:
    """Return the 63-bit integer that seeds the named stream.

    Args:
        seed: the training seed, a non-negative integer.
        stream: one of ``STREAMS``.
        index: numbers that distinguish streams of one name, such as the epoch.

    Raises:
        ValueError: the stream name is unknown, or the seed is negative.
    """
    if stream not in STREAMS:
        raise ValueError(f"unknown random stream {stream!r}; the streams are {', '.join(STREAMS)}")
    if seed < 0:
        raise ValueError(f"seed {seed} is negative; seeds are non-negative integers")
    text = "/".join(str(part) for part in (seed, stream, *index))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def torch_generator(
    seed: int, stream: str, *index: int | str, device: "torch.device | str" = "cpu"
) -> "torch.Generator":
    """Return a torch generator on ``device`` for the named stream."""
    import torch  # imported here, because judging records draws with numpy only

    return torch.Generator(device=device).manual_seed(stream_seed(seed, stream, *index))


def numpy_generator(seed: int, stream: str, *index: int | str) -> np.random.Generator:
    """Return a numpy generator for the named stream.

    Examples:
        >>> first, again, other = (numpy_generator(0, stream).random() for stream in ("labels", "labels", "order"))
        >>> first == again, first == other
        (True, False)
    """
    return np.random.default_rng(stream_seed(seed, stream, *index))
