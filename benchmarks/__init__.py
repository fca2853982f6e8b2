"""Ratios of times against competent baselines, run by hand: ``python -m benchmarks``."""
