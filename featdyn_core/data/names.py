"""Names of splits and severities; apart from the images, so that what judges records can do without torch."""

SPLITS = ("held-out", "training")

SEVERITIES = (1, 2, 3, 4, 5)
"""Of the corruptions of CIFAR-10-C."""
