"""Every reader of this project refuses things that are not files: one clear error, without waiting."""

import ast
from collections.abc import Callable
from pathlib import Path

import pytest

import featdyn_core
from featdyn_core.cli.state import _register_of as register_of
from featdyn_core.data.formats import read_npz
from featdyn_core.data.official import FOLDER, load_official_corruption
from featdyn_core.errors import (
    DamagedRecordError,
    DamagedTrajectoryError,
    DataError,
    EvidenceError,
    FeatdynError,
    ModelError,
    RecipeError,
    StoreError,
)
from featdyn_core.launch.rehearsal import _read as read_report
from featdyn_core.networks.zoo import build_model
from featdyn_core.register.reading import load_register
from featdyn_core.report.markdown import read_meanings
from featdyn_core.store.folder import read_tensors
from featdyn_core.store.heartbeats import read_beat
from featdyn_core.store.keys import DataDigests
from featdyn_core.store.manifest import read_manifest
from featdyn_core.store.published import PublishedRecords
from featdyn_core.store.records import RecordFolder
from featdyn_core.tests.special import SPECIAL, without_waiting
from featdyn_core.tests.store.made import column, keys_of, record_of
from featdyn_core.tests.tiny import tiny_recipe
from featdyn_core.trajectories.checkpoints import read_state
from featdyn_core.trajectories.recipe_text import read_document
from featdyn_core.verdicts.documents import read_evidence

RECORD = record_of(column(1))
FILE = Path(RECORD.facts["file"])

Reader = Callable[[Path], object]
READERS: dict[str, tuple[str, Reader, type[FeatdynError]]] = {
    "recipe": ("recipe.toml", lambda root: read_document(root / "recipe.toml"), RecipeError),
    "register": ("scales.toml", load_register, RecipeError),
    "evidence": ("evidence.json", lambda root: read_evidence(root / "evidence.json"), EvidenceError),
    "meanings": ("meanings.toml", lambda root: read_meanings(root / "meanings.toml"), EvidenceError),
    "image set": ("images.npz", lambda root: read_npz(root / "images.npz"), DataError),
    "corruptions": (f"{FOLDER}/fog.npy", lambda root: load_official_corruption("fog", 1, root=root), DataError),
    "checkpoint of others": (
        "a.pt",
        lambda root: read_state(root / "a.pt", build_model("mlp", image=(1, 8, 8))),
        ModelError,
    ),
    "manifest": ("manifest.json", read_manifest, DamagedTrajectoryError),
    "checkpoint": ("epoch-0001", lambda root: read_tensors(root, "epoch-0001", "0" * 64), DamagedTrajectoryError),
    "description": (
        str(FILE.with_suffix(".json")),
        lambda root: RecordFolder(root).find(column(1), keys_of(column(1))),
        DamagedRecordError,
    ),
    "evidence of a run": ("evidence.json", lambda root: register_of(root / "evidence.json"), FeatdynError),
    "report of a rehearsal": ("rehearsal.json", lambda root: read_report(root / "rehearsal.json"), StoreError),
    "published manifest": ("manifest.json", lambda root: PublishedRecords(root).get(column(1)), DamagedRecordError),
}
"""Name to the file, what reads it in a folder, and the error that says what is wrong with it."""


@pytest.mark.parametrize("make", SPECIAL.values(), ids=SPECIAL)
@pytest.mark.parametrize(("name", "read", "kind"), READERS.values(), ids=READERS)
def test_what_is_no_file_is_named(tmp_path, make, name, read, kind):
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    make(tmp_path / name)
    with without_waiting(), pytest.raises(kind, match=Path(name).name):
        read(tmp_path)


@pytest.mark.parametrize("make", SPECIAL.values(), ids=SPECIAL)
def test_words_on_progress_that_are_no_files_are_left_out(tmp_path, make):
    make(tmp_path / "k.json")
    make(tmp_path / "data-digests.json")
    with without_waiting():
        assert read_beat(tmp_path / "k.json") is None
        assert DataDigests(tmp_path).find(tiny_recipe()) is None


OWN = {
    "data/official.py": "behind the guard, of arrays that are mapped into memory",
    "data/stamps.py": "sources of this package",
    "scaffold/files.py": "settings of a checkout",
    "provenance.py": "what the build and the system write",
    "pytest_plugin/reporter.py": "writes",
    "store/factories.py": "a module that Python has found",
    "store/source.py": "sources of this package",
}
"""Module to what it opens without the guard."""


def opens(node: ast.AST) -> bool:
    """Whether a call reads or opens a file by itself."""
    if not isinstance(node, ast.Call):
        return False
    if isinstance(node.func, ast.Name):
        return node.func.id == "open"
    called = node.func.attr if isinstance(node.func, ast.Attribute) else ""
    of_numpy = isinstance(getattr(node.func, "value", None), ast.Name) and node.func.value.id == "np"
    return called in ("read_text", "read_bytes", "fromfile", "loadtxt") or (called == "load" and of_numpy)


def test_nobody_opens_a_file_but_through_the_guard():
    package = Path(featdyn_core.__file__).parent
    sources = {path.relative_to(package).as_posix(): path for path in package.rglob("*.py")}
    found = {
        name
        for name, path in sources.items()
        if not name.startswith("tests/") and any(map(opens, ast.walk(ast.parse(path.read_text(encoding="utf-8")))))
    }
    assert found == set(OWN)
