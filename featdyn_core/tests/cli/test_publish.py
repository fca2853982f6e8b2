"""Published records are judged again, and publishing always covers a whole scale."""

import json

import pytest

from featdyn_core.cli.main import main
from featdyn_core.harness.plan import all_cells
from featdyn_core.project import records_folder, register_folder
from featdyn_core.register.reading import load_register
from featdyn_core.store.published import published
from featdyn_core.tests.toy import entry, write_project, write_sweeps


def test_publish_then_replay(run, project):
    run("train", "--tier", "full", "--jobs", "1")
    run("measure", "--tier", "full", "--jobs", "1")
    status, lines = run("publish", "--tier", "full")
    folder = records_folder() / "reduced"
    assert (status, lines) == (0, [f"published 9 records in {folder}; 0 are not measured"])
    published.cache_clear()
    rows = [row.id for row in all_cells(load_register(register_folder()))]
    assert rows == ["demo-small-digits", "demo-reduced-digits", "demo-reduced-digits-replayed"]
    write_project(project, demo=entry(), other=entry(first=0))  # its columns contain those of demo
    status, lines = run("publish", "--tier", "full")
    assert (status, lines) == (1, [f"published 9 records in {folder}; 6 are not measured"])
    write_project(project, demo=entry(first=0))
    (project / "claims/register/other.toml").unlink()
    status, lines = run("publish", "--tier", "full")
    assert (status, lines) == (1, [f"published 3 records in {folder}; 6 are not measured"])


def test_records_of_sweeps_are_published_with_their_scale(run, project):
    write_sweeps(project)
    for tier in (["full"], ["sweep", "--scale", "reduced"]):
        run("train", "--tier", *tier, "--jobs", "1")
        run("measure", "--tier", *tier, "--jobs", "1")
    status, lines = run("publish", "--tier", "full")
    assert (status, lines) == (0, [f"published 24 records in {records_folder() / 'reduced'}; 0 are not measured"])


def test_nothing_to_publish_is_no_success(run):
    status, lines = run("publish", "--tier", "full")
    assert status == 1
    assert lines == [f"published 0 records in {records_folder() / 'reduced'}; 9 are not measured"]
    assert not records_folder().exists()


@pytest.mark.parametrize("option", [["--only", "toy"], ["--seeds", "7-9"], ["--claims", "demo"]])
def test_publishing_is_of_all_of_a_scale(refused, option):
    assert f"unrecognized arguments: {' '.join(option)}" in refused("publish", *option)


def test_sweeps_have_no_records_apart_from_their_scale(refused):
    assert "--tier: invalid choice: 'sweep'" in refused("publish", "--tier", "sweep")


def test_a_damaged_record_is_not_published(run, project, capsys):
    run("train", "--jobs", "1")
    run("measure", "--jobs", "1")
    for path in (project / "store/records").glob("*/stranger-*.json"):
        path.write_text(json.dumps({"kind": "stranger"}))
    assert main(["publish", "--device", "cpu"]) == 2
    assert "and no seal" in capsys.readouterr().err
