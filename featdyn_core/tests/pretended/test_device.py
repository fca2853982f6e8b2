"""The pretended device itself: it computes as the CPU does, and finds faults that are planted in GPU code."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from featdyn_core.cuda_graphs import capture
from featdyn_core.devices import is_out_of_memory, resolve_device
from featdyn_core.numerics import seeded_dropout
from featdyn_core.tests.pretended.device import PretendedTensor
from featdyn_core.tests.pretended.streams import RaceError

GPU = torch.device("cuda", 0)


@pytest.fixture(autouse=True)
def device(pretended_gpu):
    """Return a new device for each test."""
    return pretended_gpu


def ones(*shape):
    return torch.ones(shape, device="cuda")


def test_there_is_one_device():
    assert resolve_device("auto") == torch.device("cuda")
    assert torch.cuda.device_count() == 1
    assert ones(2).device == GPU
    assert ones(2).is_cuda
    assert not torch.ones(2).is_cuda


def test_tensors_go_there_and_back():
    there = torch.arange(6.0).reshape(2, 3).to("cuda")
    assert isinstance(there, PretendedTensor)
    assert isinstance(there.T + 1, PretendedTensor)
    assert there.to("cuda") is there
    assert (there * 2).cpu().tolist() == [[0, 2, 4], [6, 8, 10]]
    assert type(torch.zeros(3).to(there)) is PretendedTensor
    with pytest.raises(TypeError, match=r"Use Tensor\.cpu\(\) first"):
        there.numpy()


def test_a_module_moves_with_its_parameters():
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    first = network[0].weight
    images = torch.rand(4, 1, 5, 5)
    expected = copy.deepcopy(network)(images)
    network.to("cuda")
    assert network[0].weight is first
    assert isinstance(first, nn.Parameter)
    assert all(tensor.device == GPU for tensor in network.state_dict().values())
    twin = copy.deepcopy(network)
    assert isinstance(twin[0].weight, nn.Parameter)
    assert torch.equal(twin(images.cuda()).cpu(), expected)


def test_gradients_flow_through_the_device_and_back():
    leaf = torch.arange(3.0, requires_grad=True)
    (leaf.to("cuda").square().sum() * 2).cpu().backward()
    assert leaf.grad.tolist() == [0, 4, 8]


def test_writing_a_view_writes_the_whole():
    whole = torch.zeros(4, device="cuda")
    whole[1:3].add_(1)
    torch.add(whole[:2], 1, out=whole[2:])
    assert whole.cpu().tolist() == [0, 1, 1, 2]


def test_dropout_draws_from_the_generator_of_the_device():
    drawn = []
    for _ in range(2):
        host = torch.get_rng_state()
        with seeded_dropout(3, GPU):
            drawn.append(F.dropout(ones(50)).cpu())
        assert torch.equal(torch.get_rng_state(), host)
    with seeded_dropout(3, torch.device("cpu")):
        drawn.append(F.dropout(torch.ones(50)))
    assert torch.equal(drawn[0], drawn[1])
    assert torch.equal(drawn[0], drawn[2])


# Captured graphs


def test_a_capture_computes_nothing_and_a_replay_does():
    total = torch.zeros(3, device="cuda")
    result = {}

    def step():
        total.add_(1)
        result["double"] = total * 2

    replay = capture(step, GPU, total.zero_)
    total.zero_()
    assert result["double"].cpu().isnan().all(), "a capture has run the step"
    for count in (1, 2):
        replay()
        assert total.cpu().tolist() == [count] * 3
        assert result["double"].cpu().tolist() == [2 * count] * 3


def test_every_replay_draws_anew():
    kept = torch.zeros(64, device="cuda")
    replay = capture(lambda: kept.copy_(F.dropout(ones(64))), GPU)
    replay()
    first = kept.cpu()
    replay()
    assert not torch.equal(first, kept.cpu())


# Planted faults


@pytest.mark.parametrize(
    "mix",
    [
        lambda here, there: here + there,
        lambda here, there: torch.stack([here, there]),
        lambda here, there: there.add_(here),
        lambda here, there: F.linear(there, here[None]),
        lambda here, there: torch.where(there > 0, there, here),
    ],
)
def test_mixed_devices_are_refused(mix):
    with pytest.raises(RuntimeError, match="Expected all tensors to be on the same device, but found cuda:0 and cpu"):
        mix(torch.ones(3), ones(3))


def test_a_number_of_the_host_may_be_mixed_in():
    assert (ones(2) * torch.tensor(3.0)).cpu().tolist() == [3, 3]


def test_a_generator_of_the_host_is_refused():
    with pytest.raises(RuntimeError, match="Expected a 'cuda' device type for generator"):
        ones(3).normal_(generator=torch.Generator())


@pytest.mark.parametrize(
    ("wait", "times"),
    [
        (lambda x: x.sum().item(), 1),
        (lambda x: x.cpu(), 1),
        (lambda x: x.tolist(), 1),
        (lambda x: bool(x.sum() > 0), 1),
        (lambda x: x.nonzero(), 1),
        (lambda x: x[x > 0], 1),
        (lambda x: x[torch.tensor([0])], 1),
        (lambda x: x.copy_(torch.zeros(3)), 1),
        (lambda _: torch.cuda.synchronize(), 1),
        (lambda _: torch.cuda.current_stream().synchronize(), 1),
        (lambda x: (x * 2 + x[0]).softmax(0).argmax(), 0),
        (lambda x: x[torch.zeros(2, dtype=torch.int64, device="cuda")], 0),
    ],
)
def test_waits_of_the_host_are_counted(device, wait, times):
    given = ones(3)
    device.waits.clear()
    wait(given)
    assert device.waits.total() == times, device.waits


@pytest.mark.parametrize(
    "hidden", [lambda x: x.sum().item(), lambda x: x.cpu(), lambda x: x.add_(torch.ones(3).cuda())]
)
def test_a_wait_hidden_in_a_capture_is_found(hidden):
    given = ones(3)
    graph = torch.cuda.graph(torch.cuda.CUDAGraph(), stream=torch.cuda.Stream())
    with pytest.raises(RuntimeError, match="not permitted when stream is capturing"), graph:
        hidden(given)
    assert given.sum().item() == 3, "the capture did not end, or has changed a tensor"


def test_a_graph_outliving_its_input_is_found():
    inputs = [ones(3)]
    total = ones(3)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=torch.cuda.Stream()):
        total.add_(inputs[0])
    graph.replay()
    inputs.clear()
    with pytest.raises(RuntimeError, match="was freed after the capture"):
        graph.replay()


def racing(order):
    """Write on one stream and read on another, with a given step between."""
    one, other = torch.cuda.Stream(), torch.cuda.Stream()
    shared = ones(3)
    for stream in (one, other):
        stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(one):
        shared.add_(1)
    order(one, other)
    with torch.cuda.stream(other):
        return shared * 2


def by_event(one, other):
    event = torch.cuda.Event()
    event.record(one)
    other.wait_event(event)


ORDERS = {
    "wait_stream": lambda one, other: other.wait_stream(one),
    "event": by_event,
    "the host": lambda one, _: one.synchronize(),
    "device": lambda *_: torch.cuda.synchronize(),
}


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
def test_streams_that_wait_do_not_race(order):
    with torch.no_grad():
        racing(order)


@pytest.mark.parametrize("order", [lambda *_: None, lambda one, other: one.wait_stream(other)])
def test_a_race_is_found(order):
    with pytest.raises(RaceError, match="races with the work of stream"):
        racing(order)


def test_a_race_of_a_replay_is_found():
    shared = ones(3)
    replay = capture(lambda: shared.add_(1), GPU)
    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        shared.mul_(2)
    with pytest.raises(RaceError):
        replay()


def test_a_write_over_what_another_stream_reads_is_found():
    shared, aside = ones(3), torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        shared + 1
    shared + 1  # two readers are not a race
    with pytest.raises(RaceError):
        shared.add_(1)


def test_an_operator_can_be_made_to_fail(device):
    device.faults[device.operators + 2] = torch.OutOfMemoryError("CUDA out of memory")
    first = ones(3)
    with pytest.raises(torch.OutOfMemoryError) as failed:
        first + 1
    assert is_out_of_memory(failed.value)
    assert (first + 1).cpu().tolist() == [2, 2, 2]
