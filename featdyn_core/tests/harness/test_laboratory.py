"""From a row and a claim's measure to evidence: rows that are judged, rows that are not run, sources of records."""

import dataclasses
import json
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from featdyn_core.data.names import SPLITS
from featdyn_core.errors import (
    AbsentDataError,
    DamagedRecordError,
    MeasurementError,
    MissingRecordError,
    MissingTrajectoryError,
)
from featdyn_core.harness import laboratory as module
from featdyn_core.harness.laboratory import Laboratory, decide, described
from featdyn_core.harness.plan import all_cells, cells, requests
from featdyn_core.measures.composites import grid
from featdyn_core.measures.composites.composite import predict
from featdyn_core.measures.composites.grid import CompositeGrid
from featdyn_core.project import records_folder
from featdyn_core.provenance import environment
from featdyn_core.register.reading import load_register
from featdyn_core.report.wording import remarks
from featdyn_core.store.measurements import Measurements
from featdyn_core.store.published import PublishedRecords, publish, published
from featdyn_core.store.records import pack
from featdyn_core.store.supply import Store
from featdyn_core.tests.store.made import arrays_of, record_of
from featdyn_core.tests.toy import claim_file, edit, entry, write_project
from featdyn_core.trajectories.specs import AdoptedSpec, NetworkSpec, ScheduleSpec
from featdyn_core.verdicts.claim import Verdict
from featdyn_core.verdicts.documents import from_json, to_json
from featdyn_core.verdicts.measured import Lines, Measured

ROW, REPLAYED = "demo-small-digits", "demo-reduced-digits-replayed"


@pytest.fixture
def cell(register):
    """Return the row of the toy claim at small scale."""
    (found,) = cells(register(), "small")
    return found


def measure(run) -> Measured:
    """Measure an agreement of about 0.9, and a stranger's agreement of 0."""
    column = run.columns("column")["held-out"]
    return Measured({"effect": float(column.agreement.min()), "null": float(run.record("stranger").agreement.max())})


def saying(*effect: float, null: float = 0.0):
    """Return a measure that reads a record, ignores it, and returns the given numbers, seed by seed."""

    def say(run) -> Measured:
        run.read("stranger", "clean")
        return Measured({"effect": effect[run.seed], "null": null})

    return say


# Verdicts


@pytest.mark.parametrize(
    ("said", "verdict"),
    [
        (saying(0.9, 0.91, 0.92), Verdict.SUPPORTED),
        (saying(0.1, 0.11, 0.12), Verdict.REFUTED),
        (saying(0.1, 0.5, 0.9), Verdict.INCONCLUSIVE),
        (saying(0.9, 0.91, 0.92, null=0.3), Verdict.INVALID),
    ],
)
def test_numbers_are_judged(cell, said, verdict):
    found = decide(cell, said, record_of, register_digest="r")
    assert found.verdict is verdict
    assert found.register == "r"
    assert found.records == {"stranger": len(cell.seeds)}


def test_what_no_training_decides_is_no_measurement(cell):
    with pytest.raises(MeasurementError, match="claim 'demo' was measured without a record"):
        decide(cell, lambda run: Measured({"effect": 0.9 + run.seed / 100, "null": 0.0}), record_of)


@pytest.mark.parametrize("looks", [1, 2])
def test_a_second_look_is_judged_more_strictly(cell, looks):
    """Numbers that a first look supports: the 95 % interval lies above the bound, the 97.5 % interval does not."""
    again = dataclasses.replace(cell, scale=dataclasses.replace(cell.scale, looks=looks))
    found = decide(again, saying(0.57, 0.6, 0.63), record_of)
    assert found.verdict is (Verdict.SUPPORTED if looks == 1 else Verdict.INCONCLUSIVE)


@pytest.mark.parametrize("error", [AbsentDataError, MissingTrajectoryError, MissingRecordError])
def test_what_is_not_here_and_must_not_be_made_is_not_run(cell, error):
    def source(request):
        if request.seed == 2:
            raise error("it is not here")
        return record_of(request)

    found = decide(cell, measure, source)
    assert (found.verdict, found.reason, found.findings) == (Verdict.NOT_RUN, "it is not here", ())


