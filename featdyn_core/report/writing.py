"""The files of a report, and their names."""

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

from featdyn_core.errors import EvidenceError

_LONGEST_SLUG = 150
"""Most letters of words in a file's name; the rest is for a digest and the kind."""


def need(rows: Sequence[object]) -> None:
    """Refuse a report without rows.

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
    """Return words as a file name of ASCII, below 200 bytes; a digest distinguishes names that lost letters."""
    text = "-".join(parts).lower()
    slug = re.sub(r"[^a-z0-9]+", "-", text).strip("-")
    if len(slug) <= _LONGEST_SLUG and not any(letter.isalnum() and not letter.isascii() for letter in text):
        return slug
    return f"{slug[:_LONGEST_SLUG]}-{hashlib.sha256(text.encode(errors='backslashreplace')).hexdigest()[:8]}".strip("-")
