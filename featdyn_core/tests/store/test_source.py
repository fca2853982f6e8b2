"""The source digest covers all code of a measurement, and no other code."""

import io
import shutil
import subprocess
import sys
import tokenize

import pytest

from featdyn_core.errors import StoreError
from featdyn_core.records.kinds import KINDS
from featdyn_core.store.source import ROOT, code_of, files, measuring_source, source_digest, sources

COLUMN = "featdyn_core.records.column"


@pytest.fixture
def edited(tmp_path):
    """Return the digest of a kind in a copy of the package with one more line in one file."""

    def digest(name, edit="EDIT = 1\n", at=None):
        shutil.copytree(ROOT / "featdyn_core", tmp_path / "featdyn_core", ignore=shutil.ignore_patterns("tests"))
        path = tmp_path / "featdyn_core" / name
        text = path.read_text()
        assert at is None or at in text
        path.write_text(text + edit if at is None else text.replace(at, at + edit, 1))
        return source_digest(COLUMN, "measure", tmp_path)

    return digest


@pytest.mark.parametrize(
    "name",
    ["measures/composites/grid.py", "networks/zoo.py", "trajectories/trajectory.py", "data/labels.py", "numerics.py"],
)
def test_an_edit_of_what_measures_a_column_changes_its_source(edited, name):
    assert edited(name) != measuring_source("column")


@pytest.mark.parametrize(
    "name",
    [
        "verdicts/claim.py",
        "measures/one_step/protocol.py",
        "records/kinds.py",
        "register/register.py",
        "training/loop.py",
    ],
)
def test_an_edit_of_anything_else_does_not(edited, name):
    assert edited(name) == measuring_source("column")


@pytest.mark.parametrize("kind", KINDS)
def test_no_kind_is_measured_by_what_judges(kind):
    found = files(KINDS[kind].measure.__module__, KINDS[kind].measure.__name__)
    assert not {
        name for name in found if name.split("/")[1] in ("verdicts", "register", "analysis", "harness", "report")
    }


def test_an_edit_of_what_a_kind_measures_is_seen(edited):
    assert edited("records/column.py", "    EDIT = 1\n", at="    common = several[0]\n") != measuring_source("column")


@pytest.mark.parametrize(
    "at",
    [
        "    window: str\n",
        "    flip_rate: float = 0.0\n",
        "        ascending, losses = np.asarray(epochs, np.int64), 5 * np.clip(missed, 0, 1)\n",
    ],
)
def test_an_edit_of_its_options_view_or_planted_ones_is_not(edited, at):
    edit = at[: len(at) - len(at.lstrip())] + "EDIT = 1\n"
    assert edited("records/column.py", edit, at=at) == measuring_source("column")


def test_kinds_of_different_families_have_sources_of_their_own():
    assert len({measuring_source(kind) for kind in KINDS}) == len(KINDS)


def test_imports_inside_functions_and_of_whole_modules_count(tmp_path):
    package = tmp_path / "package"
    package.mkdir()
    (package / "first.py").write_text("def f():\n    from package import second\n")
    (package / "second.py").write_text("import package.third\n")
    (package / "third.py").write_text("from package.first import f\n")
    before = source_digest("package.first", "f", tmp_path)
    source_digest.cache_clear()
    (package / "third.py").write_text("from package.first import f as g\n")
    assert source_digest("package.first", "f", tmp_path) != before
    source_digest.cache_clear()


SOURCE = """
SIZE: int = 1
FIRST, SECOND = 2, 3
LATER = 1
LATER += 1

@scaled(4)
def helper():
    return SIZE + FIRST + LATER

def other():
    return 0

def f():
    return helper()
"""


@pytest.mark.parametrize("edit", ["int = 1", "FIRST, SECOND = 2", "LATER += 1", "scaled(4", "return SIZE"])
def test_all_that_a_function_names_in_its_file_counts(tmp_path, edit):
    def digest(text):
        source_digest.cache_clear()
        (tmp_path / "module.py").write_text(text)
        return source_digest("module", "f", tmp_path)

    assert digest(SOURCE.replace(edit, f"{edit}0")) != digest(SOURCE)
    assert digest(SOURCE.replace("return 0", "return 1")) == digest(SOURCE)


