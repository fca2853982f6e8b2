"""Kinds of record, and the scope that turns their options into parameters."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from featdyn_core.data.names import SPLITS
from featdyn_core.errors import RecipeError
from featdyn_core.measures.composites.policies import POLICIES
from featdyn_core.register.register import Window
from featdyn_core.tables import shown
from featdyn_core.trajectories.paces import PACES
from featdyn_core.trajectories.recipe import Recipe
from featdyn_core.trajectories.specs import BATCH_SIZE, LEARNING_RATE, STATISTICS

Arrays = Mapping[str, npt.NDArray[Any]]
Parameters = Mapping[str, Any]

Part = str | tuple[str, int]
"""What identifies one part of a record: its split or corruption ("" for neither), and which of several deep epochs."""

Resolved = Mapping[Part, dict[str, Any]]
"""The parameters of each part of a record."""


@dataclass(frozen=True)
class Scope:
    """One arm of a row of the plan at one training seed, for which options become parameters.

    Attributes:
        recipe: the arm's recipe.
        seed: the training seed.
        neighbour: the seed whose network is the stranger of this seed.
        windows: first and last epoch of each window, by name.
        protocol: the claim's numbers, by name.
        images: largest number of images taken from a split.
        precision: precision of composite grids.
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
            RecipeError: the claim has no window of this name.
        """
        if name not in self.windows:
            raise RecipeError(f"there is no window {name!r}; the claim has {', '.join(self.windows) or 'none'}")
        return self.windows[name]

    def number(self, name: str) -> Any:
        """Return a number or a list from the protocol.

        Raises:
            RecipeError: the claim's protocol lacks it.
        """
        if name not in self.protocol:
            raise RecipeError(f"the claim's protocol lacks {name!r}; it has {', '.join(self.protocol) or 'nothing'}")
        return self.protocol[name]

    def count(self, name: str) -> int:
        """Return a count from the protocol, such as ``images``; raises the errors of ``number`` too.

        Raises:
            RecipeError: it is not a whole number of at least 1.
        """
        found = self.number(name)
        if type(found) is not int or found < 1:
            raise RecipeError(
                f"{name} = {shown(found)} of the protocol is not a count; give a whole number of at least 1"
            )
        return found

    def counts(self, *names: str) -> dict[str, int]:
        """Return several counts from the protocol, by name; raises the errors of ``count``."""
        return {name: self.count(name) for name in names}

    @property
    def checkpoints(self) -> tuple[int, ...]:
        """Epochs of the arm's checkpoints, ascending."""
        return self.recipe.training.checkpoints

    def epochs(self, window: str, every: int = 1) -> list[int]:
        """Return the epochs of the checkpoints in a window, both ends included, one in ``every`` counted from the last.

        Raises:
            RecipeError: there is no checkpoint at an end of the window, or ``every`` is below 1.
        """
        found = self.window(window)
        for end in (found.first, found.last):
            if end not in self.checkpoints:
                raise RecipeError(f"window {window!r} ends at epoch {end}, where {self.recipe.name} has no checkpoint")
        return thinned([epoch for epoch in self.checkpoints if found.first <= epoch <= found.last], every)

    def end(self, window: str, which: str) -> int:
        """Return the ``first`` or ``last`` epoch of a window.

        An unknown end or window is a ``RecipeError`` (see ``check_choice`` and ``window``).
        """
        check_choice("deep", which, ("first", "last"))
        return int(getattr(self.window(window), which))

    def policy(self, wanted: str) -> str:
        """Return a policy for statistics. It is ``carry`` if the network has none, so that one record serves both.

        An unknown policy is a ``RecipeError`` (see ``check_choice``).
        """
        check_choice("policy", wanted, POLICIES)
        without = self.recipe.adopted is not None and not self.recipe.adopted.normalised
        return "carry" if without else wanted

    def evenly(self, window: str, points: int) -> list[int]:
        """Return the checkpoints nearest to evenly spaced epochs of a window; raises the errors of ``epochs``."""
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
    """Return the facts about a training that the re-estimation of its statistics needs."""
    return (STATISTICS,)


