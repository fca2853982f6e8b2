"""Names of splits, severities and sets, in a module of their own so that judging records needs no torch."""

SPLITS = ("held-out", "training")

SEVERITIES = (1, 2, 3, 4, 5)
"""Severities of the corruptions of CIFAR-10-C."""

REORDERED = ("digits",)
"""Image sets that are not in their published order, so that labels in that order do not fit them."""
