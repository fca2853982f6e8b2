"""Families of rows that were registered together, and p-values adjusted within them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from featdyn_core.errors import MeasurementError
from featdyn_core.verdicts.claim import THEOREM, Verdict
from featdyn_core.verdicts.evidence import RULE, Evidence
from featdyn_core.verdicts.inference import LEVEL


@dataclass(frozen=True)
class Adjusted:
    """Holm-adjusted p-values of a row; None if it has none, or if its run is not the whole registered family.

    Attributes:
        p_value: p-value of the hypothesis that the claim is false.
        p_against: p-value of the hypothesis that it is true.
    """

    p_value: float | None = None
    p_against: float | None = None

    def __iter__(self) -> Iterator[float | None]:
        return iter((self.p_value, self.p_against))

    def of(self, row: Evidence) -> float | None:
        """Return the p-value that belongs to a row's verdict."""
        return self.p_against if row.verdict is Verdict.REFUTED and row.rule == RULE else self.p_value

    def survives(self, row: Evidence) -> bool:
        """Whether a row's verdict, SUPPORTED or REFUTED, survives the adjustment over its family."""
        p_value = self.of(row)
        if row.verdict not in (Verdict.SUPPORTED, Verdict.REFUTED) or row.rule != RULE or p_value is None:
            return False
        return p_value <= LEVEL


def adjusted_p_values(rows: Sequence[Evidence]) -> list[Adjusted]:
    """Holm-adjusted p-values of each row, for SUPPORTED and for REFUTED separately.

    A family consists of all registered rows of one scale, including rows that were not decided; published rows and rows
    trained here are two families. Rows that were registered together are tested together, so leaving out a claim makes
    no other look better. If a part of a family was not run, no row of it has an adjusted p-value. Rows of sweeps,
    extensions of the paper, and theorems, which involve no chance, belong to no family.
    """
    families: dict[tuple[str, bool], list[int]] = {}
    for place, row in enumerate(rows):
        if not row.variation and not row.extension and row.kind != THEOREM:
            families.setdefault((row.scale, row.replayed), []).append(place)
    found = [Adjusted()] * len(rows)
    for family in families.values():
        members = [rows[place] for place in family]
        if any(row.exploratory or row.verdict is Verdict.DESELECTED for row in members):
            continue
        absent = [None] * (max(row.family for row in members) - len(members))
        one = _holm([*(row.p_value for row in members), *absent])[: len(members)]
        other = _holm([*(row.p_against for row in members), *absent])[: len(members)]
        for place, row, p_value, p_against in zip(family, members, one, other, strict=True):
            if row.has_p_value:
                found[place] = Adjusted(p_value, None if row.p_against is None else p_against)
    return found


def _holm(p_values: Sequence[float | None]) -> list[float]:
    """Adjusted p-values; a missing p-value counts as 1."""
    return holm([1.0 if value is None else value for value in p_values])


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm-adjusted p-values (1979), in the order given.

    Raises:
        MeasurementError: a number lies outside [0, 1].

    Examples:
        >>> holm([0.01, 0.04, 0.03])
        [0.03, 0.06, 0.06]
    """
    if not all(0 <= p_value <= 1 for p_value in p_values):
        raise MeasurementError(f"p-values lie in [0, 1], found {list(p_values)}")
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    adjusted, running = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        running = max(running, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = running
    return adjusted
