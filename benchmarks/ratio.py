"""Shared code of the benchmarks: it times baseline and candidate in turn, with the ratio of each pair and the machine.

A benchmark is a module ``bench_<name>.py`` whose docstring states the competent baseline. It has

- ``run(quick) -> list[Row]``: passes its equality gate first, which raises ``ResultsDifferError``, then times
  the pairs;
- ``scaling(quick) -> Scaling``, optionally: how the cost grows with the size of the problem, and where it breaks.

Ratios are comparable between machines, and seconds are not. So no benchmark asserts a time.
"""

import json
import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from featdyn_core.provenance import environment

NOT_RUN = "not run"
"""Text in a scaling table for a size that was not timed; computed values are given all the same."""


class ResultsDifferError(AssertionError):
    """Baseline and candidate do not give the same results, so their times are not comparable."""


@dataclass(frozen=True)
class Row:
    """One comparison.

    Attributes:
        name: what is compared.
        setting: sizes, precision and device.
        ratios: baseline seconds over candidate seconds, one per pair; empty if skipped.
        baseline_seconds: one per pair, already divided by ``share``.
        candidate_seconds: one per pair.
        share: fraction of the candidate's work that the baseline was run on, in (0, 1].
        to_reach: the ratio aimed at, or None.
        note: what else a reader must know.
        skipped: why the comparison was not run, such as an absent GPU; empty if it was.
    """

    name: str
    setting: str
    ratios: tuple[float, ...] = ()
    baseline_seconds: tuple[float, ...] = ()
    candidate_seconds: tuple[float, ...] = ()
    share: float = 1.0
    to_reach: float | None = None
    note: str = ""
    skipped: str = ""

    @property
    def ratio(self) -> float | None:
        """The median of the pairs' ratios; None if skipped."""
        return statistics.median(self.ratios) if self.ratios else None


@dataclass(frozen=True)
class Scaling:
    """A table of costs over problem sizes: a title, the columns' names with units, and the rows.

    A row that was not timed has ``NOT_RUN`` in place of its measured values.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[float | int | str, ...], ...]


def seconds(work: Callable[[], object]) -> float:
    """Return the wall-clock seconds of one call, which returns only when its work is done, a GPU's too."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def paired_ratio(
    name: str,
    setting: str,
    baseline: Callable[[], object],
    candidate: Callable[[], object],
    *,
    pairs: int = 5,
    share: float = 1.0,
    to_reach: float | None = None,
    note: str = "",
) -> Row:
    """Time baseline and candidate in turn, A B A B, so that a slow period of the machine affects both.

    Both must have run once before, in the equality gate, because this function does not warm them up.

    Args:
        name: what is compared.
        setting: sizes, precision and device.
        baseline: a competent version without the idea that is measured.
        candidate: the version of the library.
        pairs: number of pairs, at least 1.
        share: fraction of the candidate's work that ``baseline`` does; its seconds are divided by it.
        to_reach: the ratio aimed at.
        note: what else a reader must know.

    Raises:
        ValueError: there is no pair, or the share is outside (0, 1].
    """
    if pairs < 1 or not 0 < share <= 1:
        raise ValueError(f"{pairs} pairs at a share of {share}; take at least 1 pair and a share in (0, 1]")
    timed = [(seconds(baseline) / share, seconds(candidate)) for _ in range(pairs)]
    return Row(
        name=name,
        setting=setting,
        ratios=tuple(a / b for a, b in timed),
        baseline_seconds=tuple(a for a, _ in timed),
        candidate_seconds=tuple(b for _, b in timed),
        share=share,
        to_reach=to_reach,
        note=note,
    )


def with_first_call(row: Row, first: float, call: str) -> Row:
    """Add to a row's note the time of the candidate's first call, and the number of calls from which it pays.

    The first call loses ``first - steady`` seconds, and each of them gains ``baseline - steady``, medians of the pairs.

    Args:
        row: a comparison that was run.
        first: seconds of the first call, before the pairs, with all that is captured or compiled in it.
        call: what one call does, such as ``epoch``.
    """
    steady, baseline = (statistics.median(side) for side in (row.candidate_seconds, row.baseline_seconds))
    pays = f"pays after {(first - steady) / (baseline - steady):,.1f} {call}s" if baseline > steady else "never pays"
    return replace(row, note="; ".join(text for text in (row.note, f"first {call} {first:.3g} s: {pays}") if text))


def machine() -> dict[str, str | int]:
    """Return machine, commit and time (UTC) of the ratios; unknown facts are left out."""
    facts = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        **environment(),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        "threads": torch.get_num_threads(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "omp_num_threads": os.environ.get("OMP_NUM_THREADS"),
    }
    return {name: value for name, value in facts.items() if value not in (None, "")}


def print_rows(rows: Sequence[Row], console: Console) -> None:
    """Print the comparisons as a table, the notes and the reasons of skipped rows below it."""
    table = Table("what", title="Ratios")
    for column in ("ratio", "spread", "to reach", "baseline s", "candidate s"):
        table.add_column(column, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(f"{row.name}\n{row.setting}", *_figures(row))
    console.print(table)
    for row in rows:
        scaled = f"baseline timed on {row.share:.2%} of the work and scaled" if row.share < 1 else ""
        remarks = [text for text in (row.skipped and f"{NOT_RUN}: {row.skipped}", scaled, row.note) if text]
        if remarks:
            console.print(
                f"{row.name}, {row.setting}: {'; '.join(remarks)}",
                highlight=False,
                markup=False,
                soft_wrap=True,
            )


def print_scaling(scaling: Scaling, console: Console) -> None:
    """Print a scaling table."""
    table = Table(*scaling.columns, title=scaling.title)
    for row in scaling.rows:
        table.add_row(*(f"{value:.4g}" if isinstance(value, float) else str(value) for value in row))
    console.print(table)


def write_json(path: Path, measured_on: dict[str, str | int], rows: Sequence[Row], scalings: Sequence[Scaling]) -> None:
    """Write what ``machine`` found before the first row, comparisons and scaling tables to a JSON file."""
    content = {
        "machine": measured_on,
        "rows": [{"ratio": row.ratio, **asdict(row)} for row in rows],
        "scaling": [asdict(scaling) for scaling in scalings],
    }
    path.write_text(json.dumps(content, indent=1) + "\n")


def _figures(row: Row) -> tuple[str, str, str, str, str]:
    """Return ratio, spread, aim and median seconds of a row as text."""
    aim = f"≥ {_times(row.to_reach)}" if row.to_reach is not None else ""
    if row.ratio is None:
        return NOT_RUN, "", aim, "", ""
    return (
        _times(row.ratio),
        f"{_times(min(row.ratios))} – {_times(max(row.ratios))}",
        aim,
        f"{statistics.median(row.baseline_seconds):.3g}",
        f"{statistics.median(row.candidate_seconds):.3g}",
    )


def _times(ratio: float) -> str:
    """Return a ratio as text, to two or three figures below 100 and whole above."""
    return f"{ratio:,.0f}×" if ratio >= 100 else f"{ratio:.3g}×"
