"""Tests of ``featdyn_core.measures.one_step``."""
