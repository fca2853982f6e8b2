"""What is collected of the tests of claim tests."""

import pytest

from featdyn_core.harness.tiers import TIERS


def pytest_ignore_collect(config: pytest.Config) -> bool | None:
    """Spare a run of claims the import of these tests, and of torch with them."""
    return True if config.option.markexpr in TIERS else None
