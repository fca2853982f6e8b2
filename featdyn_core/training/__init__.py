"""Recipe and seed to checkpoints."""
