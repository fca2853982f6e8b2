"""Writes the commit that a wheel is built from into it, where evidence finds it when there is no checkout."""

import subprocess
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CommitHook(BuildHookInterface):
    """Adds ``featdyn_core/commit.txt`` to a wheel; nothing to an editable installation, which has its checkout."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Ask git, if the sources are a checkout of their own."""
        if version == "editable" or not (Path(self.root) / ".git").exists():
            return
        command = ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
        found = subprocess.run(command, cwd=self.root, capture_output=True, text=True, check=False)
        file = Path(tempfile.mkdtemp()) / "commit.txt"
        file.write_text(found.stdout)
        build_data["force_include"][str(file)] = "featdyn_core/commit.txt"
