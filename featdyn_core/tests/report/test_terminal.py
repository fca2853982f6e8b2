"""The table at the end of a run shows decisions and their reasons, at any width."""

import dataclasses
import re
from pathlib import Path

import pytest

from featdyn_core.errors import EvidenceError
from featdyn_core.report.terminal import terminal_table
from featdyn_core.report.wording import bound, where
from featdyn_core.tests.report.sample import REASON, every_verdict
from featdyn_core.verdicts.documents import read_evidence
from featdyn_core.verdicts.families import adjusted_p_values

PUBLISHED = Path(__file__).parents[3] / "evidence"
ROWS = every_verdict()
DECIDED = [row for row in ROWS if row.verdict.decided]


@pytest.mark.parametrize("width", [100, 120, 160])
def test_table_tells_what_was_decided_and_by_what(width):
    lines = terminal_table(ROWS, width)
    starts = [next(at for at, line in enumerate(lines) if line.startswith(row.claim)) for row in DECIDED]
    assert starts == sorted(starts)
    for row, start in zip(DECIDED, starts, strict=True):
        head, detail = lines[start], lines[start + 1]
        finding = row.hinge
        assert re.search(
            rf"{row.subject} .*{row.verdict}\b.*  {'fails' if row.verdict == 'INVALID' else 'holds'}", head
        )
        assert finding.criterion.name in detail, row.id
        assert f"{finding.interval.estimate:.4g} [{finding.interval.low:.4g}, {finding.interval.high:.4g}]" in detail, (
            row.id
        )
        held = f"{finding.on_right_side} of 5"
        assert re.search(rf"  {re.escape(bound(finding))} +{finding.worst:.4g} +{held}$", detail), row.id


def test_table_says_what_is_known_replayed_or_exploratory():
    lines = terminal_table(ROWS, 140)
    assert re.search(r"beyond-churn .*small +EQUIVALENT †‡  ", "\n".join(lines))
    assert "  no difference that matters; on seeds seen before" in lines
    assert re.search(r"beyond-closeness .*small, replayed +REFUTED, known \*  ", "\n".join(lines))
    assert re.search(r"transferability .*small, exploratory +INCONCLUSIVE  ", "\n".join(lines))
    assert re.search(r"random-label-collapse .*INVALID, was REFUTED  +fails", "\n".join(lines))


@pytest.mark.parametrize("width", [1, 10, 20, 40, 60, 80, 100, 140])
def test_no_line_is_longer_than_the_terminal(width):
    assert max(map(len, terminal_table(ROWS, width))) <= width


def test_a_table_has_seeds_and_adjusted_p_where_there_is_room():
    lines = terminal_table(ROWS, 140)
    shown = [line.split()[-2:] for line in lines if any(line.startswith(row.claim) for row in ROWS)]
    adjusted = adjusted_p_values(ROWS)
    assert shown[0] == ["5", "–"], "a row of its family is exploratory"
    assert shown[2] == ["5", "<0.0001" if adjusted[2].p_against < 1e-4 else f"{adjusted[2].p_against:.4f}"]
    assert shown[4] == ["5", "–"]
    assert shown[5:] == [["–", "–"]] * 2, "what was not selected has no line"


def test_a_narrow_table_leaves_out_columns_and_never_the_verdict():
    whole = ["claim", "subject", "scale", "verdict", "control", "seeds", "Holm", "p"]
    assert terminal_table(ROWS, 140)[0].split() == whole
    assert terminal_table(ROWS, 80)[0].split() == ["claim", "subject", "scale", "verdict", "control", "seeds"]
    assert terminal_table(ROWS, 50)[0].split() == ["claim", "subject", "verdict"]


@pytest.mark.parametrize(
    "folder", ["fast-cpu", "protocol-2/fast-cpu", "protocol-2/sweep-small-cpu", "protocol-2/sweep-reduced-cpu"]
)
def test_rows_of_published_runs_differ_at_80_columns(folder):
    rows = read_evidence(PUBLISHED / folder / "evidence.json")
    heads = [line for line in terminal_table(rows, 80) if not line.startswith(" ")]
    lines, legend = heads[1 : 1 + len(rows)], heads[1 + len(rows) :]
    assert all(line[0] in "*†‡²(" for line in legend)
    for row, line in zip(rows, lines, strict=True):
        claim, subject, place = re.split("  +", line)[:3]
        assert (subject, place) == (row.subject, where(row))
        start, _, end = claim.partition("…")
        assert row.claim.startswith(start)
        assert row.claim.endswith(end)
    assert len(set(lines)) == len(lines)


def test_long_names_are_shortened_before_numbers():
    lines = terminal_table(ROWS, 50)
    finding = ROWS[4].hinge
    line = next(line for line in lines if f"{finding.interval.estimate:.4g} [" in line)
    assert "…" in line
    assert re.search(rf" {finding.interval.estimate:.4g} \[.*, {finding.interval.high:.4g}\] +< 0.5$", line)


@pytest.mark.parametrize("width", [40, 80, 140])
def test_a_table_gives_the_whole_reason_of_a_claim_not_run(width):
    lines = terminal_table(ROWS[:6], width)
    start = next(at for at, line in enumerate(lines) if line.startswith("forg"))
    assert " ".join(" ".join(lines[start + 1 :]).split()).startswith(f"{REASON} *")


def test_a_table_of_nothing_is_refused():
    with pytest.raises(EvidenceError, match="there is no evidence to show: run the claims first"):
        terminal_table([], 80)


def test_a_refuted_theorem_shows_its_counter_example():
    row = dataclasses.replace(DECIDED[0], kind="theorem", counter_example="Logits(weights=(1, 1))")
    assert "  Logits(weights=(1, 1))" in terminal_table([row], 120)
