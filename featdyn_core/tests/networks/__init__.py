"""Tests of ``featdyn_core.networks``."""
