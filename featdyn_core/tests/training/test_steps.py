"""The resident training set against a slow one, and prepared steps against plain ones."""

import functools
import gc
import weakref

import pytest
import torch

from featdyn_core.cuda_graphs import WARM_UP
from featdyn_core.data.augmentation import CropFlip
from featdyn_core.errors import DeviceError, TrainingError
from featdyn_core.seeds import torch_generator
from featdyn_core.tests.tiny import SUBSET, coloured_digits, same_state, tiny_digits, tiny_recipe
from featdyn_core.training import steps as stepping
from featdyn_core.training.optimizer import new_optimizer, optimizer_tensors
from featdyn_core.training.steps import ResidentSet, Stepper, resolve_engine
from featdyn_core.trajectories.specs import NetworkSpec, OptimizerSpec
from featdyn_core.trajectories.trajectory import new_network

CPU = torch.device("cpu")
SIZE = 48
"""Batch size that leaves a shorter last batch: 200 = 4 · 48 + 8."""

OPTIMIZERS = {
    "sgd": OptimizerSpec("sgd", 0.1, weight_decay=1e-3),
    "momentum": OptimizerSpec("sgd", 0.1, momentum=0.9),
    "adam": OptimizerSpec("adam", 0.01, weight_decay=1e-3),
}


def stepper(optimizer: OptimizerSpec, engine: str = "eager", size: int = SIZE) -> Stepper:
    """Return the steps of a small residual network, whose normalisation keeps running statistics."""
    recipe = tiny_recipe(network=NetworkSpec("resnet8", {"width": 4}), optimizer=optimizer)
    data = tiny_digits()
    network = new_network(recipe, data, torch_generator(0, "init"))
    resident = ResidentSet(data.train_images, data.train_labels, augment=True, seed=0, device=CPU)
    optimizer = new_optimizer(recipe.optimizer, network, CPU)
    return Stepper(network, optimizer, resident, batch_size=size, precision="fp32", engine=engine)


def batches_of(resident: ResidentSet, epoch: int, size: int = 50) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Images and labels of an epoch's batches."""
    resident.shuffle(epoch)
    return [resident.batch(torch.tensor([start]), size) for start in range(0, len(resident), size)]


# Data


def test_batches_are_augmented_images_in_the_order_of_an_epoch():
    data = coloured_digits()
    labels = torch.arange(SUBSET)
    resident = ResidentSet(data.train_images, labels, augment=True, seed=3, device=CPU)
    crops = CropFlip(data.train_images, CPU)
    for epoch in (0, 1):
        order = torch.randperm(SUBSET, generator=torch_generator(3, "order", epoch))
        crops.draw(torch_generator(3, "augment", epoch))
        batches = batches_of(resident, epoch)
        assert [len(batch) for _, batch in batches] == [50] * 4, f"epoch {epoch}"
        images, found = (torch.cat(parts) for parts in zip(*batches, strict=True))
        assert torch.equal(found, labels[order]), f"epoch {epoch}"
        assert torch.equal(images, crops.take(order)), f"epoch {epoch}"


@pytest.mark.parametrize("augment", [False, True])
def test_every_epoch_draws_other_images_in_another_order(augment):
    data = tiny_digits()
    resident = ResidentSet(data.train_images, torch.arange(SUBSET), augment=augment, seed=0, device=CPU)
    (first, order), (second, other), (again, same) = (
        [torch.cat(parts) for parts in zip(*batches_of(resident, epoch), strict=True)] for epoch in (0, 1, 0)
    )
    assert not torch.equal(order, other)
    assert torch.equal(order, same)
    assert torch.equal(first, again)
    # in the images' own order they are equal, unless they were cropped again
    assert torch.equal(first[order.argsort()], second[other.argsort()]) is not augment


# Steps


