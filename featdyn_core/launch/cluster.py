"""Run each piece of work as a job of a cluster, with the same outcomes as in processes of this machine.

Store and environment must lie on a file system that the nodes share. A job that is preempted or reaches its time limit
is queued again, and continues from what the store has. The waiting process may end, because the results are in the
store.
"""

import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from featdyn_core.errors import RecipeError, StoreError, TrainingError
from featdyn_core.launch.processes import Outcome, Piece, outcome

POLL_SECONDS = 5.0
"""Seconds between two queries of the queue."""

MINUTES = 24 * 60
"""Default time limit of a job."""


@dataclass(frozen=True)
class Cluster:
    """Where jobs are submitted.

    Args:
        folder: folder of the jobs' scripts and logs, shared with the nodes.
        settings: options of ``sbatch`` by their long names, such as ``{"partition": "gpu", "gres": "gpu:1"}``; ``time``
            is in minutes.
        at_once: largest number of jobs at the same time; if left out, the cluster decides.
        kind: ``slurm``, or submitit's ``local``, which runs processes instead of jobs, for tests.
    """

    folder: Path
    settings: dict[str, str] = field(default_factory=dict)
    at_once: int | None = None
    kind: str = "slurm"

    def spread(self, work: Callable[[Piece], Any], pieces: Sequence[Piece]) -> Iterator[tuple[Piece, Outcome]]:
        """Do each piece of work in a job of its own.

        If submitit or the cluster is missing, the error is a ``RecipeError``. If the cluster refuses the jobs, it is a
        ``StoreError``.

        Args:
            work: a function that can be pickled; so can the pieces.
            pieces: arguments of the calls.

        Yields:
            A piece, with its result or the error that ended it, in the order in which pieces end.
        """
        if not pieces:
            return
        jobs = self._submitted(work, pieces)
        waiting, gone = dict(enumerate(pieces)), set[int]()
        while waiting:
            queued = self._queued()
            for number in list(waiting):
                job = jobs[number]
                ended = queued is not None and job.job_id not in queued
                if job.done() or (ended and number in gone):  # its result may take a moment to appear here
                    yield waiting.pop(number), _outcome_of(job)
                elif ended:
                    gone.add(number)
            if waiting:
                time.sleep(POLL_SECONDS)

    def _submitted(self, work: Callable[[Piece], Any], pieces: Sequence[Piece]) -> list[Any]:
        try:
            import submitit
        except ImportError as error:
            raise RecipeError("submitting jobs needs submitit; install featdyn[cluster]") from error
        settings = dict(self.settings)
        limit = {"timeout_min": int(settings.pop("time", MINUTES))}
        if self.kind == "slurm":
            limit["slurm_array_parallelism"] = self.at_once or len(pieces)
        try:
            executor = submitit.AutoExecutor(self.folder, cluster=self.kind)
            executor.update_parameters(name="featdyn", slurm_additional_parameters=settings, **limit)
            return executor.map_array(_Resumable(work), pieces)
        except RuntimeError as error:  # submitit raises it if there is no sbatch
            raise RecipeError(f"there is no cluster here ({error}); use --launcher local") from error
        except (OSError, submitit.core.utils.FailedJobError) as error:
            raise StoreError(f"the cluster refuses the jobs ({error})") from error

    def _queued(self) -> set[str] | None:
        """Ids of the jobs that wait or run; None if the queue cannot be queried.

        Slurm's accounting knows how a job ended, but many clusters do without it.
        """
        if self.kind != "slurm":
            return None
        try:
            found = subprocess.run(["squeue", "-h", "-r", "-o", "%i"], capture_output=True, text=True, check=True)
        except (OSError, subprocess.CalledProcessError):
            return None
        return set(found.stdout.split())


@dataclass(frozen=True)
class _Resumable:
    """Work that is submitted again if its job is preempted or runs out of time; finished parts are in the store."""

    work: Callable[[Any], Any]

    def __call__(self, piece: Any) -> Outcome:
        return outcome(self.work, piece)

    def checkpoint(self, piece: Any) -> Any:
        """Return what submitit queues again."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self, piece)


def _outcome_of(job: Any) -> Outcome:
    from submitit.core.utils import FailedJobError, UncompletedJobError

    if not job.paths.result_pickle.exists():
        told = (job.stderr() or "").strip() or "it printed no error"
        return TrainingError(f"the job {job.job_id} ended without a result ({told}); its logs: {job.paths.stderr}")
    try:
        return job.result()
    except (FailedJobError, UncompletedJobError) as error:
        return TrainingError(f"the job {job.job_id} failed: {error}")


def read_settings(text: str) -> dict[str, str]:
    """Read options of ``sbatch`` such as ``partition=gpu,gres=gpu:1,time=240``.

    Raises:
        RecipeError: the text does not have that form.
    """
    found = dict(part.split("=", 1) for part in text.split(",") if "=" in part)
    wrong = [part for part in text.split(",") if part and ("=" not in part or part.startswith(("=", "-")))]
    if wrong or not found.get("time", "1").isdecimal():
        raise RecipeError(f"--slurm {text!r}: expected options such as partition=gpu,gres=gpu:1 and time in minutes")
    return found
