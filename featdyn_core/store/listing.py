"""What a folder of descriptions holds, read once and again when it has changed: a store may have tens of thousands.

Files are put into a folder by renaming, which changes its time. A time that is so fresh that another change could have
the same is believed for one look only.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SETTLED_SECONDS = 2.0
"""Age of a change from which on no other can have the same time; file systems count in less than this."""


@dataclass(frozen=True)
class Listed:
    """What a folder held at a time.

    Attributes:
        changed: when it was changed last, in nanoseconds since 1970.
        groups: names in it by what they have in common, in order.
        known: what was read of its files, by name, for whoever reads them to fill.
    """

    changed: int
    groups: dict[str, list[str]] = field(default_factory=dict)
    known: dict[str, Any] = field(default_factory=dict)


class Listing:
    """Folders as they were looked at.

    Args:
        group: what a name has in common with those that are looked for together.
    """

    def __init__(self, group: Callable[[str], str]) -> None:
        self._group = group
        self._folders: dict[Path, Listed] = {}

    def of(self, folder: Path) -> Listed:
        """Return what a folder holds; nothing where there is none."""
        try:
            changed = os.stat(folder).st_mtime_ns
            known = self._folders.get(folder)
            if known is not None and known.changed == changed:
                return known
            names = sorted(os.listdir(folder))
        except OSError:
            return Listed(0)
        listed = Listed(changed)
        for name in names:
            listed.groups.setdefault(self._group(name), []).append(name)
        if time.time_ns() - changed > SETTLED_SECONDS * 1e9:
            self._folders[folder] = listed
        return listed
