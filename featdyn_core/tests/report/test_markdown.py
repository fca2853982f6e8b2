"""The README's tables are tables."""

from dataclasses import replace
from pathlib import Path

import pytest

from featdyn_core.register.reading import load_register
from featdyn_core.report import wording
from featdyn_core.report.markdown import claim_row, claims_table, grid_table, results_table, step_summary, summary_table
from featdyn_core.report.wording import NOT_RUN, SYMBOLS, interval
from featdyn_core.tests.report.sample import every_verdict, evidence
from featdyn_core.verdicts.criterion import Role
from featdyn_core.verdicts.documents import read_evidence

ROWS = every_verdict()


@pytest.fixture(scope="module")
def register():
    return load_register(Path(__file__).parents[3] / "claims" / "register")


def cells(line):
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def test_every_claim_has_a_row_with_its_decision_and_its_control(register):
    head, rule, *lines = claims_table(register)
    assert cells(head) == ["claim", "section", "holds if", "controls"]
    assert set(cells(rule)) == {"---"}
    assert [cells(line)[0] for line in lines] == [f"`{claim}`" for claim in register.entries]
    assert all(len(cells(line)) == 4 and all(cells(line)) for line in lines)


def test_bounds_are_of_the_first_scale_and_subject_of_a_claim(register):
    elsewhere = replace(register.entry("memory-window"), subjects=("mnist",))
    places = ((register.entry("memory-window"), ("small", "digits")), (elsewhere, ("paper", "mnist")))
    for entry, place in places:
        shown = cells(claim_row(entry, register))
        for role, cell in ((Role.DECIDES, shown[2]), (Role.CONTROL, shown[3])):
            asked = [item for item in entry.claim(*place).criteria if item.role is role]
            said = {(item.name.split(", depth")[0], wording.asked(item)) for item in asked}
            assert all(cell.count(name) >= 1 and bound in cell for name, bound in said), place
            assert "depth 1" not in cell, place
    assert "accuracy, each of the depths, training > 0.98" in shown[2]


def test_a_criterion_of_each_item_of_a_list_is_named_once(register):
    decided, controlled = cells(claim_row(register.entry("beyond-churn"), register))[2:]
    assert decided == "gained over churn, each of the inner cuts > 0"
    assert controlled.split("; ")[0].startswith("gained by identical halves, each of the inner cuts 0 ± ")


def test_results_are_the_rows_that_were_decided():
    table = results_table(ROWS)
    head, rule, *lines = table[: table.index("")]
    assert len({len(cells(line)) for line in (head, rule, *lines)}) == 1
    assert [cells(line)[0] for line in lines] == [f"`{row.claim}`" for row in ROWS[:5]]
    verdicts = ["SUPPORTED", "EQUIVALENT †‡", "REFUTED *", "INCONCLUSIVE", "INVALID"]
    assert [cells(line)[3] for line in lines] == verdicts
    first, invalid = ROWS[0].findings[0], ROWS[4].of(Role.CONTROL)[0]
    worst = f"{first.worst:.4g}", f"{invalid.worst:.4g}"
    assert cells(lines[0])[4:] == ["agreement, held-out", interval(first), "> 0.95", worst[0], "5 of 5"]
    assert cells(lines[4])[4:] == ["agreement of a stranger", interval(invalid), "< 0.5", worst[1], "0 of 5"]
    assert [line[:2] for line in table[table.index("") + 1 :]] == ["\\*", "† ", "‡ "]


def test_the_summary_has_a_row_for_every_claim(register):
    rows = [
        evidence("memory-window", agreement=0.985),
        replace(evidence("memory-window", "cifar10", agreement=0.6), scale="reduced"),
        replace(evidence("beyond-churn", "mnist", gain=0.02), scale="paper"),
    ]
    elsewhere = replace(register.entry("beyond-churn"), subjects=("mnist",))
    register = replace(register, entries=register.entries | {"beyond-churn": elsewhere})
    head, rule, *lines = summary_table(register, rows, {"memory-window": "It remembers."})
    assert len({len(cells(line)) for line in (head, rule, *lines)}) == 1
    found = {cells(line)[0].strip("`"): cells(line)[1:] for line in lines}
    assert list(found) == list(register.entries)
    assert cells(head)[2:6] == ["small", "reduced", "cifar10-strangers", "paper"]
    assert found["memory-window"][:5] == [
        register.entry("memory-window").sentence,
        "SUPPORTED (digits)",
        "REFUTED (cifar10)",
        "not run",
        "not run",
    ]
    assert found["memory-window"][5].startswith("agreement, held-out 0.6")
    assert found["memory-window"][5].endswith("bound > 0.95 (cifar10)")
    assert found["memory-window"][6] == "It remembers."
    assert found["beyond-churn"][1:5] == ["–", "–", "–", "SUPPORTED (mnist)"]
    assert found["transferability"][1:] == ["not run", "not run", "not run", "not run", "", ""]


