"""Tests of the benchmarks themselves; none asserts a time."""
