"""Tests of ``featdyn_core.store``."""
