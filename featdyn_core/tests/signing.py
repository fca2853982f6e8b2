"""A pretended minisign: it signs by a digest over key and text, and verifies with the secret key's own text."""

import os
import sys
from pathlib import Path

import pytest

PROGRAM = """#!{python}
import hashlib, pathlib, sys

key, path = (pathlib.Path(sys.argv[sys.argv.index(name) + 1]) for name in ("-s" if "-S" in sys.argv else "-p", "-m"))
signature = path.with_name(path.name + ".minisig")
digest = hashlib.sha256(key.read_bytes() + path.read_bytes()).hexdigest()
if "-V" in sys.argv:
    sys.exit(signature.read_text() != digest)
if b"refuse" in key.read_bytes():
    sys.exit(1)
signature.write_text(digest)
"""


def install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make it the first minisign that is found."""
    folder.mkdir()
    (folder / "minisign").write_text(PROGRAM.format(python=sys.executable))
    (folder / "minisign").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)


def uninstall(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make no program found."""
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
