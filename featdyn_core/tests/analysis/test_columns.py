"""Quantities of a column over the shallow epoch, their trends, and distributions."""

import numpy as np

from featdyn_core.analysis.columns import cumulative, over_shallow_epochs, trends
from featdyn_core.records.column import Column


def test_a_column_is_drawn_over_its_shallow_epochs_one_line_a_depth():
    found = over_shallow_epochs(Column.planted([1, 2, 4], [0.3, 0.1, 0]), "agreement", "agreement with f_t")
    assert list(found.x) == [1, 2, 4]
    assert {label: list(y) for label, y in found.series.items()} == {
        f"depth {depth}": [0.7, 0.9, 1.0] for depth in (1, 2, 3)
    }
    assert (found.x_label, found.y_label) == ("shallow epoch s", "agreement with f_t")


def test_a_distribution_is_drawn_with_its_pile_at_one():
    lines = cumulative({"images": [0.5, 1.0, 1.0, 1 - 1 / 3]})
    share = dict(zip(np.round(lines.x, 3).tolist(), lines.series["images"], strict=True))
    assert [share[x] for x in (0.475, 0.5, 0.65, 0.675, 0.975, 1.0)] == [0, 0.25, 0.25, 0.5, 0.5, 1]


def test_a_trend_leaves_out_the_network_itself():
    falling = Column.planted([1, 2, 3], [[0.1, 0.2, 0], [0.2, 0.1, 0], [0.1, 0.1, 0]])
    assert trends(falling, "accuracy") == [-1, 1, 0]
    assert trends(falling, "cross_entropy") == [1, -1, 0]
