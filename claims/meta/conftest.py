"""Collection of the tests of claim tests."""

from pathlib import Path

import pytest

from featdyn_core.harness.tiers import TIERS

JUDGED = "test_register.py"
"""A test file that needs no torch; it tests the register that judges claims."""


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Skip the import of these tests, and so of torch, in a run of claims."""
    return True if config.option.markexpr in TIERS and collection_path.name != JUDGED else None
