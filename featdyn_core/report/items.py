"""Findings of one criterion, asked of several depths or epochs, side by side on one scale."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from featdyn_core.report.strips import Strip, strips
from featdyn_core.verdicts.criterion import Criterion, Finding

_BETWEEN = ", "
"""Between what a criterion is called, its item and its split (see ``register.Entry``)."""


@dataclass(frozen=True)
class Item:
    """One item of a criterion: its name, empty if there is no other; what was found; and that as a strip."""

    name: str
    finding: Finding
    strip: Strip


@dataclass(frozen=True)
class Asked:
    """A criterion with all of its items.

    Attributes:
        name: of the criterion, without an item.
        quantity: in words, without an item.
        items: in the order of the claim.
    """

    name: str
    quantity: str
    items: tuple[Item, ...]

    @property
    def criterion(self) -> Criterion:
        """The criterion of its first item, whose bound is that of all."""
        return self.items[0].finding.criterion

    @property
    def ends(self) -> tuple[float, float]:
        """The smallest and the largest number on the strips."""
        return self.items[0].strip.ends


def asked(findings: Iterable[Finding]) -> list[Asked]:
    """Return findings by their criterion, the strips of each on one scale."""
    found: dict[tuple[object, ...], list[tuple[str, Finding]]] = {}
    for finding in findings:
        criterion = finding.criterion
        name, item, quantity = _taken_apart(criterion)
        key = name, quantity, criterion.asked, criterion.unit, criterion.paper
        found.setdefault(key, []).append((item, finding))
    return [_asked(items) for items in found.values()]


def _asked(items: Sequence[tuple[str, Finding]]) -> Asked:
    laid_out = strips([finding for _, finding in items])
    name, _, quantity = _taken_apart(items[0][1].criterion)
    if len(items) == 1:  # the only one keeps its whole name
        name, quantity = items[0][1].criterion.name, items[0][1].criterion.quantity
    named = [item if len(items) > 1 else "" for item, _ in items]
    each = zip(named, items, laid_out, strict=True)
    return Asked(name, quantity, tuple(Item(item, finding, strip) for item, (_, finding), strip in each))


def _taken_apart(criterion: Criterion) -> tuple[str, str, str]:
    """Return name, item and quantity of a criterion; an item ends both its name and its quantity, before the split."""
    names, quantities = criterion.name.split(_BETWEEN), criterion.quantity.split(_BETWEEN)
    split = names[-1] if quantities[-1] == f"{names[-1]} images" else ""
    if split:
        names, quantities = names[:-1], quantities[:-1]
    shared = 0
    while shared < min(len(names), len(quantities)) - 1 and names[-1 - shared] == quantities[-1 - shared]:
        shared += 1
    place, item = len(names) - shared, _BETWEEN.join(names[len(names) - shared :])
    name = _BETWEEN.join(filter(None, [*names[:place], split]))
    return name, item, _BETWEEN.join([*quantities[: len(quantities) - shared], *([f"{split} images"] if split else [])])