def test_epoch_takes_every_sample_once_and_counts_what_it_took():
    steps = stepper(OPTIMIZERS["momentum"])
    taken = []
    evaluate = steps.evaluate

    def noting(network, images, labels, precision):
        taken.append(labels)
        return evaluate(network, images, labels, precision)

    steps.evaluate = noting
    tally = steps.run_epoch(0, 0.1)
    assert [len(labels) for labels in taken] == [48, 48, 48, 48, 8]
    assert torch.equal(torch.cat(taken).sort().values, tiny_digits().train_labels.sort().values)
    assert tally.start.item() == SUBSET
    assert tally.step.item() == len(tally.losses) == 5
    assert (tally.losses > 0).all()
    assert 0 <= tally.correct <= SUBSET


def test_second_epochs_tally_forgets_the_first():
    steps = stepper(OPTIMIZERS["momentum"])
    first = steps.run_epoch(0, 0.1).losses.clone()
    second = steps.run_epoch(1, 0.1)
    assert second.start.item() == SUBSET
    assert not torch.isclose(first, second.losses).any()


@pytest.mark.parametrize("size", [SIZE, 150])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_capturing_leaves_no_trace_in_the_training(monkeypatch, name, size):
    """After a capture that warms up like a GPU's, weights, statistics and optimiser equal those of plain steps."""
    warmed = []

    def capture(step, device, reset):
        assert device == CPU
        for _ in range(WARM_UP):
            reset()
            step()
        warmed.append(step)
        return step

    monkeypatch.setattr(stepping, "capture", capture)
    plain, captured = stepper(OPTIMIZERS[name], size=size), stepper(OPTIMIZERS[name], size=size)
    captured.captures = True
    for epoch, rate in ((0, 0.1), (1, 0.01)):
        expected, found = plain.run_epoch(epoch, rate), captured.run_epoch(epoch, rate)
        assert torch.equal(expected.losses, found.losses), f"epoch {epoch}"
        assert torch.equal(expected.correct, found.correct), f"epoch {epoch}"
    assert same_state(plain.network.state_dict(), captured.network.state_dict())
    assert same_state(optimizer_tensors(plain.optimizer), optimizer_tensors(captured.optimizer))
    assert len(warmed) == 2  # one for whole batches, one for the last; none in the second epoch
    assert captured.captures


@torch.no_grad()
def _weights_a_little_further(steps, _):
    next(steps.network.parameters()).mul_(1.01)


@torch.no_grad()
def _no_weights(steps, before):
    for parameter, value in zip(steps.network.parameters(), before, strict=True):
        parameter.copy_(value)


@torch.no_grad()
def _statistics_of_another(steps, _):
    next(buffer for name, buffer in steps.network.named_buffers() if "running_mean" in name).add_(1e-2)


def _a_place_beyond(steps, _):
    steps.tally.start += 1


FAULTS = {
    "further": (_weights_a_little_further, "parameters"),
    "nothing": (_no_weights, "parameters"),
    "statistics": (_statistics_of_another, "running_mean"),
    "place": (_a_place_beyond, "place"),
}


@pytest.fixture
def faulty(monkeypatch):
    """Return a function that plants a driver's fault in the replays of some steps, for some batch sizes."""

    def break_replays(steps, fault, sizes):
        def capture(step, device, reset):
            assert device == CPU
            reset()
            step()
            size = int(steps.tally.start)

            def replay():
                before = [parameter.detach().clone() for parameter in steps.network.parameters()]
                step()
                if size in sizes:
                    fault(steps, before)

            return replay

        monkeypatch.setattr(stepping, "capture", capture)
        steps.captures = True

    return break_replays


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("rate", [0.1, 1e-5])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_replay_that_is_not_the_step_is_reported_and_not_used(faulty, name, rate, fault):
    """This covers a driver's fault at low rates, where weights move less than statistics."""
    plain, captured = stepper(OPTIMIZERS[name]), stepper(OPTIMIZERS[name])
    broken, kind = FAULTS[fault]
    faulty(captured, broken, {SIZE, 8})
    with pytest.warns(UserWarning, match=rf"on cpu a replayed step differs in {kind} .* with plain steps"):
        captured.run_epoch(0, rate)
    plain.run_epoch(0, rate)
    assert same_state(plain.network.state_dict(), captured.network.state_dict())
    assert not captured.captures


