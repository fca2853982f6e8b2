"""Objects display themselves as short text."""

import pytest

from featdyn_core.data.sources import load_dataset
from featdyn_core.display import Displayed, html_table, span
from featdyn_core.measures.composites.grid import composite_grid
from featdyn_core.tests.report.sample import evidence


class Shown(Displayed):
    """Shows a mark-up, a number and a list."""

    def _facts(self):
        return {"name": "<b>", "size": 3, "parts": ["one", "<i>"]}


def test_a_line_leaves_lists_out():
    assert repr(Shown()) == "<Shown: name <b>, size 3>"


def test_a_table_has_every_fact_as_text():
    shown = Shown()._repr_html_()
    assert shown.startswith("<table><caption>Shown</caption>")
    assert "<tr><th>name</th><td>&lt;b&gt;</td></tr>" in shown
    assert "<tr><th>parts</th><td>one<br>&lt;i&gt;</td></tr>" in shown


def test_cells_of_a_table_are_text():
    assert "<th>a&amp;b</th>" in html_table(["a&b"], [["<x>"]])
    assert "<td>&lt;x&gt;</td>" in html_table(["a&b"], [["<x>"]])


@pytest.mark.parametrize(("epochs", "said"), [([], "0"), ([3], "1 (3)"), ([0, 5, 28], "3 (0 to 28)")])
def test_epochs_are_said_by_their_ends(epochs, said):
    assert span(epochs) == said


def test_a_data_set_shows_counts_and_no_pixels():
    assert repr(load_dataset("digits", subset=100)) == (
        "<Dataset: name digits, training images 100, test images 597, shape 1 × 8 × 8, classes 10, source scikit-learn>"
    )


def test_a_trajectory_and_its_grid_show_their_epochs(tiny_trajectory):
    said = repr(tiny_trajectory)
    assert "checkpoints 4 (0 to 4)" in said
    assert f"recipe {tiny_trajectory.recipe.name}, seed {tiny_trajectory.seed}" in said
    images, labels = tiny_trajectory.evaluation_set("held-out")
    cut = tiny_trajectory.network(0).cuts[0]
    epochs = {"shallow_epochs": [0, 1], "deep_epochs": 4}
    grid = composite_grid(tiny_trajectory, images[:8], labels=labels[:8], cuts=cut, **epochs)
    said_of_epochs = "shallow epochs 2 (0 to 1), deep epochs 1 (4), pairs 2 of 2"
    assert repr(grid) == f"<CompositeGrid: cuts {cut}, {said_of_epochs}, images 8, labels given>"
    for shown in (said, repr(grid), tiny_trajectory._repr_html_(), grid._repr_html_()):
        assert len(shown) < 1000


def test_evidence_shows_what_decides_and_the_controls():
    row = evidence("memory-window", agreement=0.5)
    assert repr(row) == f"<Evidence: row memory-window-small-digits, verdict REFUTED, seeds 5, why {row.why}>"
    shown = row._repr_html_()
    for finding in (*row.deciding, *row.of(row.findings[2].criterion.role)):
        assert str(finding).split(":")[0] in shown
    assert "drift (log10)" not in shown