def of_steps(_: Parameters) -> tuple[str, ...]:
    """Return the facts about a training that repeating its single steps needs."""
    return (BATCH_SIZE, LEARNING_RATE)


ALL = "all"
"""Every part of a kind's computation."""


@dataclass(frozen=True)
class Kind:
    """One kind of record.

    Attributes:
        version: a number that rises when the same parameters come to mean another measurement.
        options: dataclass of the options that the register may set.
        resolve: function from options and scope to the parameters of each part.
        measure: function from trajectory and parameters to arrays. It takes a partner trajectory too, if the kind
            compares two. If several records are measured ``together``, it takes a list of parameters and returns a
            list. It imports torch and other heavy modules only when it is called.
        read: function from arrays and parameters to the view that claims read.
        on_cpu: the part that always runs on the CPU: ``ALL``, or a part in words.
        grid: whether it evaluates a grid of composites, and so can report its progress.
        covers: whether the parameters that are present cover those that are wanted.
        joined: function from two sets of parameters to one that covers both, or to None.
        together: whether two records cost less if they are measured together.
        part: function that takes the wanted part from a view, where a record may hold more.
        remarks: remarks of the evidence on a measurement: texts, and numbers whose maximum over records is reported.
        needs: facts about the training that the kind needs, beside checkpoints and data (see
            ``trajectories.specs.FACTS``). They may be unknown if the training was done elsewhere.
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
        """Say where a record is computed if its trajectory is measured on a device."""
        if self.on_cpu == ALL:
            return "cpu"
        return f"{device}; on the cpu: {self.on_cpu}" if self.on_cpu and device != "cpu" else device


def thinned(epochs: Sequence[int], every: int) -> list[int]:
    """Return one in ``every`` of ascending epochs, the last among them.

    Raises:
        RecipeError: ``every`` is below 1.
    """
    if every < 1:
        raise RecipeError(f"every = {every} is not a step; give 1 or more")
    return list(epochs[::-1][::every][::-1])


def evenly(epochs: Sequence[int], points: int) -> list[int]:
    """Return the epochs nearest to ``points`` evenly spaced ones, from the first to the last, each once.

    Raises:
        RecipeError: ``points`` is below 1.
    """
    if points < 1:
        raise RecipeError(f"points = {points} is not a number of epochs; give 1 or more")
    wanted = np.linspace(epochs[0], epochs[-1], points)
    return sorted({min(epochs, key=lambda epoch: abs(epoch - point)) for point in wanted})


def check_splits(*splits: str) -> None:
    """Refuse an unknown split, and an empty list of splits.

    Raises:
        RecipeError: names the split, and the known ones.
    """
    if not splits:
        raise RecipeError(f"the list of splits is empty; the splits are {', '.join(SPLITS)}")
    for split in splits:
        if split not in SPLITS:
            raise RecipeError(f"its split is {split!r}; the splits are {', '.join(SPLITS)}")


def check_choice(option: str, chosen: str, choices: Sequence[str]) -> None:
    """Refuse a value that an option does not take.

    Raises:
        RecipeError: names the option, the value, and the known values.
    """
    if chosen not in choices:
        raise RecipeError(f"{option} = {chosen!r} is neither {' nor '.join(choices)}")


def cuts_of(which: str) -> dict[str, str]:
    """Return the parameters that name the cuts: none for the paper's depths, or ``all``.

    Any other value is a ``RecipeError`` (see ``check_choice``).
    """
    check_choice("cuts", which, ("depths", "all"))
    return {} if which == "depths" else {"cuts": which}


def turning_network(scope: Scope, pace: str, window: str) -> dict[str, Any]:
    """Return the parameters of a turning network that ends with the window; none without a pace.

    An unknown pace or window is a ``RecipeError`` (see ``check_choice`` and ``Scope.window``).
    """
    if not pace:
        return {}
    check_choice("planted", pace, tuple(PACES))
    return {"planted": {"pace": pace, "duration": scope.window(window).last}}