@pytest.mark.parametrize(
    ("milestones", "steps"),
    [([(1, 2)], [1.0, 2.0]), ([(1, 2), (2,)], [2.0]), ([(1, 2), ()], [])],
    ids=["one arm", "two arms", "an arm without steps"],
)
def test_a_figure_over_epochs_marks_rate_steps_that_arms_share(cell, milestones, steps):
    (recipe,) = cell.recipes.values()
    arms = {
        ("clean", "noisy")[number]: dataclasses.replace(recipe, schedule=ScheduleSpec(epochs))
        for number, epochs in enumerate(milestones)
    }
    lines = Lines([0, 3], {"a": [0, 0]}, "epoch", "loss", window="late", over_epochs=True)

    def drawn(run):
        run.read("stranger", "clean")
        return Measured({"effect": 0.9 + run.seed / 100, "null": 0.0}, curves={"f": lines})

    found = decide(dataclasses.replace(cell, recipes=arms), drawn, record_of)
    assert found.curves["f"].steps == steps


@pytest.mark.parametrize("error", [DamagedRecordError("it is damaged"), MeasurementError("it cannot be measured")])
def test_faults_are_no_verdict(cell, error):
    def source(_):
        raise error

    with pytest.raises(type(error), match=str(error)):
        decide(cell, measure, source)


def test_records_that_contradict_each_other_decide_nothing(cell):
    columns = []

    def source(request):
        arrays = arrays_of(request)
        if request.kind == "column":
            columns.append(request)
            arrays["labels"] = np.full_like(arrays["labels"], len(columns))
        facts = record_of(request).facts | {"checkpoints": {"key": "k", "sha256": "of all"}}
        return pack(request, arrays, {name: facts[name] for name in facts if name not in ("file", "sha256")})

    with pytest.raises(DamagedRecordError, match=r"records of one network contradict each other: .* differ in labels"):
        decide(cell, measure, source)


def test_a_record_that_the_register_does_not_have_is_named(cell):
    with pytest.raises(MeasurementError, match="claim 'demo' has no record 'columns' of arm 'clean' in the register"):
        decide(cell, lambda run: run.columns("columns"), record_of)


def test_no_second_seed_is_read_for_a_measure_with_unknown_names(cell):
    asked = []

    def source(request):
        asked.append(request.seed)
        return record_of(request)

    def misnamed(run):
        return Measured({"effekt": measure(run).numbers["effect"], "null": 0.0})

    with pytest.raises(MeasurementError, match=r"measure returns no 'effect', .*; the register has no 'effekt'"):
        decide(cell, misnamed, source)
    assert set(asked) == {0}


# What a claim is given


def test_a_claim_reads_what_it_asked_for_from_a_larger_record(cell):
    def source(request):
        wider = dict(request.parameters)
        if request.kind == "column":
            wider["shallow"] = [0, *wider["shallow"]]
        return record_of(dataclasses.replace(request, parameters=wider))

    def look(run):
        epochs = {split: column.epochs.tolist() for split, column in run.columns("column").items()}
        assert epochs
        assert all(found == [1, 2, 3] for found in epochs.values()), epochs
        return measure(run)

    assert decide(cell, look, source).verdict is Verdict.SUPPORTED


def test_columns_of_several_deep_epochs_are_read_by_split(register):
    head, rest = entry().split("[records]")
    text = head + "[protocol]\ndeep_epochs = 2\n\n[records]" + rest.replace('deep = "last" }', 'deep = "each" }', 1)
    (cell,) = cells(register(demo=text), "small")
    seen = []

    def look(run) -> Measured:
        seen.append(run.columns_by_epoch("column"))
        return saying(0.9, 0.91, 0.92)(run)

    assert decide(cell, look, record_of).verdict is Verdict.SUPPORTED
    for found in seen:
        assert {split: list(columns) for split, columns in found.items()} == {split: [1, 3] for split in SPLITS}
        assert [column.epochs.tolist() for column in found["held-out"].values()] == [[0, 1], [0, 1, 2, 3]]


