"""Worlds on the boundary, where a rule errs most often: its error rates, and how small an effect it detects.

``Claim.judge`` judges every registered row in them, with its own units, items, bounds, margins and counts. Rows with
the same criteria are simulated once. ``python -m claims.meta.boundary`` writes ``docs/calibration.md``, in minutes.
"""

import dataclasses
import functools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.optimize
import scipy.stats

from claims.meta.counts import evidence, published_counts
from claims.meta.modules import HERE
from featdyn_core.register.reading import load_register
from featdyn_core.verdicts.claim import EMPIRICAL, Claim, Verdict
from featdyn_core.verdicts.criterion import Criterion, Role
from featdyn_core.verdicts.evidence import RULE, Evidence
from featdyn_core.verdicts.inference import LEVEL, number_of
from featdyn_core.verdicts.power import POWER, power_of_mean
from featdyn_core.verdicts.units import Counted, Number, Unit, share_of

Floats = npt.NDArray[np.float64]

WORLDS = 400
LARGEST_RATE = 0.05
SEEDS = (3, 4, 5, 6, 8, 20)
CORRELATIONS = (0.0, 0.7)

SIGMA = 0.8
"""Sigma of the log-normal skew."""

FAR = 8
"""Distance from the bound, in spreads, of an item that is clearly on the right side."""

ERRORS = (Verdict.SUPPORTED, Verdict.REFUTED, Verdict.EQUIVALENT)
NORMAL, OWN, SKEWED = "normal", "skewed on its own scale", "skewed differences"
CONTROL = Criterion("control", "a number that always holds", "above", 0.0, Role.CONTROL)
DOCUMENT = HERE.parent / "docs" / "calibration.md"


@dataclass(frozen=True)
class Structure:
    """The criteria that rows decided in the same way share.

    Attributes:
        criteria: the deciding criteria, with names of their own.
        counts: what the numbers of each are counted from, the fewest of these rows; infinity if it does not matter.
        rows: the claims, each once.
        seeds: numbers of seeds to simulate: those of the rows, and ``SEEDS``.
    """

    criteria: tuple[Criterion, ...]
    counts: tuple[float, ...]
    rows: tuple[str, ...]
    seeds: tuple[int, ...]

    @property
    def claim(self) -> Claim:
        """The claim that is judged."""
        return Claim("boundary", "", "", (*self.criteria, CONTROL))

    @property
    def items(self) -> str:
        """The criteria, in words."""
        found: dict[str, int] = {}
        for item, of in zip(self.criteria, self.counts, strict=True):
            margin = "" if item.margin is None else ", with a margin"
            counted = f" (of {of})" if math.isfinite(of) else ""
            within = f"within {item.bound:g} of {item.around:g}" if item.direction == "within" else ""
            where = "" if _free(item) else f" {within or f'{item.direction} {item.bound:g}'}"
            words = f"{'discrete ' * item.discrete}{item.unit}{where}{counted}{margin}"
            found[words] = found.get(words, 0) + 1
        return "; ".join(f"{count} × {words}" for words, count in found.items())

    @property
    def errors(self) -> tuple[Verdict, ...]:
        """The errors that its verdict can make."""
        return ERRORS if self.criteria[0].margin is not None else ERRORS[:2]

    @property
    def laws(self) -> dict[str, bool]:
        """Distributions of seeds, and whether the test asserts a rate of at most 5 % for each."""
        found = {NORMAL: True}
        if any(_near_an_end(item) for item in self.criteria):
            found[OWN] = True
        if any(item.may_be_skewed for item in self.criteria):
            found[SKEWED] = False
        return found if not all(item.counts_seeds for item in self.criteria) else {NORMAL: True}


def structures() -> list[Structure]:
    """Return the structures of the register's rows, each once; rows without published counts count all images."""
    register, published = load_register(HERE / "register"), published_counts()
    found: dict[tuple[Criterion, ...], list[tuple[str, tuple[float, ...], set[int]]]] = {}
    for entry in register.entries.values():
        for scale in register.scales.values() if entry.kind == EMPIRICAL else ():
            for subject in entry.subjects_at(scale):
                counts = [
                    (_plain(item), published.get((entry.id, scale.name, subject, item.name), scale.images[subject]))
                    for item in entry.claim(scale.name, subject).deciding
                ]
                asked, of = zip(*sorted(counts, key=lambda one: (repr(one[0]), one[1])), strict=True)
                key = tuple(dataclasses.replace(item, name=f"item {place}") for place, item in enumerate(asked))
                seeds = {len(entry.seeds_at(scale, subject)), *filter(None, [len(scale.here)])}
                found.setdefault(key, []).append((entry.id, of, seeds))
    return [_structure(key, *zip(*rows, strict=True)) for key, rows in found.items()]


