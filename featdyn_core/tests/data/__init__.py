"""Tests of ``featdyn_core.data``."""
