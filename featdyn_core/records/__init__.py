"""Kinds of record: of each its options, how it is measured, what claims look at, and planted ones."""
