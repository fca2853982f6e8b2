"""Tests of ``featdyn_core.measures.composites``."""
