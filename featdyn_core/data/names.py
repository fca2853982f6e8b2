"""Names of splits, severities and sets; apart from the images, so that what judges records can do without torch."""

SPLITS = ("held-out", "training")

SEVERITIES = (1, 2, 3, 4, 5)
"""Of the corruptions of CIFAR-10-C."""

REORDERED = ("digits",)
"""Image sets that are not in their published order, so that labels given in that order are not theirs."""
