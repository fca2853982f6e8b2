"""Tests of the claim tests: error rates, mutations that make them fail, and agreement of register and documents."""
