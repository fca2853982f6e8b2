"""Ways to break the core, one module a part of it; each has ``MUTATIONS``: name to how, and what must turn red."""

from collections.abc import Callable

import pytest

Break = Callable[[pytest.MonkeyPatch], None]
Mutations = dict[str, tuple[Break, tuple[str, ...]]]
