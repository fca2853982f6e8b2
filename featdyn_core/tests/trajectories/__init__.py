"""Tests of ``featdyn_core.trajectories``."""
