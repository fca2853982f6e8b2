"""Tensors in the nested lists and tables that operators are called with."""

from torch import Tensor


def leaves(value):
    """Go through what stands in nested lists and tables.

    Yields:
        Each part that is neither.
    """
    if isinstance(value, (list, tuple)):
        for part in value:
            yield from leaves(part)
    elif isinstance(value, dict):
        yield from leaves(list(value.values()))
    else:
        yield value


def tensors(value) -> list[Tensor]:
    """Return the tensors in nested lists and tables."""
    return [part for part in leaves(value) if isinstance(part, Tensor)]


def with_tensors(change, value):
    """Return nested lists and tables with each tensor changed."""
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, (list, tuple)):
        return type(value)([with_tensors(change, part) for part in value])
    if isinstance(value, dict):
        return {name: with_tensors(change, part) for name, part in value.items()}
    return value
