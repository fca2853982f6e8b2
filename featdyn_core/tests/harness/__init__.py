"""Tests of ``featdyn_core.harness``."""
