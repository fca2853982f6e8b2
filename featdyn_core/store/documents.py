"""What the store reads and writes beside tensors: JSON that any reader takes, and that can say it was changed.

A sealed document holds the digest of its own content: an edit of one logged number is found, and so is one that only
changes the spelling. Trajectories of earlier versions have documents without a seal, which are known by their fields.
"""

import hashlib
import json
from collections.abc import Collection
from typing import Any

from featdyn_core.sealed import SEAL, finite

LINE = 400
"""Most characters that an error repeats of what was in a file."""


def dump(content: Any) -> bytes:
    """Return standard JSON; a number that is not finite becomes null, since JSON has no word for it."""
    return json.dumps(finite(content), indent=1, allow_nan=False).encode()


def parse(text: bytes) -> Any:
    """Return what JSON holds, that of earlier versions with its NaN and Infinity included.

    Raises:
        ValueError: it is none, or it is nested deeper than any that is written here.
    """
    try:
        return json.loads(text.decode("utf-8"))
    except RecursionError:
        raise ValueError("nested too deep") from None


def seal(content: dict[str, Any]) -> bytes:
    """Return a document as JSON, with its seal."""
    return dump({**content, SEAL: hashlib.sha256(dump(content)).hexdigest()})


def _holds(text: bytes) -> bool:
    """Whether a document with a seal is as ``seal`` returned it.

    The digest is taken of the bytes as they stand there: to write a document again, for a comparison, takes ten times
    as long as to read it, and a store may have tens of thousands.
    """
    before, _, after = text.rpartition(f'\n "{SEAL}": "'.encode())
    content = b"{}" if before == b"{" else before.removesuffix(b",") + b"\n}"
    return after == f'{hashlib.sha256(content).hexdigest()}"\n}}'.encode()


def unseal(text: bytes, unsealed: Collection[str] = ()) -> dict[str, Any]:
    """Return the content of a document, without its seal.

    Args:
        text: JSON.
        unsealed: fields of such documents of earlier versions, where these had no seal.

    Raises:
        ValueError: no such document, or not the one that was written.
    """
    content = parse(text)
    if not isinstance(content, dict):
        raise ValueError(f"a {type(content).__name__} where an object was written")
    if content.pop(SEAL, None) is None:
        if unknown := sorted(set(content) - set(unsealed)):
            raise ValueError(f"it has the field {unknown[0]!r} and no seal")
    elif not _holds(text):
        raise ValueError("its content does not match its seal: it was changed after it was written")
    return content


def one_line(text: str) -> str:
    """Return a text so that it can be read at once, whatever was in the file that it is about."""
    line = " ".join(text.split())
    return line if len(line) <= LINE else f"{line[:LINE]}…"
