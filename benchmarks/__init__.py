"""Side-by-side ratios against competent baselines, run by hand: ``python -m benchmarks``."""
