"""Where a training puts what it makes, and what it needs to go on."""

from dataclasses import dataclass
from typing import Protocol

from featdyn_core.trajectories.trajectory import EpochRecord, State


@dataclass(frozen=True)
class ResumePoint:
    """What a training needs to go on after ``epoch`` epochs: network, optimiser tensors, log."""

    epoch: int
    network: State
    optimizer: State
    log: tuple[EpochRecord, ...]


class Sink(Protocol):
    """Where a training puts what it makes."""

    def resume_point(self) -> ResumePoint | None:
        """Return the last saved resume point, if any."""

    def checkpoint(self, epoch: int, state: State) -> None:
        """Keep the checkpoint after ``epoch`` epochs."""

    def save_resume_point(self, point: ResumePoint) -> None:
        """Keep the resume point, replacing the one before."""

    def keep_optimizer(self, tensors: State) -> None:
        """Keep the optimiser's tensors after the last epoch, which a branch may go on with."""

    def progress(self, record: EpochRecord) -> None:
        """Take note that an epoch is done."""
