"""Work spread over processes of this machine, with a word on each piece when it is done."""

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
"""Does each piece of work somewhere, and yields it with its outcome."""


ABANDONED = 1
"""Exit status of a process whose parent is gone."""


class Terminated(KeyboardInterrupt):
    """SIGTERM came, and is to end the work as an interruption from the keyboard does."""


@contextlib.contextmanager
def terminable() -> Iterator[None]:
    """Raise ``Terminated`` at SIGTERM, which otherwise ends this process at once and leaves its workers at work."""
    if threading.current_thread() is not threading.main_thread():  # only the main thread may say what signals do
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
    """The time that a piece of work has is over, and is to end it as an interruption from the keyboard does."""


@contextlib.contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Raise ``OutOfTime`` after so many seconds, in the main thread, which alone may be limited so."""

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
    """End processes that are at work; what they have finished is in the store, whose writers may end at any moment."""
    begun = [worker for worker in workers if worker.pid is not None]
    # All are told before one is waited for, so that they end together.
    for worker in begun:
        worker.terminate()
    for worker in begun:
        worker.join()


def cores() -> int:
    """Number of cores that this process may use."""
    # A cluster's job may have fewer cores than the machine.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def chosen_jobs(asked: int | None, usual: int, pieces: int) -> int:
    """Return the number of processes for so many pieces of work.

    Raises:
        RecipeError: fewer than one was asked for.
    """
    if asked is not None and asked < 1:
        raise RecipeError(f"--jobs {asked}: expected a number from 1 on")
    return max(1, min(asked or usual, pieces))


def spread(work: Callable[[Piece], Any], pieces: Sequence[Piece], *, jobs: int) -> Iterator[tuple[Piece, Outcome]]:
    """Do each piece of work in one of ``jobs`` processes.

    Args:
        work: a function of a module, with arguments that can be pickled.
        pieces: what it is called with.
        jobs: with 1 all is done in this process.

    Yields:
        A piece, with what it gave or the error that ended it, in the order in which they end.
    """
    if jobs == 1:
        for piece in pieces:
            yield piece, outcome(work, piece)
        return
    # Not ours to end, such as the workers of a caller that spreads work too.
    others = multiprocessing.active_children()
    try:
        # Spawned: neither CUDA nor the threads of torch live on in a fork.
        opened = ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), _begin_worker)
    except OSError:  # no room for a queue's semaphores, as in a container whose /dev/shm cannot be written
        yield from spread(work, pieces, jobs=1)
        return
    with opened as pool:
        try:
            futures = {pool.submit(outcome, work, piece): piece for piece in pieces}
            for future in as_completed(futures):
                yield futures[future], _result(future)
        except BaseException:  # also of whoever reads this: a pool would first do all that is left
            end_all(child for child in multiprocessing.active_children() if child not in others)
            raise


def end_with_the_parent() -> None:
    """End this process once the one that started it is gone, in whichever way that ended."""
    parent = multiprocessing.parent_process()

    def wait() -> None:
        if parent is not None:
            parent.join()
            os._exit(ABANDONED)  # in the midst of anything: writers of the store may end at any moment

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
    """Return what a piece of work gives, or the error of this project that ended it."""
    try:
        return work(piece)
    except FeatdynError as error:
        return error


class Pace:
    """Says how far work is and how long it will take."""

    def __init__(self, total: int) -> None:
        self.total, self.done, self.started = total, 0, time.monotonic()

    def step(self, pieces: int = 1) -> str:
        """Count pieces that were done at once, and return where that leaves the work."""
        self.done += pieces
        passed = time.monotonic() - self.started
        left = passed / self.done * (self.total - self.done)
        return f"{self.done}/{self.total}, {passed:.0f} s passed, about {left:.0f} s left"
