"""What is collected of the tests of claim tests."""

from pathlib import Path

import pytest

from featdyn_core.harness.tiers import TIERS

JUDGED = "test_register.py"
"""Needs no torch, and asks of the register that claims are judged by."""


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Spare a run of claims the import of these tests, and of torch with them."""
    return True if config.option.markexpr in TIERS and collection_path.name != JUDGED else None
