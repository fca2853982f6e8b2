"""Pictures of decision regions as files, as parts of a page, and as tables."""

import csv
import dataclasses
import io
import xml.etree.ElementTree as ElementTree

import pytest

from featdyn_core.errors import EvidenceError
from featdyn_core.report.folders import write_figures
from featdyn_core.report.html import write_html
from featdyn_core.report.planes import plane_csv, plane_files, plane_panel
from featdyn_core.tests.report.sample import evidence, plane


def test_a_page_shows_regions_paths_and_class_letters():
    panel = plane_panel(plane(), "regions")
    assert panel.regions == {"0": (0, "M0 0h3v1h-3z"), "1": (1, "M0 1h3v1h-3z")}
    assert panel.cell == (311 / 3, 250 / 2)
    (zero, to_left, end), (one, _, _) = panel.paths
    assert (zero, one) == (0, 1)
    assert to_left.startswith("M")
    assert end == f"M{round(10 * panel.x.place(-2.0))} {round(10 * panel.y.place(1.0))}h0"


def test_the_first_line_of_regions_is_above():
    """So the letter of its class stands higher in the drawing, where ordinates grow downwards."""
    centres = plane_panel(dataclasses.replace(plane(), regions=["aaa", "bbb"], paths=[]), "regions").centres
    assert centres["a"][1] < centres["b"][1]
    assert centres["a"][0] == centres["b"][0]


def test_pictures_are_reproducible_and_show_name_seed_and_epochs():
    files = plane_files(plane(), "regions")
    assert files == plane_files(plane(), "regions")
    words = " ".join(ElementTree.fromstring(files["svg"]).itertext())
    assert "regions, seed 7, epochs 50 to 200" in words


def test_a_table_has_every_point_of_the_paths():
    assert list(csv.reader(io.StringIO(plane_csv(plane())))) == [
        ["path", "label", "epoch", "first feature", "second feature"],
        ["0", "0", "50", "-1.0", "0.5"],
        ["0", "0", "200", "-2.0", "1.0"],
        ["1", "1", "50", "1.0", "0.5"],
        ["1", "1", "200", "2.0", "-1.0"],
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"regions": ["000", "11"]}, "not a grid"),
        ({"regions": []}, "not a grid"),
        ({"regions": ["0?0"]}, "not a grid"),
        ({"epochs": [50]}, "lacks a point"),
        ({"epochs": [], "paths": []}, "lacks the ends of an axis"),
        ({"x": [1.0]}, "lacks the ends of an axis"),
        ({"y": [1.0, 1.0]}, "lacks the ends of an axis"),
    ],
)
def test_what_cannot_be_drawn_is_named(change, message):
    with pytest.raises(EvidenceError, match=rf"picture 'regions': .*{message}"):
        plane_panel(dataclasses.replace(plane(), **change), "regions")


def test_pictures_stand_beside_curves_in_folder_and_page(tmp_path):
    rows = [evidence("induction", planes={"the plane": plane()})]
    names = {path.name for path in write_figures(tmp_path, rows)}
    assert {f"small-digits-the-plane.{kind}" for kind in ("png", "svg", "pdf", "csv")} <= names
    assert len(names) == 9
    write_html(tmp_path / "report.html", rows)
    assert "the plane" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_a_picture_and_a_curve_of_one_name_are_both_kept(tmp_path):
    row = evidence("induction", planes={"memory, part 1": plane()})
    with pytest.raises(EvidenceError, match="not the only figure"):
        write_figures(tmp_path, [row])
