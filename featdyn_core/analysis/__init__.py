"""Computations on records that several claims share; all are pure functions."""
