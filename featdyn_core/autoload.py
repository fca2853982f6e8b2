"""What pytest loads wherever featdyn is installed: the plugin where there is a project, and nothing anywhere else."""

import pytest

from featdyn_core.project import project_here

PLUGIN = "featdyn_core.plugin"


def pytest_addoption(pluginmanager: pytest.PytestPluginManager) -> None:
    """Load the plugin before any option is read, so that a path may stand apart from the option it belongs to."""
    if project_here() is not None:
        pluginmanager.import_plugin(PLUGIN)
