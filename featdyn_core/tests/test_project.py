"""Places of the project from any working directory."""

import pwd
from pathlib import Path

import pytest

from featdyn_core import project as module
from featdyn_core.data.sources import load_dataset
from featdyn_core.data.stamps import stamp
from featdyn_core.errors import DataError, FeatdynError, StoreError
from featdyn_core.project import (
    checkout,
    data_root,
    expanded,
    project_root,
    recipes_folder,
    records_folder,
    register_folder,
    store_root,
)


@pytest.fixture
def project(tmp_path) -> Path:
    """Return a folder that holds a register."""
    root = tmp_path / "project"
    (root / "claims/register").mkdir(parents=True)
    return root


@pytest.mark.parametrize("place", [".", "claims", "claims/register", "src/deep/down"])
def test_a_project_is_found_from_any_folder_of_it(project, monkeypatch, place):
    monkeypatch.delenv("FEATDYN_STORE", raising=False)
    (project / place).mkdir(parents=True, exist_ok=True)
    monkeypatch.chdir(project / place)
    assert project_root() == project
    assert register_folder() == project / "claims/register"
    assert recipes_folder() == project / "fixtures/recipes"
    assert records_folder() == project / "fixtures/records"
    assert store_root() == project / "fixtures/cache"


def test_the_nearest_project_counts(project, monkeypatch):
    inner = project / "inner"
    (inner / "claims/register").mkdir(parents=True)
    monkeypatch.chdir(inner)
    assert project_root() == inner


def test_a_file_of_that_name_is_no_register(project, monkeypatch):
    inner = project / "inner"
    (inner / "claims").mkdir(parents=True)
    (inner / "claims/register").touch()
    monkeypatch.chdir(inner)
    assert project_root() == project


def test_the_root_is_else_the_checkout_or_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert project_root() == checkout() == Path(__file__).parents[2]
    monkeypatch.setattr(module, "__file__", str(tmp_path / "site-packages/featdyn_core/project.py"))
    assert checkout() is None
    assert project_root() == tmp_path


def test_the_root_is_the_argument_the_environment_or_the_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("FEATDYN_DATA", "~/sets")
    assert data_root(tmp_path / "mine") == tmp_path / "mine"
    assert data_root() == tmp_path / "sets"
    monkeypatch.setenv("FEATDYN_DATA", "")
    assert data_root() == tmp_path / "xdg" / "featdyn" / "data"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert data_root() == tmp_path / ".cache" / "featdyn" / "data"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert data_root() == tmp_path / ".cache" / "featdyn" / "data"


@pytest.fixture
def homeless(monkeypatch):
    """Remove the home folder, as in a container whose user has no entry."""

    def unknown(user):
        raise KeyError(f"getpwuid(): uid not found: {user}")

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    monkeypatch.setattr(pwd, "getpwnam", unknown)
    for name in ("HOME", "XDG_CACHE_HOME", "FEATDYN_DATA", "FEATDYN_STORE"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("homeless")
def test_digits_need_no_home():
    assert len(load_dataset("digits").train_labels) == 1200
    assert stamp("digits", None)


@pytest.mark.usefixtures("homeless")
@pytest.mark.parametrize("value", [None, "~/sets", "~nobody/sets"])
def test_without_a_home_other_images_name_what_to_set(monkeypatch, value):
    if value:
        monkeypatch.setenv("FEATDYN_DATA", value)
    for ask in (data_root, lambda: load_dataset("mnist"), lambda: stamp("mnist", None)):
        with pytest.raises(DataError, match=r"the home folder ~ is unknown; set FEATDYN_DATA to a folder"):
            ask()


@pytest.mark.usefixtures("homeless")
def test_without_a_home_a_store_there_names_what_to_set(monkeypatch):
    assert store_root().parts[-2:] == ("fixtures", "cache")
    monkeypatch.setenv("FEATDYN_STORE", "~/store")
    with pytest.raises(StoreError, match=r"~/store: the home folder ~ is unknown; set FEATDYN_STORE to a folder"):
        store_root()
    with pytest.raises(FeatdynError, match="set --evidence to a folder"):
        expanded("~/evidence.json", "--evidence")


def test_store_may_be_at_home(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("FEATDYN_STORE", "~/store")
    assert store_root() == tmp_path / "store"
