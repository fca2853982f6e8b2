"""The register itself is sound; a register that is not says where."""

import dataclasses
import math
from pathlib import Path

import pytest
import torch

from featdyn_core.errors import MeasurementError, RecipeError
from featdyn_core.harness import register as register_module
from featdyn_core.harness.register import SCALES, Runs, load_register
from featdyn_core.measures.composites.grid import depth_grid
from featdyn_core.trajectories.recipe import load_recipe, recipes_folder
from featdyn_core.verdicts.claim import Criterion, Role
from featdyn_core.verdicts.inference import confidence_at_look

REGISTER = Path(__file__).parents[3] / "claims" / "register.toml"

SHARES = ("least agreement", "least accuracy", "least median", "share of")  # quantities within [0, 1]

MINIMAL = """
schema = 1
pilot_seeds = [100]

[scales.small]
seeds = [0, 1, 2]
recipes = { digits = "digits-small" }
images = 500

[scales.paper]
seeds = [0, 1, 2]
recipes = { mnist = "mnist-paper" }
images = 500

[claims.memory]
title = "Memory"
section = "4.2"
sentence = "Features remain."
arms = { paper = { clean = "", noisy = "-noisy" } }

[claims.memory.windows]
small = { memory = [20, 40] }
"subject:mnist" = { memory = [200, 300] }

[[claims.memory.criteria]]
name = "agreement"
quantity = "agreement with f_t"
direction = "above"
bound = { small = 0.95 }

[[claims.memory.criteria]]
name = "whole agreement"
quantity = "agreement with f_t"
direction = "above"
bound = 1
pilot = "0.97 to 0.99"

[[claims.memory.criteria]]
name = "lost"
quantity = "agreement lost"
direction = "below"
bound = 0.05
role = "control"
"""


@pytest.fixture
def register_of(tmp_path):
    """Return a function that reads a register from its text."""

    def read(text):
        path = tmp_path / "register.toml"
        path.write_text(text, encoding="utf-8")
        return load_register(path)

    return read


@pytest.fixture(scope="module")
def real():
    return load_register(REGISTER)


# The register


def test_the_register_has_every_claim_at_every_scale(real):
    assert set(real.scales) == set(SCALES)
    assert len(real.entries) >= 7
    for entry in real.entries.values():
        for scale in SCALES:
            claim = entry.claim(scale)
            assert claim.id == entry.id
            assert claim.sentence
            names = [item.name for item in claim.criteria]
            assert len(names) == len(set(names)), entry.id


def test_bounds_lie_within_the_range_of_their_quantity(real):
    """A criterion that cannot fail, or cannot hold, would be no criterion."""
    checked = 0
    for entry in real.entries.values():
        for scale in SCALES:
            for item in entry.claim(scale).criteria:
                assert math.isfinite(item.bound), (entry.id, item.name)
                if item.quantity.startswith(SHARES):
                    assert 0 < item.bound < 1, (entry.id, item.name)
                    checked += 1
    assert checked >= 3 * len(SCALES)


def test_every_claim_has_seeds_windows_and_recipes_where_it_is_tested(real):
    assert len(real.scales["small"].seeds) == 5
    for scale in real.scales.values():
        assert len(set(scale.seeds)) == len(scale.seeds) >= 3
        for entry in real.entries.values():
            for subject in scale.recipes:
                windows = entry.windows_of(scale.name, subject)
                assert windows, (entry.id, scale.name, subject)
                assert all(0 <= first < last for first, last in windows.values()), (entry.id, scale.name)


@pytest.mark.parametrize("name", SCALES)
def test_windows_end_at_checkpoints_of_the_recipes(real, name):
    """A window's end that is none would be found out only after days of training."""
    scale, found = real.scales[name], 0
    for entry in real.entries.values():
        for subject, plain in scale.recipes.items():
            if entry.subjects and subject not in entry.subjects and name != "small":
                continue
            for suffix in entry.arms_of(name).values():
                if not (recipes_folder() / f"{plain}{suffix}.toml").is_file():
                    continue
                checkpoints = load_recipe(plain + suffix).training.checkpoints
                for ends in entry.windows_of(name, subject).values():
                    assert set(ends) <= set(checkpoints), (entry.id, subject, suffix)
                found += 1
    assert found >= len(real.entries)


