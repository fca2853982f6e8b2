"""Who computes: the package's commit and version, the libraries, the machine. Nothing here imports a library to ask."""

import functools
import importlib.metadata
import os
import platform
import re
import socket
import subprocess
from pathlib import Path

from featdyn_core.project import checkout

LIBRARIES = ("torch", "numpy", "scipy")


def environment() -> dict[str, str]:
    """Commit and version of this package, versions of the libraries, and the machine."""
    return {
        "commit": commit(),
        "featdyn": version("featdyn"),
        "python": platform.python_version(),
        **{name: version(name) for name in LIBRARIES},
        "machine": f"{platform.machine()} {processor()}".strip(),
        "host": socket.gethostname(),
    }


@functools.cache
def version(distribution: str) -> str:
    """Return the version of an installed distribution; empty where there is none."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return ""


__version__ = version("featdyn")
"""Of the installed package; empty where only its sources are here."""


@functools.cache
def commit() -> str:
    """Commit of this project's checkout, with a mark for uncommitted changes; of an installed package, of its build.

    Empty where neither is known. A repository that happens to hold the installed package is another project's, and
    ``GIT_DIR`` names whatever somebody works on: neither is asked.
    """
    root = checkout()
    if root is None or not (root / ".git").exists():
        return _commit_of_build()
    return _git(root, "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*")


def repository() -> str:
    """Address on the web of the repository of this package's code; empty where none is known.

    Of a checkout it is where the checkout was cloned from, without a password that may stand in it; of an installed
    package, the ``Repository`` of its metadata.
    """
    root = checkout()
    if root is None:
        return _repository_of_metadata()
    address = _git(root, "remote", "get-url", "origin")
    found = re.fullmatch(r"(?:https?://(?:[^@/]*@)?|git@)([\w.-]+(?::\d+)?)[:/](.+?)(?:\.git)?/?", address)
    return f"https://{found[1]}/{found[2]}" if found else ""


def _repository_of_metadata() -> str:
    try:
        urls = importlib.metadata.metadata("featdyn").get_all("Project-URL") or []
    except importlib.metadata.PackageNotFoundError:
        return ""
    named = dict(url.split(", ", 1) for url in urls)
    return str(named.get("Repository", "")).rstrip("/")


def _git(root: Path, *command: str) -> str:
    """Return what git says in a folder; empty where it says nothing."""
    elsewhere = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        found = subprocess.run(
            ["git", *command], cwd=root, env=elsewhere, capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return found.stdout.strip()


def _commit_of_build() -> str:
    """Return what the build wrote beside this module (``hatch_build.py``)."""
    try:
        return Path(__file__).with_name("commit.txt").read_text(encoding="utf-8").strip()
    except OSError:
        return ""


@functools.cache
def processor() -> str:
    """Model name of the processor; what the platform says of it where the system has no such list."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "")
