"""What the numbers of each row are counted from: images, pairs or epochs, as the published evidence has them."""

from claims.meta.modules import HERE
from featdyn_core.verdicts.documents import read_evidence
from featdyn_core.verdicts.evidence import Evidence

Counts = dict[tuple[str, str, str, str], int]
"""Claim, scale, subject and criterion of a published number, to the fewest things that it is counted from."""


def evidence() -> list[Evidence]:
    """Return the rows of the published evidence."""
    files = sorted((HERE.parent / "evidence").glob("*/evidence.json"))
    return [row for path in files for row in read_evidence(path)]


def published_counts() -> Counts:
    """Return what the deciding numbers of the published rows are counted from."""
    found: Counts = {}
    for row in evidence():
        for item in row.deciding:
            name = row.claim, row.scale, row.subject, item.criterion.name
            if item.counts:
                found[name] = min([*item.counts, *filter(None, [found.get(name)])])
    return found
