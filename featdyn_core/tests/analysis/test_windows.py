"""What memory and transfer have in common: the least favourable composites of a window, and a stranger's."""

import pytest

from featdyn_core.analysis.windows import inside_window
from featdyn_core.records.column import Column
from featdyn_core.records.stranger import Stranger


def test_inside_a_window_the_worst_composite_and_the_stranger_count():
    columns = {"held-out": Column.planted([1, 2], [0.2, 0]), "training": Column.planted([1, 2], [0.1, 0])}
    found = inside_window(columns, Stranger.planted(0.25), "memory")
    assert found.values["agreement of a stranger"] == 0.25
    assert found.values["agreement, held-out"] == pytest.approx(0.8)
    assert found.values["accuracy kept, training"] == pytest.approx(0.9)
    drawn = {
        f"memory on {split} images: {name}": (f"{name}, {split}", name == "cross-entropy")
        for split in columns
        for name in ("agreement", "accuracy kept", "cross-entropy")
    }
    assert {title: (lines.bound, lines.log) for title, lines in found.curves.items()} == drawn
    assert all(lines.over_epochs for lines in found.curves.values())
