"""Tests of ``featdyn_core.measures.distances``."""
