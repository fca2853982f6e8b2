"""JSON documents of the store: standard JSON with a seal that reveals changes.

A sealed document holds the digest of its own content, so any edit is detected, even one that changes only the spelling.
Documents of earlier versions have no seal and are recognised by their fields.
"""

import hashlib
import json
from collections.abc import Collection
from typing import Any

from featdyn_core.sealed import SEAL, finite

LINE = 400
"""Most characters of a file that an error message repeats."""


def dump(content: Any) -> bytes:
    """Return standard JSON; numbers that are not finite become null, because JSON cannot express them."""
    return json.dumps(finite(content), indent=1, allow_nan=False).encode()


def parse(text: bytes) -> Any:
    """Return the content of JSON; NaN and Infinity of earlier versions are accepted.

    Raises:
        ValueError: it is not JSON, or is nested too deeply.
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

    The digest is that of the bytes in the file. To write the document again and compare takes ten times as long as to
    read it, and a store may have tens of thousands.
    """
    before, _, after = text.rpartition(f'\n "{SEAL}": "'.encode())
    content = b"{}" if before == b"{" else before.removesuffix(b",") + b"\n}"
    return after == f'{hashlib.sha256(content).hexdigest()}"\n}}'.encode()


def unseal(text: bytes, unsealed: Collection[str] = ()) -> dict[str, Any]:
    """Return the content of a document, without its seal.

    Args:
        text: JSON.
        unsealed: fields of such documents in earlier versions, which had no seal.

    Raises:
        ValueError: it is not such a document, or not what was written.
    """
    content = parse(text)
    if not isinstance(content, dict):
        raise ValueError(f"expected an object, found a {type(content).__name__}")
    if content.pop(SEAL, None) is None:
        if unknown := sorted(set(content) - set(unsealed)):
            raise ValueError(f"it has the field {unknown[0]!r} and no seal")
    elif not _holds(text):
        raise ValueError("its content does not match its seal: it was changed after it was written")
    return content


def one_line(text: str) -> str:
    """Return a text as one line of limited length, whatever a file contained."""
    line = " ".join(text.split())
    return line if len(line) <= LINE else f"{line[:LINE]}…"