def test_the_grid_has_a_sign_and_a_number_for_decided_claims(register):
    rows = [
        evidence("memory-window", agreement=0.985),
        replace(evidence("memory-window", "cifar10", agreement=0.6), scale="reduced"),
        replace(evidence("memory-window", "mnist"), scale="paper", variation="adam"),
        replace(evidence("beyond-churn", "cifar10", gain=0.02), scale="reduced"),
    ]
    head, _, *lines = grid_table(register, rows)
    assert cells(head) == ["claim", "digits, small", "cifar10, reduced", "cifar10, paper"], "a sweep has no column"
    found = {cells(line)[0].strip("`"): cells(line)[1:] for line in lines}
    assert found["memory-window"] == ["✓ 0.98", "✗ 0.6", "·"]
    assert found["beyond-churn"] == ["·", "✓ 0.019", "·"]
    assert found["semantic-structure"][0] == "", "it is not asked on digits"
    assert set(found) == {name for name, entry in register.entries.items() if entry.kind == "empirical"}


def test_the_grid_of_the_published_evidence_is_narrow(register):
    rows = read_evidence(Path(__file__).parents[3] / "evidence" / "fast-cpu" / "evidence.json")
    assert max(map(len, grid_table(register, rows))) <= 100


def test_the_readme_says_what_each_sign_of_the_grid_means():
    text = (Path(__file__).parents[3] / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 120
    for sign, meaning in [*((sign, str(verdict)) for verdict, sign in SYMBOLS.items()), (NOT_RUN, "NOT RUN")]:
        assert f"\n| {sign} {meaning} |" in text


def test_a_ci_page_has_counts_news_and_the_rest_folded():
    lines = step_summary(ROWS)
    assert lines[0].startswith(
        "## Claims: 1 SUPPORTED, 1 EQUIVALENT, 1 REFUTED, 1 INCONCLUSIVE, 1 INVALID, 1 NOT RUN, 1 ERROR"
    )
    assert lines[2:5] == [
        "- **random-label-collapse-small-digits**: INVALID, was REFUTED",
        "- **beyond-churn-small-digits**: EQUIVALENT, not known before",
        "- **transferability-small-digits**: INCONCLUSIVE, not known before",
    ]
    assert "<details><summary>5 decided rows</summary>" in lines
    assert step_summary(ROWS[:1])[2] == "No verdict differs from known findings."
    start = lines.index(results_table(ROWS)[0])
    assert lines[start : start + len(results_table(ROWS))] == results_table(ROWS)
    assert "<details><summary>3 rows without a decision</summary>" in lines
    assert "| `forgetting` | svhn | reduced | ERROR | StoreError: the disk is full |" in lines
    assert lines[-2] == "</details>"


def test_counts_of_a_ci_page_are_in_the_order_of_verdicts():
    assert step_summary(ROWS[::-1])[0] == step_summary(ROWS)[0]


def test_rows_trained_here_and_replayed_are_told_apart():
    lines = step_summary([replace(ROWS[0], here=True), replace(ROWS[0], replayed=True)])
    scales = [line.split(" | ")[2] for line in lines if line.startswith(f"| `{ROWS[0].claim}`")]
    assert scales == ["small, here", "small"]


def test_a_page_of_judged_rows_alone_lists_none_as_unjudged():
    assert not any("nothing was judged" in line for line in step_summary(ROWS[:1]))


def test_a_sweep_has_a_table_of_its_own():
    swept = replace(ROWS[0], variation="adam", effect="agreement, held-out")
    lines = step_summary([ROWS[0], swept])
    assert "<details><summary>sweep of digits at the small scale</summary>" in lines
    assert "<details><summary>1 decided rows</summary>" in lines


def test_a_reason_does_not_leave_its_cell():
    (line,) = (line for line in step_summary([replace(ROWS[5], reason="a|b\n<script>")]) if "NOT RUN |" in line)
    assert line.endswith(r"| a\|b &lt;script> |")


def test_a_ci_page_names_rows_that_extend_the_paper():
    told = "Not counted here: rows that extend the paper, 1."
    assert told in step_summary([ROWS[0], replace(ROWS[1], extension=True)])
    assert told not in step_summary(ROWS[:2])
