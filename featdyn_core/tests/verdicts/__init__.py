"""Tests of ``featdyn_core.verdicts``."""
