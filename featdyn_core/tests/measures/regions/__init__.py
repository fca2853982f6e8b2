"""Tests of features and decision regions."""
