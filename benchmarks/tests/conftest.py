"""What is collected of the tests of benchmarks."""

import pytest


def pytest_ignore_collect(config: pytest.Config) -> bool | None:
    """Spare a run of one tier of claims the import of these tests, none of which belongs to a tier."""
    return True if config.option.markexpr in ("fast", "full", "calibration", "mutation") else None
