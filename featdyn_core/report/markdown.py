"""The register and the results as tables in Markdown, for the README."""

from collections.abc import Sequence

from featdyn_core.report import wording
from featdyn_core.verdicts.claim import Criterion, Role
from featdyn_core.verdicts.evidence import Evidence
from featdyn_core.verdicts.register import SCALES, Entry, Register


def claims_table(register: Register) -> list[str]:
    """Return the table of claims with what decides and controls them, one row a claim."""
    head = ["| claim | section | holds if | controls |", "|---|---|---|---|"]
    return head + [claim_row(entry, register) for entry in register.entries.values()]


def claim_row(entry: Entry, register: Register) -> str:
    """Return a claim's row, with the bounds of the first scale and subject that it has."""
    scale, subject = next(
        (name, subject)
        for name in SCALES
        if name in register.scales
        for subject in register.scales[name].recipes
        if subject in entry.subjects
    )
    criteria = entry.claim(scale, subject).criteria
    lists = {
        name: table["each"] for tables in entry.criteria.values() for name, table in tables.items() if "each" in table
    }

    def name(criterion: Criterion) -> str:
        whole, _, _ = criterion.name.rpartition(", ")
        return f"{whole}, each of the {lists[whole]}" if whole in lists else criterion.name

    def bounds(role: Role) -> str:
        asked = [f"{name(item)} {'>' if item.above else '<'} {item.bound:g}" for item in criteria if item.role is role]
        return "; ".join(dict.fromkeys(asked))

    return f"| `{entry.id}` | {entry.section} | {bounds(Role.DECIDES)} | {bounds(Role.CONTROL)} |"


def results_table(rows: Sequence[Evidence]) -> list[str]:
    """Return what was decided, one row each, with the number that the verdict hangs on (see ``wording.hinge``)."""
    titles = ("claim", "data", "scale", "verdict", "decided by", "estimate and interval", "bound")
    head = [f"| {' | '.join(titles)} |", "|---" * len(titles) + "|"]
    return head + [result_row(row) for row in rows if row.verdict.decided]


def result_row(row: Evidence) -> str:
    """Return one decided row."""
    finding = wording.hinge(row)
    numbers = (finding.criterion.name, wording.interval(finding), wording.bound(finding)) if finding else ("", "", "")
    return " | ".join(["| `" + row.claim + "`", row.subject, row.scale, str(row.verdict), *numbers]) + " |"
