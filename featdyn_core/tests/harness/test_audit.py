"""An audit finds trainings, records and numbers that differ from the published ones."""

import dataclasses

import numpy as np
import pytest

from featdyn_core.errors import MissingRecordError
from featdyn_core.harness.audit import (
    AuditedNumber,
    AuditedRecord,
    audit,
    lines,
    other_numbers,
    published_requests,
)
from featdyn_core.harness.plan import cells, requests
from featdyn_core.store.published import PublishedRecords, publish
from featdyn_core.store.records import pack
from featdyn_core.tests.store.made import arrays_of, record_of
from featdyn_core.verdicts.measured import Measured


@pytest.fixture
def rows(register):
    return cells(register(), "small", replayed=True)


@pytest.fixture
def source(rows, tmp_path):
    """Return published records of the toy claim on three seeds."""
    publish(tmp_path / "small", [record_of(request) for request in requests(rows)])
    return PublishedRecords(tmp_path / "small")


def moved(request, _=()):
    """Return the record of another training, in which one more image has another class."""
    arrays = arrays_of(request)
    if "changed" in arrays:
        arrays["changed"] = arrays["changed"].copy()
        arrays["changed"][..., -1] ^= 1
    facts = record_of(request).facts | {"checkpoints": {"key": "k", "sha256": "other"}}
    return pack(request, arrays, {name: facts[name] for name in facts if name not in ("file", "sha256")})


def measure(run):
    agreement = run.columns("column")["held-out"].agreement
    run.record("stranger")
    return Measured({"effect": float(agreement.mean()), "null": 0.0})


def found(rows, source, get):
    audited = audit(published_requests(rows, 1, source), source, get)
    return audited, *other_numbers(rows, {"demo": measure}, 1, source, audited)


def test_what_is_made_again_as_published_is_the_same(rows, source):
    audited, count, numbers = found(rows, source, lambda request, _: record_of(request))
    assert all(record.trained_alike and record.measured_alike for record in audited.values())
    assert (count, numbers) == (2, [])
    assert lines(list(audited.values()), count, numbers)[0] == (
        "trained again: 2 of 2 trajectories bit for bit as published"
    )


def test_what_ends_in_other_bits_is_reported_with_its_numbers(rows, source):
    audited, count, numbers = found(rows, source, moved)
    assert not any(record.trained_alike for record in audited.values())
    assert [(number.row, number.name) for number in numbers] == [("demo-small-digits-replayed", "effect")]
    (number,) = numbers
    assert number.again == pytest.approx(number.published - 1 / 20)
    text = "\n".join(lines(list(audited.values()), count, numbers))
    assert "trained again: 1 of 2 trajectories" in text
    assert "judged again: 1 of 2 numbers as published" in text
    assert f"demo-small-digits-replayed, effect: {number.again:.4g}, published {number.published:.4g}" in text


def test_a_stranger_that_was_trained_otherwise_is_reported(rows, source):
    def get(request, _):
        record = record_of(request)
        partner = record.facts["partner"] and record.facts["partner"] | {"sha256": "other"}
        return dataclasses.replace(record, facts=record.facts | {"partner": partner})

    audited = audit(published_requests(rows, 1, source), source, get)
    assert [record.trained_alike for record in audited.values()] == [True, True, False]
    assert lines(list(audited.values()), 0, [])[0].startswith("trained again: 1 of 2 trajectories")


def test_a_number_of_no_training_of_the_law_is_reported():
    number = AuditedNumber("row", "effect", 0.9, 0.1, 0.8, 1.0)
    assert not number.plausible
    assert dataclasses.replace(number, again=0.85).plausible
    assert lines([], 1, [number])[-1].endswith("other trainings lie in [0.8, 1], and this does not")


def test_one_bit_of_one_array_is_another_record(rows, source):
    request = published_requests(rows, 1, source)[0]
    same, other = record_of(request), moved(request)
    assert AuditedRecord(same, same).measured_alike
    assert not AuditedRecord(same, other).measured_alike
    assert not np.array_equal(*(record.arrays["changed"] for record in (same, other)))


def test_a_seed_without_published_records_is_named(rows, source):
    with pytest.raises(MissingRecordError, match=r"no record of seed 77 is published in .*small for these claims"):
        published_requests(rows, 77, source)