def test_every_network_and_batch_size_is_checked(faulty):
    faulty(true := stepper(OPTIMIZERS["sgd"]), _no_weights, set())
    true.run_epoch(0, 0.1)
    assert true.captures
    for size in (SIZE, 8):
        faulty(steps := stepper(OPTIMIZERS["sgd"]), _no_weights, {size})
        with pytest.warns(UserWarning, match="differs in parameters"):
            steps.run_epoch(0, 0.1)
        assert not steps.captures


def test_a_check_draws_from_no_other_devices_generator(faulty, monkeypatch):
    """``torch.manual_seed`` would seed the generators of all GPUs, and nothing would restore them."""
    seeded = []
    monkeypatch.setattr(torch.cuda, "manual_seed_all", seeded.append)
    before = torch.random.get_rng_state()
    faulty(steps := stepper(OPTIMIZERS["sgd"]), _no_weights, set())
    steps.run_epoch(0, 0.1)
    assert not seeded
    assert torch.equal(torch.random.get_rng_state(), before)


def test_finished_steps_leave_the_memory_at_once():
    """No cycle of references keeps a training's tensors, and on a GPU its graphs, until Python collects garbage."""
    steps = stepper(OPTIMIZERS["momentum"])
    steps.run_epoch(0, 0.1)
    gone = weakref.ref(steps)
    gc.disable()
    try:
        del steps
        assert gone() is None
    finally:
        gc.enable()


def test_compiled_engine_compiles_what_it_evaluates(monkeypatch):
    compiled = []

    def compile_(function, **options):
        compiled.append(options)
        return function

    monkeypatch.setattr(torch, "compile", compile_)
    plain, found = stepper(OPTIMIZERS["sgd"]), stepper(OPTIMIZERS["sgd"], "compiled")
    assert compiled == [{"dynamic": False}]
    assert torch.equal(plain.run_epoch(0, 0.1).losses, found.run_epoch(0, 0.1).losses)


@pytest.fixture
def graphs(monkeypatch):
    """Return a list of compiled functions; they run uncompiled, because compiling takes a minute."""
    made = []

    def backend(graph, _):
        made.append(graph)
        return graph.forward

    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend=backend))
    torch._dynamo.reset()
    yield made
    torch._dynamo.reset()


def test_the_fifth_compiled_training_is_still_compiled(graphs):
    for number in range(5):
        stepper(OPTIMIZERS["sgd"], "compiled").run_epoch(0, 0.1)
        assert len(graphs) == 2 * (number + 1)  # one for whole batches, one for the last


def test_steps_that_cannot_stay_compiled_are_an_error(graphs, monkeypatch):
    monkeypatch.setattr(torch._dynamo.config, "recompile_limit", 1)
    with pytest.raises(TrainingError, match=r"uncompiled from now on .*; train with --engine eager"):
        stepper(OPTIMIZERS["sgd"], "compiled").run_epoch(0, 0.1)
    assert len(graphs) == 1


# Engines


@pytest.mark.parametrize(("device", "engine"), [("cpu", "eager"), ("cuda", "graphs")])
def test_engine_that_suits_the_device(device, engine):
    assert resolve_engine("auto", torch.device(device)) == engine
    assert resolve_engine("eager", torch.device(device)) == "eager"
    assert resolve_engine("compiled", torch.device(device)) == "compiled"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("fast", "unknown engine 'fast'; use auto, eager, graphs, compiled"),
        ("graphs", "cpu has no CUDA graphs; use --engine eager or --engine compiled"),
    ],
)
def test_engine_that_cannot_be_is_refused(name, message):
    with pytest.raises(DeviceError, match=message):
        resolve_engine(name, CPU)
