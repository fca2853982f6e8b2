"""Where things are, whatever the working directory."""

import pwd

import pytest

from featdyn_core.data.sources import load_dataset
from featdyn_core.data.stamps import stamp
from featdyn_core.errors import DataError, FeatdynError, StoreError
from featdyn_core.project import data_root, expanded, store_root


def test_root_is_the_argument_then_the_environment_then_the_cache(monkeypatch, tmp_path):
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
    """No home folder, as in a container whose user has no entry."""

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
        with pytest.raises(DataError, match=r"no home folder is known .*; set FEATDYN_DATA to a folder"):
            ask()


@pytest.mark.usefixtures("homeless")
def test_without_a_home_a_store_there_names_what_to_set(monkeypatch):
    assert store_root().parts[-2:] == ("fixtures", "cache")
    monkeypatch.setenv("FEATDYN_STORE", "~/store")
    with pytest.raises(StoreError, match=r"~/store: no home folder .*; set FEATDYN_STORE to a folder"):
        store_root()
    with pytest.raises(FeatdynError, match="set --evidence to a folder"):
        expanded("~/evidence.json", "--evidence")


def test_store_may_be_at_home(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("FEATDYN_STORE", "~/store")
    assert store_root() == tmp_path / "store"
