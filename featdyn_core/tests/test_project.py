"""Where things are, whatever the working directory."""

from featdyn_core.project import data_root


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
