"""A toy project as working directory, and its laboratory."""

from collections.abc import Callable
from pathlib import Path

import pytest

from featdyn_core.harness.laboratory import Laboratory
from featdyn_core.harness.plan import all_cells
from featdyn_core.project import register_folder
from featdyn_core.register.reading import load_register
from featdyn_core.register.register import Register
from featdyn_core.store.supply import Store
from featdyn_core.tests.toy import write_project


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """Return the folder of a toy project, which is the working directory."""
    monkeypatch.chdir(write_project(tmp_path))
    return tmp_path


@pytest.fixture
def register(project) -> Callable[..., Register]:
    """Return a function that reads the project's register, after it wrote files of it."""

    def read(**entries: str) -> Register:
        write_project(project, **entries)
        return load_register(register_folder())

    return read


@pytest.fixture
def laboratory(register, tmp_path) -> Laboratory:
    """Return the laboratory of the toy project, with a store of its own."""
    found = register()
    rows = {row.id: row for row in all_cells(found)}
    root = tmp_path / "store"
    return Laboratory(found, rows, root, lambda: Store(root, device="cpu", download=False))
