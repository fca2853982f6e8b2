"""Kinds of record: the options of each kind, its measurement, the view that claims read, and planted records."""
