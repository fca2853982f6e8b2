"""The scale that is run follows from the register, whatever the names of its scales."""

import shutil
from pathlib import Path

import pytest
import torch

from featdyn_core.errors import RecipeError
from featdyn_core.harness.plan import cells, requests, trainings
from featdyn_core.harness.tiers import SWEEP, TIERS, scales_run
from featdyn_core.register.reading import load_register
from featdyn_core.report.markdown import claims_table, results_table, summary_table
from featdyn_core.tests.report.sample import evidence
from featdyn_core.tests.toy import edit

REGISTER = Path(__file__).parents[3] / "claims" / "register"
MEDIUM = """
[scales.halfway]
tier = "full"
seeds = [0, 1, 2, 3]
images = 700
recipes = { letters = "digits-small" }

[scales.paper]
"""


@pytest.fixture
def register(tmp_path):
    """Return the register with one more scale, between the reduced and the paper's, and a claim about its data."""
    folder = tmp_path / "register"
    shutil.copytree(REGISTER, folder)
    edit(folder / "scales.toml", "[scales.paper]", MEDIUM.strip())
    edit(folder / "memory-window.toml", '"digits", ', '"digits", "letters", ')
    edit(folder / "memory-window.toml", "[windows]\n", "[windows]\nhalfway = { memory = [12, 28] }\n")
    return load_register(folder)


def on(monkeypatch, device):
    monkeypatch.setattr("featdyn_core.devices.resolve_device", lambda _: torch.device(device))


def test_a_new_scale_is_read_and_planned_by_the_register_alone(register):
    assert list(register.scales) == ["small", "reduced", "strangers", "halfway", "paper"]
    (row,) = cells(register, "halfway")
    assert (row.id, row.tier, row.seeds) == ("memory-window-halfway-letters", "full", (0, 1, 2, 3))
    assert (row.windows["memory"].first, row.recipes["clean"].name) == (12, "digits-small")
    assert {request.parameters["images"] for request in requests([row])} == {700}
    assert [seed for _, seed in trainings([row])] == [0, 1, 2, 3]
    assert [item.name for item in row.claim.criteria if item.role == "decides"]


def test_a_new_scale_has_its_column_in_the_tables(register):
    row = evidence("memory-window", "letters", scale="halfway")
    head, _, *lines = summary_table(register, [row], {})
    assert (
        head == "| claim | the paper says | small | reduced | cifar10-strangers | halfway | paper | effect | meaning |"
    )
    (shown,) = [line.split(" | ") for line in lines if line.startswith("| `memory-window` ")]
    assert shown[2:7] == ["not run", "not run", "not run", "SUPPORTED (letters)", "not run"]
    assert "(letters)" in shown[7]
    assert "| letters | halfway | SUPPORTED" in results_table([row])[2]
    assert len(claims_table(register)) == 2 + len(register.entries)


@pytest.mark.parametrize(
    ("device", "usual"),
    [
        ("cpu", {"fast": "small", "full": "reduced", "sweep": "small"}),
        ("cuda", {"fast": "small", "full": "paper", "sweep": "small"}),
    ],
)
def test_a_tier_has_its_first_scale_or_on_a_gpu_its_last(register, monkeypatch, device, usual):
    on(monkeypatch, device)
    assert scales_run(register, TIERS) == usual
    assert scales_run(register, []) == {}


def test_a_chosen_scale_is_that_of_its_tier_and_of_sweeps(register, monkeypatch):
    on(monkeypatch, "cpu")
    assert scales_run(register, TIERS, chosen="halfway") == {"fast": "small", "full": "halfway", "sweep": "halfway"}
    assert scales_run(register, ["full"], chosen="paper") == {"full": "paper"}
    assert scales_run(register, TIERS, chosen="small") == {"fast": "small", "full": "reduced", "sweep": "small"}
    assert scales_run(register, [SWEEP], chosen="small") == {"sweep": "small"}


def test_a_scale_that_is_none_of_the_tier_is_refused(register):
    with pytest.raises(RecipeError, match="the scale small is of the tier fast, and not of full; choose another"):
        scales_run(register, ["full"], chosen="small")
    message = (
        r"unknown scale 'halfwey'; did you mean 'halfway'\? the register has small, reduced, strangers, halfway, paper"
    )
    with pytest.raises(RecipeError, match=message):
        scales_run(register, ["full"], chosen="halfwey")


def test_a_tier_without_a_scale_is_reported(tmp_path):
    shutil.copytree(REGISTER, tmp_path, dirs_exist_ok=True)
    edit(tmp_path / "scales.toml", 'tier = "full"', 'tier = "fast"')
    for path in tmp_path.glob("*.toml"):
        if path.stem not in ("scales", "memory-window"):
            path.unlink()
    with pytest.raises(RecipeError, match="the register has no scale of the tier full"):
        scales_run(load_register(tmp_path), ["full"])
