"""JSON documents of the store: standard JSON with a seal that reveals changes.

A sealed document holds the digest of its own content, so any edit is detected, even one that changes only the spelling.
Documents of earlier versions have no seal and are recognised by their fields.
"""

import hashlib
import json
import math
from collections.abc import Collection
from typing import Any

from featdyn_core.files import json_digest

SEAL = "seal"
"""Field of a document that holds the hex sha256 of the other fields."""

LINE = 400
"""Most characters of a file that an error message repeats."""


def dump(content: Any) -> bytes:
    """Return standard JSON; numbers that are not finite become null, because JSON cannot express them."""
    return json.dumps(_finite(content), indent=1, allow_nan=False).encode()


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


def seal_lines(content: dict[str, Any], items: str) -> bytes:
    """Return a document of many items as compact JSON with a seal, one item on each line.

    Unlike the seal of ``seal``, this one does not depend on spacing, so it is quick to check.

    Args:
        content: the document.
        items: name of its list of items.
    """
    finite = _finite(content)
    rest = {name: value for name, value in finite.items() if name != items} | {SEAL: json_digest(finite)}
    lines = ",\n".join(map(_compact, finite[items]))
    return f"{_compact(rest)[:-1]},{_compact(items)}:[\n{lines}\n]}}\n".encode()


def unseal_lines(content: Any) -> dict[str, Any]:
    """Return the content of a document that ``seal_lines`` wrote, parsed, without its seal.

    Raises:
        ValueError: it is not what was written.
    """
    rest = {name: value for name, value in content.items() if name != SEAL}
    if content.get(SEAL) != json_digest(rest):
        raise ValueError("its content does not match its seal: it was changed after it was written")
    return rest


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
    elif seal(content) != text:
        raise ValueError("its content does not match its seal: it was changed after it was written")
    return content


def _compact(content: Any) -> str:
    return json.dumps(content, separators=(",", ":"), allow_nan=False)


def one_line(text: str) -> str:
    """Return a text as one line of limited length, whatever a file contained."""
    line = " ".join(text.split())
    return line if len(line) <= LINE else f"{line[:LINE]}…"


def _finite(content: Any) -> Any:
    if isinstance(content, dict):
        return {name: _finite(value) for name, value in content.items()}
    if isinstance(content, list | tuple):
        return [_finite(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content
