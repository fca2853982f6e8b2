"""Paces of turning networks (see ``turning_network``); planning knows them without torch."""

STANDING = "standing"
"""The pace of a network with a fixed hidden layer and a steadily turning classifier."""

PACES = {
    "steady": lambda part: part,
    "slowing": lambda part: min(part, (part + 0.5) / 2),
    STANDING: lambda part: part,
}
"""Functions from elapsed share of the duration to completed share of ``turning_network.TURN``.

``slowing`` halves its pace half-way.
"""