@pytest.mark.parametrize(
    ("tier", "full", "device", "name"),
    [
        ("fast", "paper", "cuda", "small"),
        ("full", "reduced", "cuda", "reduced"),
        ("full", "paper", "cpu", "paper"),
        ("full", "auto", "cpu", "reduced"),
        ("full", "auto", "cuda", "paper"),
    ],
)
def test_scale_of_a_tier_is_the_one_asked_for_or_fits_the_device(real, tier, full, device, name):
    assert real.scale(tier, full, torch.device(device)).name == name


# Reading


def test_a_criterion_is_asked_where_it_has_a_bound(register_of):
    entry = register_of(MINIMAL).entry("memory")
    assert [item.name for item in entry.claim("small").criteria] == ["agreement", "whole agreement", "lost"]
    assert [item.name for item in entry.claim("paper").criteria] == ["whole agreement", "lost"]
    assert entry.claim("small").criteria[1] == Criterion(
        "whole agreement", "agreement with f_t", "above", 1.0, Role.DECIDES, "0.97 to 0.99"
    )
    assert entry.claim("small").criteria[2].role is Role.CONTROL


def test_a_claim_must_be_decided_at_every_scale(register_of):
    with pytest.raises(RecipeError, match="no criterion with role decides"):
        register_of(MINIMAL.replace("bound = 1\n", "bound = 1\nrole = 'reported'\n"))


def test_fields_of_an_entry(register_of):
    register = register_of(MINIMAL)
    entry = register.entry("memory")
    assert (entry.title, entry.section, entry.subjects) == ("Memory", "4.2", ())
    assert register.pilot_seeds == (100,)
    assert register.scales["small"].recipes == {"digits": "digits-small"}
    assert (register.scales["small"].looks, register.scales["small"].confidence) == (1, 0.95)


def test_a_scale_that_is_looked_at_again_has_wider_intervals(register_of):
    scale = register_of(MINIMAL.replace("images = 500", "images = 500\nlooks = 2")).scales["small"]
    assert scale.confidence == confidence_at_look(2) == 0.975


def test_arms_are_those_of_the_scale_or_one_plain_arm(register_of):
    entry = register_of(MINIMAL).entry("memory")
    assert entry.arms_of("paper") == {"clean": "", "noisy": "-noisy"}
    assert entry.arms_of("small") == {"clean": ""}


def test_windows_of_a_subject_go_before_those_of_the_scale(register_of):
    entry = register_of(MINIMAL).entry("memory")
    assert entry.windows_of("small", "digits") == {"memory": (20, 40)}
    assert entry.windows_of("small", "mnist") == {"memory": (200, 300)}
    assert entry.windows_of("paper", "digits") == {}


def test_unknown_claim_is_named_with_the_known_ones(register_of):
    with pytest.raises(RecipeError, match="unknown claim 'memry'; the register has memory"):
        register_of(MINIMAL).entry("memry")


