"""A plan's missing records are measured if their trajectories exist, otherwise reported, and published."""

import functools
import re
import time
from unittest.mock import Mock

import pytest

from featdyn_core.errors import AbsentDataError, DamagedRecordError, StoreError
from featdyn_core.launch import measuring
from featdyn_core.launch.measuring import Place, measure_missing, publish_records, say_all, spread_by_device
from featdyn_core.launch.processes import spread
from featdyn_core.records.request import Request
from featdyn_core.store import supply
from featdyn_core.store.measurements import Measurements
from featdyn_core.store.published import PublishedRecords, publish
from featdyn_core.store.supply import Store
from featdyn_core.tests.store.edits import contents, flip
from featdyn_core.tests.store.made import column, record_of
from featdyn_core.tests.tiny import tiny_recipe
from featdyn_core.trajectories.specs import DataSpec

HERE = functools.partial(spread, jobs=1)
STRANGER = Request(tiny_recipe(), 0, "stranger", {"deep": 3, "images": 20, "split": "held-out", "partner": 1})


@pytest.fixture
def place(tmp_path) -> Place:
    """Return a place with the trajectory of seed 0 and no records."""
    Store(tmp_path / "store", device="cpu").get(tiny_recipe(), 0)
    return Place(tmp_path / "store", "cpu")


@pytest.fixture
def said() -> list[str]:
    return []


def test_missing_records_are_measured_and_failures_reported(place, said):
    requests = [column(1, 2), column(1, 2, seed=1), STRANGER]
    assert say_all(measure_missing(place, requests, HERE, said.append), said.append) == 2
    assert said[0] == "3 records: 0 here, 1 to be measured"
    assert said[1].startswith("column of tiny seed 0: ")
    assert re.search(r"\(1/1, \d+ s passed, about 0 s left\)$", said[1])
    missing = "its trajectory is missing; train it with: featdyn train --only"
    assert said[2].startswith(f"column of tiny seed 1: {missing} tiny --seeds 1 --store ")
    assert said[3].startswith(f"stranger of tiny seed 0: {missing} tiny --seeds 0,")
    assert len(said) == 4
    assert say_all(measure_missing(place, requests[:1], HERE, said.append), said.append) == 0
    assert said[-1] == "1 records: 1 here, 0 to be measured"


def test_a_long_measurement_says_how_far_it_is(place, said, monkeypatch):
    monkeypatch.setattr(measuring, "PROGRESS_SECONDS", 0.01)
    under_way = "measuring column of tiny seed 0: 3/24 composites"

    def slowly(work, pieces):
        for piece in pieces:
            path = place.root / "progress" / "column.grid"
            path.write_text(under_way)
            end = time.monotonic() + 60
            while under_way not in said and time.monotonic() < end:
                time.sleep(0.01)
            path.unlink()
            yield piece, work(piece)

    assert say_all(measure_missing(place, [column(1, 2)], slowly, said.append), said.append) == 0
    assert said[1] == under_way
    assert said[2].startswith("column of tiny seed 0: ")


def test_what_a_gpu_computes_is_done_in_one_process(monkeypatch):
    """Work on the CPU uses one process per core."""
    spreads = []

    def noted(work, pieces, *, jobs):
        spreads.append((jobs, pieces))
        return ((piece, work(piece)) for piece in pieces)

    monkeypatch.setattr(measuring, "spread", noted)
    groups = [[Request(tiny_recipe(), 0, kind, {})] for kind in ("descent", "churn", "log", "losses")]
    found = list(spread_by_device(len, groups, jobs=8))
    assert spreads == [(1, [groups[1], groups[3]]), (2, [groups[0], groups[2]])]
    assert [outcome for _, outcome in found] == [1] * 4


def test_only_records_of_one_training_may_go_together(monkeypatch):
    """A plan may have tens of thousands of records, and records of two trainings are never measured together."""
    asked = Mock(side_effect=lambda *_: False)
    monkeypatch.setattr(Request, "together", asked)
    requests = [column(1, seed=seed, deep=deep) for seed in range(20) for deep in (1, 2)]
    assert measuring._grouped(requests) == [[request] for request in requests]
    assert asked.call_count == 20


def test_work_is_shared_out_without_comparing_its_pieces(monkeypatch):
    class Group(list):
        __hash__ = None

        def __eq__(self, _):
            raise AssertionError("pieces were compared")

    monkeypatch.setattr(measuring, "spread", lambda work, groups, **_: ((group, work(group)) for group in groups))
    groups = [Group([Request(tiny_recipe(), seed, kind, {})]) for seed in (0, 1) for kind in ("log", "churn")]
    assert [group[0].kind for group, _ in spread_by_device(len, groups, jobs=2)] == ["churn"] * 2 + ["log"] * 2


def test_what_costs_less_together_is_one_piece_of_work(place, said):
    requests = [column(1), column(1, split="training"), column(1, deep=2), column(1, deep=2, split="training")]
    assert say_all(measure_missing(place, requests, HERE, said.append), said.append) == 0
    assert said[0] == "4 records: 0 here, 4 to be measured"
    assert said[1].startswith("column of tiny seed 0 and 1 more together: ")
    assert "(2/4, " in said[1]
    assert "(4/4, " in said[2]
    assert place.measurements().missing(requests) == []


def test_records_that_fail_together_are_all_counted(place, said):
    assert say_all(measure_missing(place, [column(9), column(1, deep=2)], HERE, said.append), said.append) == 2


