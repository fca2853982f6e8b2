"""Cached listings of folders of descriptions, which are read again when the folder changes.

A store may have tens of thousands of descriptions. Files are put into a folder by renaming, which changes the folder's
time. If the time is so recent that another change could have the same time, the listing is used only once.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SETTLED_SECONDS = 2.0
"""Age at which no other change can have the same time; the clocks of file systems are finer than this."""


@dataclass(frozen=True)
class Listed:
    """What a folder held at a time.

    Attributes:
        changed: when it was changed last, in nanoseconds since 1970.
        groups: its names, in order, grouped by what they have in common.
        known: what was read from its files, by name; the reader of the files fills it.
    """

    changed: int
    groups: dict[str, list[str]] = field(default_factory=dict)
    known: dict[str, Any] = field(default_factory=dict)


class Listing:
    """The listings of folders.

    Args:
        group: returns what a name has in common with names that are looked up together.
    """

    def __init__(self, group: Callable[[str], str]) -> None:
        self._group = group
        self._folders: dict[Path, Listed] = {}

    def of(self, folder: Path) -> Listed:
        """Return the listing of a folder; an empty one if there is no folder."""
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
