"""Add the files of a new project to a wheel, and the commit to a wheel and to a source archive."""

import subprocess
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

COMMIT = "featdyn_core/commit.txt"


class CommitHook(BuildHookInterface):
    """Adds ``featdyn_core/starter`` and ``featdyn_core/commit.txt``, except to an editable installation."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Collect the files, and ask git for the commit if the sources are a checkout.

        A source archive is no checkout; it already contains the file with its commit.
        """
        if version == "editable":
            return
        root, included = Path(self.root), build_data["force_include"]
        patterns = self.config.get("starter", [])
        for path in (path for pattern in patterns for path in root.glob(pattern) if path.is_file()):
            if not path.name.startswith("."):
                included[str(path)] = f"featdyn_core/starter/{path.relative_to(root).as_posix()}"
        if commit := _commit(root):
            file = Path(tempfile.mkdtemp()) / "commit.txt"
            file.write_text(commit)
            included[str(file)] = COMMIT


def _commit(root: Path) -> str:
    """Commit of a checkout; empty if there is no checkout or no git."""
    if not (root / ".git").exists():
        return ""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False).stdout
    except OSError:
        return ""
