"""Shared code of the benchmarks: rows, the cost of a first call, the machine, and scaling tables with rows not run."""

import dataclasses
import io
import json

import pytest
from rich.console import Console

from benchmarks import bench_one_step, ratio
from benchmarks.peak_memory import RECIPE, one_epoch, peak_mib
from benchmarks.ratio import NOT_RUN, Row, Scaling
from featdyn_core.trajectories.recipe import load_recipe

ROW = Row("epoch", "CPU", (2.0, 2.0), (4.0, 4.0), (2.0, 2.0), note="noted")


def test_pairs_are_timed_in_turn():
    calls = []
    row = ratio.paired_ratio("a", "b", lambda: calls.append("A"), lambda: calls.append("B"), pairs=3, share=0.5)
    assert calls == ["A", "B"] * 3
    assert len(row.ratios) == len(row.baseline_seconds) == 3
    for wrong in ({"pairs": 0}, {"share": 0.0}, {"share": 1.1}):
        with pytest.raises(ValueError, match="share"):
            ratio.paired_ratio("a", "b", calls.clear, calls.clear, **wrong)


def test_first_call_and_the_calls_that_make_up_for_it():
    assert ratio.with_first_call(ROW, 30.0, "epoch").note == "noted; first epoch 30 s: pays after 14.0 epochs"
    slower = dataclasses.replace(ROW, baseline_seconds=(1.0, 1.0), note="")
    assert ratio.with_first_call(slower, 30.0, "epoch").note == "first epoch 30 s: never pays"


def test_machine_names_the_commit_in_a_checkout_only(monkeypatch):
    facts = {"commit": "0123456789ab-dirty", "torch": "2"}
    monkeypatch.setattr(ratio, "environment", lambda: facts)
    assert ratio.machine()["commit"] == "0123456789ab-dirty"
    facts["commit"] = ""
    assert "commit" not in ratio.machine()


def test_tables_and_file_show_what_was_not_run(tmp_path):
    rows = [ROW, Row("graphs", "GPU", to_reach=8.0, skipped="no GPU")]
    scaling = Scaling("grid", ("T", "seconds"), ((2, 0.5), (1000, NOT_RUN)))
    console = Console(file=io.StringIO(), width=120)
    ratio.print_rows(rows, console)
    ratio.print_scaling(scaling, console)
    assert console.file.getvalue().count(NOT_RUN) == 3
    ratio.write_json(tmp_path / "b.json", {"commit": "0123456789ab"}, rows, [scaling])
    written = json.loads((tmp_path / "b.json").read_text())
    assert written["machine"] == {"commit": "0123456789ab"}
    assert [row["ratio"] for row in written["rows"]] == [2.0, None]
    assert written["scaling"][0]["rows"] == [[2, 0.5], [1000, NOT_RUN]]


def test_sizes_that_break_are_computed_and_not_run():
    table = bench_one_step.scaling(quick=True)
    updates, samples, _, features, mebibytes, *cost = table.rows[-1]
    assert (updates, samples, features) == (10_000, 1_000, 1024)
    assert mebibytes == updates * samples * features * 8 / 2**20
    assert cost == [NOT_RUN, NOT_RUN]
    assert [row[3] for row in table.rows[:4]] == [128, 128, 128, 256]  # p, by the width alone
    assert all(isinstance(row[-1], float) for row in table.rows[:4])


def test_peak_memory_recipe_differs_only_in_epochs():
    recipe = load_recipe(RECIPE)
    short = one_epoch(recipe, None)
    assert short.replace(training=recipe.training) == recipe
    assert dataclasses.replace(short.training, epochs=60, checkpoints=recipe.training.checkpoints) == recipe.training
    assert one_epoch(recipe, 512).data.subset == 512


def test_peak_memory_is_no_more_than_the_system_charges():
    resource = pytest.importorskip("resource")
    peak = peak_mib()
    if peak is None:
        pytest.skip("the system does not say")
    assert 50 < peak <= resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 + 1  # torch alone takes more than 50
