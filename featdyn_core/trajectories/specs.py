"""The tables of a recipe as frozen dataclasses, and the conditions on labels from a file."""

import dataclasses
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from featdyn_core.data.names import REORDERED
from featdyn_core.tables import shown


@dataclass(frozen=True)
class DataSpec:
    """The images of a training.

    ``set``: a name, or the path of an ``.npz`` file, relative to the folder of the recipe's file. ``subset``:
    number of training images drawn, or None for all. ``augmentation``: none or crop-flip.
    """

    set: str
    subset: int | None = None
    augmentation: str = "none"


@dataclass(frozen=True)
class LabelSpec:
    """Changes to the training labels.

    ``randomized``: fraction drawn again (section 5). ``permuted``: whether classes are renamed consistently.

    ``file``, ``column``, ``sha256``: labels from a file that replace the true ones, such as human labels (see
    ``data.label_files``). Only their content, ``sha256``, determines the training. Their location, ``file`` and
    ``column``, does not.
    """

    randomized: float = 0.0
    permuted: bool = False
    file: str = ""
    column: str = ""
    sha256: str = ""

    def rules(self, images: str) -> list[tuple[bool, str]]:
        """Return the conditions on the labels of an image set, each with the message for its failure."""
        drawn = (0 <= self.randomized <= 1, "labels, randomized: a fraction from 0 to 1")
        if not (self.file or self.column or self.sha256):
            return [drawn]
        return [
            drawn,
            (
                bool(self.file and self.column and self.sha256),
                "labels: file, column and sha256 name the labels of a file together; give all three",
            ),
            (
                re.fullmatch(r"[^/\\]+\.npz", self.file) is not None,
                f"labels, file: {shown(self.file)} is not the name of an .npz file; write it without its folder, "
                "which FEATDYN_DATA says",
            ),
            (
                re.fullmatch("[0-9a-f]{64}", self.sha256) is not None,
                f"labels, sha256: {shown(self.sha256)} is not 64 digits from 0 to f; write that of the labels in "
                f"{shown(self.file)}",
            ),
            (
                not (self.randomized or self.permuted),
                f"labels: those of {shown(self.file)} cannot be randomized or permuted as well; leave one out",
            ),
            (
                images not in REORDERED,
                f"labels, file: {shown(self.file)} cannot follow the images of {images}, whose order here is not the "
                "published one; choose another image set, or an .npz file of one's own",
            ),
        ]


@dataclass(frozen=True)
class NetworkSpec:
    """Name and options of the network (see ``zoo.build_model``).

    ``name``: one of ``NETWORKS``, or ``package.module:function``, a function that builds one (see ``networks.factory``,
    which also explains the digest of such a recipe).
    """

    name: str
    options: dict[str, Any] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True)
class OptimizerSpec:
    """``name``: sgd or adam.

    ``momentum`` is for sgd only. ``weight_decay`` is added to the gradient of every parameter (L2).
    """

    name: str
    learning_rate: float
    momentum: float = 0.0
    weight_decay: float = 0.0


@dataclass(frozen=True)
class ScheduleSpec:
    """The learning rate is multiplied by ``factor`` after each of the ``milestones`` (in epochs)."""

    milestones: tuple[int, ...] = ()
    factor: float = 0.1


@dataclass(frozen=True)
class TrainingSpec:
    """``checkpoints``: epochs to keep, where 0 is the initial network; in TOML a list of [first, last, step].

    ``precision``: fp32, or bf16 for autocast with fp32 weights, normalisation and loss.
    """

    epochs: int
    batch_size: int
    checkpoints: tuple[int, ...]
    precision: str = "fp32"


BATCH_SIZE, LEARNING_RATE, AUGMENTATION = FACTS = ("batch_size", "learning_rate", "augmentation")
"""Facts about an adopted training that may be known or unknown."""

LOG = "log"
"""The fact that is never known about an adopted training: its losses, epoch by epoch."""


def telling(facts: Collection[str]) -> str:
    """Return the end of a sentence that says how to supply missing facts; empty if none can be supplied."""
    options = [f"--{fact.replace('_', '-')}" for fact in FACTS if fact.replace("_", " ") in facts]
    return f"; if you do, adopt its checkpoints again with {' and '.join(options)}" if options else ""


STATISTICS = "statistics"
"""Facts that the re-estimation of normalisation statistics needs: batch size and augmentation."""


@dataclass(frozen=True)
class AdoptedSpec:
    """Adopted trainings, known by their checkpoints (see ``store.adopting``).

    ``checkpoints``: for each seed the hex SHA-256 over the digests of its checkpoint files in the store, in the order
    of epochs. ``unknown``: the unknown ones among ``FACTS``; the recipe has placeholders for them, which are never used
    as facts. ``normalised``: whether the network has running statistics. ``unit``: unit of the checkpoints' numbers,
    ``epoch`` or ``step``.

    ``sources``, ``suspicions``: for each seed the origin of its checkpoints, and suspicions about them. They determine
    nothing, and evidence repeats them.
    """

    checkpoints: dict[str, str]
    unknown: tuple[str, ...] = ()
    normalised: bool = True
    unit: str = "epoch"
    sources: dict[str, str] = dataclasses.field(default_factory=dict)
    suspicions: dict[str, str] = dataclasses.field(default_factory=dict)

    @property
    def identity(self) -> "AdoptedSpec":
        """The fields that determine the training."""
        return dataclasses.replace(self, sources={}, suspicions={})

    def lacking(self, facts: Collection[str]) -> list[str]:
        """Return the unknown ones among some facts, in words."""
        statistics = {BATCH_SIZE, AUGMENTATION} if self.normalised and STATISTICS in facts else set()
        wanted = {*facts, *statistics} - {STATISTICS}
        return [fact.replace("_", " ") for fact in (*FACTS, LOG) if fact in wanted and fact in (*self.unknown, LOG)]

    def rules(self) -> list[tuple[bool, str]]:
        """Return the conditions on the table, each with the message for its failure."""
        seeds, told = [*self.checkpoints], [*self.sources, *self.suspicions]
        return [
            (bool(seeds), "adopted, checkpoints: at least one seed"),
            (all(re.fullmatch("0|[1-9][0-9]{0,14}", seed) for seed in seeds), "adopted, checkpoints: seeds from 0 on"),
            (
                all(re.fullmatch("[0-9a-f]{64}", digest) for digest in self.checkpoints.values()),
                "adopted, checkpoints: 64 digits from 0 to f of each seed; adopt the checkpoints again",
            ),
            (set(self.unknown) <= set(FACTS), f"adopted, unknown: some of {', '.join(FACTS)}"),
            (self.unit in ("epoch", "step"), "adopted, unit: epoch or step"),
            (set(told) <= set(seeds), "adopted, sources and suspicions: for its seeds only"),
        ]