def test_a_record_is_read_once_however_often_a_claim_looks(cell):
    asked = Counter()

    def source(request):
        asked[str(request), request.parameters["split"]] += 1
        return record_of(request)

    def look(run):
        run.columns("column")
        run.neighbour().columns("column")
        run.neighbour().neighbour().neighbour().record("stranger")
        return measure(run)

    decide(cell, look, source)
    assert set(asked.values()) == {1}
    assert len(asked) == 9


def test_the_neighbour_is_the_next_seed(cell):
    seen = []

    def look(run):
        seen.append((run.seed, run.neighbour().seed))
        return saying(0.9, 0.9, 0.91)(run)

    decide(cell, look, record_of)
    assert seen == [(0, 1), (1, 2), (2, 0)]


# Evidence


def test_evidence_says_where_its_numbers_come_from(cell):
    found = decide(cell, measure, lambda request: record_of(request, measured={"host": f"h{request.seed % 2}"}))
    toy = cell.recipes["clean"]
    assert found.recipes == {"toy": toy.digest}
    assert found.checkpoints == {f"toy/{seed}": {"key": f"key-{seed}", "sha256": "c"} for seed in (0, 1, 2)}
    assert found.data == {"some images": "d"}
    assert found.records == {"column": 6, "stranger": 3}
    assert found.measured == [{"host": "h0"}, {"host": "h1"}]
    assert found.environment == environment() | {"precision of grids": "fp32", "flip rate": 0.0}
    assert found.seconds >= 0
    assert from_json(to_json(found)) == found


def test_a_row_says_which_records_other_code_made(cell):
    def made(request):
        return record_of(
            request, measured={"commit": "0ld"}, **{"source": "of then"} if request.kind == "column" else {}
        )

    found = decide(cell, measure, made)
    assert found.measured == [{"commit": "0ld", "code": "other"}, {"commit": "0ld"}]
    assert found.other_code == ["0ld"]
    assert remarks(found).endswith("measured by other code (0ld)")


@pytest.mark.parametrize(("factory", "other"), [("of now", []), ("of then", ["c"]), ("", ["c"])])
def test_a_row_says_which_records_another_network_code_made(cell, monkeypatch, factory, other):
    """A user's function that was edited since the records were published, or that they do not name."""
    monkeypatch.setattr("featdyn_core.store.descriptions.factory_source", lambda name: "of now" if ":" in name else "")
    own = cell.recipes["clean"].replace(network=NetworkSpec("nets:make"))
    row = dataclasses.replace(cell, recipes={"clean": own})
    found = decide(row, measure, lambda request: record_of(request, **({"factory": factory} if factory else {})))
    assert found.other_code == other


def test_evidence_says_where_corrupted_images_come_from(cell):
    table = {"kind": "column", "window": "late", "deep": "last", "corruption": "kinds"}
    entry = dataclasses.replace(
        cell.entry, records=cell.entry.records | {"column": table}, protocol={"severity": 5, "kinds": ["fog"]}
    )

    def source(request):
        made = record_of(request)
        made.arrays["source"] = np.array("CIFAR-10-C" if request.seed else "synthesised")
        return made

    def on_fog(run) -> Measured:
        return Measured({"effect": float(run.columns("column")["fog"].agreement.min()), "null": 0.0})

    found = decide(dataclasses.replace(cell, entry=entry), on_fog, source)
    assert found.environment["corrupted images"] == "CIFAR-10-C, synthesised"


def test_evidence_counts_predictions_changed_by_lower_precision(cell):
    def source(request):
        made = record_of(request)
        if request.kind == "column":
            made.arrays["flip_rate"] = np.array(request.seed / 100)
        return made

    found = decide(dataclasses.replace(cell, precision="fp16"), measure, source)
    assert found.environment["precision of grids"] == "fp16"
    assert found.environment["flip rate"] == 0.02


def test_a_row_says_what_it_is_before_anything_is_measured(cell):
    facts = described(dataclasses.replace(cell, exploratory=True))
    assert facts["windows"] == {"late": [1, 3]}
    assert facts["protocol"] == {"images": 20}
    assert (facts["claim"], facts["scale"], facts["tier"], facts["seeds"]) == ("demo", "small", "fast", (0, 1, 2))
    assert facts["exploratory"]
    assert not facts["replayed"]
    assert facts["environment"] == environment()


# The laboratory