def _structure(
    criteria: tuple[Criterion, ...], rows: Sequence[str], counts: Sequence[Sequence[float]], seeds: Sequence[set[int]]
) -> Structure:
    """Return the structure of rows with these criteria, from the counts and numbers of seeds of each row."""
    fewest = [min(each) for each in zip(*counts, strict=True)]
    of = tuple(few if item.unit.counted else math.inf for item, few in zip(criteria, fewest, strict=True))
    return Structure(criteria, of, tuple(dict.fromkeys(rows)), tuple(sorted(set(SEEDS).union(*seeds))))


def _free(item: Criterion) -> bool:
    """Whether the rule depends on neither the position nor the size of its numbers."""
    return item.averages_differences and item.unit is not Unit.EPOCHS and item.direction != "within"


def _plain(item: Criterion) -> Criterion:
    """Return a criterion without the fields that do not affect the rule."""
    found = dataclasses.replace(item, name="", quantity="", pilot="", paper=False)
    if not _free(item):
        return found
    margin = None if item.margin is None else 1.0
    return dataclasses.replace(found, unit=Unit.DIFFERENCE, direction="above", bound=0.0, margin=margin)


def _near_an_end(item: Criterion) -> bool:
    """Whether its bound lies near an end of the range, where log-normal numbers fit in."""
    low, high = item.unit.range
    if item.counts_seeds or item.unit is Unit.RATIO or not math.isfinite(high - low):
        return item.unit is Unit.RATIO
    return min(item.bound - low, high - item.bound) <= 0.25 * (high - low)


def rate(structure: Structure, error: Verdict, law: str, correlation: float, seeds: int) -> float:
    """Return the share of boundary worlds in which a claim is decided falsely."""
    claim, drawn = structure.claim, _drawn(structure, error, law, correlation, seeds)
    control: list[Number] = [1.0] * seeds
    verdicts = [
        claim.judge(dict(zip(_names(structure), world, strict=True)) | {"control": control})[0] for world in drawn
    ]
    return verdicts.count(error) / len(verdicts)


def _names(structure: Structure) -> list[str]:
    return [item.name for item in structure.criteria]


def _drawn(
    structure: Structure, error: Verdict, law: str, correlation: float, seeds: int
) -> Iterator[tuple[list[Number], ...]]:
    """Yield the numbers of each item in each world: (items, seeds).

    SUPPORTED is false if one item lies on its bound and the others lie far on the right side. REFUTED is false if all
    lie on their bounds. EQUIVALENT is false if one item lies a margin away on the wrong side. The items take turns as
    that one.
    """
    case = [ERRORS.index(error), round(10 * correlation), seeds, *map(ord, law)]
    rng, count = np.random.default_rng(case), len(structure.criteria)
    for world in range(WORLDS):
        common, own = rng.standard_normal((1, seeds)), rng.standard_normal((count, seeds))
        normal = math.sqrt(correlation) * common + math.sqrt(1 - correlation) * own
        chosen = world % count
        yield tuple(
            numbers(item, row, law, of=of, error=error, chosen=place == chosen)
            for place, (item, of, row) in enumerate(zip(structure.criteria, structure.counts, normal, strict=True))
        )


def numbers(item: Criterion, normal: Floats, law: str, *, of: float, error: Verdict, chosen: bool) -> list[Number]:
    """Return an item's numbers, counted from ``of`` things, from standard normal ones; positive ones lie inside."""
    inwards = 1 if item.direction == "above" else -1
    on_bound = chosen or error is not Verdict.SUPPORTED
    if item.unit is Unit.LOG_P:
        places = item.bound - 3.0 if not on_bound else np.log10(scipy.stats.norm.sf(normal))
        return list(np.broadcast_to(item.bound + normal if error is Verdict.REFUTED else places, normal.shape).tolist())
    if item.discrete:
        signs = np.sign(normal) if on_bound else np.ones(len(normal))
        return [Counted(value, int(of)) if item.unit.counted else value for value in item.bound + inwards * signs * 0.1]
    spread = _spread(item, error)
    moved = 0.0 if on_bound else FAR * spread
    if error is Verdict.EQUIVALENT and chosen and item.margin is not None:
        moved = -item.margin
    end = item.around + item.bound if item.direction == "within" else item.bound
    deviating = deviations(item, normal, law, against=error is Verdict.REFUTED)
    places = item.unit.at(end, of) + inwards * (moved + spread * deviating)
    return [_number(item.unit, item.unit.back(place, of), of) for place in places.tolist()]


