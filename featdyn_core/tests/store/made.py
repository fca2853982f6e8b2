"""Made-up records, for tests of how they are stored."""

from typing import Any

import numpy as np

from featdyn_core.records.request import Request
from featdyn_core.store.records import Record, pack
from featdyn_core.store.source import measuring_source
from featdyn_core.tests.tiny import tiny_recipe
from featdyn_core.trajectories.recipe import Recipe

IMAGES = 20
COLUMN = {
    "deep": 3,
    "images": IMAGES,
    "policy": "carry",
    "frozen": False,
    "precision": "fp32",
    "split": "held-out",
}


def column(*shallow: int, seed: int = 0, recipe: Recipe | None = None, **changes: Any) -> Request:
    """Return the request of a column of the tiny trajectory, or of another one."""
    return Request(recipe or tiny_recipe(), seed, "column", COLUMN | {"shallow": list(shallow)} | changes)


def arrays_of(request: Request) -> dict[str, Any]:
    """Return arrays of a column with a different composite per row, or of a stranger that never agrees."""
    if request.kind == "stranger":
        others, own = np.ones((1, IMAGES), np.uint8), np.zeros(IMAGES, np.uint8)
        return {"cuts": np.array(["hidden1"]), "predictions": others, "reference": own, "labels": own.astype(np.int64)}
    epochs = np.array(request.parameters["shallow"])
    rows = np.arange(IMAGES) < epochs[:, None]
    return {
        "cuts": np.array(["hidden1"]),
        "epochs": epochs,
        "changed": rows[None].astype(np.uint8),
        "reference": np.zeros(IMAGES, np.uint8),
        "labels": np.zeros(IMAGES, np.int64),
        "cross_entropy": epochs[None] / 10,
        "flip_rate": np.array(0.0),
    }


def record_of(request: Request, **changes: Any) -> Record:
    """Return a record of ``arrays_of``, by the present source, of trajectories with the keys ``key-<seed>``."""
    known = {seed: {"key": f"key-{seed}", "sha256": "c"} for seed in request.seeds}
    own, *others = request.seeds
    facts = {
        "key": f"key-{own}",
        "data": {"digest": "d", "description": "some images"},
        "checkpoints": known[own],
        "partner": {"seed": others[0], **known[others[0]]} if others else None,
        "source": measuring_source(request.kind),
        "measured": {"commit": "c"},
        "seconds": 1.0,
    }
    return pack(request, arrays_of(request), facts | changes)


def contradicting(request: Request, name: str, **changes: Any) -> Record:
    """Return a record of ``record_of`` with another value for one image of an array."""
    arrays = arrays_of(request)
    arrays[name] = arrays[name].copy()
    arrays[name][0] += 1
    facts = record_of(request, **changes).facts
    return pack(request, arrays, {key: facts[key] for key in facts if key not in ("sha256", "file")})


def keys_of(request: Request) -> dict[int, str]:
    """Return the keys of its trajectories."""
    return {seed: f"key-{seed}" for seed in request.seeds}
