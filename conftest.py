"""Loads the harness: markers, options, fixtures and the verdict table."""

pytest_plugins = ["featdyn_core.pytest_plugin.plugin", "pytester"]
