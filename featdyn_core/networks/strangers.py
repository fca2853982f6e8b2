"""Networks of published runs by other people, which were adopted (see ``fixtures/recipes`` and ``evidence``).

Each is reimplemented from the names and shapes of its checkpoints, and takes them unchanged.
"""

from collections import OrderedDict

from torch import nn


def convolutions() -> nn.Sequential:
    """Return three convolutions with pooling and two linear layers, images (N, 3, 32, 32) in [0, 1] to 10 logits.

    Its only non-linearity is the pooling. It is the network of a popular tutorial.
    """
    return nn.Sequential(
        nn.Conv2d(3, 32, 5, padding=2),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 32, 5, padding=2),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 5, padding=2),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(1024, 64),
        nn.Linear(64, 10),
    )


def two_convolutions() -> nn.Sequential:
    """Return two convolutions with pooling and a linear layer, images (N, 1, 28, 28) in [0, 1] to 10 logits."""
    first = nn.Sequential(nn.Conv2d(1, 16, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2))
    second = nn.Sequential(nn.Conv2d(16, 32, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2))
    parts = {"conv1": first, "conv2": second, "flat": nn.Flatten(), "out": nn.Linear(1568, 10)}
    return nn.Sequential(OrderedDict(parts))


def two_blocks() -> nn.Sequential:
    """Return two blocks of two convolutions each and a linear layer, images (N, 1, 28, 28) in [0, 1] to 10 logits."""
    classifier = nn.Sequential(nn.Flatten(), nn.Linear(490, 10))
    return nn.Sequential(OrderedDict({"conv_block_1": _block(1), "conv_block_2": _block(10), "classifier": classifier}))


def _block(inputs: int) -> nn.Sequential:
    convolutions = nn.Conv2d(inputs, 10, 3, padding=1), nn.ReLU(), nn.Conv2d(10, 10, 3, padding=1), nn.ReLU()
    return nn.Sequential(*convolutions, nn.MaxPool2d(2))
