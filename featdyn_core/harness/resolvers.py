"""How a record of the register becomes the parameters of requests, one function a kind.

Each takes the row, the arm and the seed, and the rest of the register's table by name. It returns parameters by split
or corruption (of several deep epochs: with the epoch), or one entry called "" where the kind has neither.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from featdyn_core.data.names import SPLITS
from featdyn_core.measures.composites.unseen import RANDOM
from featdyn_core.register.register import Scale, Window
from featdyn_core.trajectories.recipe import Recipe


class Row(Protocol):
    """What these functions ask of a row of the plan."""

    @property
    def scale(self) -> Scale:
        """Its scale."""

    @property
    def recipes(self) -> Mapping[str, Recipe]:
        """Arm to recipe."""

    @property
    def precision(self) -> str:
        """Of composite grids."""

    @property
    def windows(self) -> dict[str, Window]:
        """Windows by name."""

    @property
    def protocol(self) -> dict[str, Any]:
        """Numbers of the measurement by name."""

    def epochs(self, window: str, arm: str) -> list[int]:
        """Checkpoints of an arm inside a window."""

    def neighbour(self, seed: int) -> int:
        """The seed that is a stranger to another."""


Resolved = Mapping[Any, dict[str, Any]]


def _column(
    cell: Row,
    arm: str,
    _: int,
    *,
    window: str,
    deep: str,
    splits: Sequence[str] = SPLITS,
    policy: str = "carry",
    frozen: bool = False,
    every: int = 1,
    corruption: str = "",
    cuts: str = "depths",
    planted: str = "",
) -> Resolved:
    """Columns of the epochs of a window, every so many from its last on, under its ``first`` or ``last`` epoch.

    With ``deep`` = ``each``, a column under each of ``deep_epochs`` epochs, evenly spaced over the window, of all
    checkpoints up to it. With ``planted``, of a network that turns at that pace. ``corruption``: see ``_images``.
    """
    common = {"images": cell.scale.images, "policy": policy, "frozen": frozen, "precision": cell.precision}
    common |= _cuts(cuts) | _planted(cell, planted, window)
    parts = _images(cell, splits, corruption)
    if deep != "each":
        common |= {"shallow": cell.epochs(window, arm)[::-1][::every][::-1], "deep": _end(cell, window, deep)}
        return {name: common | images for name, images in parts.items()}
    before = {
        late: [epoch for epoch in cell.recipes[arm].training.checkpoints if epoch <= late][::-1][::every][::-1]
        for late in _evenly(cell.epochs(window, arm), cell.protocol["deep_epochs"])
    }
    return {
        (name, late): common | images | {"shallow": epochs, "deep": late}
        for name, images in parts.items()
        for late, epochs in before.items()
    }


def _images(cell: Row, splits: Sequence[str], corruption: str) -> Resolved:
    """What a column looks at: splits, or corruptions of held-out images in their place.

    ``corruption`` names a list of kinds in the protocol, of one ``severity``: there is then a column for each of them,
    called after it. It may also be ``random``: images that are no corruption of any.
    """
    if not corruption:
        return {split: {"split": split} for split in splits}
    if corruption == RANDOM:
        return {"": {"split": "held-out", "corruption": {"kind": RANDOM}}}
    kinds, severity = cell.protocol[corruption], cell.protocol["severity"]
    return {kind: {"split": "held-out", "corruption": {"kind": kind, "severity": severity}} for kind in kinds}


def _stranger(
    cell: Row, _: str, seed: int, *, window: str, deep: str, split: str = "held-out", cuts: str = "depths"
) -> Resolved:
    common = {"deep": _end(cell, window, deep), "images": cell.scale.images, "split": split, **_cuts(cuts)}
    return {"": {**common, "partner": cell.neighbour(seed)}}


def _averages(cell: Row, arm: str, seed: int, *, window: str, split: str = "held-out") -> Resolved:
    """All epochs of the window, t its last."""
    common = {"images": cell.scale.images, "split": split, "partner": cell.neighbour(seed)}
    return {"": {**common, "epochs": cell.epochs(window, arm)}}


def _closeness(
    cell: Row,
    arm: str,
    _: int,
    *,
    window: str,
    deep: str = "last",
    split: str = "held-out",
    cuts: str = "depths",
) -> Resolved:
    """The window's two ends, with ``draws`` displacements each."""
    epochs, late = cell.epochs(window, arm), _end(cell, window, deep)
    early = epochs[0] if late == epochs[-1] else epochs[-1]
    common = {"images": cell.scale.images, "split": split, "draws": cell.protocol["draws"], **_cuts(cuts)}
    return {"": {**common, "shallow": early, "deep": late}}