@pytest.mark.parametrize(
    ("at", "edit"),
    [
        ("SIZE: int = 1", "SIZE: int = 1  # a comment"),
        ("SIZE: int = 1", 'SIZE: int = 1\n"""A docstring with # and \'quotes\'."""'),
        ("    return SIZE", '    """Return a sum.\n\n    Over lines.\n    """\n\n    # A comment.\n    return SIZE'),
        ("def helper():", "def helper():  # noqa: D103"),
        ("LATER = 1", "LATER = 1\n\n\n"),
    ],
)
def test_comments_and_docstrings_do_not_count(at, edit):
    assert at in SOURCE
    assert code_of(SOURCE.replace(at, edit)) == code_of(SOURCE)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('X = "# 1"\n', 'X = "# 2"\n'),
        ("X = 'it\\'s # 1'\n", "X = 'it\\'s # 2'\n"),
        ('X = """\n# 1\n"""\n', 'X = """\n# 2\n"""\n'),
        ('X = """a \n\nb"""\n', 'X = """a\nb"""\n'),
        ('f("")  # "\nX = 1\n', 'f("")  # "\nX = 2\n'),
        ("def f():\n    pass\nX = 1\n", "def f():\n    pass\n    X = 1\n"),
        ('"é"; X = 1\n', '"é"; X = 2\n'),
        ('"""a\nb"""; """c\nd"""; X = 1\n', '"""a\nb"""; """c\nd"""; X = 2\n'),
        ("X = a \\\n\n- b\n", "X = a \\\n- b\n"),
        ("X = a \\\n# c\n- b\n", "X = a \\\n- b\n"),
        ('f"{f()}"\n', 'f"{g()}"\n'),
        ("@(\n    a\n    .b\n)\ndef f(): ...\n", "@(\n    a\n    .c\n)\ndef f(): ...\n"),
    ],
)
def test_all_code_beside_them_counts(one, other):
    assert code_of(one) != code_of(other)


@pytest.mark.parametrize("kind", KINDS)
def test_code_is_the_same_program(kind):
    measure = KINDS[kind].measure
    for name, text in sources(measure.__module__, measure.__name__, ROOT).items():
        assert statements(code_of(text)) == statements(text), name


def statements(text):
    """Return the column and the tokens of each statement that is more than a string."""
    found, line = [], []
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.NEWLINE:
            if any(one.type != tokenize.STRING for one in line):
                found.append((line[0].start[1], [one.string for one in line]))
            line = []
        elif token.string.strip() and token.type != tokenize.COMMENT:
            line.append(token)
    return found


RUN = """
import sys
from pathlib import Path
from featdyn_core.store import source
path = Path(source.ROOT) / "featdyn_core" / "data" / "labels.py"
if sys.argv[1] == "edited":
    path.write_text(path.read_text() + "EDIT = 1\\n")
try:
    print(source.measuring_source("column"))
except source.StoreError as error:
    print(error)
"""


@pytest.mark.parametrize("state", ["as it was", "edited"])
def test_a_file_edited_while_a_process_runs_has_no_digest(tmp_path, state):
    shutil.copytree(ROOT / "featdyn_core", tmp_path / "featdyn_core", ignore=shutil.ignore_patterns("tests"))
    done = subprocess.run([sys.executable, "-c", RUN, state], cwd=tmp_path, capture_output=True, text=True, check=True)
    expected = f"{tmp_path / 'featdyn_core/data/labels.py'} was edited since this process began, so a record"
    found = done.stdout.strip()
    assert found.startswith(expected) if state == "edited" else found == measuring_source("column")


def test_code_without_its_source_has_no_digest(tmp_path):
    with pytest.raises(StoreError, match=r"featdyn_core.records.column has no source in .*install featdyn with its"):
        source_digest(COLUMN, "measure", tmp_path)
