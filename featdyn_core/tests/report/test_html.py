"""Tests of the terminal table, the HTML report and the figure files, on a made-up run with every verdict."""

import dataclasses
import html.parser
import re
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featdyn_core.errors import EvidenceError
from featdyn_core.report.html import hinge, terminal_table, write_figures, write_html
from featdyn_core.verdicts.claim import Claim, Criterion, Curve, Evidence, Outcome, Role, Verdict
from featdyn_core.verdicts.evidence import adjusted_p_values

SEEDS = (0, 1, 2, 3, 4)
REASON = (
    "data set 'cifar10' is not in /data/featdyn: put cifar-10-python.tar.gz (162 MB) there, or set "
    "FEATDYN_DATA to the folder that has it; nothing was trained in its stead"
)


def evidence(claim, subject="digits", *, agreement=0.985, lost=0.2, spread=0.004, scale="small", curves=1):
    """A row as a claim's test makes it, with the given means over seeds."""
    rng = np.random.default_rng(sum(map(ord, claim + subject)))
    criteria = (
        Criterion(
            "agreement, held-out",
            "least agreement C_d(s, t) with f_t over depths, held-out images",
            "above",
            0.95,
        ),
        Criterion("median consistency", "least median over depths of point-wise consistency", "above", 0.9),
        Criterion(
            "agreement lost by displacement",
            "agreement lost in a random direction",
            "above",
            0.05,
            Role.CONTROL,
        ),
        Criterion("drift (log10)", "relative drift of the parameters", "below", -0.5, Role.REPORTED),
    )
    means = {
        "agreement, held-out": agreement,
        "median consistency": 0.995,
        "agreement lost by displacement": lost,
    }
    values = {
        name: list(rng.normal(mean, spread, len(SEEDS))) for name, mean in (means | {"drift (log10)": -0.52}).items()
    }
    verdict, findings = Claim(claim, "4.2", "", criteria).judge(values)
    return Evidence(
        claim=claim,
        section="4.2 (Fig. 2, 10)",
        subject=subject,
        tier="fast" if scale == "small" else "full",
        scale=scale,
        verdict=verdict,
        findings=findings,
        seeds=SEEDS,
        recipes={f"{subject}-{scale}": "0a16f04a" * 8},
        checkpoints={
            f"{subject}-{scale}/{seed}": {"key": f"{seed}d436834" * 8, "sha256": f"{seed}0f49dedc" * 8}
            for seed in SEEDS
        },
        data={f"{subject}, train: 1,200 images, test: 597 images": "74413e4b" * 8},
        images={"held-out": 597, "training": 1000},
        curves={f"memory, part {part}": curve(rng) for part in range(1, curves + 1)},
        environment={"commit": "d0f594519695", "device": "cpu", "torch": "2.14.1", "threads": 1},
        seconds=83.4,
    )


def curve(rng, points=21):
    epochs = np.linspace(0, 40, points)
    depths = {
        f"depth {depth}": [
            (1 - 0.9 * np.exp(-epochs / (4 * depth)) + rng.normal(0, 0.02, points)).tolist() for _ in SEEDS
        ]
        for depth in (1, 2, 3)
    }
    return Curve(epochs.tolist(), depths, "shallow epoch s", "agreement with f_t")


@pytest.fixture(scope="module")
def rows():
    """One row of each verdict."""
    made = [
        evidence("memory-window", curves=2),
        evidence("anisotropy-concentration", agreement=0.91),
        evidence("transferability", agreement=0.952, spread=0.01, curves=0),
        evidence("random-label-collapse", lost=0.01, curves=0),
        Evidence("forgetting", "4.2", "cifar10", "full", "reduced", Verdict.NOT_RUN, reason=REASON),
    ]
    assert [row.verdict for row in made] == list(Verdict)
    return made


class _Page(html.parser.HTMLParser):
    """What a test asks of a page: its text, attributes and whether its elements are closed."""

    VOID = frozenset({"meta"})

    def __init__(self, text):
        super().__init__()
        self.texts, self.tags, self.open = [], [], []
        self.feed(text)
        self.text = " ".join(" ".join(self.texts).split())

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)

    def attributes(self, *names):
        return [found[name] for _, found in self.tags for name in names if name in found]


