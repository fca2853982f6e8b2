"""The training loop, from recipe and seed to trajectory, with schedule, log, checkpoints and resumption.

Every random stream is named by seed and epoch, so a training that resumes at any epoch gives the same bits as one that
never stopped (same machine, library versions and engine). The CPU computes with one thread, because the number of
threads changes the order of sums and therefore the bits.
"""

import contextlib
import itertools
import math
import time
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass

import torch

from featdyn_core.data.sources import Dataset
from featdyn_core.devices import is_out_of_memory, wake
from featdyn_core.errors import FeatdynError, TrainingError
from featdyn_core.networks.blocks import load_state
from featdyn_core.networks.layout import fastest
from featdyn_core.networks.names import is_factory
from featdyn_core.numerics import exact_arithmetic, one_thread, seeded_dropout, undisturbed
from featdyn_core.seeds import stream_seed
from featdyn_core.training.branching import initial_optimizer, initial_state
from featdyn_core.training.fitting import check_fit
from featdyn_core.training.optimizer import load_optimizer, new_optimizer, optimizer_tensors
from featdyn_core.training.steps import ResidentSet, Stepper, Tally, resolve_engine
from featdyn_core.trajectories.probe import PROBE_IMAGES, evaluate_loss
from featdyn_core.trajectories.recipe import Recipe
from featdyn_core.trajectories.sink import ResumePoint, Sink
from featdyn_core.trajectories.trajectory import EpochRecord, State, Trajectory, new_network, training_set

RESUME_SECONDS = 10.0
"""Shortest time between two resume points; repeating this much work costs less than writing more often."""


@dataclass(frozen=True)
class Job:
    """One training to run: its recipe, seed, data and sink, and the parent of a branch."""

    recipe: Recipe
    seed: int
    dataset: Dataset
    sink: Sink
    parent: Trajectory | None = None

    def __str__(self) -> str:
        return f"{self.recipe.name} seed {self.seed}"


Log = tuple[EpochRecord, ...]
"""One record for each epoch, the first for the initial network."""


def train(
    recipe: Recipe,
    seed: int,
    dataset: Dataset,
    sink: Sink,
    *,
    parent: Trajectory | None = None,
    device: torch.device | str = "cpu",
    engine: str = "auto",
) -> Log:
    """Train a trajectory into ``sink``, from its resume point if it has one.

    Recipe and images that do not fit each other are a ``RecipeError`` or a ``ModelError`` (see ``fitting.check_fit``).
    A loss that is not finite, a device without free memory, and a branch without its parent are a ``TrainingError``.

    Args:
        recipe: what to train.
        seed: the training seed.
        dataset: the recipe's images, with clean labels.
        sink: takes checkpoints, resume points and progress.
        parent: for a branch, its parent's trajectory with the same seed.
        device: where to train.
        engine: how steps are run (see ``steps.resolve_engine``).
    """
    ((_, outcome),) = train_many([Job(recipe, seed, dataset, sink, parent)], device=device, engine=engine)
    if isinstance(outcome, FeatdynError):
        raise outcome
    return outcome


def train_many(
    jobs: Iterable[Job], *, device: torch.device | str = "cpu", engine: str = "auto", at_once: int | None = None
) -> Iterator[tuple[Job, Log | FeatdynError]]:
    """Train several trajectories at once, epoch by epoch; each comes out as if it were alone.

    On a GPU each has its own stream, and the device trains the others while the host writes one's checkpoint. On a CPU
    nothing is gained; use processes.

    Args:
        jobs: the trainings; the next is taken when there is room for it, after ended ones were yielded.
        device: where to train.
        engine: how steps are run (see ``steps.resolve_engine``).
        at_once: how many at once; all if left out.

    Yields:
        Each job when it ends, with its log or the error that ended it; the others continue. A failure of torch other
        than lack of memory ends them all (see ``_advance``).
    """
    wake(device := torch.device(device))
    engine, waiting = resolve_engine(engine, device), iter(jobs)
    under_way: list[tuple[Job, Generator[None, None, Log]]] = []
    while True:
        room = None if at_once is None else at_once - len(under_way)
        under_way += [(job, _train(job, device, engine)) for job in itertools.islice(waiting, room)]
        if not under_way:
            return
        for entry in list(under_way):
            outcome = _advance(*entry, device)
            if outcome is not None:
                under_way.remove(entry)
                yield entry[0], outcome


