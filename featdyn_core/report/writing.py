"""Files that a report is written as, and their names."""

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

from featdyn_core.errors import EvidenceError

_LONGEST_SLUG = 150
"""Letters of a file's name that are words, which leaves some for a digest and the kind."""


def need(rows: Sequence[object]) -> None:
    """Refuse a report of nothing.

    Raises:
        EvidenceError: there are no rows.
    """
    if not rows:
        raise EvidenceError("there is no evidence to report: run the claims first, such as with pytest -m fast")


def write(path: Path, content: bytes) -> None:
    """Write a file; missing folders are made.

    Raises:
        EvidenceError: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as error:
        raise EvidenceError(f"{path} cannot be written: {error}") from error


def slug(*parts: str) -> str:
    """Return words as a file name of ASCII, below 200 bytes; what that leaves out is told apart by a digest."""
    text = "-".join(parts).lower()
    slug = re.sub(r"[^a-z0-9]+", "-", text).strip("-")
    if len(slug) <= _LONGEST_SLUG and not any(letter.isalnum() and not letter.isascii() for letter in text):
        return slug
    return f"{slug[:_LONGEST_SLUG]}-{hashlib.sha256(text.encode(errors='backslashreplace')).hexdigest()[:8]}".strip("-")