@pytest.mark.parametrize(
    ("old", "new", "messages"),
    [
        pytest.param("schema = 1", "schema = 2", ["schema 2", "reads schema = 1"], id="schema"),
        pytest.param("schema = 1\n", "", ["schema None"], id="no schema"),
        pytest.param("schema = 1", "schema = ", ["cannot be read"], id="no TOML"),
        pytest.param("pilot_seeds = [100]", "pilot_seeds = [2]", ["scale small", "pilot seeds [2]"], id="pilot seeds"),
        pytest.param("pilot_seeds = [100]\n", "", ["register.toml", "'pilot_seeds'"], id="no pilot seeds"),
        pytest.param("seeds = [0, 1, 2]\nrecipes", "recipes", ["scale 'small'", "'seeds'"], id="no seeds"),
        pytest.param("images = 500\n", "", ["scale 'small'", "'images'"], id="no images"),
        pytest.param("images = 500\n", "images = 500\nlooks = 0\n", ["scale 'small'", "at least once"], id="no look"),
        pytest.param(
            "images = 500\n", "images = 500\nlook = 2\n", ["scale 'small'", "'look'"], id="unknown field of a scale"
        ),
        pytest.param('title = "Memory"\n', "", ["claim 'memory'", "title"], id="no title"),
        pytest.param('title = "Memory"', 'titel = "Memory"', ["claim 'memory'", "titel"], id="unknown field"),
        pytest.param("memory = [20, 40]", "memory = [20]", ["claim 'memory'"], id="window with one end"),
        pytest.param("small = { memory = [20, 40] }", "small = 3", ["claim 'memory'"], id="windows of another kind"),
        pytest.param("small = { mem", "tiny = { mem", ["claim 'memory'", "'tiny'"], id="windows of unknown scale"),
        pytest.param("arms = { paper", "arms = { papr", ["claim 'memory'", "'papr'"], id="arms of unknown scale"),
        pytest.param("bound = 0.05\n", "", ["claim 'memory'", "criterion 'lost'", "'bound'"], id="no bound"),
        pytest.param("bound = 0.05", "bound = 'low'", ["claim 'memory'", "criterion 'lost'"], id="bound of words"),
        pytest.param("{ small = 0.95 }", "{ smal = 0.95 }", ["criterion 'agreement'", "'smal'"], id="unknown scale"),
        pytest.param('role = "control"', 'role = "check"', ["criterion 'lost'", "'check'"], id="unknown role"),
        pytest.param('"below"', '"under"', ["criterion 'lost'", "'under'"], id="unknown direction"),
        pytest.param("pilot =", "pilots =", ["criterion 'whole agreement'", "pilots"], id="unknown criterion field"),
        pytest.param('role = "control"', "", ["claim 'memory'", "role control"], id="no control"),
    ],
)
def test_a_register_that_cannot_be_used_says_where(register_of, old, new, messages):
    text = MINIMAL.replace(old, new, 1)
    assert text != MINIMAL
    with pytest.raises(RecipeError) as caught:
        register_of(text)
    for message in messages:
        assert message in str(caught.value)


def test_a_register_that_is_not_there_or_no_text(tmp_path):
    with pytest.raises(RecipeError, match=r"register .*nowhere\.toml cannot be read"):
        load_register(tmp_path / "nowhere.toml")
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(RecipeError, match=r"register .*bytes\.toml cannot be read"):
        load_register(tmp_path / "bytes.toml")


# Runs


def test_epochs_are_the_checkpoints_of_the_window(tiny_trajectory):
    runs = Runs({"clean": [tiny_trajectory]}, {"late": (1, 4), "broken": (0, 3)})
    assert runs["clean"] == [tiny_trajectory]
    assert runs.epochs("late", tiny_trajectory) == [1, 2, 4]
    with pytest.raises(MeasurementError, match="window 'broken' ends at epoch 3, where there is no checkpoint"):
        runs.epochs("broken", tiny_trajectory)


def test_grids_are_of_the_runs_precision_and_their_flip_rates_are_kept(tiny_trajectory, monkeypatch):
    seen, told = [], []

    def evaluate(*place, precision, **options):
        seen.append((place, precision))
        found = depth_grid(*place, **options)  # a CPU has no kernels in lower precision worth the while
        return dataclasses.replace(found, flip_rate=0.25)

    monkeypatch.setattr(register_module, "depth_grid", evaluate)
    runs = Runs({"clean": [tiny_trajectory]}, {}, "fp16", lambda done, total: told.append((done, total)))
    epochs = tiny_trajectory.epochs[-2:]
    grid = runs.grid(tiny_trajectory, "training", epochs, epochs[-1])
    assert seen == [((tiny_trajectory, "training", epochs, epochs[-1]), "fp16")]
    assert runs.flip_rates == [0.25]
    assert told[-1] == (2 * len(grid.cuts), 2 * len(grid.cuts))
