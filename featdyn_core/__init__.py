"""featdyn: empirical claims about training dynamics as assertion-based tests over checkpoint trajectories."""
