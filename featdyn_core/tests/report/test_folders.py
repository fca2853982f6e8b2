"""Tests of the figures as files."""

import dataclasses

import pytest

from featdyn_core.errors import EvidenceError
from featdyn_core.report.folders import INDEX, write_figures
from featdyn_core.tests.report.pages import ROWS, Page
from featdyn_core.tests.report.sample import evidence, plane
from featdyn_core.verdicts.curve import Curve


def drawn(folder, rows):
    """Write figures; return their paths in the folder, without the index."""
    *figures, index = write_figures(folder, rows)
    assert index == folder / INDEX
    return [path.relative_to(folder).as_posix() for path in figures]


def test_each_claim_has_a_folder_and_each_figure_its_name(tmp_path):
    names = drawn(tmp_path / "figures", [ROWS[0], ROWS[2]])
    stems = [
        "memory-window/small-digits-memory-part-1",
        "memory-window/small-digits-memory-part-2",
        "beyond-closeness/small-digits-replayed-memory-part-1",
    ]
    assert names == [f"{stem}.{kind}" for stem in stems for kind in ("png", "svg", "pdf", "csv")]
    starts = {
        "png": b"\x89PNG",
        "pdf": b"%PDF",
        "svg": b"<?xml",
        "csv": b"series,seed,shallow epoch s,agreement with f_t\n",
    }
    for name in names:
        assert (tmp_path / "figures" / name).read_bytes().startswith(starts[name.rpartition(".")[2]])


def test_the_index_names_shows_and_links_every_file(tmp_path):
    names = drawn(tmp_path, [ROWS[0], ROWS[2], evidence("induction", planes={"the plane": plane()})])
    index = Page((tmp_path / INDEX).read_text(encoding="utf-8"))
    files = {link for link in index.attributes("href") if not link.startswith("#")}
    assert files == set(names)
    assert index.attributes("src") == [name for name in names if name.endswith(".png")]
    assert {link.removeprefix("#") for link in index.attributes("href") if link.startswith("#")} <= set(
        index.attributes("id")
    )
    for said in ("memory-window : 2", "memory-window on digits (small): memory, part 1", "induction on digits (small)"):
        assert said in index.text


def test_progress_is_reported_after_every_figure(tmp_path):
    told = []
    write_figures(tmp_path, [ROWS[0], ROWS[2]], lambda *counts: told.append(counts))
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_figures_with_long_or_foreign_titles_have_distinct_names(tmp_path):
    (curve, *_) = ROWS[0].curves.values()
    titles = ["記憶", "転移", "x" * 300, f"{'x' * 300}y", "é"]
    row = dataclasses.replace(ROWS[0], curves=dict.fromkeys(titles, curve))
    names = drawn(tmp_path, [row])
    assert len(set(names)) == 4 * len(titles)
    assert all(name.isascii() and len(name) < 250 for name in names)
    assert names == drawn(tmp_path, [row])


def test_the_same_claim_at_two_scales_has_two_figures(tmp_path):
    rows = [ROWS[0], dataclasses.replace(ROWS[0], scale="reduced"), dataclasses.replace(ROWS[0], replayed=True)]
    assert len(set(drawn(tmp_path, rows))) == 24


def test_figures_that_collide_are_refused_before_any_is_written(tmp_path):
    with pytest.raises(
        EvidenceError, match=r"'memory-window on digits \(small\): memory, part 1' is not the only figure"
    ):
        write_figures(tmp_path, [ROWS[0], ROWS[0]])
    assert not list(tmp_path.iterdir())


def test_a_figure_that_cannot_be_drawn_is_refused_before_any(tmp_path):
    broken = dataclasses.replace(evidence("induction"), curves={"none": Curve([0.0], {}, "epoch", "loss")})
    with pytest.raises(EvidenceError, match=r"'induction on digits \(small\): none' has no series"):
        write_figures(tmp_path, [ROWS[0], broken])
    assert not list(tmp_path.iterdir())


def test_figures_of_nothing_are_refused(tmp_path):
    with pytest.raises(EvidenceError, match="there is no evidence to report"):
        write_figures(tmp_path, [])
