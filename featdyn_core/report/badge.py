"""The counts of a run as a badge for a README: JSON for an endpoint badge of shields.io."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from featdyn_core.errors import EvidenceError
from featdyn_core.files import write_atomically
from featdyn_core.report import wording
from featdyn_core.verdicts.claim import Verdict
from featdyn_core.verdicts.evidence import Evidence


def badge(rows: Sequence[Evidence]) -> dict[str, Any]:
    """Return the badge: the number of rows of each verdict; red if a row is new, contradicts a known finding or failed.

    Its format is that of https://shields.io/badges/endpoint-badge, schema 1.

    Args:
        rows: rows of a run; extensions and rows without a decision are not counted.
    """
    counted = Counter(row.verdict for row in rows if row.verdict.decided and not row.extension)
    parts = [f"{counted[verdict]} {str(verdict).lower()}" for verdict in Verdict if counted[verdict]]
    surprising = any(row.changed or wording.is_new(row) or row.verdict is Verdict.ERROR for row in rows)
    return {
        "schemaVersion": 1,
        "label": "claims",
        "message": ", ".join(parts) or "nothing judged",
        "color": "red" if surprising else "green" if parts else "lightgrey",
    }


def write_badge(path: Path, rows: Sequence[Evidence]) -> None:
    """Write the badge of a run.

    Raises:
        EvidenceError: the file cannot be written.
    """
    try:
        write_atomically(path, f"{json.dumps(badge(rows), indent=1)}\n".encode())
    except OSError as error:
        raise EvidenceError(f"{path} cannot be written: {error}") from error
