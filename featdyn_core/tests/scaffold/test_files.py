"""A user's project, from a checkout and from a wheel in an otherwise empty folder."""

import inspect
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from featdyn_core.errors import FeatdynError
from featdyn_core.harness.plan import all_cells
from featdyn_core.project import checkout
from featdyn_core.provenance import commit
from featdyn_core.register.reading import load_register
from featdyn_core.scaffold import files
from featdyn_core.scaffold.files import write_paper_project
from featdyn_core.tests import elsewhere

SOURCE = checkout()


def test_a_new_project_has_every_claim_and_what_it_needs(tmp_path, monkeypatch):
    written = write_paper_project(tmp_path / "mine")
    assert written == sum(path.is_file() for path in (tmp_path / "mine").rglob("*"))
    monkeypatch.chdir(tmp_path / "mine")
    rows = all_cells(load_register(Path("claims/register")))
    assert {row.entry.id for row in rows} == set(load_register(SOURCE / "claims/register").entries)
    assert any(row.replayed for row in rows)


@pytest.mark.parametrize("present", ["claims/register/mine.toml", "claims/test_forgetting.py", "pytest.ini"])
def test_what_is_there_is_not_overwritten(tmp_path, present):
    (tmp_path / present).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / present).write_text("mine")
    with pytest.raises(FeatdynError, match="is there already; create the project in another folder"):
        write_paper_project(tmp_path)
    assert [path.read_text() for path in tmp_path.rglob("*") if path.is_file()] == ["mine"]


def test_a_package_without_its_claims_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "checkout", lambda: None)
    with pytest.raises(FeatdynError, match="installed without its claims"):
        write_paper_project(tmp_path)


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """Folder with only the installed wheel of this checkout."""
    folder = tmp_path_factory.mktemp("installed")
    build = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", folder, SOURCE]
    subprocess.run(build, check=True)
    (wheel,) = folder.glob("*.whl")
    install = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", folder / "site", wheel]
    subprocess.run(install, check=True)
    return folder / "site"


