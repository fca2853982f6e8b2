"""Streams and events of a pretended device: which stream waited for which, and so may use which memory.

The pretended device computes at once, so nothing here is ever late. What is kept is the order that a real device
would guarantee, in vector clocks: the work of a stream has a number, and whoever waits for the stream knows the
number of its last work. Two pieces of work that touch the same memory, of which one writes, are a race unless the
later one is on the same stream or knows the earlier one's number.
"""

import itertools
from dataclasses import dataclass, field

from torch import Tensor

Clock = dict[int, int]
"""Number of a stream to that of its last work which is known to have ended."""


class RaceError(RuntimeError):
    """Two streams use the same memory in no defined order."""


def learn(clock: Clock, other: Clock) -> None:
    """Raise a clock to at least another one."""
    for stream, number in other.items():
        clock[stream] = max(clock.get(stream, 0), number)


@dataclass
class Touched:
    """Last users of a piece of memory: the stream that wrote it, and those that have read it since."""

    written: tuple[int, int] | None = None
    read: Clock = field(default_factory=dict)


class Host:
    """Work that the host knows has ended; work that starts later comes after it."""

    def __init__(self) -> None:
        self.clock: Clock = {}


class Stream:
    """A queue of work.

    Args:
        host: by which work is started.
        wait: called with a word wherever the host waits for the device.
    """

    numbers = itertools.count()

    def __init__(self, host, wait):
        self.host, self.wait = host, wait
        self.number = next(Stream.numbers)
        self.clock = {}
        self.captured = False

    def is_capturing(self):
        """Whether its work is recorded instead of run."""
        return self.captured

    def work(self):
        """Count a piece of work that begins now, after all that the host knows of."""
        learn(self.clock, self.host.clock)
        self.clock[self.number] = self.clock.get(self.number, 0) + 1

    def wait_stream(self, other):
        """Let later work here wait for what the other stream has been given."""
        learn(self.clock, other.clock)

    def wait_event(self, event):
        """Let later work here wait for an event."""
        learn(self.clock, event.clock)

    def record_event(self, event=None):
        """Return an event that is complete when the work so far has ended."""
        event = event or Event(self.wait, self.host)
        event.record(self)
        return event

    def synchronize(self):
        """Let the host wait."""
        self.wait("Stream.synchronize")
        learn(self.host.clock, self.clock)


class Event:
    """A mark in a stream's queue."""

    def __init__(self, wait, host):
        self.sync, self.host, self.clock = wait, host, {}

    def record(self, stream):
        """Mark what the stream has been given so far."""
        self.clock = dict(stream.clock)

    def wait(self, stream):
        """Let a stream wait."""
        stream.wait_event(self)

    def synchronize(self):
        """Let the host wait."""
        self.sync("Event.synchronize")
        learn(self.host.clock, self.clock)


class Memory:
    """All memory of the device, by the address of a storage."""

    def __init__(self):
        self.touched: dict[int, Touched] = {}

    def made(self, tensor: Tensor) -> None:
        """Forget the previous storage at an address that a new one has."""
        self.touched[tensor.untyped_storage().data_ptr()] = Touched()

    def use(self, stream: Stream, tensors: list[Tensor], *, writes: bool, what: str) -> None:
        """Let the current work of a stream use tensors.

        Raises:
            RaceError: other work that touched them may still be under way.
        """
        for address in {tensor.untyped_storage().data_ptr() for tensor in tensors} - {0}:
            past = self.touched.setdefault(address, Touched())
            before = dict([past.written] if past.written else [])
            if writes:
                learn(before, past.read)
            for other, number in before.items():
                if stream.clock.get(other, 0) < number:
                    raise RaceError(f"{what} on stream {stream.number} races with the work of stream {other}")
            now = stream.clock[stream.number]
            if writes:
                self.touched[address] = Touched(written=(stream.number, now))
            else:
                past.read[stream.number] = now
