"""The commands of docs/your-own.md run in an empty folder, and print what the page shows."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
MOST_LINES = 10
"""Of shell in a part."""

BLOCK = re.compile(r"(?:^`(?P<file>[^`\n]+)`:\n)?^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)
VERDICT = "SUPPORTED|EQUIVALENT|REFUTED|INCONCLUSIVE|INVALID"


def part(number: str) -> list[re.Match[str]]:
    """Return the code blocks of a part."""
    text = (DOCS / "your-own.md").read_text(encoding="utf-8")
    (found,) = [section for section in text.split("\n## ") if section.startswith(number)]
    return list(BLOCK.finditer(found))


def alike(line: str) -> str:
    """Return a line without what depends on the machine: numbers, verdicts, marks, and widths of columns."""
    return re.sub(rf"\d[\d.e-]*|\b({VERDICT})\b|[†‡]|–|holds|undecided|fails|\s+", "", line)


def follow(folder: Path, number: str) -> str:
    """Write a part's files into a folder and run its commands there; return what they print."""
    printed, places = "", [str(Path(sys.executable).parent), os.environ["PATH"]]
    own = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "FEATDYN"))}
    own |= {"PATH": os.pathsep.join(places), "FEATDYN_STORE": str(folder / "fixtures" / "cache"), "COLUMNS": "200"}
    for block in part(number):
        if block["file"]:
            (folder / block["file"]).parent.mkdir(parents=True, exist_ok=True)
            (folder / block["file"]).write_text(block["text"])
        elif block["language"] == "bash":
            command = ["bash", "-euo", "pipefail", "-c", block["text"]]
            done = subprocess.run(command, cwd=folder, env=own, capture_output=True, text=True, check=False)
            printed = done.stdout + done.stderr
            assert done.returncode == 0, printed
        elif block["language"] == "text":
            seen = {alike(line) for line in printed.splitlines()}
            lost = [line for line in block["text"].splitlines() if alike(line) not in seen]
            assert not lost, f"nobody sees {lost} in:\n{printed}"
    return printed


@pytest.fixture(scope="module")
def adopted(tmp_path_factory) -> Path:
    """Return a folder in which the first part was followed."""
    folder = tmp_path_factory.mktemp("adopted")
    printed = follow(folder, "1.")
    assert len(re.findall(rf"own +({VERDICT})", printed)) == 9, printed
    return folder


def test_checkpoints_that_one_has_come_to_verdicts(adopted):
    assert (adopted / "report.html").is_file()
    assert (adopted / "evidence.json").is_file()


def test_a_network_of_ones_own_is_trained_to_a_verdict(tmp_path):
    pytest.importorskip("torchvision")
    printed = follow(tmp_path, "2.")
    assert len(re.findall(rf"own +({VERDICT})", printed)) == 2, printed


def test_a_claim_of_ones_own_comes_to_a_verdict(adopted):
    assert re.search(rf"first-cut +mine +own +({VERDICT})", follow(adopted, "3."))


def test_own_checkpoints_are_measured_as_the_documentation_says(adopted):
    (script,) = part("Only Python")
    (adopted / "look.py").write_text(script["text"])
    run = subprocess.run([sys.executable, "look.py"], cwd=adopted, capture_output=True, text=True, check=True)
    *cuts, isotropy = run.stdout.replace("\n ", "").splitlines()
    for line, cut in zip(cuts, ("0", "1"), strict=True):
        assert re.fullmatch(rf"{cut}: agreement with epoch 12 \[[\d. ]+\], above 0.8 for \d+ epochs", line), line
    assert float(isotropy.split(" = ")[1]) < 0.01


@pytest.mark.parametrize("number", ["1.", "2.", "3."])
def test_a_part_is_a_few_lines_of_shell_with_what_they_print(number):
    kinds = [block["language"] for block in part(number) if not block["file"]]
    assert kinds == ["bash", "text"]
    (shell,) = [block["text"] for block in part(number) if block["language"] == "bash"]
    assert len(shell.splitlines()) <= MOST_LINES


def test_a_published_number_is_found_again_in_ten_lines(monkeypatch, capsys):
    recomputed, table = re.findall(r"```python\n(.*?)```", (DOCS / "scripts.md").read_text(encoding="utf-8"), re.DOTALL)
    assert sum(bool(line.strip()) for line in recomputed.splitlines()) <= 10
    monkeypatch.chdir(DOCS.parent)
    names = {}
    exec(compile(recomputed, "scripts.md", "exec"), names)
    published, again = capsys.readouterr().out.splitlines()
    assert published == again
    exec(compile(table, "scripts.md", "exec"), names)
    assert set(names["frame"].verdict) >= {"SUPPORTED", "REFUTED"}
