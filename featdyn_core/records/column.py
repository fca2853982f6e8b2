"""A column of composites: several shallow epochs with one deep epoch, on one split (section 4.1).

A column is the primitive measurement of memory, transfer, forgetting and consistency. Their quantities follow from its
predictions without the network.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from featdyn_core.data.names import SEVERITIES, SPLITS
from featdyn_core.errors import MeasurementError, RecipeError
from featdyn_core.measures.composites.consistency import pointwise_consistency
from featdyn_core.measures.composites.unseen import RANDOM
from featdyn_core.records.grids import looked_at, stored
from featdyn_core.records.kind import (
    Kind,
    Parameters,
    Resolved,
    Scope,
    check_splits,
    cuts_of,
    evenly,
    of_statistics,
    thinned,
    turning_network,
)
from featdyn_core.records.planting import DEPTHS, LABELS, Shares, composed
from featdyn_core.tables import read as read_value
from featdyn_core.tables import shown

if TYPE_CHECKING:
    from featdyn_core.measures.composites.engine import Progress
    from featdyn_core.trajectories.trajectory import Trajectory


@dataclass(frozen=True)
class Options:
    """Options of a column.

    Attributes:
        window: the window whose checkpoints are the shallow epochs.
        deep: the deep epoch, ``first`` or ``last`` of the window, or ``each``. With ``each`` there is one column for
            each of the protocol's ``deep_epochs`` epochs, which are evenly spaced over the window. Such a column has
            all checkpoints up to its deep epoch.
        splits: the splits of images, one column for each.
        policy: policy for batch normalisation, ``carry`` or ``recalibrate``.
        frozen: whether every shallow part comes from the deep epoch.
        every: take one shallow epoch in so many, counted back from the last.
        corruption: name of the protocol's list of kinds, at the one ``severity`` it sets, which gives a column of
            corrupted held-out images for each kind; or ``random`` for images that are not corruptions of real ones.
        cuts: ``depths`` for the paper's depths, or ``all``.
        planted: pace of a turning network that replaces the trained one.
    """

    window: str
    deep: str
    splits: tuple[str, ...] = SPLITS
    policy: str = "carry"
    frozen: bool = False
    every: int = 1
    corruption: str = ""
    cuts: str = "depths"
    planted: str = ""


@dataclass(frozen=True, eq=False)
class Column:
    """Composites ``(s, t)`` of several s with one t.

    Attributes:
        cuts: the paper's depths, on the first axis.
        epochs: S ascending shallow epochs s, on the second axis.
        deep: the deep epoch t.
        predictions: predicted classes (cuts, S, N).
        reference: predictions (N,) of ``f_t``.
        labels: true labels (N,).
        cross_entropy: mean cross-entropy (cuts, S) against the labels, in nats.
        flip_rate: share of predictions that differ from the predictions in fp32 (see ``CompositeGrid``).
        source: source of the images, where they are corrupted (see ``unseen``).

    Examples:
        >>> column = Column.planted(range(3), [0.2, 0.1, 0.0])
        >>> column.agreement[0].tolist(), column.far_end
        ([0.8, 0.9, 1.0], 0)
    """

    cuts: tuple[str, ...]
    epochs: npt.NDArray[np.int64]
    deep: int
    predictions: npt.NDArray[np.integer]
    reference: npt.NDArray[np.integer]
    labels: npt.NDArray[np.int64]
    cross_entropy: npt.NDArray[np.float64]
    flip_rate: float = 0.0
    source: str = ""

    @property
    def images(self) -> int:
        """Number N of images, the denominator of every share."""
        return len(self.labels)

    @property
    def far_end(self) -> int:
        """The shallow epoch that is furthest from t: the other end of a window."""
        return int(max(self.epochs, key=lambda epoch: abs(epoch - self.deep)))

    @property
    def agreement(self) -> npt.NDArray[np.float64]:
        """Data-set consistency ``C_d(s, t)`` (4.1), (cuts, S): share of images with the class of ``f_t``."""
        return (self.predictions == self.reference).mean(axis=-1)

    @property
    def accuracy(self) -> npt.NDArray[np.float64]:
        """Share of images classified as their label, (cuts, S)."""
        return (self.predictions == self.labels).mean(axis=-1)

    @property
    def reference_accuracy(self) -> float:
        """Accuracy of ``f_t`` itself."""
        return float((self.reference == self.labels).mean())

    @property
    def accuracy_kept(self) -> npt.NDArray[np.float64]:
        """Accuracy of each composite over that of ``f_t``, (cuts, S).

        Raises:
            MeasurementError: ``f_t`` classifies no image as its label.
        """
        if not self.reference_accuracy:
            raise MeasurementError(
                f"f_t at epoch {self.deep} classifies no image as its label: the ratio of accuracies is undefined"
            )
        return self.accuracy / self.reference_accuracy

    @property
    def consistency(self) -> npt.NDArray[np.float64]:
        """Point-wise consistency (4.1) over all shallow epochs of the column, (cuts, N)."""
        return np.array([pointwise_consistency(rows, self.reference) for rows in self.predictions])

    def at(self, epochs: Sequence[int]) -> "Column":
        """Return the part of the column with these shallow epochs.

        Raises:
            MeasurementError: the column lacks one of the epochs.
        """
        if absent := set(epochs) - set(self.epochs.tolist()):
            raise MeasurementError(f"shallow epoch {min(absent)} is not in the column; it has {self.epochs.tolist()}")
        rows = np.isin(self.epochs, epochs)
        return dataclasses.replace(
            self,
            epochs=self.epochs[rows],
            predictions=self.predictions[:, rows],
            cross_entropy=self.cross_entropy[:, rows],
        )

    def within(self, first: int, last: int) -> "Column":
        """Return the part of the column with shallow epochs from ``first`` to ``last``, both included."""
        return self.at([epoch for epoch in self.epochs.tolist() if first <= epoch <= last])

    @classmethod
    def planted(
        cls,
        epochs: Sequence[int],
        missed: Shares,
        *,
        deep: int | None = None,
        cuts: tuple[str, ...] = DEPTHS,
        wrong: float = 0,
        astray: Shares = 0,
    ) -> "Column":
        """Return a column whose composites miss given shares of the images (see ``planting.composed``).

        Shares have the shape (S,), one for each shallow epoch, or (cuts, S). Shares of the shape (cuts, 1) differ
        between cuts only. ``planting.fading`` gives shares that fall to zero towards ``f_t``.

        Args:
            epochs: S ascending shallow epochs.
            missed: shares of the images that ``f_t`` gets right and a composite wrong.
            deep: the deep epoch; by default the last of the epochs.
            cuts: the paper's depths, or ``(WHOLE_NETWORK,)`` as in records of churn.
            wrong: share of the images that ``f_t`` gets wrong.
            astray: shares, up to ``wrong``, that both get wrong in different ways. They lower agreement, and not
                accuracy.
        """
        missed, astray = (
            np.broadcast_to(np.asarray(each, float), (len(cuts), len(epochs))) for each in (missed, astray)
        )
        predictions, reference = composed(missed, astray, wrong)
        last = epochs[-1] if deep is None else deep
        ascending, losses = np.asarray(epochs, np.int64), 5 * np.clip(missed, 0, 1)
        return cls(cuts, ascending, last, predictions, reference, LABELS, losses)


def resolve(options: Options, scope: Scope) -> Resolved:
    """Return the parameters for each split or corruption, and for each deep epoch."""
    policy = scope.policy(options.policy)
    common = {"images": scope.images, "policy": policy, "frozen": options.frozen, "precision": scope.precision}
    common |= cuts_of(options.cuts) | turning_network(scope, options.planted, options.window)
    parts = _images(options, scope)
    if options.deep != "each":
        shallow, deep = scope.epochs(options.window, options.every), scope.end(options.window, options.deep)
        return {name: common | {"shallow": shallow, "deep": deep} | images for name, images in parts.items()}
    before = {
        late: thinned([epoch for epoch in scope.checkpoints if epoch <= late], options.every)
        for late in evenly(scope.epochs(options.window), scope.count("deep_epochs"))
    }
    return {
        (name, late): common | images | {"shallow": epochs, "deep": late}
        for name, images in parts.items()
        for late, epochs in before.items()
    }


def _images(options: Options, scope: Scope) -> Mapping[str, dict[str, Any]]:
    """Return the images of a column: splits, or corruptions of held-out images.

    Raises:
        RecipeError: the split or the severity is unknown, or the list of corruptions is empty.
    """
    check_splits(*options.splits)
    if not options.corruption:
        return {split: {"split": split} for split in options.splits}
    if options.corruption == RANDOM:
        return {"": {"split": "held-out", "corruption": {"kind": RANDOM}}}
    kinds = read_value(tuple[str, ...], scope.number(options.corruption), f"{options.corruption} of the protocol")
    severity = scope.number("severity")
    if not kinds:
        raise RecipeError(f"{options.corruption} of the protocol lists no corruption")
    if type(severity) is not int or severity not in SEVERITIES:
        raise RecipeError(f"severity = {shown(severity)} of the protocol is none of {', '.join(map(str, SEVERITIES))}")
    return {kind: {"split": "held-out", "corruption": {"kind": kind, "severity": severity}} for kind in kinds}


def measure(
    trajectory: "Trajectory", several: Sequence[Parameters], *, progress: "Progress | None" = None
) -> list[dict[str, npt.NDArray[Any]]]:
    """Evaluate columns that differ in their deep and shallow epochs only, each shallow part once for all columns.

    Args:
        trajectory: source of the checkpoints.
        several: the parameters of each column: the ``deep`` epoch; the ``shallow`` epochs; the ``split``; the BatchNorm
            ``policy``; the ``precision``; whether the network is ``frozen``, so that every shallow part comes from the
            deep epoch; the ``corruption`` of its held-out images, if there is one (see ``unseen``); ``cuts``, if they
            are ``all``; and ``planted``, the ``pace`` and ``duration`` of a turning network that replaces the trained
            one (see ``turning_network``).
        progress: called with (done, total) composites.
    """
    from featdyn_core.measures.composites.grid import composite_grid

    common = several[0]
    trajectory, images, labels, source = looked_at(trajectory, common)
    shallow = sorted({epoch for parameters in several for epoch in parameters["shallow"]})
    deep = sorted({int(parameters["deep"]) for parameters in several})
    pairs = np.zeros((len(shallow), len(deep)), bool)
    for parameters in several:
        pairs[np.isin(shallow, parameters["shallow"]), deep.index(parameters["deep"])] = True
    grid = composite_grid(
        trajectory,
        images,
        labels=labels,
        cuts=trajectory.network(deep[-1]).places(common.get("cuts", "depths")),
        shallow_epochs=shallow,
        deep_epochs=deep,
        batchnorm=common["policy"],
        precision=common["precision"],
        pairs=pairs,
        progress=progress,
    )

    def column(parameters: Parameters) -> dict[str, npt.NDArray[Any]]:
        rows = np.isin(grid.shallow_epochs, parameters["shallow"])
        return stored(grid, rows, deep.index(parameters["deep"]), parameters["deep"], source)

    return [column(parameters) for parameters in several]


def read(arrays: Mapping[str, npt.NDArray[Any]], parameters: Parameters) -> Column:
    """Return the column of a record."""
    return Column(
        cuts=tuple(arrays["cuts"].tolist()),
        epochs=arrays["epochs"],
        deep=int(parameters["deep"]),
        predictions=arrays["changed"] ^ arrays["reference"],
        reference=arrays["reference"],
        labels=arrays["labels"],
        cross_entropy=arrays["cross_entropy"],
        flip_rate=float(arrays["flip_rate"]),
        source=str(arrays.get("source", "")),
    )


def covers(present: Parameters, wanted: Parameters) -> bool:
    """Whether a column serves another: equal parameters, and at least the same shallow epochs."""
    return _without(present, "shallow") == _without(wanted, "shallow") and set(wanted["shallow"]) <= set(
        present["shallow"]
    )


def together(one: Parameters, other: Parameters) -> bool:
    """Whether two columns share their shallow parts: they differ in the deep epoch and are not frozen."""
    epochs = ("shallow", "deep")
    alike = not one["frozen"] and _without(one, *epochs) == _without(other, *epochs)
    return alike and one["deep"] != other["deep"]


def joined(one: Parameters, other: Parameters) -> dict[str, Any] | None:
    """Return the column that covers both; None if they differ in more than their shallow epochs."""
    if not covers({**one, "shallow": other["shallow"]}, other):
        return None
    return {**one, "shallow": sorted({*one["shallow"], *other["shallow"]})}


def _without(parameters: Parameters, *names: str) -> dict[str, Any]:
    return {name: value for name, value in parameters.items() if name not in names}


def part(view: Column, wanted: Parameters) -> Column:
    """Return the part of a column with the shallow epochs that are wanted."""
    return view.at(wanted["shallow"])


def remarks(view: Column, parameters: Parameters) -> dict[str, float | str]:
    """Return the precision of the grid, how many predictions it changed, and the source of corrupted images."""
    found: dict[str, float | str] = {"precision of grids": parameters["precision"], "flip rate": view.flip_rate}
    return found | ({"corrupted images": view.source} if "corruption" in parameters else {})


def needs(parameters: Parameters) -> tuple[str, ...]:
    """Return the facts about the training that re-estimated statistics need; carried statistics need none."""
    return of_statistics(parameters) if parameters.get("policy") == "recalibrate" else ()


KIND = Kind(
    version=1,
    options=Options,
    resolve=resolve,
    measure=measure,
    read=read,
    grid=True,
    covers=covers,
    joined=joined,
    together=together,
    part=part,
    remarks=remarks,
    needs=needs,
)
