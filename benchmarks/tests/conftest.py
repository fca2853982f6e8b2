"""Collection of the benchmarks' tests."""

import pytest


def pytest_ignore_collect(config: pytest.Config) -> bool | None:
    """Skip the import of these tests in a run of one tier; none of them belongs to a tier."""
    return True if config.option.markexpr in ("fast", "full", "calibration", "mutation") else None
