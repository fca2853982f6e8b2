"""What the trainers of a store are doing, for a person who waits.

Trainers may be other processes, whose output nobody sees; each writes its progress into the store, and this
module reads it from there.
"""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

STALE_SECONDS = 120.0
"""A heartbeat older than this belongs to a trainer that is gone."""


@dataclass(frozen=True)
class Beat:
    """One trainer's last word: which trajectory, how far, how fast."""

    key: str
    recipe: str
    seed: int
    epoch: int
    epochs: int
    train_loss: float
    seconds_per_epoch: float
    time: float

    def __str__(self) -> str:
        left = (self.epochs - self.epoch) * self.seconds_per_epoch
        rate = f"{1 / self.seconds_per_epoch:.2g} epochs/s" if self.seconds_per_epoch else "-"
        return (
            f"training {self.recipe} seed {self.seed}: epoch {self.epoch}/{self.epochs}, "
            f"loss {self.train_loss:.4f}, {rate}, {left:.0f} s left"
        )


def read_beats(root: Path) -> list[Beat]:
    """Return the heartbeats of all trainers at work in the store at ``root``."""
    beats = []
    names = [name for name in Beat.__annotations__ if name != "key"]
    for path in sorted((root / "progress").glob("*.json")):
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            beat = Beat(key=path.stem, **{name: content[name] for name in names})
            age = time.time() - beat.time
        except (OSError, ValueError, KeyError, TypeError):
            continue  # removed at this moment, or no heartbeat
        if age < STALE_SECONDS + 2 * beat.seconds_per_epoch:
            beats.append(beat)
    return beats


class Watcher(threading.Thread):
    """Writes a line for each trainer that got on, at most every ``interval`` seconds.

    Args:
        root: the store.
        write: takes one line of text.
        interval: seconds.
    """

    def __init__(self, root: Path, write: Callable[[str], None], interval: float = 5.0) -> None:
        super().__init__(name="featdyn-progress", daemon=True)
        self.root, self.write, self.interval = root, write, interval
        self.finished = threading.Event()
        self.shown: dict[str, int] = {}

    def run(self) -> None:
        """Watch until ``stop`` is called."""
        while not self.finished.wait(self.interval):
            for beat in read_beats(self.root):
                if self.shown.get(beat.key) != beat.epoch:
                    self.shown[beat.key] = beat.epoch
                    self.write(str(beat))

    def stop(self) -> None:
        """Stop watching."""
        self.finished.set()
        self.join()
