"""Verdict rows to evidence.json and back, with what is needed to judge where they came from."""

import dataclasses
import datetime
import hashlib
import json
import platform
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy
import scipy
import torch

from featdyn_core.errors import EvidenceError, RecipeError
from featdyn_core.trajectories.trajectory import SPLITS, Trajectory
from featdyn_core.verdicts.claim import Criterion, Curve, Evidence, Finding, Outcome, Role, Verdict
from featdyn_core.verdicts.inference import Interval, holm

SCHEMA = 1


def environment(device: str) -> dict[str, Any]:
    """Commit, versions, device and machine of this process."""
    cuda = torch.cuda.get_device_name(device) if device.startswith("cuda") and torch.cuda.is_available() else ""
    return {
        "commit": _commit(),
        "device": cuda or device,
        "machine": f"{platform.machine()} {_processor()}".strip(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": numpy.__version__,
        "scipy": scipy.__version__,
    }


def provenance(trajectories: Iterable[Trajectory]) -> dict[str, dict[str, Any]]:
    """Return the fields ``recipes``, ``checkpoints``, ``data`` and ``images`` of an evidence row."""
    fields: dict[str, dict[str, Any]] = {"recipes": {}, "checkpoints": {}, "data": {}, "images": {}}
    for item in trajectories:
        fields["recipes"][item.recipe.name] = item.recipe.digest
        together = hashlib.sha256("".join(item.digests[epoch] for epoch in sorted(item.digests)).encode())
        fields["checkpoints"][f"{item.recipe.name}/{item.seed}"] = {
            "key": item.key,
            "sha256": together.hexdigest(),
        }
        fields["data"][item.dataset.describe()] = item.dataset.digest
        fields["images"] = {split: len(item.evaluation_set(split)[1]) for split in SPLITS}
    return fields


def to_json(row: Evidence) -> str:
    """One evidence row as a JSON string."""
    return json.dumps(dataclasses.asdict(row), default=_plain)


def from_json(text: str) -> Evidence:
    """Return the row that ``to_json`` wrote, as it is or as ``write_evidence`` put it into a file.

    Raises:
        EvidenceError: it is none.
    """
    try:
        fields = json.loads(text)
        fields.pop("holm_p_value", None)
        fields["verdict"] = Verdict(fields["verdict"])
        fields["findings"] = tuple(_finding(item) for item in fields["findings"])
        fields["seeds"] = tuple(fields["seeds"])
        fields["curves"] = {title: Curve(**curve) for title, curve in fields["curves"].items()}
        return Evidence(**fields)
    except (ValueError, KeyError, TypeError, AttributeError, RecipeError) as error:
        raise EvidenceError(f"not an evidence row of this version: {error}") from error


def write_evidence(path: Path, rows: Sequence[Evidence]) -> None:
    """Write rows, in the order given, with Holm-adjusted p-values of all decided claims together."""
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "written": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "rows": [json.loads(to_json(row)) for row in rows],
    }
    for row, adjusted in zip(document["rows"], adjusted_p_values(rows), strict=True):
        row["holm_p_value"] = adjusted
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def read_evidence(path: Path) -> list[Evidence]:
    """Read an evidence file.

    Raises:
        EvidenceError: no such file, not JSON, or from another schema version.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        schema, rows = document["schema"], list(document["rows"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EvidenceError(f"{path} is no evidence file: {error}") from error
    if schema != SCHEMA:
        raise EvidenceError(
            f"{path} has schema {schema!r}; this version reads {SCHEMA}: write it again, or read it with the "
            "version that wrote it"
        )
    return [from_json(json.dumps(row)) for row in rows]


def adjusted_p_values(rows: Sequence[Evidence]) -> list[float | None]:
    """Holm-adjusted p-value of each row over all rows that were decided; None where none was."""
    raw = {index: row.p_value for index, row in enumerate(rows)}
    decided = {index: value for index, value in raw.items() if value is not None}
    adjusted = dict(zip(decided, holm(list(decided.values())), strict=True))
    return [adjusted.get(index) for index in range(len(rows))]


def _finding(fields: dict[str, Any]) -> Finding:
    criterion = dict(fields["criterion"])
    criterion["role"] = Role(criterion["role"])
    return Finding(
        criterion=Criterion(**criterion),
        values=tuple(fields["values"]),
        interval=Interval(**fields["interval"]),
        outcome=Outcome(fields["outcome"]),
        p_value=fields["p_value"],
    )


def _plain(value: Any) -> Any:
    if isinstance(value, numpy.generic | numpy.ndarray):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} has no place in an evidence file")


def _commit() -> str:
    """Commit of the checkout, with a mark for uncommitted changes; empty outside one."""
    try:
        command = ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
        found = subprocess.run(
            command, cwd=Path(__file__).parent, capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return found.stdout.strip()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "")
