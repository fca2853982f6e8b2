"""Tables stand in the marked places of documents, and follow from register and evidence."""

import dataclasses
import re
import shutil
from pathlib import Path

import pytest

from featdyn_core.errors import EvidenceError
from featdyn_core.register.reading import load_register
from featdyn_core.report.markdown import claims_table
from featdyn_core.report.marked_tables import documents, outdated, tables
from featdyn_core.tests.report.sample import evidence
from featdyn_core.verdicts.documents import write_evidence

REGISTER = Path(__file__).parents[3] / "claims" / "register"
EMPTY = "<!-- featdyn docs: {} -->\n<!-- end -->\n"


@pytest.fixture
def root(tmp_path):
    """Return a project of three claims with two published runs and a README that has a place for each table."""
    folder = tmp_path / "claims" / "register"
    folder.mkdir(parents=True)
    for name in ("scales", "beyond-churn", "memory-window", "transferability"):
        shutil.copy(REGISTER / f"{name}.toml", folder)
    rows = [
        evidence("transferability", "digits"),
        dataclasses.replace(evidence("memory-window", "mnist"), scale="paper"),
        dataclasses.replace(evidence("memory-window", "cifar10"), scale="reduced"),
        evidence("memory-window", "digits", agreement=0.9),
    ]
    write_evidence(tmp_path / "evidence" / "a" / "evidence.json", rows)
    swept = [dataclasses.replace(rows[-1], variation=name, effect="agreement, held-out") for name in ("vit", "adam")]
    write_evidence(tmp_path / "evidence" / "b" / "evidence.json", swept)
    names = ("claims", "grid", "findings", "results", "sweep digits, small")
    (tmp_path / "README.md").write_text("# Head\n" + "Words.\n".join(map(EMPTY.format, names)), encoding="utf-8")
    return tmp_path


def first_cells(lines):
    return [re.split(r" \| ", line.strip("| "))[0] for line in lines[2:]]


def test_tables_follow_the_order_of_the_register(root):
    found = tables(root)
    assert list(found) == ["claims", "grid", "findings", "results", "sweep digits, small"]
    assert found["claims"] == claims_table(load_register(root / "claims" / "register"))
    ids = ["`beyond-churn`", "`memory-window`", "`transferability`"]
    assert first_cells(found["claims"]) == first_cells(found["findings"]) == ids
    places = [tuple(re.split(r" \| ", line.strip("| "))[:3]) for line in found["results"][2:6]]
    assert places == [
        ("`memory-window`", "digits", "small"),
        ("`memory-window`", "cifar10", "reduced"),
        ("`memory-window`", "mnist", "paper"),
        ("`transferability`", "digits", "small"),
    ]
    assert first_cells(found["sweep digits, small"]) == ["as registered", "vit", "adam"]


def test_a_place_is_filled_and_the_words_around_it_stay(root):
    (path, text), *others = outdated(root).items()
    assert (path, others) == (root / "README.md", [])
    for name, table in tables(root).items():
        assert "-->\n\n" + "\n".join(table) + "\n\n<!-- end -->\n" in text, name
    assert text.startswith("# Head\n<!-- featdyn docs: claims -->\n")
    assert text.count("\nWords.\n") == 4
    path.write_text(text, encoding="utf-8")
    assert outdated(root) == {}


def test_a_changed_bound_or_number_is_noticed(root):
    (path, text), *_ = outdated(root).items()
    path.write_text(text, encoding="utf-8")
    bounds = root / "claims" / "register" / "beyond-churn.toml"
    register = bounds.read_text(encoding="utf-8")
    bounds.write_text(register.replace("= 0.1", "= 0.2"), encoding="utf-8")
    assert list(outdated(root)) == [path]
    bounds.write_text(register, encoding="utf-8")
    assert outdated(root) == {}
    path.write_text(text.replace("0.95", "0.96", 1), encoding="utf-8")
    assert outdated(root) == {path: text}


def test_documents_are_the_readme_and_two_folders(root):
    for path in ("docs/claims.md", "evidence/README.md", "docs/deep/no.md", "fixtures/no.md"):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(EMPTY.format("claims"), encoding="utf-8")
    (root / "docs" / "words.md").write_text(f"Write `{EMPTY.format('claims').splitlines()[0]}` there.\n")
    found = {str(path.relative_to(root)): names for path, names in documents(root).items()}
    assert found == {"README.md": list(tables(root)), "docs/claims.md": ["claims"], "evidence/README.md": ["claims"]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("# Head\n", "no document of .* has a place for a table: put a line `<!-- featdyn docs: claims -->`"),
        (
            EMPTY.format("clams"),
            r"README.md: there is no table 'clams'; tables are claims; grid; findings; results; sweep",
        ),
        ("<!-- featdyn docs: claims -->\n", "README.md: each of the places of claims needs a line `<!-- end -->`"),
        (
            "<!-- featdyn docs: claims -->\n" + EMPTY.format("results"),
            "README.md: each of the places of claims, results needs a line `<!-- end -->`",
        ),
    ],
)
def test_a_place_that_cannot_be_filled_is_named(root, text, message):
    (root / "README.md").write_text(text, encoding="utf-8")
    with pytest.raises(EvidenceError, match=message):
        outdated(root)


def test_each_decided_claim_has_its_meaning_and_no_other(root):
    meanings = root / "evidence" / "meanings.toml"
    meanings.write_text('memory-window = "Kept."\n', encoding="utf-8")
    with pytest.raises(EvidenceError, match=r"meanings.toml has no finding for the claim 'transferability'"):
        tables(root)
    meanings.write_text('memory-window = "Kept."\ntransferability = "Carried."\n', encoding="utf-8")
    assert [line.endswith("| Kept. |") for line in tables(root)["findings"][2:]] == [False, True, False]
    meanings.write_text(meanings.read_text() + 'bridge = "Built."\n', encoding="utf-8")
    with pytest.raises(EvidenceError, match="the register has no claim 'bridge'"):
        tables(root)
