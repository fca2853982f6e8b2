"""What a kind of record is, and what its options are resolved against."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from featdyn_core.data.names import SPLITS
from featdyn_core.errors import RecipeError
from featdyn_core.register.register import Window
from featdyn_core.tables import shown
from featdyn_core.trajectories.recipe import Recipe
from featdyn_core.trajectories.specs import BATCH_SIZE, LEARNING_RATE, STATISTICS

Arrays = Mapping[str, npt.NDArray[Any]]
Parameters = Mapping[str, Any]

PACES = ("steady", "slowing", "standing")
"""Of turning networks; here as well, so that what plans can do without torch."""

POLICIES = ("carry", "recalibrate")
"""Of batch normalisation; here as well, for the same reason."""

Part = str | tuple[str, int]
"""What one request of a record is of: a split or a corruption ("" for neither), and of several deep epochs which."""

Resolved = Mapping[Part, dict[str, Any]]
"""Parameters of each part of a record."""


@dataclass(frozen=True)
class Scope:
    """One arm of a row of the plan, at one training seed: what options become parameters of.

    Attributes:
        recipe: of the arm.
        seed: the training seed.
        neighbour: the seed whose network is a stranger to this one's.
        windows: name to epochs.
        protocol: name to number, of the claim.
        images: largest number of images of a split.
        precision: of composite grids.
    """

    recipe: Recipe
    seed: int
    neighbour: int
    windows: Mapping[str, Window]
    protocol: Mapping[str, Any]
    images: int
    precision: str = "fp32"

    def window(self, name: str) -> Window:
        """Return a window.

        Raises:
            RecipeError: the claim has none of this name.
        """
        if name not in self.windows:
            raise RecipeError(f"there is no window {name!r}; the claim has {', '.join(self.windows) or 'none'}")
        return self.windows[name]

    def number(self, name: str) -> Any:
        """Return a number of the protocol, or a list of it.

        Raises:
            RecipeError: the claim's protocol lacks it.
        """
        if name not in self.protocol:
            raise RecipeError(f"the claim's protocol lacks {name!r}; it has {', '.join(self.protocol) or 'nothing'}")
        return self.protocol[name]

    def count(self, name: str) -> int:
        """Return a number of the protocol that says how many, such as ``images``; raises as ``number`` too.

        Raises:
            RecipeError: it is no whole number from 1 on.
        """
        found = self.number(name)
        if type(found) is not int or found < 1:
            raise RecipeError(
                f"{name} = {shown(found)} of the protocol says not how many; it is a whole number from 1 on"
            )
        return found

    def counts(self, *names: str) -> dict[str, int]:
        """Return several such numbers of the protocol by name; raises as ``count``."""
        return {name: self.count(name) for name in names}

    @property
    def checkpoints(self) -> tuple[int, ...]:
        """Ascending epochs of the arm's checkpoints."""
        return self.recipe.training.checkpoints

    def epochs(self, window: str, every: int = 1) -> list[int]:
        """Return the checkpoints inside a window, both ends included, every so many from its last on.

        Raises:
            RecipeError: an end of the window is no checkpoint, or ``every`` is below 1.
        """
        found = self.window(window)
        for end in (found.first, found.last):
            if end not in self.checkpoints:
                raise RecipeError(f"window {window!r} ends at epoch {end}, where {self.recipe.name} has no checkpoint")
        return thinned([epoch for epoch in self.checkpoints if found.first <= epoch <= found.last], every)

    def end(self, window: str, which: str) -> int:
        """Return the ``first`` or ``last`` epoch of a window.

        Another end than these, or an unknown window, is a ``RecipeError`` (see ``check_choice`` and ``window``).
        """
        check_choice("deep", which, ("first", "last"))
        return int(getattr(self.window(window), which))

    def policy(self, wanted: str) -> str:
        """Return a policy for statistics; where there are none ``carry``, so that one record serves both.

        An unknown one is a ``RecipeError`` (see ``check_choice``).
        """
        check_choice("policy", wanted, POLICIES)
        without = self.recipe.adopted is not None and not self.recipe.adopted.normalised
        return "carry" if without else wanted

    def evenly(self, window: str, points: int) -> list[int]:
        """Return the checkpoints nearest to so many evenly spaced epochs of a window; raises as ``epochs``."""
        return evenly(self.epochs(window), points)


def _equal(present: Parameters, wanted: Parameters) -> bool:
    return dict(present) == dict(wanted)


def _joined_if_equal(one: Parameters, other: Parameters) -> Parameters | None:
    return one if _equal(one, other) else None


def _whole(view: Any, _: Parameters) -> Any:
    return view


def _no_remarks(_: Any, __: Parameters) -> dict[str, float | str]:
    return {}


def _of_checkpoints(_: Parameters) -> tuple[str, ...]:
    return ()


