"""Checkpoints or tensors in, numbers out: four families that do not know each other."""
