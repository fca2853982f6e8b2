"""Tests of ``featdyn_core.measures.drift``."""
