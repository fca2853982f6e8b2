"""One integer seed, many independent named random streams.

A stream is named by what it decides (and, where that recurs, by the epoch), so that changing how much
randomness one part of a training consumes never shifts another, and a training can resume at any epoch
without saving the state of a generator.
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
        index: what distinguishes streams of one name, such as the epoch.

    Raises:
        ValueError: unknown stream name, or a negative seed.
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
    import torch  # here, since judging records draws with numpy alone

    return torch.Generator(device=device).manual_seed(stream_seed(seed, stream, *index))


def numpy_generator(seed: int, stream: str, *index: int | str) -> np.random.Generator:
    """Return a numpy generator for the named stream.

    Examples:
        >>> first, again, other = (numpy_generator(0, stream).random() for stream in ("labels", "labels", "order"))
        >>> first == again, first == other
        (True, False)
    """
    return np.random.default_rng(stream_seed(seed, stream, *index))