def test_nothing_is_trained(place, said):
    say_all(measure_missing(place, [column(1, seed=1)], HERE, said.append), said.append)
    assert [path.name[:6] for path in place.root.glob("tiny-*")] == ["tiny-0"]


def test_a_failed_measurement_does_not_stop_the_others(place, said):
    assert say_all(measure_missing(place, [column(9), column(1)], HERE, said.append), said.append) == 1
    assert "has no checkpoint at epoch 9" in said[1]
    assert place.measurements().missing([column(1)]) == []


def test_an_absent_data_set_keeps_no_other_from_being_measured(place, said, monkeypatch):
    load = supply.load_dataset

    def absent(name, **options):
        if name == "cifar10":
            raise AbsentDataError("cifar10 could not be had")
        return load(name, **options)

    monkeypatch.setattr(supply, "load_dataset", absent)
    other = column(1, recipe=tiny_recipe(name="other", data=DataSpec("cifar10", 200)))
    assert say_all(measure_missing(place, [other, column(1)], HERE, said.append), said.append) == 1
    assert said[-1] == "column of other seed 0: cifar10 could not be had"
    assert place.measurements().missing([column(1)]) == []


def test_a_damaged_record_keeps_no_other_from_being_measured(place, said):
    place.measurements().get(column(1))
    flip(next(place.root.glob("records/*/*.npz")), 60)
    assert say_all(measure_missing(place, [column(1)], HERE, said.append), said.append) == 1
    assert "do not match its sha256" in said[-1]


def test_a_store_is_opened_once_a_process(place):
    assert place.measurements() is place.measurements()
    assert measuring.Place(place.root, "cpu").measurements() is place.measurements()
    assert place.measurements(measure=False) is not place.measurements()


# Publishing


def test_what_is_here_is_published_and_the_rest_is_counted(place, tmp_path):
    record = place.measurements().get(column(1, 2))
    assert publish_records(place, [column(1, 2), column(1, 2, seed=1)], tmp_path / "reduced", print) == (1, 1)
    assert PublishedRecords(tmp_path / "reduced").get(column(1)).content == record.content


def test_publishing_measures_nothing_and_takes_nothing_away(place, tmp_path):
    """Several machines may publish into one folder."""
    folder = tmp_path / "reduced"
    place.measurements().get(column(1, 2))
    publish_records(place, [column(1, 2)], folder, print)
    elsewhere = Place(tmp_path / "other store", "cpu")
    before = contents(folder)
    assert publish_records(elsewhere, [column(1, 2), column(1, 2, seed=1)], folder, print) == (1, 1)
    assert contents(folder) == before
    assert publish_records(elsewhere, [column(1, 2, seed=1)], folder, print) == (0, 1)
    assert contents(folder) == before


def test_where_nothing_is_there_nothing_is_written(place, tmp_path):
    assert publish_records(place, [column(1)], tmp_path / "reduced", print) == (0, 1)
    assert not (tmp_path / "reduced").exists()


def test_missing_data_is_reported_once(place, tmp_path, monkeypatch):
    monkeypatch.setattr(Measurements, "get", Mock(side_effect=AbsentDataError("no digits here")))
    told = []
    assert publish_records(place, [column(1), column(2)], tmp_path / "reduced", told.append) == (0, 2)
    assert told == ["no digits here"]


def test_what_nobody_asks_for_any_more_is_not_published_any_more(place, tmp_path):
    for request in (column(1, 2), column(1, 3)):
        place.measurements().get(request)
    publish_records(place, [column(1, 2), column(1, 3)], tmp_path / "reduced", print)
    publish_records(place, [column(1, 3)], tmp_path / "reduced", print)
    assert len(PublishedRecords(tmp_path / "reduced").facts) == 1


def test_a_damaged_record_is_not_published(place, tmp_path):
    place.measurements().get(column(1))
    flip(next(place.root.glob("records/*/*.npz")), 60)
    with pytest.raises(DamagedRecordError, match="do not match its sha256"):
        publish_records(place, [column(1)], tmp_path / "reduced", print)


def test_an_unreadable_manifest_is_published_anew_or_kept(place, tmp_path):
    """It is published again if all records are here; otherwise records could be lost."""
    folder = tmp_path / "reduced"
    place.measurements().get(column(1))
    publish_records(place, [column(1)], folder, print)
    (folder / "manifest.json").write_text("{")
    with pytest.raises(DamagedRecordError, match="cannot be read"):
        publish_records(place, [column(1), column(1, seed=1)], folder, print)
    assert (folder / "manifest.json").read_text() == "{"
    assert publish_records(place, [column(1)], folder, print) == (1, 0)
    assert PublishedRecords(folder).get(column(1)).facts["seed"] == 0


def test_records_of_a_newer_version_are_not_lost(place, tmp_path):
    folder = tmp_path / "reduced"
    place.measurements().get(column(1))
    publish(folder, [record_of(column(1)), newer := record_of(column(1, seed=1), version=99)])
    before = contents(folder)
    with pytest.raises(DamagedRecordError, match="records of a newer version of featdyn, which would be lost"):
        publish_records(place, [column(1)], folder, print)
    assert contents(folder) == before
    assert newer.facts["file"] in before


def test_a_place_that_cannot_be_written_is_named(place, tmp_path):
    place.measurements().get(column(1))
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"file/reduced cannot be written"):
        publish_records(place, [column(1)], tmp_path / "file" / "reduced", print)
