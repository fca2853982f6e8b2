"""The examples in the docstrings of public names run, and print what they show."""

import doctest
import inspect
from fractions import Fraction

import numpy as np
import pytest
import torch

import featdyn_core
from featdyn_core.project import checkout

NEED_A_TRAJECTORY = {
    "Adoption",
    "ChangeSpectra",
    "LinearizedNetwork",
    "LinearizedTrajectory",
    "Store",
    "Trajectory",
    "adopt",
    "composite",
    "composite_grid",
    "displaced",
    "full_batch_change",
    "get_trajectory",
    "linearized_trajectory",
    "one_step_changes",
    "parameter_noise_changes",
    "plot_grid",
    "read_adoption",
}
"""Their example is ``docs/your-own.md`` or the gallery, which train or measure a network."""

WITHOUT = NEED_A_TRAJECTORY | {
    "BlockNetwork",  # docs/your-own.md
    "FeatdynError",  # it does nothing
    "Outcome",  # shown by what has one
    "Role",
    "Surrogates",  # eight arrays
    "Window",  # two epochs
    "grid_progress",  # shows itself in a terminal
    "load_published_resnet",  # weights that are not here
}

PUBLIC = {name: getattr(featdyn_core, name) for name in featdyn_core.__all__}
NAMES = {name: one for name, one in PUBLIC.items() if inspect.isclass(one) or inspect.isfunction(one)}
GIVEN = PUBLIC | {"np": np, "torch": torch, "Fraction": Fraction}
"""What the page of the reference says that every example begins with."""


def examples(name: str) -> doctest.DocTest:
    return doctest.DocTestParser().get_doctest(inspect.getdoc(NAMES[name]) or "", dict(GIVEN), name, None, 0)


@pytest.fixture(autouse=True)
def _place(monkeypatch):
    """Let examples read published evidence by its path in the project, and draw without a window."""
    monkeypatch.chdir(checkout())
    from matplotlib import pyplot

    pyplot.switch_backend("agg")
    yield
    pyplot.close("all")


def failures(test: doctest.DocTest) -> str:
    """Run an example, and return output that differs from what it shows."""
    said: list[str] = []
    doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(test, out=said.append)
    return "".join(said)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in WITHOUT])
def test_the_example_of_a_public_name_runs(name):
    test = examples(name)
    assert test.examples, f"{name} has no example in its docstring; give it one of a line or two"
    assert not failures(test)


def test_every_name_without_an_example_is_public():
    assert set(NAMES) >= WITHOUT
    assert not [name for name in WITHOUT if examples(name).examples and name != "grid_progress"]


def test_a_wrong_example_is_found():
    wrong = doctest.DocTestParser().get_doctest(">>> share_of(3, 4).hits\n4\n", dict(GIVEN), "wrong", None, 0)
    assert "Got:\n    3" in failures(wrong)
