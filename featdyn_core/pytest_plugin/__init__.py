"""The pytest plugin: hooks, options and fixtures, and what a run leaves behind."""
