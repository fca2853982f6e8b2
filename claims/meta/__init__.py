"""Tests of the claim tests: their error rates, that they can fail, and that register and README say the same."""