def started(installed: Path, folder: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a Python module that finds the installed package, and no checkout."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "FEATDYN"))}
    command = [sys.executable, "-B", "-m", *arguments]
    return subprocess.run(
        command, cwd=folder, env=own | {"PYTHONPATH": str(installed)}, capture_output=True, text=True, check=False
    )


def run(installed: Path, folder: Path, *arguments: str | Path) -> str:
    """Output of such a run, which succeeded."""
    found = started(installed, folder, *arguments)
    assert found.returncode == 0, found.stdout + found.stderr
    return found.stdout


def test_an_installed_package_begins_a_project_and_judges_it(installed, tmp_path):
    assert "decide the claims there with: pytest -m fast" in run(installed, tmp_path, "featdyn_core", "init", "mine")
    output = run(installed, tmp_path / "mine", "pytest", "-q", "-k", "memory_window_in_planted", "--store", "store")
    assert "passed" in output
    output = run(installed, tmp_path / "mine", "pytest", "--collect-only", "-q", "-m", "fast")
    assert "test_memory_window.py::test_memory_window[memory-window-small-digits]" in output


def test_a_new_project_names_its_plugin(tmp_path, monkeypatch):
    """Where PYTEST_DISABLE_PLUGIN_AUTOLOAD is set, pytest loads what its settings name."""
    write_paper_project(tmp_path)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-m", "fast", "claims/test_memory_window.py"]
    found = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout + found.stderr
    assert "test_memory_window.py::test_memory_window[memory-window-small-digits]" in found.stdout


def test_a_new_project_keeps_the_line_ends_of_its_records(tmp_path):
    """A clone whose git changes line ends would break the seal of every manifest."""
    write_paper_project(tmp_path / "mine")
    git = [
        "git",
        "-c",
        "user.name=a",
        "-c",
        "user.email=a@b.c",
        "-c",
        "core.autocrlf=true",
        "-c",
        "core.safecrlf=false",
    ]
    for command in (["init", "-q", "."], ["add", "fixtures", ".gitattributes"], ["commit", "-qm", "begun"]):
        subprocess.run([*git, *command], cwd=tmp_path / "mine", check=True)
    subprocess.run([*git, "clone", "-q", tmp_path / "mine", tmp_path / "clone"], check=True)
    for path in (tmp_path / "mine/fixtures/records").glob("*/manifest.json"):
        assert (tmp_path / "clone" / path.relative_to(tmp_path / "mine")).read_bytes() == path.read_bytes()


@pytest.mark.skipif(not (SOURCE / ".git").exists(), reason="needs a clone")
@pytest.mark.parametrize("published", ["fixtures/records/small/manifest.json", "evidence/fast-cpu/evidence.json"])
def test_a_clone_keeps_the_line_ends_of_what_may_be_signed(published):
    assert (SOURCE / published).is_file()
    told = subprocess.run(
        ["git", "check-attr", "text", published], cwd=SOURCE, capture_output=True, text=True, check=True
    )
    assert told.stdout == f"{published}: text: unset\n"


def test_a_register_is_the_same_whatever_its_line_ends(tmp_path):
    shutil.copytree(SOURCE / "claims/register", tmp_path / "register")
    for path in (tmp_path / "register").iterdir():
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert load_register(tmp_path / "register").digest == load_register(SOURCE / "claims/register").digest


def wheel_of(source: Path, folder: Path, **variables: str) -> zipfile.ZipFile:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder]
    subprocess.run(build, cwd=source, env=os.environ | variables, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    return zipfile.ZipFile(wheel)


def test_a_wheel_of_a_source_archive_knows_its_commit(tmp_path):
    commit.cache_clear()  # a test that hides all programs may have asked before
    build = [sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", tmp_path]
    subprocess.run(build, cwd=SOURCE, check=True, capture_output=True)
    (archive,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(archive) as packed:
        packed.extractall(tmp_path, filter="data")
    (source,) = (path for path in tmp_path.iterdir() if path.is_dir())
    with wheel_of(source, tmp_path / "wheel") as wheel:
        assert wheel.read("featdyn_core/commit.txt").decode().strip() == commit()


def test_a_wheel_is_built_where_there_is_no_git(tmp_path):
    with wheel_of(SOURCE, tmp_path, PATH="") as wheel:
        assert "featdyn_core/commit.txt" not in wheel.namelist()
        assert "featdyn_core/starter/claims/register/scales.toml" in wheel.namelist()


@pytest.mark.parametrize("option", ["--store", "--evidence"])
def test_a_path_that_hides_the_projects_settings_is_reported(installed, tmp_path, option):
    run(installed, tmp_path, "featdyn_core", "init", "mine")
    (tmp_path / "elsewhere").mkdir()
    found = started(installed, tmp_path / "mine", "pytest", option, tmp_path / "elsewhere")
    assert found.returncode == pytest.ExitCode.USAGE_ERROR
    assert f"write {option}={tmp_path / 'elsewhere'}" in found.stderr
    options = "--collect-only", "-q", "-m", "fast", f"--store={tmp_path / 'elsewhere'}"
    assert "memory-window-small-digits" in run(installed, tmp_path / "mine", "pytest", *options)
    assert "memory-window-small-digits" in run(
        installed, tmp_path / "mine", "pytest", "--store", tmp_path / "elsewhere", *options[:4], "claims"
    )


def test_where_there_is_no_project_the_plugin_says_nothing(installed, tmp_path):
    (tmp_path / "conftest.py").write_text(
        "def pytest_addoption(parser):\n"
        "    for name in ('--device', '--scale', '--store', '--seeds'):\n"
        "        parser.addoption(name)\n"
    )
    (tmp_path / "test_mine.py").write_text(
        "import pytest\n@pytest.fixture\ndef decide(): return 1\ndef test_mine(decide): assert decide == 1\n"
    )
    output = run(installed, tmp_path, "pytest", "-q", "--store", "mine")
    assert "1 passed" in output
    assert "claims" not in output
    assert not (tmp_path / "evidence.json").exists()


def test_an_installed_package_turns_checkpoints_into_claims(installed, tmp_path):
    """The user's functions are a module beside the files, and there is no checkout."""
    (tmp_path / "nets.py").write_text(
        inspect.getsource(elsewhere.small).replace("def", "from torch import nn\n\n\ndef", 1)
    )
    seeds = [f"--seed={n}={elsewhere.saved(tmp_path / 'runs' / str(n), elsewhere.trained(n))}" for n in range(3)]
    options = "--network=nets:small", "--data=digits", "--cuts=0,2,4", "--image-mean=0", "--image-std=1"
    told = run(installed, tmp_path, "featdyn_core", "adopt", "mine", *options, *seeds)
    assert f"adopted 3 trainings, epochs 0 to 7 of each: {tmp_path / 'fixtures' / 'recipes' / 'mine.toml'}" in told
    begun = run(installed, tmp_path, "featdyn_core", "init", "--adopted", "mine", "--window", "4-7")
    assert begun.startswith("not asked: not-convergence: ")
    assert begun.splitlines()[-1] == f"wrote 25 files to {tmp_path}; decide the claims there with: pytest"
    assert not list((tmp_path / "claims").rglob("__pycache__"))
    output = run(installed, tmp_path, "pytest", "--collect-only", "-q")
    assert "test_beyond_churn.py::test_beyond_churn[beyond-churn-own-mine]" in output


def test_what_python_compiled_is_no_file_of_a_project(tmp_path, monkeypatch):
    """Pip compiles the claims of a wheel where it installs them."""
    shipped = tmp_path / "featdyn_core" / "starter" / "claims"
    (shipped / "__pycache__").mkdir(parents=True)
    (shipped / "__pycache__" / "test_one.cpython-312.pyc").touch()
    (shipped / "test_one.py").touch()
    monkeypatch.setattr(files, "__file__", str(tmp_path / "featdyn_core" / "scaffold" / "files.py"))
    assert list(files.starter()) == [Path("claims/test_one.py")]
