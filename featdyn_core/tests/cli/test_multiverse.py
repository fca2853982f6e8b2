"""``featdyn multiverse`` judges records under every specification, and trains and measures nothing."""

import json
import shutil

import pytest

from featdyn_core.cli.main import main
from featdyn_core.tests.toy import MULTIVERSE, entry, write_claim, write_project

MEASURE = """
def measure(run: Run) -> Measured:
    first = run.windows["late"].first
    assert run.columns("column")["held-out"].epochs.tolist() == list(range(first, 4))
    return Measured({"effect": (0.9, 0.6, 0.1)[first] + 0.01 * (run.seed % 3), "null": 0.0})
"""


@pytest.fixture
def demo(project):
    """Return the folder of a toy project whose claim has a multiverse."""
    write_project(project, demo=entry(first=0) + MULTIVERSE)
    write_claim(project, measure=MEASURE)
    return project


@pytest.fixture
def told(demo, capsys):  # noqa: ARG001 - one stands in it
    """Return a function that runs the command and returns the lines it printed."""

    def command(*arguments):
        capsys.readouterr()
        assert main(["multiverse", *arguments]) == 0
        return capsys.readouterr().out.splitlines()

    return command


def test_shares_of_what_is_in_the_store(demo, run, told):
    assert run("train")[0] == run("measure")[0] == 0
    for folder in (demo / "store").glob("toy-*"):  # records are enough
        shutil.rmtree(folder)
    head, line, *rest = told("demo", "--scale", "small")
    assert line.split() == ["demo", "digits", "(small)", "24", "42", "0", "0", "58", "0", "SUPPORTED"]
    assert head.split()[:2] == ["row", "specs"]
    assert not [line for line in rest if "no records here" in line]
    (plain,) = json.loads("\n".join(told("--scale", "small", "--json")))
    assert (plain["row"], plain["verdict"]) == ("demo-small-digits", "SUPPORTED")
    assert plain["counts"] == {"SUPPORTED": 10, "EQUIVALENT": 0, "INCONCLUSIVE": 0, "REFUTED": 14, "INVALID": 0}
    assert len(plain["reach"]) == len(plain["hinges"]) == 24
    written = told("--scale", "small", "--figures", "curves")[-1]
    assert written == "wrote 4 files of figures to curves; curves/index.html shows them"
    assert (demo / "curves/demo/small-digits-specification-curve.png").exists()


def test_rows_without_records_are_counted_and_nothing_is_made(demo, told):
    (line,) = told()
    assert line.startswith(
        "2 rows have no records here, such as demo-small-digits: no record of the column of toy seed 0"
    )
    (plain, _) = json.loads("\n".join(told("--json")))
    assert (plain["verdict"], plain["reason"][:9]) == ("NOT RUN", "no record")
    assert not (demo / "store").exists()


def test_claim_without_multiverse_is_reported(refused):
    assert "demo: there is no [multiverse] in the register; write one" in refused("multiverse", "demo")
    assert "no claim has a [multiverse] in the register" in refused("multiverse")


def test_unknown_claim_and_scale_are_reported(demo, refused):  # noqa: ARG001 - one stands in it
    assert "did you mean 'demo'?" in refused("multiverse", "dmo")
    assert "did you mean 'small'?" in refused("multiverse", "--scale", "smal")