def _spread(item: Criterion, error: Verdict) -> float:
    """Spread over seeds, on the scale of the unit, at which the error is most frequent."""
    if item.margin is not None:
        return {Verdict.EQUIVALENT: 0.05, Verdict.REFUTED: 2.0}.get(error, 1.0) * item.margin
    if item.direction == "within":
        return item.bound / FAR
    return {Unit.RATIO: 0.02, Unit.CORRELATION: 0.3, Unit.EPOCHS: 4.0}.get(item.unit, 0.5)


def deviations(item: Criterion, normal: Floats, law: str, *, against: bool = False) -> Floats:
    """Return deviations from the typical seed, of mean 0, in units of the spread.

    Skewed differences have their long tail on the wrong side, or on the right side if ``against`` is set.
    """
    if law == SKEWED and (item.unit.plain or item.unit is Unit.CORRELATION):
        side = -1 if against else 1
        tail = np.exp(-side * SIGMA * normal)
        return side * (math.exp(SIGMA**2 / 2) - tail) / math.sqrt(math.expm1(SIGMA**2) * math.exp(SIGMA**2))
    if law != OWN or not _near_an_end(item):
        return normal
    if item.unit is Unit.RATIO:  # its own scale is logarithmic
        return SIGMA / 0.02 * normal
    low, high = item.unit.range
    room = min(item.bound - low, high - item.bound) / (high - low)
    scale = 0.5 / 0.3 if item.unit is Unit.CORRELATION else 1.0 / 0.5  # Fisher's z is half of log odds
    return scale * (_log_odds(normal, room) - _mean_log_odds(room))


def _log_odds(normal: Floats, room: float) -> Floats:
    """Log odds of one minus a miss rate, which is log-normal around ``room``, a share of the range."""
    missed = np.minimum(room * np.exp(-SIGMA * normal), 0.999)
    return np.asarray(np.log((1 - missed) / missed))


@functools.cache
def _mean_log_odds(room: float) -> float:
    quantiles = scipy.stats.norm.ppf((np.arange(4001) + 0.5) / 4001)
    return float(_log_odds(quantiles, room).mean())


def _number(unit: Unit, value: float, of: float) -> Number:
    """Return a number as it is counted: shares in whole images, and rank correlations in whole pairs."""
    if not unit.counted:
        return value
    if unit is Unit.SHARE:
        return share_of(round(value * of), int(of))
    return Counted(round(value * of) / of if unit is Unit.CORRELATION else value, int(of))


def rates(structure: Structure, law: str, seeds: int) -> dict[Verdict, float]:
    """Return the rate of each error, the larger one of independent and of correlated items."""
    correlations = CORRELATIONS if len(structure.criteria) > 1 else CORRELATIONS[:1]
    return {
        error: max(rate(structure, error, law, correlation, seeds) for correlation in correlations)
        for error in structure.errors
    }


def smallest_effect(items: int, seeds: int) -> float:
    """Return the distance, in spreads, of independent items from their bounds that gives SUPPORTED with 80 % power."""
    each = POWER ** (1 / items)
    return float(scipy.optimize.brentq(lambda effect: power_of_mean(effect, seeds, LEVEL) - each, 0, 100))


