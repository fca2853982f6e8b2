"""Tests of ``featdyn_core.training``."""
