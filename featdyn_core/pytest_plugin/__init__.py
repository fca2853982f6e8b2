"""The pytest plugin: its hooks, options and fixtures, and the files that a run writes."""
