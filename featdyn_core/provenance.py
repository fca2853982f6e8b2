"""The package's commit and version, the versions of libraries, and the machine. No library is imported for this."""

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
    """Return the version of an installed distribution; empty if there is none."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return ""


__version__ = version("featdyn")
"""Version of the installed package; empty if only its sources are here."""


@functools.cache
def commit() -> str:
    """Commit of this project's checkout, with a mark for uncommitted changes; for an installed package, the build's.

    Empty if neither is known. A repository that happens to contain the installed package belongs to another project,
    and so may ``GIT_DIR``; both are ignored.
    """
    root = checkout()
    if root is None or not (root / ".git").exists():
        return _commit_of_build()
    return _git(root, "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*")


def repository() -> str:
    """Web address of the repository of this package's code; empty if unknown.

    For a checkout it is the address from which it was cloned, without a password; for an installed package, the
    ``Repository`` of its metadata.
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
    """Return the output of git in a folder; empty if git fails."""
    elsewhere = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        found = subprocess.run(
            ["git", *command], cwd=root, env=elsewhere, capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return found.stdout.strip()


def _commit_of_build() -> str:
    """Return the commit that the build wrote beside this module (``hatch_build.py``)."""
    try:
        return Path(__file__).with_name("commit.txt").read_text(encoding="utf-8").strip()
    except OSError:
        return ""


@functools.cache
def processor() -> str:
    """Model name of the processor; the platform's own description if the system has no such list."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "")
