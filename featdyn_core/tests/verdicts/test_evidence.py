"""Evidence survives the way through JSON; what is none is refused."""

import dataclasses
import hashlib
import json
import platform
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from featdyn_core.errors import EvidenceError
from featdyn_core.harness.planted import drifting
from featdyn_core.verdicts.claim import Claim, Criterion, Curve, Evidence, Role, Verdict
from featdyn_core.verdicts.evidence import (
    adjusted_p_values,
    environment,
    from_json,
    provenance,
    read_evidence,
    to_json,
    write_evidence,
)
from featdyn_core.verdicts.inference import holm

finite = st.floats(-1e6, 1e6, allow_subnormal=False)
texts = st.text(max_size=12)


def judged(gap, *, name="memory", **changes):
    """Return a row whose deciding criterion has the given numbers, one a seed."""
    claim = Claim(
        name,
        "4.2",
        "Features remain.",
        (
            Criterion("gap", "the gap", "above", 0.5, pilot="0.6 to 0.7"),
            Criterion("control", "a control", "below", 0.5, Role.CONTROL),
        ),
    )
    verdict, findings = claim.judge({"gap": gap, "control": [0.1, 0.2, 0.3]})
    return Evidence(name, "4.2", "digits", "fast", "small", verdict, findings, seeds=(0, 1, 2), **changes)


def not_run(**changes):
    return Evidence("memory", "4.2", "svhn", "full", "paper", Verdict.NOT_RUN, reason="no such recipe", **changes)


@settings(max_examples=25, deadline=None)
@given(
    gap=st.lists(finite, min_size=3, max_size=5),
    series=st.dictionaries(texts, st.lists(st.lists(finite, max_size=3), max_size=3), max_size=3),
    environment=st.dictionaries(texts, texts | st.integers() | finite, max_size=3),
    seconds=st.floats(0, 1e6),
)
def test_a_row_comes_back_from_json_as_it_was(gap, series, environment, seconds):
    row = judged(
        gap,
        curves={"memory é": Curve([0.0, 1.0], series, "shallow epoch s", "agreement")},
        recipes={"digits-small": "0a1b"},
        checkpoints={"digits-small/0": {"key": "k", "sha256": "d"}},
        data={"digits": "ff"},
        environment=environment,
        seconds=seconds,
    )
    found = from_json(to_json(row))
    assert found == row
    assert (found.message(), found.p_value) == (row.message(), row.p_value)
    assert len(found.of(Role.CONTROL)) == 1
    assert isinstance(found.verdict, Verdict)


def test_numbers_of_numpy_become_plain_ones():
    row = not_run(seconds=np.float64(1.5), environment={"threads": np.int64(2), "sizes": np.array([1, 2])})
    fields = json.loads(to_json(row))
    assert (fields["seconds"], fields["environment"]) == (1.5, {"threads": 2, "sizes": [1, 2]})


def test_what_has_no_place_in_json_is_named():
    with pytest.raises(TypeError, match="Tensor has no place in an evidence file"):
        to_json(not_run(environment={"state": torch.zeros(1)}))


def test_files_keep_rows_and_their_order(tmp_path):
    rows = [judged([0.9, 0.8, 0.7]), not_run(), judged([0.1, 0.2, 0.3], name="forgetting")]
    path = tmp_path / "new" / "evidence.json"
    write_evidence(path, rows)
    assert read_evidence(path) == rows
    document = json.loads(path.read_text(encoding="utf-8"))
    assert document["schema"] == 1
    assert [row["claim"] for row in document["rows"]] == ["memory", "memory", "forgetting"]


