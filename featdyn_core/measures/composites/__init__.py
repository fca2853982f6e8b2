"""Composite networks and their consistency (sections 3 and 4)."""
