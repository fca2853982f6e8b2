"""Rows that published records alone decide, and rows that lack an arm of their claim."""

import pytest

from featdyn_core.errors import RecipeError
from featdyn_core.harness.plan import all_cells, cells, requests, trainings
from featdyn_core.project import register_folder
from featdyn_core.register.reading import load_register
from featdyn_core.tests.toy import edit, entry, write_project

PUBLISHED = 'published = ["small"]\n'
ARMS = 'arms = { clean = "", slow = { small = "-reduced", reduced = false } }\n'


@pytest.fixture
def read(project):
    """Return a function that reads a register whose small scale trains some of its seeds in a run."""

    def read(**entries: str):
        write_project(project, **entries)
        edit(register_folder() / "scales.toml", "seeds = [0, 1, 2]", "seeds = [0, 1, 2, 6]\nhere = [0, 1, 2]")
        return load_register(register_folder())

    return read


def test_what_is_judged_when_published_is_not_trained_here(read):
    register = read(demo=entry(), rare=entry(more=PUBLISHED))
    assert [row.entry.id for row in cells(register, "small", here=True)] == ["demo"]
    assert [row.entry.id for row in cells(register, "reduced")] == ["demo", "rare"]


def test_for_publishing_it_is_trained_like_others(read):
    rows = cells(read(rare=entry(more=PUBLISHED)), "small", seeds=(0, 1, 2, 6))
    assert [(row.entry.id, row.exploratory) for row in rows if row.entry.id == "rare"] == [("rare", False)]
    assert len(trainings(rows)) == 4


def test_on_the_seeds_that_are_trained_here_it_is_exploratory(read):
    """More seeds are registered for the row; trainings of the run use these."""

    def found(**options):
        rows = cells(read(demo=entry(), rare=entry(more=PUBLISHED)), "small", seeds=(0, 1, 2), **options)
        return [(row.entry.id, row.here, row.exploratory) for row in rows]

    assert found(here=True) == [("demo", True, False)]
    assert found() == [("demo", False, True), ("rare", False, True)]


def test_it_has_its_row_before_anything_is_published(read):
    """Without records the row is NOT RUN, with the reason: a claim is never left out in silence."""
    rows = all_cells(read(demo=entry(), rare=entry(more=PUBLISHED)))
    assert [row.id for row in rows if row.scale.name == "small"] == ["demo-small-digits", "rare-small-digits-replayed"]


@pytest.mark.parametrize("scale", ["reduced", "smal"])
def test_published_names_a_scale_trained_on_the_spot(read, scale):
    with pytest.raises(RecipeError, match=f"claim 'rare', published: .*'{scale}'"):
        read(rare=entry(more=f'published = ["{scale}"]\n'))


def test_a_row_has_the_arms_that_it_is_not_said_to_lack(read):
    text = entry(more=ARMS).replace('"column",', '"column", arms = ["clean", "slow"],')
    register = read(demo=text)
    small, reduced = (next(iter(cells(register, scale))) for scale in ("small", "reduced"))
    assert {arm: recipe.name for arm, recipe in small.recipes.items()} == {"clean": "toy", "slow": "toy-reduced"}
    assert list(reduced.recipes) == ["clean"]
    assert {needed.arm for needed in small.requests(0) if needed.record == "column"} == {"clean", "slow"}
    assert {needed.arm for needed in reduced.requests(3)} == {"clean"}
    assert len(trainings([reduced])) == 3
    assert {request.recipe.name for request in requests([reduced])} == {"toy-reduced"}
