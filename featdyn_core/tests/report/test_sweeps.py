"""Tables of sweeps: variation × claim, with the registered rows where these are there."""

import dataclasses

import pytest

from featdyn_core.report.html import write_html
from featdyn_core.report.markdown import results_table
from featdyn_core.report.sweeps import REGISTERED, sweep_lines, sweep_tables
from featdyn_core.report.terminal import terminal_table
from featdyn_core.report.wording import NOTHING, interval
from featdyn_core.tests.report.sample import evidence
from featdyn_core.verdicts.claim import Verdict
from featdyn_core.verdicts.evidence import Evidence

AGREEMENT = "agreement, held-out"


def swept(claim: str, variation: str, effect: str = AGREEMENT, **changes) -> Evidence:
    return dataclasses.replace(evidence(claim, **changes), variation=variation, effect=effect, tier="sweep")


NOT_RUN = Evidence(
    claim="memory",
    section="4.2",
    subject="digits",
    tier="sweep",
    scale="small",
    verdict=Verdict.NOT_RUN,
    reason="it is not here",
    variation="vit",
    effect=AGREEMENT,
)
ROWS = [
    swept("memory", "adam"),
    swept("transfer", "adam", "drift (log10)", agreement=0.9),
    NOT_RUN,
    swept("memory", "mlp", stranger=0.7),
]
REGISTERED_ROWS = [
    evidence("memory", agreement=0.97),
    dataclasses.replace(evidence("memory"), replayed=True, scale="small"),
    evidence("memory", subject="mnist"),
    evidence("forgetting"),
]


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def shown(row: Evidence, name: str = AGREEMENT) -> str:
    (finding,) = [finding for finding in row.findings if finding.criterion.name == name]
    return f"{row.verdict} {interval(finding)}"


def test_a_table_has_lines_for_variations_and_columns_for_claims():
    (table,) = sweep_tables(ROWS)
    head, rule, *lines = sweep_lines(table)
    assert cells(head) == ["digits, small", f"`memory`: {AGREEMENT}", "`transfer`: drift (log10)"]
    assert set(cells(rule)) == {"---"}
    assert list(map(cells, lines)) == [
        ["adam", shown(ROWS[0]), shown(ROWS[1], "drift (log10)")],
        ["vit", "NOT RUN", NOTHING],
        ["mlp", shown(ROWS[3]), NOTHING],
    ]
    assert "INVALID" in lines[2]


def test_registered_rows_that_are_varied_stand_first():
    (table,) = sweep_tables([*ROWS, *REGISTERED_ROWS])
    assert list(table.lines) == [REGISTERED, "adam", "vit", "mlp"]
    assert table.lines[REGISTERED] == {"memory": REGISTERED_ROWS[0]}
    assert sweep_tables(REGISTERED_ROWS) == []


@pytest.mark.parametrize("order", [1, -1])
def test_measured_rows_are_shown_before_replayed_ones(order):
    measured = [swept("memory", "adam"), evidence("memory")]
    replayed = [dataclasses.replace(row, replayed=True) for row in [*measured, swept("memory", "mlp")]]
    (table,) = sweep_tables([*measured, *replayed][::order])
    assert table.lines == {
        REGISTERED: {"memory": measured[1]},
        "adam": {"memory": measured[0]},
        "mlp": {"memory": replayed[2]},
    }


def test_a_table_for_each_scale_and_subject():
    other = dataclasses.replace(swept("memory", "adam"), scale="reduced", subject="cifar10")
    assert [(table.scale, table.subject) for table in sweep_tables([*ROWS, other])] == [
        ("small", "digits"),
        ("reduced", "cifar10"),
    ]


def test_results_of_the_register_have_none_of_sweeps():
    registered = results_table(REGISTERED_ROWS)
    assert results_table([*ROWS, *REGISTERED_ROWS]) == registered
    assert [line.split(" | ")[0] for line in registered[2 : 2 + len(REGISTERED_ROWS)]] == [
        f"| `{row.claim}`" for row in REGISTERED_ROWS
    ]
    assert len(results_table(ROWS)) == 2


@pytest.mark.parametrize("rows", [ROWS, [*REGISTERED_ROWS, *ROWS]], ids=["alone", "beside the register's"])
def test_page_has_the_table_and_no_article_of_a_varied_row(tmp_path, rows):
    write_html(tmp_path / "report.html", rows)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert page.count("<h2>Sweep: digits, small</h2>") == 1
    assert page.count("<article") == len(rows) - len(ROWS)
    section = page.split("<h2>Sweep:")[1].split("</section>")[0]
    assert section.count("<tr>") == 1 + 3 + (len(rows) > len(ROWS))
    for row in (ROWS[0], ROWS[3]):
        assert shown(row).split(" ", 1)[1] in section
    assert "agreement of a stranger" in section  # on which the invalid row hangs
    assert "it is not here" in page.split("without a decision</summary>")[1]


def test_terminal_says_what_is_varied():
    lines = "\n".join(terminal_table(ROWS, 120))
    assert all(f"small, {row.variation}" in lines for row in ROWS)