def _errors(cell: Row, arm: str, _: int, *, window: str, corrupted: bool = False) -> Resolved:
    """All epochs of the window, on held-out images."""
    return {"": {"epochs": cell.epochs(window, arm), "images": cell.scale.images, "corrupted": corrupted}}


def _changes(
    cell: Row, arm: str, _: int, *, window: str, points: int = 2, split: str = "held-out", noise: bool = True
) -> Resolved:
    """Epochs evenly spaced over the window, ``updates`` of ``samples`` each; with parameter noise or without."""
    numbers = {name: cell.protocol[name] for name in ("updates", "samples")}
    epochs = _evenly(cell.epochs(window, arm), points)
    found = {**numbers, "epochs": epochs, "split": split, "images": cell.scale.images}
    return {"": found if noise else {**found, "noise": False}}


def _losses(cell: Row, arm: str, _: int, *, window: str) -> Resolved:
    """A grid over ``grid_points`` epochs evenly spaced over the window, on ``grid_images`` training images."""
    epochs = _evenly(cell.epochs(window, arm), cell.protocol["grid_points"])
    return {"": {"epochs": epochs, "images": cell.protocol["grid_images"]}}


def _linearised(cell: Row, _: str, __: int) -> Resolved:
    """``images``, ``steps``, a record ``every`` so many, and ``frozen_from``."""
    return {"": {name: cell.protocol[name] for name in ("images", "steps", "every", "frozen_from")}}


def _path(cell: Row, _: str, __: int, *, frozen: bool = False, planted: str = "", window: str = "") -> Resolved:
    """All checkpoints, or as many times the last one; with ``planted``, of a network that turns at that pace."""
    return {"": {"frozen": frozen} | _planted(cell, planted, window)}


def _planted(cell: Row, pace: str, window: str) -> dict[str, Any]:
    """What a request says of a planted network, whose time is over at the window's end; nothing without one."""
    return {"planted": {"pace": pace, "duration": cell.windows[window].last}} if pace else {}


def _features(cell: Row, arm: str, _: int, *, window: str, split: str = "held-out", frozen: bool = False) -> Resolved:
    """All checkpoints of a window, or as many times the last one."""
    common = {"images": cell.scale.images, "split": split, "frozen": frozen}
    return {"": {**common, "epochs": cell.epochs(window, arm)}}


def _log(_: Row, __: str, ___: int) -> Resolved:
    """All epochs."""
    return {"": {}}


def _flatness(cell: Row, arm: str, _: int, *, window: str, points: int) -> Resolved:
    """Drift to the window's end from evenly spaced epochs before it, of ``images``; ``directions`` at random."""
    *before, deep = cell.epochs(window, arm)
    numbers = {name: cell.protocol[name] for name in ("images", "directions")}
    return {split: {**numbers, "shallow": _evenly(before, points), "deep": deep, "split": split} for split in SPLITS}


def _surrogates(cell: Row, arm: str, _: int, *, window: str) -> Resolved:
    """Features at every epoch of the window and at its end, of ``images``; ``projections`` and ``shuffles``."""
    numbers = {name: cell.protocol[name] for name in ("images", "projections", "shuffles")}
    return {"": {**numbers, "epochs": cell.epochs(window, arm)}}


def _last_layer(cell: Row, arm: str, _: int, *, window: str, splits: Sequence[str] = SPLITS) -> Resolved:
    """Of ``images`` images of each split, at ``points`` epochs evenly spaced over the window."""
    epochs = _evenly(cell.epochs(window, arm), cell.protocol["points"])
    return {split: {"epochs": epochs, "images": cell.protocol["images"], "split": split} for split in splits}


def _evenly(checkpoints: Sequence[int], points: int) -> list[int]:
    """Return the checkpoints nearest to so many evenly spaced epochs, from the first to the last, each once."""
    wanted = np.linspace(checkpoints[0], checkpoints[-1], points)
    return sorted({min(checkpoints, key=lambda epoch: abs(epoch - point)) for point in wanted})


def _cuts(which: str) -> dict[str, str]:
    """At which cuts: the paper's depths, which need not be said, or all."""
    if which not in ("depths", "all"):
        raise KeyError(f"cuts = {which!r} is neither depths nor all")
    return {} if which == "depths" else {"cuts": which}


def _end(cell: Row, window: str, end: str) -> int:
    if end not in ("first", "last"):
        raise KeyError(f"deep = {end!r} is neither first nor last")
    return int(getattr(cell.windows[window], end))


RESOLVERS: dict[str, Callable[..., Resolved]] = {
    "column": _column,
    "stranger": _stranger,
    "errors": _errors,
    "averages": _averages,
    "closeness": _closeness,
    "changes": _changes,
    "losses": _losses,
    "linearised": _linearised,
    "path": _path,
    "features": _features,
    "flatness": _flatness,
    "log": _log,
    "surrogates": _surrogates,
    "last_layer": _last_layer,
}
