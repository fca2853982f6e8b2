"""Verdict rows of evidence.json, with the facts that show where they came from."""

from dataclasses import dataclass, field
from typing import Any

from featdyn_core.display import Displayed
from featdyn_core.verdicts.claim import EMPIRICAL, THEOREM, Verdict
from featdyn_core.verdicts.criterion import Criterion, Finding, Outcome, Role
from featdyn_core.verdicts.curve import Curve
from featdyn_core.verdicts.inference import CONFIDENCE
from featdyn_core.verdicts.multiverse import Multiverse
from featdyn_core.verdicts.plane import Plane
from featdyn_core.verdicts.power import MOST_SEEDS
from featdyn_core.verdicts.units import Unit

OTHER_CODE = "other"
"""Mark of a record whose kind is measured by other source now."""

RULE = 3
"""Number of the present protocol, which judges items one by one (see ``claim``)."""


@dataclass(frozen=True, repr=False)
class Evidence(Displayed):
    """One claim's numbers and verdict on one subject.

    Attributes:
        claim: the claim's id.
        section: section of the paper that makes the claim.
        sentence: the paper's words.
        title: the claim in a few words; if it is empty, the report shows the id.
        rival_of: id of the claim that this rival explains otherwise or tests more strictly; empty for a claim of the
            paper.
        kind: empirical, or theorem, which must hold in every world.
        counter_example: a world in which a theorem does not hold; empty if none was found.
        subject: what it was measured on, such as ``digits`` or ``cifar10``.
        tier: fast or full.
        scale: a scale of the register.
        verdict: see ``Verdict``.
        findings: one for each criterion; empty if nothing was judged.
        reason: why nothing was judged; empty otherwise.
        extension: whether the claim goes beyond the paper; verdict counts then leave it out.
        known: the known finding of the register; empty if there is none.
        replayed: whether published records were judged, and nothing was measured.
        here: whether it was trained in this run, while published records of more seeds exist.
        bits: whether trainings of this run are ``equal`` to the published ones, or ``other``; empty if there are none.
        family: number of rows that were registered together with it, run or not.
        seen: whether numbers of its seeds were known before the criteria were written.
        rule: number of the protocol that gave the verdict.
        exploratory: whether the seeds are not the register's.
        variation: what a sweep varies in it; empty for a row of the register.
        effect: the criterion that a sweep shows for it.
        seeds: the training seeds.
        windows: name to first and last epoch.
        protocol: every number that the measurement used.
        recipes: recipe name to its digest.
        checkpoints: "<recipe>/<seed>" to the trajectory's key and one digest over its checkpoints' digests.
        data: data set description to its digest.
        records: number of records by kind.
        curves: figure title to its numbers.
        planes: title to a picture of one seed's decision regions.
        multiverse: the verdict under every specification, if it was computed; it decides nothing.
        environment: commit, versions and machine that judged.
        measured: commits, versions and machines that measured the records, each once, with ``code`` if it is
            ``OTHER_CODE``.
        register: digest of the register.
        suspicions: what looks odd about adopted checkpoints; empty if nothing does.
        seconds: duration of training, measurement (if any) and judging.

    Examples:
        >>> row = Evidence("memory-window", "4.2", "digits", "fast", "small", Verdict.NOT_RUN, reason="no data")
        >>> row.id
        'memory-window-small-digits'
        >>> row
        <Evidence: row memory-window-small-digits, verdict NOT RUN, why no data>
    """

    claim: str
    section: str
    subject: str
    tier: str
    scale: str
    verdict: Verdict
    sentence: str = ""
    title: str = ""
    rival_of: str = ""
    kind: str = EMPIRICAL
    counter_example: str = ""
    findings: tuple[Finding, ...] = ()
    reason: str = ""
    extension: bool = False
    known: str = ""
    replayed: bool = False
    here: bool = False
    bits: str = ""
    family: int = 1
    seen: bool = False
    rule: int = RULE
    exploratory: bool = False
    variation: str = ""
    effect: str = ""
    seeds: tuple[int, ...] = ()
    windows: dict[str, list[int]] = field(default_factory=dict)
    protocol: dict[str, Any] = field(default_factory=dict)
    recipes: dict[str, str] = field(default_factory=dict)
    checkpoints: dict[str, dict[str, str]] = field(default_factory=dict)
    data: dict[str, str] = field(default_factory=dict)
    records: dict[str, int] = field(default_factory=dict)
    curves: dict[str, Curve] = field(default_factory=dict)
    planes: dict[str, Plane] = field(default_factory=dict)
    multiverse: Multiverse | None = None
    environment: dict[str, Any] = field(default_factory=dict)
    measured: list[dict[str, Any]] = field(default_factory=list)
    register: str = ""
    suspicions: str = ""
    seconds: float = 0.0

    def _facts(self) -> dict[str, object]:
        judged = {"decides": list(self.deciding), "controls": list(self.of(Role.CONTROL))}
        said = {"row": self.id, "verdict": self.verdict, "seeds": len(self.seeds), "why": self.reason or self.why}
        return {name: value for name, value in (said | judged).items() if value}

    @property
    def id(self) -> str:
        """Name of the row, from claim, scale, subject, variation, and whether it was replayed."""
        return row_id(self.claim, self.scale, self.subject, replayed=self.replayed, variation=self.variation)

    @property
    def changed(self) -> bool:
        """Whether the verdict contradicts the known finding of the register.

        Published records give the same verdict everywhere, so any other verdict contradicts. New trainings may end in
        other bits on another machine, and an interval near its bound may then cross it. Only SUPPORTED against
        REFUTED, or INVALID on one side, contradicts there. But if no control fails, and some are undecided on fewer
        seeds, INVALID contradicts nothing.
        """
        if not self.known or not self.verdict.decided or self.verdict == self.known:
            return False
        if self.here and self.verdict is Verdict.INVALID and not self._control_fails:
            return False
        both = {self.verdict, Verdict(self.known)}
        return self.replayed or Verdict.INVALID in both or both == {Verdict.SUPPORTED, Verdict.REFUTED}

    @property
    def in_accord(self) -> bool:
        """Whether the known finding is another verdict that this one does not contradict."""
        return bool(self.known) and self.verdict.decided and self.verdict != self.known and not self.changed

    @property
    def deciding(self) -> tuple[Finding, ...]:
        """Findings of the criteria that decide: its items."""
        return self.of(Role.DECIDES)

    @property
    def has_p_value(self) -> bool:
        """Whether the verdict involves chance and its controls hold."""
        return bool(self.deciding) and self.verdict is not Verdict.INVALID and self.kind != THEOREM

    @property
    def p_value(self) -> float | None:
        """Largest p-value of the items, since all must hold (intersection-union test); None without p-values."""
        return max(item.p_value for item in self.deciding) if self.has_p_value else None

    @property
    def p_against(self) -> float | None:
        """Smallest p-value against an item, times the number of items, of which one may fail; None without p-values.

        Rows of the second protocol have none.
        """
        if not self.has_p_value or self.rule != RULE:
            return None
        return min(1.0, len(self.deciding) * min(item.p_against for item in self.deciding))

    @property
    def dates(self) -> list[str]:
        """Days (UTC, ``YYYY-MM-DD``) on which its records were measured; records of earlier versions name none."""
        return sorted({str(maker["date"]) for maker in self.measured if "date" in maker})

    @property
    def other_code(self) -> list[str]:
        """Commits of the code that measured the records, if the present code differs."""
        commits = [str(maker.get("commit", "")) for maker in self.measured if maker.get("code") == OTHER_CODE]
        return list(dict.fromkeys(commits))

    @property
    def smaller_than_matters(self) -> bool:
        """Whether it is SUPPORTED by differences that all lie inside their margins."""
        return self.verdict is Verdict.SUPPORTED and all(item.negligible for item in self.deciding)

    @property
    def may_be_skewed(self) -> bool:
        """Whether a mean decides whose error rate no rule keeps if its numbers are skewed."""
        return any(item.criterion.may_be_skewed for item in self.deciding)

    @property
    def why(self) -> str:
        """The reason for the verdict, in words; empty if nothing was judged or all holds.

        A theorem is searched for counter-examples and not proved, so the text says in how many worlds there is none.
        """
        if self.rule != RULE:
            return ""
        if self.verdict is Verdict.INVALID:
            faults = [item for item in self.of(Role.CONTROL) if item.outcome is not Outcome.HOLDS]
            return "; ".join(f"control {item.criterion.name!r} {item.outcome}{_more(item)}" for item in faults)
        if self.verdict is Verdict.EQUIVALENT:
            return "no difference that matters"
        if self.verdict is Verdict.REFUTED:
            fails = [repr(item.criterion.name) for item in self.deciding if item.outcome is Outcome.FAILS]
            return f"{', '.join(fails)} on the wrong side" + ("" if self.kind == THEOREM else self._shared_level())
        if self.verdict is Verdict.INCONCLUSIVE:
            items = [item for item in self.deciding if item.outcome is not Outcome.HOLDS]
            return "; ".join(f"open: {item.criterion.name!r}{_needs(item)}" for item in items)
        if self.kind == THEOREM and self.verdict is Verdict.SUPPORTED and "worlds" in self.protocol:
            return f"no counter-example in {len(self.seeds) * self.protocol['worlds']} worlds"
        if self.smaller_than_matters:
            return "smaller than matters"
        small = [repr(item.criterion.name) for item in self.deciding if item.negligible]
        return f"smaller than matters: {', '.join(small)}" if self.verdict is Verdict.SUPPORTED and small else ""

    @property
    def hinge(self) -> Finding | None:
        """The finding that the verdict depends on most; None if nothing was measured.

        It has the largest p-value among the controls if the verdict is INVALID, else among the deciding items. For a
        REFUTED row it is the item that fails most clearly.
        """
        if self.verdict is Verdict.REFUTED and self.rule == RULE:
            return min(self.deciding, key=lambda finding: finding.p_against, default=None)
        role = Role.CONTROL if self.verdict is Verdict.INVALID else Role.DECIDES
        return max(self.of(role), key=lambda finding: finding.p_value, default=None)

    @property
    def _control_fails(self) -> bool:
        return any(item.outcome is Outcome.FAILS for item in self.of(Role.CONTROL))

    def _shared_level(self) -> str:
        return f" (at 1 - {1 - CONFIDENCE:.2g}/{len(self.deciding)})" if len(self.deciding) > 1 else ""

    def of(self, role: Role) -> tuple[Finding, ...]:
        """Return the findings of one role."""
        return tuple(item for item in self.findings if item.criterion.role is role)

    def criterion(self, name: str) -> Criterion | None:
        """Return the criterion of a name, or the first of its items; None if nothing was judged by it."""
        found = [item.criterion for item in self.findings]
        return next((one for one in found if name in (one.name, one.parts.name)), None)

    def message(self) -> str:
        """Return the verdict and all findings, one on each line."""
        head = f"{self.claim} on {self.subject} (section {self.section}): {self.verdict}"
        if self.changed:
            head += f" (this contradicts the known finding {self.known})"
        if self.in_accord:
            others = "fewer seeds" if self.here else "trainings of another machine"
            head += f" (in accord with the known finding {self.known}: these are {others})"
        shown = [f"  counter-example: {self.counter_example}"] if self.counter_example else []
        said = self.reason or self.why
        lines = [head + (f": {said}" if said else ""), *(f"  {item}" for item in self.findings)]
        return "\n".join(lines + shown)


def _needs(item: Finding) -> str:
    """How many seeds would decide an open item."""
    if item.criterion.unit is Unit.LOG_P:
        return f" ({item.on_right_side} of {len(item.values)} seeds hold, and all must)"
    needed = item.seeds_needed
    return (
        f" (about {needed} seeds would decide it)" if needed else f" (more than {MOST_SEEDS:,} seeds would be needed)"
    )


def _more(control: Finding) -> str:
    """What would decide an undecided control; empty if it fails, or if neither seeds nor images would."""
    if control.outcome is not Outcome.UNDECIDED or control.criterion.unit is Unit.DRAWS:
        return ""
    if control.counts and len(set(control.values)) == 1:  # the seeds agree, so only their resolution leaves it open
        return f" (counted from {min(control.counts)}; more images would decide it)"
    return _needs(control)


def row_id(claim: str, scale: str, subject: str, *, replayed: bool, variation: str = "") -> str:
    """Name of a row, such as ``forgetting-reduced-cifar10-replayed`` or ``forgetting-small-digits-adam``."""
    return "-".join([claim, scale, subject, *filter(None, [variation, "replayed" if replayed else ""])])
