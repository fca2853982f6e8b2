"""The trajectories and records that options select, in order."""

import pytest

from featdyn_core.cli.main import command_line
from featdyn_core.cli.selection import requests_of, rows_of, scale_of, trainings_of, usual_jobs
from featdyn_core.errors import RecipeError
from featdyn_core.project import register_folder
from featdyn_core.register.reading import load_register

pytestmark = pytest.mark.usefixtures("project")


def given(*arguments):
    """Return the options of ``status``, which has all that are shared."""
    return command_line().parse_args(["status", "--device", "cpu", *arguments])


def trained(*arguments):
    return [(recipe.name, seed) for recipe, seed in trainings_of(given(*arguments))]


def test_trainings_are_those_of_the_tier():
    assert trained() == [("toy", seed) for seed in (0, 1, 2)]
    assert trained("--tier", "full") == [("toy-reduced", seed) for seed in (3, 4, 5)]


def test_few_seeds_may_be_trained_and_are_not_judged():
    assert trained("--seeds", "7,100") == [("toy", 7), ("toy", 100)]
    with pytest.raises(RecipeError, match="bounds came from the pilot seeds 100"):
        rows_of(given(), (7, 8, 100))


def test_recipes_come_in_the_order_in_which_they_are_named():
    assert trained("--only", "toy-reduced", "--only", "toy", "--seeds", "1") == [("toy-reduced", 1), ("toy", 1)]
    assert trained("--only", "toy", "--only", "toy") == [("toy", seed) for seed in (0, 1, 2)]


@pytest.mark.usefixtures("two_arms")
def test_records_are_those_of_the_named_recipes():
    names = [request.recipe.name for request in requests_of(given("--only", "toy-reduced"))]
    assert names == ["toy-reduced"] * 6
    both = requests_of(given("--only", "toy-reduced", "--only", "toy"))
    assert both == requests_of(given())


def test_a_recipe_that_no_claim_reads_is_named():
    with pytest.raises(RecipeError, match="no claim reads a record of toy-reduced at scale small"):
        requests_of(given("--only", "toy", "--only", "toy-reduced"))


@pytest.mark.parametrize(
    ("arguments", "scale"),
    [([], "small"), (["--tier", "full"], "reduced"), (["--tier", "sweep"], "small")]
    + [(["--tier", tier, "--scale", "reduced"], "reduced") for tier in ("full", "sweep")],
)
def test_a_tier_is_of_a_scale(arguments, scale):
    assert scale_of(given(*arguments), load_register(register_folder())) == scale


def test_processes_are_as_many_as_cores(monkeypatch):
    monkeypatch.setattr("featdyn_core.cli.selection.cores", lambda: 7)
    assert usual_jobs(given()) == 7