def test_what_is_missing_is_trained_and_measured(laboratory):
    found = laboratory.decide(ROW, saying_of_records)
    assert found.verdict is Verdict.SUPPORTED
    assert found.register == laboratory.register.digest
    (maker,) = found.measured
    assert maker == environment() | {"device": "cpu", "date": maker["date"]}
    again = laboratory.decide(ROW, saying_of_records)
    assert again.findings == found.findings


def saying_of_records(run) -> Measured:
    """Read records as a claim does, and return supporting numbers."""
    measure(run)
    return saying(0.9, 0.91, 0.92)(dataclasses.replace(run, seed=run.seed % 3))


def test_existing_records_are_judged_without_opening_the_store(laboratory, tmp_path):
    (tmp_path / "store").mkdir()
    first = laboratory.decide(ROW, saying_of_records)
    again = Laboratory(laboratory.register, laboratory.rows, tmp_path / "store", lambda: pytest.fail("it was opened"))
    assert again.decide(ROW, saying_of_records).findings == first.findings


def test_without_training_what_is_missing_is_not_run(laboratory, tmp_path):
    frugal = Laboratory(laboratory.register, laboratory.rows, tmp_path / "store", laboratory.open_store, train=False)
    found = frugal.decide(ROW, measure)
    assert found.verdict is Verdict.NOT_RUN
    assert "featdyn train --only " in found.reason
    assert not list((tmp_path / "store").glob("toy-*"))


def test_each_composite_is_evaluated_once_for_all_claims(register, tmp_path, monkeypatch):
    """Three claims with overlapping windows, on both splits; a fake grid counts composites."""
    found = register(demo=entry(first=2), wide=entry(first=0), middle=entry(first=1))
    rows = {row.id: row for row in cells(found, "small")}
    evaluated: Counter = Counter()

    def stand_in(trajectory, images, *, cuts, shallow_epochs, deep_epochs, labels, batchnorm, **_):
        for epoch in shallow_epochs:
            evaluated[trajectory.seed, images.sum().item(), batchnorm, epoch, *deep_epochs] += 1
        shape = (len(cuts), len(shallow_epochs), len(deep_epochs))
        reference = np.stack([predict(trajectory.network(epoch), images, device="cpu") for epoch in deep_epochs])
        return CompositeGrid(
            tuple(cuts),
            np.array(shallow_epochs),
            np.array(deep_epochs),
            np.zeros((*shape, len(images)), np.uint8),
            reference.astype(np.uint8),
            np.ones(shape[1:], bool),
            np.zeros(shape),
            labels.numpy(),
        )

    monkeypatch.setattr(grid, "composite_grid", stand_in)
    root = tmp_path / "store"
    laboratory = Laboratory(found, rows, root, lambda: Store(root, device="cpu"))
    for row in rows:
        assert laboratory.decide(row, saying_of_records).verdict is Verdict.SUPPORTED, row.id
    assert set(evaluated.values()) == {1}
    assert len(evaluated) == 3 * 2 * 4  # seeds, splits, shallow epochs 0 to 3


# Replay


@pytest.fixture(scope="module")
def published_project(tmp_path_factory) -> Path:
    """Return a toy project with the published records of a tiny measurement, and no store."""
    root = write_project(tmp_path_factory.mktemp("published"))
    (root / "claims/test_demo.py").write_text(claim_file())
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        wanted = requests(cells(load_register(root / "claims/register"), "reduced")[:1])
        measurements = Measurements(Store(tmp_path_factory.mktemp("store"), device="cpu"))
        publish(records_folder() / "reduced", [measurements.get(request) for request in wanted])
    return root


def replaying(root: Path) -> Laboratory:
    def no_store():
        raise AssertionError("replay opens no store")

    published.cache_clear()
    register = load_register(root / "claims/register")
    return Laboratory(register, {row.id: row for row in all_cells(register)}, root / "nowhere", no_store)


def test_replay_judges_what_is_published_and_never_measures(published_project, monkeypatch):
    monkeypatch.chdir(published_project)
    found = replaying(published_project).decide(REPLAYED, saying_of_records)
    assert found.verdict is Verdict.SUPPORTED
    assert found.replayed
    assert (found.tier, found.scale, found.seeds) == ("fast", "reduced", (3, 4, 5))
    assert found.records == {"column": 6, "stranger": 3}
    assert found.measured[0]["device"] == "cpu"
    assert not (published_project / "nowhere").exists()


