"""The words for numbers and verdicts of evidence, the same in the terminal and in the report."""

import re
from collections.abc import Iterable, Sequence

from featdyn_core.verdicts.claim import Verdict
from featdyn_core.verdicts.criterion import Criterion, Finding, Outcome, Role
from featdyn_core.verdicts.evidence import RULE, Evidence
from featdyn_core.verdicts.families import Adjusted

NOTHING = "–"
SEEN = "seen"
CHANGED = ", was "
"""Text between a verdict and a different one that the register has as the known finding."""

SYMBOLS = {
    Verdict.SUPPORTED: "✓",
    Verdict.EQUIVALENT: "≈",
    Verdict.REFUTED: "✗",
    Verdict.INCONCLUSIVE: "?",
    Verdict.INVALID: "!",
}
"""Verdict on judged numbers to its sign, for a table that has no room for the word."""

NOT_RUN = "·"
"""The sign of a row of the register that was not run."""

SURVIVES, MAY_BE_SKEWED, SEEN_BEFORE, SECOND_PROTOCOL = "*", "†", "‡", "²"
MARKS = {
    SURVIVES: "survives the adjustment over all registered rows of its scale (Holm, separately for SUPPORTED and "
    "for REFUTED)",
    MAY_BE_SKEWED: "decided by a mean of differences or of correlations: if these are skewed, errors are more "
    "frequent than 5 % (docs/calibration.md)",
    SEEN_BEFORE: "on seeds seen before: their numbers were known before the criteria were written",
    SECOND_PROTOCOL: "from the second protocol, which used the least favourable depth of each seed",
}
"""Mark after a verdict to its meaning."""


def scale(row: Evidence) -> str:
    """Return the scale of a row, its variation, and whether it is replayed or uses other seeds."""
    return ", ".join(filter(None, [row.scale, row.variation, note(row)]))


def scale_here(row: Evidence) -> str:
    """Return the scale of a row, with a word that distinguishes a row trained during the run from a published one."""
    return f"{row.scale}, here" if row.here else row.scale


def where(row: Evidence) -> str:
    """Return the scale of a row without the word for seeds seen before, which its remarks contain."""
    return scale(row).removesuffix(f", {SEEN}")


def note(row: Evidence) -> str:
    """Return how the row differs from a row of the register that was measured here; empty if it is one."""
    words = {
        "replayed": row.replayed,
        "here": row.here,
        "exploratory": row.exploratory,
        SEEN: row.seen and row.verdict.decided,
    }
    return ", ".join(word for word, holds in words.items() if holds)


def remarks(row: Evidence) -> str:
    """Return what a reader must know besides the verdict: why it is not SUPPORTED, and what weakens it."""
    bits = {"equal": "bit for bit as published", "other": "bits differ from the published trainings", "": ""}
    found = [
        row.reason or row.counter_example or row.why,
        "on seeds seen before" if row.seen and row.verdict.decided else "",
        bits[row.bits],
        f"measured by other code ({', '.join(row.other_code)})" if row.other_code else "",
        f"suspicions about its checkpoints: {row.suspicions}" if row.suspicions else "",
        "an extension, not a statement of the paper" if row.extension and row.verdict.decided else "",
    ]
    return "; ".join(filter(None, found))


def reproduction(row: Evidence) -> str:
    """Return which steps of a decided row the run did, from judging to training, and when its records were measured.

    A row without records has an empty text. Steps count as done again only if there are published records to compare
    with.
    """
    if not row.verdict.decided or not row.records:
        return ""
    bits = {"equal": "trained and measured again, same bits", "other": "trained and measured again, other bits"}
    done = "judged again, on published records" if row.replayed else bits.get(row.bits, "trained and measured here")
    return f"{done}, {' to '.join(dict.fromkeys((row.dates[0], row.dates[-1])))}" if row.dates else done


def verdict(row: Evidence) -> str:
    """Return the verdict of a row, and the known finding of the register."""
    if row.changed:
        return f"{row.verdict}{CHANGED}{row.known}"
    if row.in_accord:
        return f"{row.verdict}, known as {row.known}"
    return f"{row.verdict}, known" if row.known == row.verdict else str(row.verdict)


def short_verdict(row: Evidence) -> str:
    """Return the verdict in few letters, with the known finding on more seeds in brackets."""
    return f"{row.verdict} ({row.known})" if row.in_accord else verdict(row)


def is_new(row: Evidence) -> bool:
    """Whether a row was decided against the claim and the register has no known finding for it."""
    return row.verdict.decided and row.verdict is not Verdict.SUPPORTED and not row.known


def multiverse(row: Evidence) -> str:
    """Return the shares of verdicts over all specifications, such as "S 83 %, I 17 % of 108"; empty without any.

    The first letter stands for each verdict except INVALID, which is written in full.
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
    found = {SURVIVES: holm.survives(row), MAY_BE_SKEWED: row.may_be_skewed, SEEN_BEFORE: row.seen}
    return "".join(mark for mark, holds in found.items() if holds)


def legend(shown: Iterable[str]) -> dict[str, str]:
    """Return the marks in some texts, with their meanings."""
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
    """Return the figures of the paper that a row's curves compare with, such as "Fig. 2, 10"; empty if none."""
    return ", ".join(re.findall(r"Fig\. \d+\w*(?:, \d+\w*)*", row.section))


def section(text: str) -> str:
    """Return a place in the paper in words: a number names a section, an appendix and the abstract name themselves."""
    return f"section {text}" if text[:1].isdigit() else text


def number(value: float) -> str:
    """Four significant digits."""
    return f"{value:.4g}"


def coverage(rows: Sequence[Evidence]) -> str:
    """Return the coverage of the rows' intervals, such as "95 % interval"."""
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
    """Return where the number of a criterion must lie, such as "> 0.8"."""
    if criterion.direction == "within":
        return f"{criterion.around:g} ± {criterion.bound:g}"
    return f"{'>' if criterion.direction == 'above' else '<'} {criterion.bound:g}"


def seeds_that_hold(finding: Finding) -> str:
    """Return the number of seeds on which a finding holds, such as "4 of 5"."""
    return f"{finding.on_right_side} of {len(finding.values)}"


def p_value(value: float | None) -> str:
    """Return a p-value with four decimals; "<0.0001" if it is smaller."""
    if value is None:
        return NOTHING
    return "<0.0001" if value < 1e-4 else f"{value:.4f}"
