"""Policies for the running statistics of composites; planning knows them without torch."""

POLICIES = ("carry", "recalibrate")
"""``carry`` keeps the statistics of each part's checkpoint; ``recalibrate`` re-estimates them (see ``composite``)."""