@pytest.mark.parametrize(("kept", "times"), [(1, 2), (1024, 1)])
def test_so_many_published_records_stay_for_the_next_claim(published_project, monkeypatch, kept, times):
    monkeypatch.chdir(published_project)
    monkeypatch.setattr(module, "KEPT", kept)
    found, read, files = replaying(published_project), PublishedRecords.read, []
    monkeypatch.setattr(PublishedRecords, "read", lambda self, facts: files.append(facts["file"]) or read(self, facts))
    for _ in range(2):
        found.decide(REPLAYED, saying_of_records)
    assert len(set(files)) > 1
    assert {files.count(file) for file in files} == {times}


def test_replay_says_what_is_lacking_and_measures_nothing(published_project, tmp_path, monkeypatch):
    project = tmp_path / "project"
    shutil.copytree(published_project, project)
    monkeypatch.chdir(project)
    edit(project / "claims/register/demo.toml", "reduced = { late = [1, 3] }", "reduced = { late = [0, 3] }")
    found = replaying(project).decide(REPLAYED, measure)
    assert found.verdict is Verdict.NOT_RUN
    assert "no record of the column of toy-reduced seed 3 is published" in found.reason


JUDGE_WITHOUT_TORCH = """
import importlib.util, json, sys


class NoTorch:  # an entry of None in sys.modules would be found by scipy, which looks there

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "torchvision"):
            raise ImportError("there is no torch here")


sys.meta_path.insert(0, NoTorch())

from pathlib import Path
from featdyn_core.harness.laboratory import Laboratory
from featdyn_core.harness.plan import all_cells
from featdyn_core.project import register_folder
from featdyn_core.verdicts.documents import to_json
from featdyn_core.data.names import SPLITS
from featdyn_core.register.reading import load_register

spec = importlib.util.spec_from_file_location("claim", "claims/test_demo.py")
claim = importlib.util.module_from_spec(spec)
spec.loader.exec_module(claim)
register = load_register(register_folder())
rows = {row.id: row for row in all_cells(register)}
laboratory = Laboratory(register, rows, Path("nowhere"), lambda: 1 / 0)
print(to_json(laboratory.decide(sys.argv[1], claim.measure)))
"""


def test_published_records_are_judged_without_torch(published_project):
    command = [sys.executable, "-c", JUDGE_WITHOUT_TORCH, REPLAYED]
    done = subprocess.run(command, cwd=published_project, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = from_json(done.stdout)
    assert found.verdict is Verdict.SUPPORTED
    assert found.findings[0].values == (0.9, 0.91, 0.92)
    assert json.loads(done.stdout)["curves"]["agreement"]["x"] == [1, 2, 3]


def test_a_row_that_can_never_run_says_why_and_requests_nothing(cell):
    row = dataclasses.replace(cell, absent={"noisy": "toy-noisy"})
    found = decide(row, measure, lambda _: pytest.fail("it asks for a record"))
    assert found.verdict is Verdict.NOT_RUN
    assert found.reason == "fixtures/recipes has no toy-noisy.toml for the arm 'noisy'"


def test_oddities_of_adopted_checkpoints_are_in_the_evidence(cell):
    digests = {str(seed): f"{seed:064d}" for seed in range(3)}
    adopted = AdoptedSpec(digests, normalised=False, suspicions={"1": "epochs 3 and 4: cosine 0.31 of 0.weight"})
    recipe = cell.recipes["clean"].replace(adopted=adopted)
    row = dataclasses.replace(cell, recipes={"clean": recipe})
    found = from_json(to_json(decide(row, saying(0.9, 0.91, 0.92), record_of)))
    assert found.verdict is Verdict.SUPPORTED
    assert found.suspicions == "seed 1: epochs 3 and 4: cosine 0.31 of 0.weight"
    assert f"suspicions about its checkpoints: {found.suspicions}" in remarks(found)
    assert decide(cell, saying(0.9, 0.91, 0.92), record_of).suspicions == ""
