"""The sink of a training: it takes results, and returns the resume point."""

from dataclasses import dataclass
from typing import Protocol

from featdyn_core.trajectories.trajectory import EpochRecord, State


@dataclass(frozen=True)
class ResumePoint:
    """The state from which a training continues after ``epoch`` epochs: network, optimiser tensors, log."""

    epoch: int
    network: State
    optimizer: State
    log: tuple[EpochRecord, ...]


class Sink(Protocol):
    """Takes the results of a training."""

    def resume_point(self) -> ResumePoint | None:
        """Return the last saved resume point, if any."""

    def checkpoint(self, epoch: int, state: State) -> None:
        """Keep the checkpoint after ``epoch`` epochs."""

    def save_resume_point(self, point: ResumePoint) -> None:
        """Keep the resume point, replacing the one before."""

    def keep_optimizer(self, tensors: State) -> None:
        """Keep the optimiser's tensors after the last epoch; a branch may continue from them."""

    def progress(self, record: EpochRecord) -> None:
        """Note that an epoch is done."""
