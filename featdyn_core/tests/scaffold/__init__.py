"""Tests of ``featdyn_core.scaffold``."""
