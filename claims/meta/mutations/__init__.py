"""Mutations of the core, one module per part; ``MUTATIONS`` maps names to mutations and claims that must fail."""

from collections.abc import Callable

import pytest

Break = Callable[[pytest.MonkeyPatch], None]
Mutations = dict[str, tuple[Break, tuple[str, ...]]]