def test_holm_runs_over_all_rows_that_were_decided(tmp_path):
    rows = [judged([0.9, 0.8, 0.7]), not_run(), judged([0.6, 0.5, 0.7]), judged([0.1, 0.2, 0.3])]
    first, third, last = holm([rows[0].p_value, rows[2].p_value, rows[3].p_value])
    assert first > rows[0].p_value
    assert adjusted_p_values(rows) == [first, None, third, last]
    write_evidence(tmp_path / "evidence.json", rows)
    document = json.loads((tmp_path / "evidence.json").read_text(encoding="utf-8"))
    assert [row["holm_p_value"] for row in document["rows"]] == [first, None, third, last]
    assert adjusted_p_values([not_run()]) == [None]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("no json", "is no evidence file", id="not JSON"),
        pytest.param("[]", "is no evidence file", id="a list"),
        pytest.param('{"rows": []}', "is no evidence file: 'schema'", id="no schema"),
        pytest.param('{"schema": 1}', "is no evidence file: 'rows'", id="no rows"),
        pytest.param('{"schema": 1, "rows": 3}', "is no evidence file", id="rows of another kind"),
        pytest.param('{"schema": 99, "rows": []}', "has schema 99; this version reads 1", id="other schema"),
        pytest.param('{"schema": 1, "rows": [3]}', "not an evidence row of this version", id="a number as row"),
        pytest.param('{"schema": 1, "rows": [{}]}', "not an evidence row of this version", id="an empty row"),
    ],
)
def test_a_file_that_is_none_of_this_version_is_refused(tmp_path, text, message):
    path = tmp_path / "evidence.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(EvidenceError, match=message):
        read_evidence(path)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(EvidenceError, match=r"nowhere\.json is no evidence file"):
        read_evidence(tmp_path / "nowhere.json")


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"verdict": "MAYBE"}, id="verdict"),
        pytest.param({"colour": "red"}, id="unknown field"),
        pytest.param({"curves": ["none"]}, id="curves of another kind"),
        pytest.param({"findings": [{}]}, id="finding"),
    ],
)
def test_a_row_with_a_strange_field_is_refused(change):
    fields = {**json.loads(to_json(judged([0.9, 0.8, 0.7]))), **change}
    with pytest.raises(EvidenceError, match="not an evidence row of this version"):
        from_json(json.dumps(fields))


def test_a_finding_of_an_unknown_direction_is_refused():
    fields = json.loads(to_json(judged([0.9, 0.8, 0.7])))
    fields["findings"][0]["criterion"]["direction"] = "sideways"
    with pytest.raises(EvidenceError, match="'sideways' is neither above nor below"):
        from_json(json.dumps(fields))


# Where it came from


def with_digests(trajectory, digests, key="key"):
    return dataclasses.replace(trajectory, key=key, digests=digests)


def test_provenance_names_recipes_checkpoints_and_data(tiny_trajectory):
    planted = with_digests(drifting([0, 1], 0.9, seed=7), {1: "bb", 0: "aa"}, key="k7")
    fields = provenance([planted, tiny_trajectory])
    assert fields["recipes"] == {
        "planted": planted.recipe.digest,
        tiny_trajectory.recipe.name: tiny_trajectory.recipe.digest,
    }
    assert fields["checkpoints"]["planted/7"] == {
        "key": "k7",
        "sha256": hashlib.sha256(b"aabb").hexdigest(),  # in the order of epochs
    }
    assert set(fields["checkpoints"]) == {"planted/7", f"{tiny_trajectory.recipe.name}/0"}
    assert fields["data"][planted.dataset.describe()] == planted.dataset.digest
    capped = dataclasses.replace(planted, evaluation_images=30)
    assert provenance([capped])["images"] == {"held-out": 30, "training": 30}
    assert from_json(to_json(not_run(**fields))) == not_run(**fields)


def test_provenance_tells_other_checkpoints_apart():
    world = drifting([0, 1], 0.9)
    one, other = (provenance([with_digests(world, {0: "aa", 1: last})]) for last in ("bb", "bc"))
    assert one["checkpoints"] != other["checkpoints"]


def test_environment_names_commit_versions_device_and_machine():
    found = environment("cpu")
    assert found["device"] == "cpu"
    assert (found["python"], found["torch"]) == (platform.python_version(), torch.__version__)
    assert {"commit", "machine", "threads", "numpy", "scipy"} <= set(found)
    assert found["machine"].startswith(platform.machine())
    assert found["threads"] == torch.get_num_threads()
    json.dumps(found)


def test_environment_names_the_commit_of_the_checkout():
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    here = Path(__file__).parent
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True, check=False)
    commit = environment("cpu")["commit"].removesuffix("-dirty")
    if head.returncode:
        assert commit == ""
    else:
        assert len(commit) >= 12
        assert head.stdout.startswith(commit)
