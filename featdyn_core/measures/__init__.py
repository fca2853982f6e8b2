"""Measurements: from checkpoints or tensors to numbers, in four families that are independent of each other."""
