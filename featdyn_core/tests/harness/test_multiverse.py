"""The verdict by every specification follows from records alone, each measured once."""

import dataclasses
from collections import Counter
from typing import ClassVar

import pytest

from featdyn_core.errors import MissingRecordError, RecipeError
from featdyn_core.harness.laboratory import Laboratory
from featdyn_core.harness.multiverse import multiverse, with_multiverse
from featdyn_core.harness.plan import cells
from featdyn_core.register.sweeps import Variation
from featdyn_core.tests.toy import MULTIVERSE, entry
from featdyn_core.verdicts.claim import Verdict
from featdyn_core.verdicts.documents import from_json, to_json
from featdyn_core.verdicts.evidence import Evidence
from featdyn_core.verdicts.measured import Measured

S, R = Verdict.SUPPORTED, Verdict.REFUTED


@pytest.fixture
def row(register):
    """Return a function that reads the toy claim's row at small scale, with additions to its multiverse."""

    def read(added="", text=MULTIVERSE):
        (found,) = cells(register(demo=entry(first=0) + text + added), "small")
        return found

    return read


class Packed:
    """A record with a made-up view; ``unpacked`` lists the records that were unpacked."""

    unpacked: ClassVar[list[int]] = []

    def __init__(self, file):
        self.facts = {"file": file}

    def view_of(self, _):  # noqa: D102 - as of a record
        self.unpacked.append(id(self))
        return "a view"


def here(request):
    """A source that has every record, one of each kind and seed."""
    return Packed(f"{request.kind}-{request.seed}")


def measure(run, null=0.0):
    """The effect is large over all epochs, and small over the last alone."""
    assert set(run.columns("column").values()) == {"a view"}
    first = run.windows["late"].first
    return Measured({"effect": (0.9, 0.6, 0.1)[first] + 0.01 * run.seed, "null": null})


def test_every_specification_is_judged_in_order(row):
    found = multiverse(row(), measure, here)
    assert list(found.dimensions) == ["window", "bound", "control"]
    # all epochs, then two, then one; bounds 0.5, 0.3, 0.7, 0.95; each with two controls
    assert found.verdicts == (S, S, S, S, S, S, R, R, S, S, S, S, R, R, R, R, R, R, R, R, R, R, R, R)
    assert all((reach > 0) is (verdict is S) for reach, verdict in zip(found.reach, found.verdicts, strict=True))
    assert set(found.hinges) == {"effect"}


def test_number_that_straddles_one_bound_alone_is_open_there(row):
    def straddling(run):
        return Measured({"effect": (0.6, 0.7, 0.8)[run.seed], "null": 0.0})

    assert set(multiverse(row(), straddling, here).verdicts[:8]) == {S, R, Verdict.INCONCLUSIVE}


def test_control_that_fails_is_shown_and_hangs_on_itself(row):
    found = multiverse(row(), lambda run: measure(run, null=0.15), here)
    assert found.counts[Verdict.INVALID] == 12
    assert found.verdicts[0] is Verdict.INVALID
    assert found.verdicts[1] is S  # by the control's other bound
    assert (found.hinges[0], found.hinges[1]) == ("null", "effect")


def test_each_window_is_measured_once_for_all_judgements(row):
    seen = Counter()

    def counting(run):
        seen[run.windows["late"], run.seed] += 1
        return measure(run)

    multiverse(row(), counting, here)
    assert len(seen) == 9  # three windows and three seeds
    assert set(seen.values()) == {1}


def test_record_that_serves_all_is_unpacked_once(row):
    Packed.unpacked.clear()
    multiverse(row(), measure, here)
    assert len(Packed.unpacked) == 18  # of three windows, three seeds and two splits
    assert len(set(Packed.unpacked)) == 3  # one record a seed


def lacking(epoch):
    """A source without columns that begin at an epoch."""

    def source(request):
        if min(request.parameters.get("shallow", [0])) == epoch and request.kind == "column":
            raise MissingRecordError("no record of the column")
        return here(request)

    return source


def test_alternative_without_records_is_reported(row):
    with pytest.raises(RecipeError) as told:
        multiverse(row(), measure, lacking(2))
    said = "claim 'demo', multiverse, window = 'one epoch': no record of the column; measure it and publish it, or "
    assert said in str(told.value)


def test_a_row_without_records_is_not_the_fault_of_the_register(row):
    with pytest.raises(MissingRecordError):
        multiverse(row(), measure, lacking(0))


def test_window_without_checkpoint_names_its_alternative(row):
    text = MULTIVERSE.replace("small.late = [2, 3]", "small.late = [2, 7]")
    said = "multiverse, window = 'one epoch': claim 'demo', record 'column': window 'late' ends at epoch 7"
    with pytest.raises(RecipeError, match=said):
        multiverse(row(text=text), measure, here)


def test_number_that_nothing_measures_is_reported(row):
    added = 'split.training = { criteria = { "effect".on = "training" } }'
    with pytest.raises(
        RecipeError, match="split = 'training': nothing measures 'effect, training'; the measurement has"
    ):
        multiverse(row(added), measure, here)


def test_row_that_was_judged_carries_its_multiverse(row, tmp_path):
    found = row()
    laboratory = Laboratory(None, {found.id: found}, tmp_path, lambda: None)
    laboratory.recorded = lambda _: here
    carrying = with_multiverse(Evidence("demo", "1", "digits", "fast", "small", S), laboratory, measure)
    assert carrying.multiverse == multiverse(found, measure, here)
    assert from_json(to_json(carrying)).multiverse == carrying.multiverse


def test_row_that_was_not_judged_or_is_varied_has_none(row, tmp_path):
    found = row()
    varied = dataclasses.replace(found, variation=Variation("again", "re-estimated"))
    laboratory = Laboratory(None, {found.id: found, varied.id: varied}, tmp_path, lambda: None)
    for plain in (
        Evidence("demo", "1", "digits", "fast", "small", Verdict.NOT_RUN),
        Evidence("demo", "1", "digits", "sweep", "small", S, variation="again"),
    ):
        assert with_multiverse(plain, laboratory, measure) == plain


def test_nothing_is_measured_for_it(row, tmp_path):
    found = row()
    laboratory = Laboratory(None, {found.id: found}, tmp_path, lambda: pytest.fail("the store was opened"))
    with pytest.raises(MissingRecordError, match="is in the store; measure it with featdyn measure"):
        multiverse(found, measure, laboratory.recorded(found))