def _advance(job: Job, training: Generator[None, None, Log], device: torch.device) -> Log | FeatdynError | None:
    """Let a training start its next epoch; when it is over, return its log or the error that ended it.

    Raises:
        RuntimeError: torch fails for another reason than lack of memory.
        MemoryError: as ``RuntimeError``.
    """
    try:
        # Not in `_train`, because contexts of a suspended generator stay active for the others.
        with one_thread(), undisturbed():
            next(training)
        return None
    except StopIteration as finished:
        log: Log = finished.value
        return log
    except FeatdynError as error:
        return error
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        if device.type == "cuda":
            torch.cuda.synchronize(device)  # before others get memory that it still uses
        return _out_of_memory(job, device, error)


def _out_of_memory(job: Job, device: torch.device, error: Exception) -> TrainingError:
    said = str(error).strip().partition("\n")[0]
    return TrainingError(
        f"{job}: {device} is out of memory{said and f' ({said})'}; free it or train fewer trajectories at once "
        "(--at-once). The next run continues from the last resume point."
    )


def _train(job: Job, device: torch.device, engine: str) -> Generator[None, None, Log]:
    """Train; it yields after starting an epoch, and waits for the epoch when resumed."""
    training = _Training(job, device, engine)
    training.begin()
    for epoch in range(training.log[-1].epoch, job.recipe.training.epochs):
        started = time.monotonic()
        tally = training.start(epoch)
        yield
        training.finish(epoch, tally, started)
    training.end()
    return tuple(training.log)


def new_stepper(recipe: Recipe, seed: int, dataset: Dataset, device: torch.device, engine: str) -> Stepper:
    """Return the stepper of a training on a device, with network, optimiser and images, before parameters are loaded.

    If recipe and images do not fit each other, the error is that of ``fitting.check_fit``.
    """
    check_fit(recipe, dataset)
    images, labels = training_set(recipe, seed, dataset)
    network = new_network(recipe, dataset).to(device)
    if images.shape[1] > 1:
        network = network.to(memory_format=fastest(network, images))
    augment = recipe.data.augmentation == "crop-flip"
    return Stepper(
        network,
        new_optimizer(recipe.optimizer, network, device),
        ResidentSet(images, labels, augment=augment, seed=seed, device=device),
        batch_size=recipe.training.batch_size,
        precision=recipe.training.precision,
        engine=engine,
    )


def own_stream(recipe: Recipe, device: torch.device) -> torch.cuda.Stream | None:
    """Return a stream for a training whose network and images are made, if it may overlap with others on a GPU."""
    # Dropout draws from the device's single generator, so trainings that may have dropout must not overlap.
    if device.type != "cuda" or recipe.network.options.get("dropout") or is_factory(recipe.network.name):
        return None
    stream = torch.cuda.Stream(device)
    # Network and images were sent to the device on its current stream.
    stream.wait_stream(torch.cuda.current_stream(device))
    return stream


def on_stream(device: torch.device, stream: torch.cuda.Stream | None) -> contextlib.AbstractContextManager[object]:
    """Return a context in which a training works on its device, and on its own stream if it has one."""
    if device.type != "cuda":
        return contextlib.nullcontext()
    return torch.cuda.stream(stream) if stream else torch.cuda.device(device)


