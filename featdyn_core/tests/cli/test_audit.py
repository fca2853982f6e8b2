"""One published seed is trained, measured and judged again, and differences are reported."""

import numpy as np
import pytest

from featdyn_core.project import records_folder
from featdyn_core.store.published import PublishedRecords, publish, published
from featdyn_core.store.records import Record, pack
from featdyn_core.tests.store.edits import contents
from featdyn_core.tests.toy import edit, write_claim
from featdyn_core.trajectories.recipe import load_recipe


@pytest.fixture
def audited(run, project):
    """Publish a claim with one number from its records; return a function that audits its seed 1."""
    write_claim(project)
    edit(project / "claims/test_demo.py", "EFFECT[run.seed % 3]", 'float(columns["held-out"].agreement.mean())')
    for command in (["train", "--jobs", "1"], ["measure", "--jobs", "1"], ["publish"]):
        assert run(*command)[0] == 0

    def audit(*arguments: str) -> tuple[int, list[str]]:
        published.cache_clear()
        return run("audit", "--seed", "1", *arguments)

    yield audit
    published.cache_clear()


def published_anew(change) -> None:
    """Publish the records after ``change``."""
    found = PublishedRecords(records_folder() / "small")
    publish(found.folder, [change(found.read(facts)) for facts in found.facts])


def test_what_is_published_here_is_found_again(audited, project):
    before = contents(project / "store")
    status, lines = audited()
    assert status == 0
    assert lines[0].startswith("seed 1 of digits (small): 3 records, on ")
    assert lines[1:] == [
        "trained again: 2 of 2 trajectories bit for bit as published",
        "measured again: 3 of 3 records as published",
        "judged again: 2 of 2 numbers as published",
    ]
    assert contents(project / "store") == before, "what was trained before is neither read nor touched"


def test_an_audit_goes_on_in_a_folder_that_is_named(audited, project):
    for _ in range(2):
        assert audited("--store", str(project / "audit"))[0] == 0
    assert len(list((project / "audit").glob("toy-*"))) == 2


def test_checkpoints_of_another_machine_are_reported(audited):
    def elsewhere(record: Record) -> Record:
        checkpoints = record.facts["checkpoints"] | {"sha256": f"{record.facts['seed']:064x}"}
        return Record(record.facts | {"checkpoints": checkpoints}, record.content)

    published_anew(elsewhere)
    status, lines = audited("--claims", "demo")
    assert (status, lines[1]) == (0, "trained again: 1 of 2 trajectories bit for bit as published")
    assert lines[3] == "judged again: 2 of 2 numbers as published"


def test_a_number_that_nobody_would_measure_fails(audited):
    """All seeds are published with composites that never agree."""

    def forged(record: Record) -> Record:
        arrays = dict(record.arrays)
        if record.facts["kind"] == "column":
            arrays["changed"] = np.ones_like(arrays["changed"])
        kept = {name: value for name, value in record.facts.items() if name not in ("sha256", "file")}
        return pack(record.request(load_recipe("toy")), arrays, kept)

    published_anew(forged)
    status, lines = audited()
    assert (status, lines[2]) == (1, "measured again: 1 of 3 records as published")
    assert lines[3] == "judged again: 1 of 2 numbers as published"
    assert lines[4].startswith("  demo-small-digits-replayed, effect: ")
    assert lines[4].endswith("other trainings lie in [0, 0], and this does not")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["--claims", "nothing"], "unknown claim 'nothing'", id="claim"),
        pytest.param(["--subject", "mnist"], "the scale 'small' has no 'mnist'; it has digits", id="subject"),
        pytest.param(["--seed", "1"], "no record of seed 1 is published in", id="nothing published"),
        pytest.param(["--seed", "one"], "invalid int value: 'one'", id="seed"),
    ],
)
def test_audit_refuses_in_one_line(refused, arguments, message):
    assert message in refused("audit", *arguments)
