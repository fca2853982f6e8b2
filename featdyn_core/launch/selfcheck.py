"""Compare this machine's engines, precisions and devices: whether they agree, and how fast they are."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import torch

from featdyn_core.data.sources import load_dataset
from featdyn_core.devices import cuda_devices
from featdyn_core.errors import FeatdynError
from featdyn_core.training.loop import Job, train_many
from featdyn_core.training.steps import ENGINES, resolve_engine
from featdyn_core.trajectories.recipe import Recipe
from featdyn_core.trajectories.sink import ResumePoint
from featdyn_core.trajectories.specs import TrainingSpec
from featdyn_core.trajectories.trajectory import EpochRecord, State

EPOCHS = 3
"""Epochs trained in each way; the first also compiles and captures, and the last is timed."""

TOLERANCE = 1e-2
"""Largest distance between the parameters of two ways after an epoch, relative to their movement, beyond rounding."""

PRECISIONS = ("fp32", "bf16")


@dataclass(frozen=True)
class Way:
    """One way to train, and its result.

    Attributes:
        device: device of the training.
        engine: its engine (see ``steps.resolve_engine``).
        precision: precision of the forward pass.
        seconds: seconds of one epoch.
        difference: distance of its parameters after an epoch from those of the reference, relative to how far these
            moved; 0 for equal bits. The reference is eager on the same device at the same precision.
        from_cpu: the same distance from eager single precision on the CPU.
        rounding: distance of the reference from eager single precision on the same device.
        failure: why it could not be tried.
    """

    device: str
    engine: str
    precision: str
    seconds: float = 0.0
    difference: float = 0.0
    from_cpu: float = 0.0
    rounding: float = 0.0
    failure: str = ""

    @property
    def agrees(self) -> bool:
        """Whether it may replace its reference; a way that cannot be tried counts as agreeing.

        Compiled steps round half precision at other places than eager ones. Two ways that both differ from single
        precision by rounding may differ from each other by twice as much.
        """
        return bool(self.failure) or self.difference <= max(TOLERANCE, 2 * self.rounding)


@dataclass
class Kept:
    """A sink in memory."""

    states: dict[int, State] = field(default_factory=dict)
    records: list[EpochRecord] = field(default_factory=list)

    def resume_point(self) -> ResumePoint | None:
        """Start from the beginning."""
        return None

    def checkpoint(self, epoch: int, state: State) -> None:
        """Keep a copy."""
        self.states[epoch] = {name: tensor.clone() for name, tensor in state.items()}

    def save_resume_point(self, _: ResumePoint) -> None:
        """Store nothing."""

    def keep_optimizer(self, _: State) -> None:
        """Store nothing."""

    def progress(self, record: EpochRecord) -> None:
        """Keep it."""
        self.records.append(record)


def devices() -> list[torch.device]:
    """The devices of this machine, the CPU first."""
    return [torch.device("cpu"), *(torch.device("cuda", index) for index in range(cuda_devices()[0]))]


def try_all(recipe: Recipe) -> Iterator[Way]:
    """Train the first epochs of a recipe in every way that this machine has.

    Yields:
        Each way when it has been tried, eager first on each device.
    """
    reference: Kept | None = None
    for device in devices():
        single: Kept | None = None
        for precision in PRECISIONS:
            eager: Kept | None = None
            for engine in ENGINES:
                way = Way(str(device), engine, precision)
                try:
                    resolve_engine(engine, device)
                    kept, seconds = _trained(recipe, device, engine, precision)
                except (FeatdynError, RuntimeError) as error:  # torch raises its own error if there is no compiler
                    yield replace(way, failure=f"{error}".splitlines()[0])
                    continue
                eager, single, reference = eager or kept, single or kept, reference or kept
                yield replace(
                    way,
                    seconds=seconds,
                    difference=_distance(kept, eager),
                    from_cpu=_distance(kept, reference),
                    rounding=_distance(eager, single),
                )


def shortened(recipe: Recipe, epochs: int, precision: str) -> Recipe:
    """Return a recipe's first epochs at a constant rate, with a checkpoint after each."""
    training = TrainingSpec(epochs, recipe.training.batch_size, tuple(range(epochs + 1)), precision)
    return recipe.replace(training=training, schedule=type(recipe.schedule)())


def _trained(recipe: Recipe, device: torch.device, engine: str, precision: str) -> tuple[Kept, float]:
    short, kept = shortened(recipe, EPOCHS, precision), Kept()
    job = Job(short, 0, load_dataset(short.data.set, subset=short.data.subset), kept)
    started = time.monotonic()
    ((_, outcome),) = train_many([job], device=device, engine=engine)
    if isinstance(outcome, FeatdynError):
        raise outcome
    return kept, kept.records[-1].seconds or time.monotonic() - started


def _distance(one: Kept, other: Kept) -> float:
    """Distance of the parameters after the first epoch, relative to how far the other's moved in it."""

    def norm(state: State, from_state: State) -> float:
        return (
            sum(
                float((value.double() - from_state[name].double()).square().sum())
                for name, value in state.items()
                if value.is_floating_point()
            )
            ** 0.5
        )

    return norm(one.states[1], other.states[1]) / norm(other.states[1], other.states[0])


def lines(ways: list[Way]) -> list[str]:
    """Return the ways as a table in text."""
    eager = {(way.device, way.precision): way.seconds for way in ways if way.engine == "eager"}
    table = ["device   engine    precision    s/epoch   speed  from eager  from CPU fp32"]
    for way in ways:
        head = f"{way.device:8} {way.engine:9} {way.precision:10} "
        if way.failure:
            table.append(f"{head}not tried: {way.failure}")
            continue
        speed = eager[way.device, way.precision] / way.seconds
        told = [("equal" if value == 0 else f"{value:.1e}") for value in (way.difference, way.from_cpu)]
        table.append(f"{head}{way.seconds:9.3g} {speed:6.2f}x {told[0]:>11} {told[1]:>14}")
    return table
