"""What pytest loads wherever featdyn is installed: the plugin where there is a project, and nothing anywhere else."""

import itertools
from pathlib import Path

import pytest

from featdyn_core.project import project_here

PLUGIN = "featdyn_core.pytest_plugin.plugin"
PATHS = ("--store", "--evidence")


def pytest_addoption(pluginmanager: pytest.PytestPluginManager) -> None:
    """Load the plugin before any option is read, so that a path may stand apart from the option it belongs to."""
    if project_here() is not None:
        pluginmanager.import_plugin(PLUGIN)


def pytest_load_initial_conftests(early_config: pytest.Config, args: list[str]) -> None:
    """Refuse a run whose settings pytest has looked for in the folder of an option.

    Before any plugin is loaded, pytest takes a path that stands apart from its option for a folder of tests. Where that
    folder is outside the project, the project's settings are not found, and the evidence would lie elsewhere.

    Raises:
        UsageError: with the way of writing that pytest understands.
    """
    project = project_here()
    if project is None or early_config.rootpath.is_relative_to(project):
        return
    for option, path in itertools.pairwise(args):
        if option in PATHS and Path(path).exists():
            raise pytest.UsageError(
                f"pytest takes {path} for a folder of tests, and so misses the settings of {project}; "
                f"write {option}={path}"
            )