class _Training:
    """One training: network, optimiser and data on the device."""

    def __init__(self, job: Job, device: torch.device, engine: str) -> None:
        self.job, self.recipe, self.seed, self.device = job, job.recipe, job.seed, device
        self.stepper = new_stepper(job.recipe, job.seed, job.dataset, device, engine)
        self.network, self.optimizer = self.stepper.network, self.stepper.optimizer
        images, labels = training_set(job.recipe, job.seed, job.dataset)
        self.probe_images, self.probe_labels = images[:PROBE_IMAGES].to(device), labels[:PROBE_IMAGES].to(device)
        self.stream = own_stream(job.recipe, device)
        self.log: list[EpochRecord] = []
        self.saved = time.monotonic()

    def begin(self) -> None:
        """Start from the resume point, or from the beginning."""
        job, first = self.job, self.recipe.first_epoch
        point = job.sink.resume_point()
        with self._on_stream():
            if point is None:
                load_state(self.network, initial_state(job.recipe, job.seed, job.dataset, job.parent))
                load_optimizer(self.optimizer, initial_optimizer(job.recipe, job.seed, job.parent))
                rate = self.recipe.learning_rate(first)
                # Before the first step there is no training loss, and the accuracy is measured on the probe.
                self.log = [EpochRecord(first, math.nan, self._accuracy(), rate, self._probe(first), 0.0)]
                self._checkpoint(first)
            else:
                load_state(self.network, point.network)
                load_optimizer(self.optimizer, point.optimizer)
                self.log = list(point.log)
        if self.recipe.branch and self.recipe.branch.freeze:
            self.stepper.freeze(self.recipe.branch.freeze)

    def start(self, epoch: int) -> Tally:
        """Start epoch number ``epoch`` (from 0)."""
        seed = stream_seed(self.seed, "dropout", epoch)
        with self._on_stream(), seeded_dropout(seed, self.device), exact_arithmetic():
            return self.stepper.run_epoch(epoch, self.recipe.learning_rate(epoch))

    def finish(self, epoch: int, tally: Tally, started: float) -> None:
        """Wait for the epoch and store its results."""
        with self._on_stream():
            record = self._record(epoch, tally, started)
            self.log.append(record)
            # Before the resume point, which names the digests of all checkpoints up to its epoch.
            self._checkpoint(record.epoch)
            if time.monotonic() - self.saved >= RESUME_SECONDS:
                tensors = optimizer_tensors(self.optimizer)
                self.job.sink.save_resume_point(ResumePoint(record.epoch, self._state(), tensors, tuple(self.log)))
                self.saved = time.monotonic()
        self.job.sink.progress(record)

    def end(self) -> None:
        """Store what a branch needs to continue this training."""
        with self._on_stream():
            self.job.sink.keep_optimizer(optimizer_tensors(self.optimizer))

    def _record(self, epoch: int, tally: Tally, started: float) -> EpochRecord:
        """Return the log record of an epoch.

        Raises:
            TrainingError: one of its losses is not finite.
        """
        # Here the host waits for the epoch on the device.
        series = tally.losses.cpu()
        rate = self.recipe.learning_rate(epoch)
        if not series.isfinite().all():
            step = int((~series.isfinite()).nonzero()[0])
            raise TrainingError(
                f"{self.job}: loss is {series[step].item()} at epoch {epoch + 1}, step {step + 1} of {len(series)}; "
                f"lower the learning rate (now {rate:g})"
            )
        return EpochRecord(
            epoch=epoch + 1,
            train_loss=series.double().mean().item(),
            train_accuracy=tally.correct.item() / len(self.stepper.data),
            learning_rate=rate,
            probe_loss=self._probe(epoch + 1),
            seconds=time.monotonic() - started,
        )

    def _checkpoint(self, epoch: int) -> None:
        if epoch in self.recipe.training.checkpoints:
            self.job.sink.checkpoint(epoch, self._state())

    def _on_stream(self) -> contextlib.AbstractContextManager[object]:
        return on_stream(self.device, self.stream)

    def _probe(self, epoch: int) -> float | None:
        if epoch not in self.recipe.training.checkpoints:
            return None
        return evaluate_loss(self.network, self.probe_images, self.probe_labels)

    @torch.no_grad()
    def _accuracy(self) -> float:
        with exact_arithmetic():
            predicted = self.network.eval()(self.probe_images).argmax(1)
        return (predicted == self.probe_labels).double().mean().item()

    def _state(self) -> State:
        # `clone`, because `cpu` returns a CPU tensor itself, which the next step changes.
        return {name: value.detach().cpu().clone() for name, value in self.network.state_dict().items()}
