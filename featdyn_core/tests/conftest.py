"""Small trajectories that no training made, for every test. torch is imported when the first is asked for."""

import pytest

from featdyn_core.pytest_plugin.selection import leave_out


@pytest.fixture(scope="session", autouse=True)
def _one_thread():
    """Tensors this small gain nothing from threads, and lose much to them on a machine that others use."""
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


def pytest_ignore_collect(config: pytest.Config) -> bool | None:
    """Spare a run of one tier of claims the import of the unit tests, none of which belongs to a tier."""
    return True if config.option.markexpr in ("fast", "full", "sweep", "calibration", "mutation") else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Run what takes minutes, or a cluster, only where ``-m`` names it."""
    leave_out(config, items, ("faults", "cluster"))
