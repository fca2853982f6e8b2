"""Tests of the items of a criterion side by side."""

import pytest

from featdyn_core.report.html import write_html
from featdyn_core.report.items import asked
from featdyn_core.tests.report.pages import Page
from featdyn_core.tests.report.sample import evidence
from featdyn_core.verdicts.criterion import Criterion


def found(name, quantity, *, values=(0.5, 0.6, 0.7), bound=0.4, **fields):
    return Criterion(name, quantity, "above", bound, **fields).judge(values)


def told(findings):
    return [(one.name, one.quantity, [item.name for item in one.items]) for one in asked(findings)]


def test_items_of_a_criterion_stand_together_with_its_words_once():
    depths = [found(f"agreement, depth {d}", f"agreement with f_t, depth {d}") for d in (1, 2, 3)]
    assert told([*depths, found("churn", "agreement of f_s, with f_t")]) == [
        ("agreement", "agreement with f_t", ["depth 1", "depth 2", "depth 3"]),
        ("churn", "agreement of f_s, with f_t", [""]),
    ]


def test_splits_are_apart_and_the_item_stands_before_them():
    splits = [
        found(f"kept, {item}, {split}", f"accuracy, kept, {item}, {split} images")
        for item in ("depth 1", "depth 2")
        for split in ("held-out", "training")
    ]
    assert told(splits) == [
        ("kept, held-out", "accuracy, kept, held-out images", ["depth 1", "depth 2"]),
        ("kept, training", "accuracy, kept, training images", ["depth 1", "depth 2"]),
    ]


def test_a_criterion_of_one_item_keeps_its_whole_name():
    assert told([found("agreement, depth 1", "agreement with f_t, depth 1")]) == [
        ("agreement, depth 1", "agreement with f_t, depth 1", [""])
    ]


@pytest.mark.parametrize("other", [{"bound": 0.3}, {"paper": True}])
def test_items_of_other_bounds_are_apart(other):
    pair = [found("agreement, depth 1", "the same, depth 1"), found("agreement, depth 2", "the same, depth 2", **other)]
    assert [len(one.items) for one in asked(pair)] == [1, 1]


def test_strips_of_a_criterion_have_one_scale():
    """Equal numbers are then at the same place in each, and the common bound is one line."""
    (one,) = asked(
        [
            found("agreement, depth 1", "the same, depth 1", values=(0.5, 0.6, 0.7)),
            found("agreement, depth 2", "the same, depth 2", values=(0.7, 5.0, 9.0)),
        ]
    )
    first, second = (item.strip for item in one.items)
    assert first.bounds == second.bounds
    assert first.values[2] == second.values[0]
    assert one.ends == first.ends == second.ends
    low, high = one.ends
    assert low <= 0.4 < 9.0 <= high


def test_the_page_folds_the_table_away_and_shows_items(tmp_path):
    row = evidence("beyond-churn", gain=0.001, curves=0)
    write_html(tmp_path / "page.html", [row])
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    shown, _, table = text.partition('<details class="numbers">')
    page = Page(text)
    assert page.text.count("gain must lie > 0") == 0, "its quantity does not end in its item, so each stands alone"
    assert page.text.count("gain, depth 1 must lie > 0") == page.text.count("gain, depth 2 must lie > 0") == 1
    assert shown.count('<div class="asked">') == len(row.findings)
    assert table.count("<small>worst seed") == len(row.findings)
    assert "open" not in next(found for tag, found in page.tags if found.get("class") == "numbers")
