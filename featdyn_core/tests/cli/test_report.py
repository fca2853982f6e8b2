"""The page of evidence files, and its figures."""

import json
import re

import pytest

from featdyn_core.cli.main import main
from featdyn_core.tests.report.sample import evidence
from featdyn_core.verdicts.documents import write_evidence
from featdyn_core.verdicts.evidence import Evidence


def test_a_report_of_evidence(project, capsys):
    row = Evidence("demo", "1", "digits", "fast", "small", "NOT RUN", reason="it was not run", seeds=(0, 1, 2))
    write_evidence(project / "evidence.json", [row])
    assert main(["report", "evidence.json", "-o", "page.html", "--badge", "badge.json"]) == 0
    assert capsys.readouterr().out.splitlines() == ["wrote page.html", "wrote badge.json"]
    assert json.loads((project / "badge.json").read_text(encoding="utf-8"))["message"] == "nothing judged"
    assert "it was not run" in (project / "page.html").read_text(encoding="utf-8")


def test_figures_have_a_folder_a_claim_an_index_and_progress(project, capsys):
    write_evidence(project / "evidence.json", [evidence("memory-window"), evidence("forgetting", curves=2)])
    assert main(["report", "evidence.json", "--figures", "figures"]) == 0
    told = capsys.readouterr()
    assert told.out.splitlines()[1] == "wrote 12 files of figures to figures; figures/index.html shows them"
    assert re.search(r"figures .*3/3", told.err)
    assert {path.name: len(list(path.iterdir())) for path in (project / "figures").iterdir() if path.is_dir()} == {
        "memory-window": 4,
        "forgetting": 8,
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["nowhere.json"], "there is no file nowhere.json", id="evidence"),
        pytest.param([], "the following arguments are required: evidence", id="no file"),
        pytest.param(["a.json", "-o", "b", "--output", "c"], "--output is given twice; it takes one value", id="twice"),
    ],
)
def test_report_refuses_in_one_line(refused, arguments, message):
    assert message in refused("report", *arguments)


@pytest.mark.parametrize(
    ("files", "names"),
    [
        (["a/evidence.json", "b/c/evidence.json"], ["a", "b/c"]),
        (["out/a.json", "out/b.json"], ["a.json", "b.json"]),
        (["evidence.json", "b/evidence.json"], ["evidence.json", "b/evidence.json"]),
        (["out/evidence.json"], ["evidence.json"]),
    ],
)
def test_a_run_is_named_by_what_tells_it_apart(project, files, names):
    for at, file in enumerate(files):
        (project / file).parent.mkdir(parents=True, exist_ok=True)
        row = Evidence("demo", "1", f"set {at}", "fast", "small", "NOT RUN", reason="not run", seeds=(0,))
        write_evidence(project / file, [row])
    assert main(["report", *files, "-o", "page.html"]) == 0
    text = (project / "page.html").read_text(encoding="utf-8")
    assert re.findall(r"<dt>run</dt><dd><b>(.*?)</b>", text) == (names if len(names) > 1 else [])
