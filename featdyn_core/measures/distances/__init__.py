"""Discrepancies between distributions of features (section 7, App. G)."""