@pytest.fixture(scope="module")
def text(rows, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "new folder" / "report.html"
    write_html(path, rows)
    return path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(text):
    return _Page(text)


def test_page_says_how_many_images_claims_look_at(rows, text):
    shown = text.count("· the first 597 held-out and 1,000 training images")
    assert shown == sum(bool(row.images) for row in rows) > 0


@pytest.mark.parametrize("width", [80, 100, 140])
def test_table_tells_what_was_decided_and_by_what(rows, width):
    lines = terminal_table(rows, width)
    starts = [next(at for at, line in enumerate(lines) if line.startswith(row.claim)) for row in rows]
    assert starts == sorted(starts)
    for row, start in zip(rows[:4], starts, strict=False):
        head, detail = lines[start], lines[start + 1]
        finding = hinge(row)
        assert re.search(rf"{row.subject} .*{row.verdict}  +{'fails' if row.verdict == 'INVALID' else 'holds'}", head)
        assert finding.criterion.name in detail
        assert f"{finding.interval.estimate:.4g} [{finding.interval.low:.4g}, {finding.interval.high:.4g}]" in detail
        assert detail.endswith(f"> {finding.criterion.bound}")


@pytest.mark.parametrize("width", [1, 10, 20, 40, 60, 80, 100, 140])
def test_no_line_is_longer_than_the_terminal(rows, width):
    assert max(map(len, terminal_table(rows, width))) <= width


def test_table_has_seeds_and_adjusted_p_values_where_there_is_room(rows):
    heads = [line.split() for line in terminal_table(rows, 100) if any(line.startswith(row.claim) for row in rows)]
    shown = [(head[2], head[-2], head[-1]) for head in heads]
    assert shown[0] == ("fast/small", "5", "<0.0001")
    assert shown[2] == ("fast/small", "5", f"{adjusted_p_values(rows)[2]:.4f}")
    assert shown[4] == ("full/reduced", "–", "–")


def test_a_narrow_table_leaves_out_the_scale_first_and_never_the_verdict(rows):
    assert "scale" in terminal_table(rows, 100)[0]
    assert terminal_table(rows, 80)[0].split() == [
        "claim",
        "subject",
        "verdict",
        "control",
        "seeds",
        "Holm",
        "p",
    ]
    assert terminal_table(rows, 50)[0].split() == ["claim", "subject", "verdict"]


def test_long_names_are_shortened_before_numbers(rows):
    lines = terminal_table(rows, 60)
    finding = hinge(rows[3])
    line = next(line for line in lines if "agreement lost" in line)
    assert "…" in line
    assert line.endswith(f"{finding.interval.high:.4g}]  > 0.05")


@pytest.mark.parametrize("width", [40, 80, 140])
def test_table_gives_the_whole_reason_of_a_claim_that_was_not_run(rows, width):
    lines = terminal_table(rows, width)
    start = next(at for at, line in enumerate(lines) if line.startswith("forgetting"))
    assert " ".join(" ".join(lines[start + 1 :]).split()) == REASON


def test_an_invalid_row_hangs_on_its_control_and_the_others_on_what_decides(rows):
    assert [hinge(row) and hinge(row).criterion.name for row in rows] == [
        "agreement, held-out",
        "agreement, held-out",
        "agreement, held-out",
        "agreement lost by displacement",
        None,
    ]


def test_the_worst_of_several_controls_is_shown(rows):
    held, failed = rows[0].findings, rows[3].of(Role.CONTROL)
    for findings in ((*held, *failed), (*failed, *held)):
        row = dataclasses.replace(rows[3], findings=findings)
        lines = terminal_table([row], 100)
        assert re.search(r"INVALID  fails", lines[2])
        assert lines[3].split("  ")[1] == failed[0].criterion.name
        assert f"{failed[0].interval.estimate:.4g} [" in lines[3]


@settings(max_examples=25, deadline=None)
@given(agreement=st.floats(0.9, 1.0), spread=st.floats(1e-4, 0.05))
def test_the_verdict_hangs_on_the_worst_outcome(agreement, spread):
    row = evidence("memory-window", agreement=agreement, lost=0.5, spread=spread, curves=0)
    severity = [Outcome.HOLDS, Outcome.UNDECIDED, Outcome.FAILS]
    role = Role.CONTROL if row.verdict is Verdict.INVALID else Role.DECIDES
    assert hinge(row).outcome is max((item.outcome for item in row.of(role)), key=severity.index)


def test_page_shows_every_claim_verdict_and_number(rows, page):
    for row in rows:
        assert f"{row.claim} on {row.subject} {row.verdict}" in page.text
        assert row.section in page.text
        for finding in row.findings:
            assert finding.criterion.quantity in page.text
            shown = ", ".join(f"{value:.4g}" for value in finding.values)
            assert shown in page.text
            found = finding.interval
            assert f"{found.estimate:.4g} [{found.low:.4g}, {found.high:.4g}]" in page.text
    assert page.text.count(REASON) == 2  # in the overview and in its section


def test_page_shows_where_the_numbers_come_from(rows, page):
    row = rows[0]
    digests = [digest for parts in row.checkpoints.values() for digest in parts.values()]
    for text in (
        *row.recipes,
        *row.recipes.values(),
        *row.checkpoints,
        *digests,
        *row.data,
        *row.data.values(),
    ):
        assert text in page.text
    for text in (*map(str, row.environment.values()), "seeds 0, 1, 2, 3, 4", "duration 0:01:23 h"):
        assert text in page.text


def test_page_draws_every_finding_and_every_curve(rows, page):
    classes = page.attributes("class")
    findings = [finding for row in rows for finding in row.findings]
    shown = findings + [finding for row in rows if (finding := hinge(row))]
    for outcome in Outcome:
        assert classes.count(f"strip {outcome}") == sum(finding.outcome is outcome for finding in shown)
    assert sum(tag == "figure" for tag, _ in page.tags) == sum(len(row.curves) for row in rows)


def test_page_is_well_formed_and_needs_nothing_from_outside(page):
    assert not page.open
    assert page.attributes("src", "srcset", "data", "action") == []
    links = page.attributes("href", "xlink:href")
    identifiers = page.attributes("id")
    assert len(set(identifiers)) == len(identifiers)
    assert {link.removeprefix("#") for link in links} <= set(identifiers)
    assert not {"script", "link", "iframe", "image"} & {tag for tag, _ in page.tags}
    assert not re.search(r"@import|url\((?!#)", page.text + " ".join(page.attributes("style")))


def test_page_escapes_what_evidence_says(rows, tmp_path):
    attack = '<script>alert("1")</script>'
    drawn = next(iter(rows[0].curves.values()))
    curve = dataclasses.replace(drawn, series={attack: next(iter(drawn.series.values()))}, x_label=attack)
    texts = {"claim": attack, "section": attack, "subject": attack, "reason": attack}
    fields = {"recipes": {attack: attack}, "data": {attack: attack}, "curves": {attack: curve}}
    row = dataclasses.replace(rows[0], **texts, **fields, environment={attack: attack})
    write_html(tmp_path / "report.html", {attack: [row], "other": [row]})
    page = _Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert "script" not in {tag for tag, _ in page.tags}
    assert page.text.count(attack) >= 15


def test_same_evidence_same_bytes(rows, text, tmp_path):
    write_html(tmp_path / "report.html", rows)
    assert (tmp_path / "report.html").read_bytes() == text.encode()


def test_page_of_several_runs_names_them_and_adjusts_within_each(rows, tmp_path):
    write_html(tmp_path / "report.html", {"fast.json": rows[2:3], "full.json": rows[1:3]})
    page = _Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    runs = {"fast.json": adjusted_p_values(rows[2:3])[-1], "full.json": adjusted_p_values(rows[1:3])[-1]}
    assert len(set(runs.values())) == 2
    for name, p_value in runs.items():
        assert re.search(rf"{name} transferability .{{,200}} holds 5 {p_value:.4f}", page.text)
    identifiers = page.attributes("id")
    assert len(set(identifiers)) == len(identifiers)


@pytest.mark.parametrize("rows", [[], {}, {"evidence.json": []}], ids=["rows", "files", "an empty file"])
def test_a_page_of_nothing_is_refused(rows, tmp_path):
    with pytest.raises(EvidenceError, match="there is no evidence to report: run the claims first"):
        write_html(tmp_path / "report.html", rows)
    assert not list(tmp_path.iterdir())


def test_a_table_or_figures_of_nothing_are_refused(tmp_path):
    for report in (lambda: terminal_table([], 80), lambda: write_figures(tmp_path, [])):
        with pytest.raises(EvidenceError, match="there is no evidence to report"):
            report()


def test_a_place_that_cannot_be_written_is_named(rows, tmp_path):
    with pytest.raises(EvidenceError, match=f"{re.escape(str(tmp_path))} cannot be written"):
        write_html(tmp_path, rows[4:])


def test_figures_are_named_after_claim_subject_and_title(rows, tmp_path):
    paths = write_figures(tmp_path / "figures", rows[:2])
    assert [path.name for path in paths] == [
        "memory-window-digits-memory-part-1.png",
        "memory-window-digits-memory-part-2.png",
        "anisotropy-concentration-digits-memory-part-1.png",
    ]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in paths)


def test_figures_that_would_overwrite_each_other_are_refused_before_any_is_written(rows, tmp_path):
    with pytest.raises(EvidenceError, match="'memory-window on digits: memory, part 1' is not the only curve"):
        write_figures(tmp_path, [rows[0], rows[0]])
    assert not list(tmp_path.iterdir())


def test_a_test_run_starts_without_matplotlib():
    code = "import sys, featdyn_core.report; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