def of_statistics(_: Parameters) -> tuple[str, ...]:
    """Return what is needed to know of a training whose network's statistics are re-estimated."""
    return (STATISTICS,)


def of_steps(_: Parameters) -> tuple[str, ...]:
    """Return what is needed to know of a training of which single steps are made again."""
    return (BATCH_SIZE, LEARNING_RATE)


ALL = "all"
"""Of a kind's computing: every part of it."""


@dataclass(frozen=True)
class Kind:
    """One kind of record.

    Attributes:
        version: raised when the same parameters mean another measurement.
        options: dataclass of what the register may say of such a record.
        resolve: options and scope to the parameters of each part.
        measure: trajectory and parameters (and a partner trajectory, for those that have one) to arrays; a kind of
            which several are measured ``together`` takes a list of parameters, and returns a list. It imports what it
            computes with, torch above all, when it is called.
        read: arrays and parameters to the view that claims look at.
        on_cpu: what of it is computed on the CPU wherever it is measured: ``ALL``, or a part in words.
        grid: whether it evaluates a grid of composites, and so can say how far it is.
        covers: whether what is present holds all that is wanted.
        joined: parameters that cover both, if one measurement can.
        together: whether two records cost less if they are measured at once.
        part: the part of a view that parameters ask for, where a record may hold more.
        remarks: what evidence says of a record's measurement: numbers, of which the largest over records counts, and
            texts.
        needs: what must be known of a training beside checkpoints and data (see ``trajectories.specs.FACTS``), which
            of one that was done elsewhere it may not be.
    """

    version: int
    options: type
    resolve: Callable[[Any, Scope], Resolved]
    measure: Callable[..., Any]
    read: Callable[[Arrays, Parameters], Any]
    on_cpu: str = ""
    grid: bool = False
    covers: Callable[[Parameters, Parameters], bool] = _equal
    joined: Callable[[Parameters, Parameters], Parameters | None] = _joined_if_equal
    together: Callable[[Parameters, Parameters], bool] | None = None
    part: Callable[[Any, Parameters], Any] = _whole
    remarks: Callable[[Any, Parameters], Mapping[str, float | str]] = _no_remarks
    needs: Callable[[Parameters], tuple[str, ...]] = _of_checkpoints

    def computed_on(self, device: str) -> str:
        """Say where a record is computed, of a trajectory that is measured on a device."""
        if self.on_cpu == ALL:
            return "cpu"
        return f"{device}; on the cpu: {self.on_cpu}" if self.on_cpu and device != "cpu" else device


def thinned(epochs: Sequence[int], every: int) -> list[int]:
    """Return every so many of ascending epochs, the last among them.

    Raises:
        RecipeError: ``every`` is below 1.
    """
    if every < 1:
        raise RecipeError(f"every = {every} is no step; it is 1 or more")
    return list(epochs[::-1][::every][::-1])


def evenly(epochs: Sequence[int], points: int) -> list[int]:
    """Return those nearest to so many evenly spaced epochs, from the first to the last, each once.

    Raises:
        RecipeError: ``points`` is below 1.
    """
    if points < 1:
        raise RecipeError(f"points = {points} is no number of epochs; it is 1 or more")
    wanted = np.linspace(epochs[0], epochs[-1], points)
    return sorted({min(epochs, key=lambda epoch: abs(epoch - point)) for point in wanted})


def check_splits(*splits: str) -> None:
    """Refuse a split that data sets do not have, and a list of none.

    Raises:
        RecipeError: names it, and those that there are.
    """
    if not splits:
        raise RecipeError(f"its splits are none; the splits are {', '.join(SPLITS)}")
    for split in splits:
        if split not in SPLITS:
            raise RecipeError(f"its split is {split!r}; the splits are {', '.join(SPLITS)}")


def check_choice(option: str, chosen: str, choices: Sequence[str]) -> None:
    """Refuse a value that an option does not have.

    Raises:
        RecipeError: names the option, the value, and those that there are.
    """
    if chosen not in choices:
        raise RecipeError(f"{option} = {chosen!r} is neither {' nor '.join(choices)}")


def cuts_of(which: str) -> dict[str, str]:
    """Return parameters that say at which cuts: the paper's depths, which need not be said, or all.

    Anything else is a ``RecipeError`` (see ``check_choice``).
    """
    check_choice("cuts", which, ("depths", "all"))
    return {} if which == "depths" else {"cuts": which}


def turning_network(scope: Scope, pace: str, window: str) -> dict[str, Any]:
    """Return parameters of a turning network, whose time is over at the window's end; none without a pace.

    An unknown pace or window is a ``RecipeError`` (see ``check_choice`` and ``Scope.window``).
    """
    if not pace:
        return {}
    check_choice("planted", pace, PACES)
    return {"planted": {"pace": pace, "duration": scope.window(window).last}}
