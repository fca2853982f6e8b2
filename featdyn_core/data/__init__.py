"""Data sets as tensors: their sources, randomised labels and corrupted images."""
