"""How numbers and verdicts of evidence are said, in the terminal and in the report alike."""

import re
from collections.abc import Iterable, Sequence

from featdyn_core.verdicts.claim import Verdict
from featdyn_core.verdicts.criterion import Criterion, Finding, Outcome, Role
from featdyn_core.verdicts.evidence import RULE, Evidence
from featdyn_core.verdicts.families import Adjusted
from featdyn_core.verdicts.inference import CONFIDENCE

NOTHING = "–"
SEEN = "seen"
CHANGED = ", was "
"""Between a verdict and the one that the register knows, where it is another."""

SYMBOLS = {
    Verdict.SUPPORTED: "✓",
    Verdict.EQUIVALENT: "≈",
    Verdict.REFUTED: "✗",
    Verdict.INCONCLUSIVE: "?",
    Verdict.INVALID: "!",
}
"""Verdict on judged numbers to its sign in a table that has no room for the word."""

NOT_RUN = "·"
"""The sign of a row that the register has and nobody ran."""

P_LIMIT = (1 - CONFIDENCE) / 2
"""A one-sided p-value is below this exactly where the interval lies on the right side of its bound."""

SURVIVES, MAY_BE_SKEWED, SECOND_PROTOCOL = "*", "†", "²"
MARKS = {
    SURVIVES: "survives beside all registered rows of its scale (Holm, for SUPPORTED and for REFUTED apart)",
    MAY_BE_SKEWED: "decided by a mean of differences or of correlations: where these are skewed, errors are more "
    "frequent than 5 % (docs/calibration.md)",
    SECOND_PROTOCOL: "from the second protocol, which asked for the least favourable depth of each seed",
}
"""Marks behind a verdict to what they mean."""


def hinge(row: Evidence) -> Finding | None:
    """Return the finding that the verdict hangs on; None if nothing was measured.

    It is the one nearest to failing, or furthest in it: of the controls if the verdict is INVALID, else of the items
    that decide. Of a REFUTED row it is the item that most surely fails.
    """
    if row.verdict is Verdict.REFUTED and row.rule == RULE:
        return min(row.deciding, key=lambda finding: finding.p_against, default=None)
    role = Role.CONTROL if row.verdict is Verdict.INVALID else Role.DECIDES
    return max(row.of(role), key=lambda finding: finding.p_value, default=None)


def scale(row: Evidence) -> str:
    """Scale of a row, what is varied, and whether published records were judged or other seeds were taken."""
    return ", ".join(filter(None, [row.scale, row.variation, note(row)]))


def where(row: Evidence) -> str:
    """Scale of a row as far as it tells rows apart: whether its seeds were seen before stands in its remarks."""
    return scale(row).removesuffix(f", {SEEN}")


def note(row: Evidence) -> str:
    """What tells the row from one of the register that was measured here: empty of such a one."""
    words = {
        "replayed": row.replayed,
        "here": row.here,
        "exploratory": row.exploratory,
        SEEN: row.seen and row.verdict.decided,
    }
    return ", ".join(word for word, holds in words.items() if holds)


def remarks(row: Evidence) -> str:
    """What a reader must know beside a verdict: why it is not SUPPORTED, and what weakens it."""
    bits = {"equal": "bit for bit as published", "other": "other bits than the published trainings", "": ""}
    found = [
        row.reason or row.counter_example or row.why,
        "on seeds seen before" if row.seen and row.verdict.decided else "",
        bits[row.bits],
        f"measured by other code ({', '.join(row.other_code)})" if row.other_code else "",
        f"what looks odd about its checkpoints: {row.suspicions}" if row.suspicions else "",
        "an extension, and no statement of the paper" if row.extension and row.verdict.decided else "",
    ]
    return "; ".join(filter(None, found))


def reproduction(row: Evidence) -> str:
    """Return how much of a decided row the run did, from judging alone to training, and when its records were measured.

    A row without records has an empty text. "Again" means that published records of the row are there to compare with.
    """
    if not row.verdict.decided or not row.records:
        return ""
    bits = {"equal": "trained and measured again, same bits", "other": "trained and measured again, other bits"}
    done = "judged again, on published records" if row.replayed else bits.get(row.bits, "trained and measured here")
    return f"{done}, {' to '.join(dict.fromkeys((row.dates[0], row.dates[-1])))}" if row.dates else done


def verdict(row: Evidence) -> str:
    """Verdict of a row, and whether the register knows it or another."""
    if row.changed:
        return f"{row.verdict}{CHANGED}{row.known}"
    if row.in_accord:
        return f"{row.verdict}, known as {row.known}"
    return f"{row.verdict}, known" if row.known == row.verdict else str(row.verdict)


def short_verdict(row: Evidence) -> str:
    """Return the verdict where there is little room: in brackets the one that the register knows of more seeds."""
    return f"{row.verdict} ({row.known})" if row.in_accord else verdict(row)


def is_new(row: Evidence) -> bool:
    """Whether a row was decided against the claim, and the register knows no finding of it."""
    return row.verdict.decided and row.verdict is not Verdict.SUPPORTED and not row.known


def multiverse(row: Evidence) -> str:
    """Shares of the verdicts over all specifications, such as "S 83 %, I 17 % of 108"; empty where none was computed.

    Each verdict is said by its first letter, INVALID in full.
    """
    if row.multiverse is None:
        return ""
    shares = {verdict: share for verdict, share in row.multiverse.shares.items() if share}
    said = [
        f"{verdict if verdict is Verdict.INVALID else verdict[0]} {share:.0f} %" for verdict, share in shares.items()
    ]
    return f"{', '.join(said)} of {len(row.multiverse.verdicts)}"


def marks(row: Evidence, holm: Adjusted) -> str:
    """Marks of a decided row (see ``MARKS``)."""
    if not row.verdict.decided:
        return ""
    if row.rule != RULE:
        return SECOND_PROTOCOL
    found = {SURVIVES: holm.survives(row), MAY_BE_SKEWED: row.may_be_skewed}
    return "".join(mark for mark, holds in found.items() if holds)


def legend(shown: Iterable[str]) -> dict[str, str]:
    """Return what the marks mean that stand behind some verdicts."""
    found = "".join(shown)
    return {mark: words for mark, words in MARKS.items() if mark in found}


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
    return asked(finding.criterion)


def asked(criterion: Criterion) -> str:
    """Where the number of a criterion is to lie."""
    if criterion.direction == "within":
        return f"{criterion.around:g} ± {criterion.bound:g}"
    return f"{'>' if criterion.direction == 'above' else '<'} {criterion.bound:g}"


def seeds_that_hold(finding: Finding) -> str:
    """On how many seeds it holds, such as "4 of 5"."""
    return f"{finding.on_right_side} of {len(finding.values)}"


def p_value(value: float | None) -> str:
    """Four decimals, or that it is below the least of them."""
    if value is None:
        return NOTHING
    return "<0.0001" if value < 1e-4 else f"{value:.4f}"
