"""Training: from recipe and seed to checkpoints."""
