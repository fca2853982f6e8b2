"""Small trajectories without training, for every test. torch is imported when a test first uses one."""

import itertools

import pytest

from featdyn_core.pytest_plugin.selection import leave_out


@pytest.fixture(scope="session", autouse=True)
def _one_thread():
    """Use one thread: tensors this small gain nothing from more, and lose much on a busy machine."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def tiny_dataset():
    """The first 200 training and 100 test images of the digits."""
    from featdyn_core.tests.drifting import few_digits

    return few_digits()


@pytest.fixture(scope="session")
def make_trajectory(tiny_dataset):
    """Return a function of a network's name, its options and a data set that makes a trajectory."""
    from featdyn_core.tests.drifting import drifting

    return lambda network, dataset=tiny_dataset, **options: drifting(network, dataset, **options)


@pytest.fixture(scope="session")
def tiny_trajectory(make_trajectory):
    """A ResNet-8 of width 4 on the digits at epochs 0, 1, 2 and 4."""
    return make_trajectory("resnet8", width=4)


@pytest.fixture(scope="session")
def tiny_perceptron(make_trajectory):
    """A perceptron with dropout on the digits at epochs 0, 1, 2 and 4."""
    return make_trajectory("mlp", hidden=[12, 8], dropout=0.3)


@pytest.fixture
def pretended_gpu():
    """A CUDA device that is pretended on the CPU, and what it has seen; not where there is a real one."""
    from featdyn_core.devices import cuda_devices
    from featdyn_core.tests.pretended.api import pretended

    if cuda_devices()[0]:
        pytest.skip("there is a real GPU, which this would hide")
    with pretended() as device:
        yield device


@pytest.fixture
def gpu(request):
    """Name of a CUDA device: a real one if there is one, otherwise the pretended one."""
    from featdyn_core.devices import cuda_devices

    if not cuda_devices()[0]:
        request.getfixturevalue("pretended_gpu")
    return "cuda"


@pytest.hookimpl(tryfirst=True)  # before tests are chosen by their marks
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark the tests that need a GPU, and run tests that take minutes only if ``-m`` names them.

    Without a GPU, they take seconds on the pretended one.
    """
    needing = [item for item in items if "gpu" in getattr(item, "fixturenames", ())]
    if needing:
        from featdyn_core.devices import cuda_devices

        marks = ["gpu"] if cuda_devices()[0] else ["gpu", "pretended"]
        for item, mark in itertools.product(needing, marks):
            item.add_marker(mark)
    leave_out(config, items, ("faults", "cluster", "pretended"))


def pytest_ignore_collect(config: pytest.Config) -> bool | None:
    """Skip the import of unit tests in a run of one tier; none of them belongs to a tier."""
    return True if config.option.markexpr in ("fast", "full", "sweep", "calibration", "mutation") else None