def published_effects(rows: Sequence[Evidence]) -> list[str]:
    """Return the smallest effect that each decided row detects, in the unit of its widest item, as lines of a table."""
    lines = ["| row | seeds | item | bound | spread over seeds | seen from |", "|---|---:|---|---|---:|---:|"]
    for row in rows:
        means = [item for item in row.deciding if item.criterion.direction != "within"]
        means = [item for item in means if not item.criterion.counts_seeds]
        if not row.verdict.decided or row.rule != RULE or not means:
            continue
        found = []
        for item in means:
            unit, asked = item.criterion.unit, item.criterion
            places = [unit.at(float(number), number_of(number)) for number in item.numbers]
            effect = smallest_effect(len(row.deciding), len(places)) * float(np.std(places, ddof=1))
            sign = 1 if asked.direction == "above" else -1
            seen = unit.back(unit.at(asked.bound) + sign * effect)
            found.append((effect, float(np.std(item.values, ddof=1)), seen, asked))
        _, spread, seen, asked = max(found, key=lambda one: one[0])
        where = f"{asked.direction} {asked.bound:g}"
        lines.append(f"| `{row.id}` | {len(row.seeds)} | {asked.name} | {where} | {spread:.4g} | {seen:.4g} |")
    return lines if len(lines) > 2 else ["No row of this protocol is published yet."]


INTRODUCTION = f"""# Calibration

This page shows how often the rule decides a claim falsely, and how small an effect it detects.
`python -m claims.meta.boundary` writes the page, in minutes. `pytest -m calibration` asserts its error rates.

`Claim.judge` judges each row of the register, with its own units, items, bounds and margins, in simulated worlds on
the boundary. SUPPORTED is false where one item lies on its bound and the others lie far on the right side. REFUTED is
false where all items lie on their bounds. EQUIVALENT is false where one item lies a margin away on the wrong side.

Seeds have a normal distribution, or a skewed one in which the raw numbers are log-normal (sigma {SIGMA}) towards the
end of their range. Items are independent, or correlated by {CORRELATIONS[1]}. The table shows the largest rate of
these cases. Each rate is measured in {WORLDS} worlds. The draws are fixed, so every run measures the same rates, and
the test fails if one of them exceeds 5 %.

Shares and rank correlations are counted from as many images, epochs or pairs as in the published rows. The number in
brackets is the fewest of the rows that share a line. A row that is not published counts all images of its scale. What
differences and ratios are counted from is left out, because the rule uses it as a least spread only.

Rows marked † depend on means of plain differences or of rank correlations. If these are skewed in the middle of their
range, no scale corrects it. The last three columns (SUPPORTED, REFUTED, EQUIVALENT) show the rates where differences
are log-normal (sigma {SIGMA}) with the long tail on the side that causes errors. These rates are measured and not
asserted.

*Seen from* is the smallest distance of all items from their bounds at which the claim is SUPPORTED in 80 % of
trainings. It is in units of the spread over seeds, on the scale of the unit (noncentral t distribution, independent
items).
"""


PUBLISHED = """The table shows what each published row can detect, given the spread over its own seeds. *Seen from* is a
number in the unit of an item: if all items lie beyond theirs, the row is SUPPORTED in 80 % of trainings. The table
shows it for the item that needs most. A row whose numbers lie nearer to the bound than that needs more seeds to be
decided. Rows whose name ends in "replayed" are the published ones. The others were trained during the run, on fewer
seeds."""


def document() -> str:
    """Return the page."""
    titles = (
        "| claims | items | seeds | false SUPPORTED | false REFUTED | false EQUIVALENT | seen from | † S | † R | † E |"
    )
    lines = [titles, "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|"]
    for structure in structures():
        marked = " †" if SKEWED in structure.laws else ""
        names = ", ".join(f"`{row}`" for row in structure.rows) + marked
        for seeds in structure.seeds:
            held = [rates(structure, law, seeds) for law, asserted in structure.laws.items() if asserted]
            shown = [_said(max(found[error] for found in held) if error in held[0] else None) for error in ERRORS]
            skewed = rates(structure, SKEWED, seeds) if SKEWED in structure.laws else {}
            counted = all(item.counts_seeds for item in structure.criteria)
            effect = "–" if counted else f"{smallest_effect(len(structure.criteria), seeds):.2f}"
            unmended = [_said(skewed.get(error)) for error in ERRORS]
            lines.append(f"| {' | '.join([names, structure.items, str(seeds), *shown, effect, *unmended])} |")
    published = ["", "## With the spreads that were published", "", PUBLISHED, "", *published_effects(evidence())]
    return "\n".join([INTRODUCTION, *lines, *published]) + "\n"


def _said(found: float | None) -> str:
    return "–" if found is None else f"{found:.1%}"


if __name__ == "__main__":
    DOCUMENT.write_text(document(), encoding="utf-8")
