"""How numbers and verdicts of evidence are said, in the terminal and in the report alike."""

import re
from collections.abc import Sequence

from featdyn_core.verdicts.claim import Finding, Outcome, Role, Verdict
from featdyn_core.verdicts.evidence import Evidence
from featdyn_core.verdicts.inference import CONFIDENCE

NOTHING = "–"
CHANGED = ", was "
"""Between a verdict and the one that the register knows, where it is another."""

P_LIMIT = (1 - CONFIDENCE) / 2
"""A one-sided p-value is below this exactly where the interval lies on the right side of its bound."""


def hinge(row: Evidence) -> Finding | None:
    """Return the finding that the verdict hangs on; None if nothing was measured.

    It is the one nearest to failing, or furthest in it, that is with the largest p-value: of the controls if
    the verdict is INVALID, else of the deciding criteria, whose p-value is then the row's own.
    """
    role = Role.CONTROL if row.verdict is Verdict.INVALID else Role.DECIDES
    return max(row.of(role), key=lambda finding: finding.p_value, default=None)


def scale(row: Evidence) -> str:
    """Scale of a row, what is varied, and whether published records were judged or other seeds were taken."""
    return ", ".join(filter(None, [row.scale, row.variation, note(row)]))


def note(row: Evidence) -> str:
    """Whether published records were judged or other seeds were taken; else empty."""
    return ", ".join(word for word, holds in (("replayed", row.replayed), ("exploratory", row.exploratory)) if holds)


def verdict(row: Evidence) -> str:
    """Verdict of a row, and whether the register knows it or another."""
    if row.changed:
        return f"{row.verdict}{CHANGED}{row.known}"
    if row.in_accord:
        return f"{row.verdict}, known as {row.known}"
    return f"{row.verdict}, known" if row.known == row.verdict else str(row.verdict)


def control(row: Evidence) -> str:
    """Worst outcome of the controls."""
    found = {finding.outcome for finding in row.of(Role.CONTROL)}
    return next(
        (str(outcome) for outcome in (Outcome.FAILS, Outcome.UNDECIDED, Outcome.HOLDS) if outcome in found),
        NOTHING,
    )


def answers(row: Evidence) -> str:
    """Return the paper's figures that a row's curves are to be compared with, such as "Fig. 2, 10"; else empty."""
    return ", ".join(re.findall(r"Fig\. \d+\w*(?:, \d+\w*)*", row.section))


def number(value: float) -> str:
    """Four significant digits."""
    return f"{value:.4g}"


def coverage(rows: Sequence[Evidence]) -> str:
    """Return what the rows' intervals are, such as "95 % interval"."""
    levels = sorted({finding.interval.confidence for row in rows for finding in row.findings})
    return f"{' or '.join(f'{100 * level:g} %' for level in levels)} interval".lstrip()


def interval(finding: Finding) -> str:
    """Estimate and interval."""
    found = finding.interval
    return f"{number(found.estimate)} [{number(found.low)}, {number(found.high)}]"


def bound(finding: Finding) -> str:
    """Side and bound."""
    return f"{'>' if finding.criterion.above else '<'} {finding.criterion.bound:g}"


def p_value(value: float | None) -> str:
    """Four decimals, or that it is below the least of them."""
    if value is None:
        return NOTHING
    return "<0.0001" if value < 1e-4 else f"{value:.4f}"
