"""The module that pytest loads wherever featdyn is installed: it loads the plugin only inside a project."""

import itertools
from pathlib import Path

import pytest

from featdyn_core.project import project_here

PLUGIN = "featdyn_core.pytest_plugin.plugin"
PATHS = ("--store", "--evidence")


def pytest_addoption(pluginmanager: pytest.PytestPluginManager) -> None:
    """Load the plugin before any option is read, so that a space may separate an option from its path."""
    if project_here() is not None:
        pluginmanager.import_plugin(PLUGIN)


def pytest_load_initial_conftests(early_config: pytest.Config, args: list[str]) -> None:
    """Refuse a run in which pytest mistakes the path of an option for a folder of tests.

    Before it loads plugins, pytest takes a path that a space separates from its option for a folder of tests. If that
    folder is outside the project, pytest misses the project's settings, and the evidence would be written elsewhere.

    Raises:
        UsageError: it says how to write the option.
    """
    project = project_here()
    if project is None or early_config.rootpath.is_relative_to(project):
        return
    for option, path in itertools.pairwise(args):
        if option in PATHS and Path(path).exists():
            raise pytest.UsageError(
                f"pytest takes {path} for a folder of tests, and misses the settings of {project}; "
                f"write {option}={path}"
            )
