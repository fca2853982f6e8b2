"""A record of every kind that is measured on the pretended device holds what one from the CPU holds."""

import dataclasses

import numpy as np
import pytest

from featdyn_core.records.kind import ALL
from featdyn_core.records.kinds import KINDS
from featdyn_core.records.request import Request, measure

ROUNDING = 1e-6
"""Relative, of numbers in single precision: a device takes other chunks of images, and sums in another order."""

SEEN = {"split": "held-out", "images": 40}
COLUMN = SEEN | {"deep": 4, "shallow": [1, 2, 4], "policy": "carry", "precision": "fp32", "frozen": False}
DESCENT = {"images": 12, "steps": 2, "every": 1}

PARAMETERS = {
    "column": COLUMN | {"policy": "recalibrate", "shallow": [1, 4]},
    "churn": COLUMN,
    "stranger": SEEN | {"deep": 2, "partner": 1},
    "errors": {"epochs": [1, 4], "corrupted": False},
    "averages": SEEN | {"epochs": [1, 2, 4], "partner": 1},
    "averaged_halves": SEEN | {"epochs": [1, 2, 4]},
    "closeness": SEEN | {"shallow": 2, "deep": 4, "draws": 1},
    "directions": SEEN | {"shallow": 1, "deep": 4, "period": [0, 1]},
    "changes": SEEN | {"epochs": [1, 4], "samples": 2, "updates": 3},
    "losses": {"epochs": [0, 2, 4], "images": 40},
    "linearised": DESCENT | {"frozen_from": 1},
    "descent": DESCENT | {"regime": "real", "frozen": False},
    "origin": {},
    "path": {"frozen": False},
    "features": SEEN | {"epochs": [1, 4], "frozen": False},
    "flatness": SEEN | {"shallow": [0, 2], "deep": 4, "directions": 2},
    "log": {},
    "labels": {},
    "surrogates": {"epochs": [2, 4], "projections": 4, "shuffles": 2},
    "last_layer": SEEN | {"epochs": [1, 4]},
    "alignment": SEEN | {"epochs": [1], "later": [4], "samples": 20, "updates": 4, "axes": 2, "draws": 2},
}

FAST = ("errors", "averages", "features", "last_layer", "log", "labels", "path", "origin")
"""Kinds that take less than a second."""


def test_every_kind_is_tried():
    assert PARAMETERS.keys() == KINDS.keys()


SLOW = [pytest.param(kind, marks=pytest.mark.pretended) for kind in KINDS if kind not in FAST]


@pytest.mark.parametrize("kind", [*FAST, *SLOW])
def test_a_record_holds_what_one_of_the_cpu_holds(pretended_gpu, make_trajectory, kind):
    parameters = PARAMETERS[kind]
    trajectory = make_trajectory("resnet8", width=4)
    trajectory = dataclasses.replace(trajectory, evaluation_images=parameters.get("images"))
    partner = [trajectory] if "partner" in parameters else [None]
    request = Request(trajectory.recipe, 0, kind, parameters)
    found = {}
    for device in ("cpu", "cuda"):
        here = [one and dataclasses.replace(one, device=device) for one in (trajectory, *partner)]
        pretended_gpu.operators = 0
        (found[device],) = measure([request], *here)
        assert (pretended_gpu.operators > 0) == (device == "cuda" and KINDS[kind].on_cpu != ALL)
    assert found["cpu"].keys() == found["cuda"].keys()
    for name, expected in found["cpu"].items():
        if expected.dtype.kind == "f":
            np.testing.assert_allclose(found["cuda"][name], expected, rtol=ROUNDING, atol=ROUNDING, err_msg=name)
        else:
            np.testing.assert_array_equal(found["cuda"][name], expected, err_msg=name)
