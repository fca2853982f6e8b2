"""Findings of one criterion, asked of several depths or epochs, side by side on one scale."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from featdyn_core.report.strips import Strip, strips
from featdyn_core.verdicts.criterion import Criterion, Finding


@dataclass(frozen=True)
class Item:
    """One item of a criterion: its name (empty for a single item), its finding, and the strip of the finding."""

    name: str
    finding: Finding
    strip: Strip


@dataclass(frozen=True)
class Asked:
    """A criterion with all of its items.

    Attributes:
        name: name of the criterion, without an item.
        quantity: in words, without an item.
        items: in the order of the claim.
    """

    name: str
    quantity: str
    items: tuple[Item, ...]

    @property
    def criterion(self) -> Criterion:
        """The criterion of its first item; all items share its bound."""
        return self.items[0].finding.criterion

    @property
    def ends(self) -> tuple[float, float]:
        """The smallest and the largest number on the strips."""
        return self.items[0].strip.ends


def asked(findings: Iterable[Finding]) -> list[Asked]:
    """Group findings by criterion; the strips of a criterion share one scale."""
    found: dict[tuple[object, ...], list[tuple[str, Finding]]] = {}
    for finding in findings:
        criterion, parts = finding.criterion, finding.criterion.parts
        key = parts.name, parts.quantity, criterion.asked, criterion.unit, criterion.paper
        found.setdefault(key, []).append((parts.item, finding))
    return [_asked(items) for items in found.values()]


def _asked(items: Sequence[tuple[str, Finding]]) -> Asked:
    laid_out, criterion = strips([finding for _, finding in items]), items[0][1].criterion
    if len(items) == 1:  # the only one keeps its whole name
        return Asked(criterion.name, criterion.quantity, (Item("", items[0][1], laid_out[0]),))
    each = tuple(Item(item, finding, strip) for (item, finding), strip in zip(items, laid_out, strict=True))
    return Asked(criterion.parts.name, criterion.parts.quantity, each)
