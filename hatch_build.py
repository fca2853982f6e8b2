"""Puts into a wheel what a project is begun with, and the commit that it is built from, for evidence to name."""

import subprocess
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class WheelHook(BuildHookInterface):
    """Adds ``featdyn_core/starter`` and ``featdyn_core/commit.txt``; nothing to an editable installation."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Collect the files, and ask git where the sources are a checkout of their own."""
        if version == "editable":
            return
        root, included = Path(self.root), build_data["force_include"]
        for path in (path for pattern in self.config["starter"] for path in root.glob(pattern) if path.is_file()):
            included[str(path)] = f"featdyn_core/starter/{path.relative_to(root).as_posix()}"
        if (root / ".git").exists():
            included[_commit_file(root)] = "featdyn_core/commit.txt"


def _commit_file(root: Path) -> str:
    """Path of a file with the commit of a checkout."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    found = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    file = Path(tempfile.mkdtemp()) / "commit.txt"
    file.write_text(found.stdout)
    return str(file)
