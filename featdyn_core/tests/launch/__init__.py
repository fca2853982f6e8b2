"""Tests of ``featdyn_core.launch``."""
