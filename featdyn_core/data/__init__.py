"""Data sets as tensors: where they come from, how labels are randomised, how images are corrupted."""
