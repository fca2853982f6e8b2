"""Tests of ``featdyn_core.report``."""
