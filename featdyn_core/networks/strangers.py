"""A network that other people trained: the one of the four published CIFAR-10 runs that are judged here."""

from torch import nn


def convolutions() -> nn.Sequential:
    """Return three convolutions with pooling and two linear layers, images (N, 3, 32, 32) in [0, 1] to 10 logits.

    Nothing in it is not linear but the pooling: it is the network of a tutorial that many have followed.
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
