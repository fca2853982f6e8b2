"""Distribute work over processes of this machine, with a result for each piece when it is done."""

import contextlib
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.process import BaseProcess
from typing import Any, Never, TypeVar

from featdyn_core.errors import FeatdynError, RecipeError, TrainingError

Piece = TypeVar("Piece")
Outcome = Any | FeatdynError
Spread = Callable[[Callable[[Any], Any], Sequence[Any]], Iterator[tuple[Any, Outcome]]]
"""Does each piece of work and yields it with its outcome."""


ABANDONED = 1
"""Exit status of a process whose parent has ended."""


class Terminated(KeyboardInterrupt):
    """SIGTERM arrived; it ends the work like an interruption from the keyboard."""


@contextlib.contextmanager
def terminable() -> Iterator[None]:
    """Raise ``Terminated`` at SIGTERM, which would otherwise end this process at once and leave its workers running."""
    if threading.current_thread() is not threading.main_thread():  # only the main thread may set signal handlers
        yield
        return

    def end(*_: object) -> Never:
        raise Terminated

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class OutOfTime(KeyboardInterrupt):
    """The time limit of a piece of work is over; it ends the work like an interruption from the keyboard."""


@contextlib.contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Raise ``OutOfTime`` after ``seconds``; this works only in the main thread."""

    def end(*_: object) -> Never:
        raise OutOfTime

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def end_all(workers: Iterable[BaseProcess]) -> None:
    """End working processes. What they have finished is in the store, whose writers may end at any moment."""
    begun = [worker for worker in workers if worker.pid is not None]
    # All get the signal before any is waited for, so that they end together.
    for worker in begun:
        worker.terminate()
    for worker in begun:
        worker.join()


def cores() -> int:
    """Number of cores that this process may use."""
    # A cluster's job may have fewer cores than the machine.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def chosen_jobs(asked: int | None, usual: int, pieces: int) -> int:
    """Return the number of processes for a number of pieces of work.

    Raises:
        RecipeError: fewer than one process was asked for.
    """
    if asked is not None and asked < 1:
        raise RecipeError(f"--jobs {asked}: expected a number from 1 on")
    return max(1, min(asked or usual, pieces))


def spread(work: Callable[[Piece], Any], pieces: Sequence[Piece], *, jobs: int) -> Iterator[tuple[Piece, Outcome]]:
    """Do each piece of work in one of ``jobs`` processes.

    Args:
        work: a function of a module; its arguments can be pickled.
        pieces: arguments of the calls.
        jobs: number of processes; with 1, this process does all the work.

    Yields:
        A piece, with its result or the error that ended it, in the order in which pieces end.
    """
    if jobs == 1:
        for piece in pieces:
            yield piece, outcome(work, piece)
        return
    # Processes of others, such as the workers of a caller, must not be ended here.
    others = multiprocessing.active_children()
    try:
        # Spawned, because neither CUDA nor the threads of torch survive a fork.
        opened = ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), _begin_worker)
    except OSError:  # no room for a queue's semaphores, as in a container whose /dev/shm cannot be written
        yield from spread(work, pieces, jobs=1)
        return
    with opened as pool:
        try:
            futures = {pool.submit(outcome, work, piece): piece for piece in pieces}
            for future in as_completed(futures):
                yield futures[future], _result(future)
        except BaseException:  # also an error of the caller, for which a pool would first finish all that is left
            end_all(child for child in multiprocessing.active_children() if child not in others)
            raise


def end_with_the_parent() -> None:
    """End this process when its parent has ended, in whichever way."""
    parent = multiprocessing.parent_process()

    def wait() -> None:
        if parent is not None:
            parent.join()
            os._exit(ABANDONED)  # at any point, since writers of the store may end at any moment

    threading.Thread(target=wait, daemon=True).start()


def _begin_worker() -> None:
    """Leave it to the parent to end this process, also at an interruption from the keyboard, which reaches all."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_the_parent()


def _result(future: Future[Outcome]) -> Outcome:
    try:
        return future.result()
    except BrokenProcessPool:
        return TrainingError("a process died (out of memory?); run again with fewer --jobs")


def outcome(work: Callable[[Piece], Any], piece: Piece) -> Outcome:
    """Return the result of a piece of work, or the ``FeatdynError`` that ended it."""
    try:
        return work(piece)
    except FeatdynError as error:
        return error


class Pace:
    """Estimates the progress of work and the time left."""

    def __init__(self, total: int) -> None:
        self.total, self.done, self.started = total, 0, time.monotonic()

    def step(self, pieces: int = 1) -> str:
        """Count finished pieces, and return the state of the work."""
        self.done += pieces
        passed = time.monotonic() - self.started
        left = passed / self.done * (self.total - self.done)
        return f"{self.done}/{self.total}, {passed:.0f} s passed, about {left:.0f} s left"
