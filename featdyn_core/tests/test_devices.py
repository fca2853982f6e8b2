"""Devices by name, torch's warnings about them, and lack of memory."""

import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import torch

from featdyn_core import devices
from featdyn_core.devices import is_out_of_memory, resolve_device, wake
from featdyn_core.errors import DeviceError

CPU, GPU = torch.device("cpu"), torch.device("cuda")
OLD = "CUDA initialization: The NVIDIA driver on your system is too old (found version 11040)"


@pytest.fixture
def found(monkeypatch):
    """Return a function that simulates a number of CUDA devices, and a driver that warns on each query."""

    def set_up(count, warning=""):
        asked = []

        def is_available():
            asked.append("is_available")
            if warning:
                warnings.warn(f"{warning}\nand more", UserWarning, stacklevel=2)
            return count > 0

        monkeypatch.setattr(torch.cuda, "is_available", is_available)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
        return asked

    cached = devices.cuda_devices, devices._automatic
    for function in cached:
        function.cache_clear()
    yield set_up
    for function in cached:
        function.cache_clear()


@pytest.mark.parametrize(("count", "auto"), [(0, "cpu"), (2, "cuda")])
def test_devices_that_are_there(found, count, auto):
    found(count)
    assert resolve_device("auto") == torch.device(auto)
    assert resolve_device("cpu") == torch.device("cpu")
    if count:
        assert resolve_device("cuda:1") == torch.device("cuda:1")


@pytest.mark.parametrize(("name", "count"), [("cuda", 0), ("cuda:0", 0), ("cuda:1", 1)])
def test_device_that_is_not_there_is_refused(found, name, count):
    found(count)
    message = rf"there is no device '{name}' \(CUDA devices found: {count}\); use --device cpu"
    with pytest.raises(DeviceError, match=message):
        resolve_device(name)


@pytest.mark.parametrize("name", ["gpu", "", "cuda:x"])
def test_unknown_device_is_refused(name):
    with pytest.raises(DeviceError, match=f"unknown device '{name}'; use auto, cpu or cuda"):
        resolve_device(name)


@pytest.mark.parametrize(("count", "device"), [(0, CPU), (1, GPU)])
def test_a_drivers_warning_is_one_line_printed_once(found, count, device):
    """It is not an error, although pytest turns warnings into errors."""
    asked = found(count, OLD)
    with pytest.warns(UserWarning, match="the device is") as told:
        devices = [resolve_device("auto") for _ in range(3)]
    assert devices == [device] * 3
    (line,) = [str(one.message) for one in told]
    assert line == f"the device is {device}, and torch warns: {OLD}; choose with --device"
    assert asked == ["is_available"]


def test_a_refused_device_says_what_the_driver_warned_of(found):
    found(0, OLD)
    with pytest.raises(DeviceError) as refused:
        resolve_device("cuda")
    assert f"(CUDA devices found: 0, and torch warns: {OLD}); use --device cpu" in str(refused.value)


def test_the_cpu_is_resolved_without_asking_for_others(found):
    asked = found(0, OLD)
    assert resolve_device("cpu") == CPU
    assert not asked


def test_a_gpu_that_warns_as_it_starts_is_reported(monkeypatch):
    begun = []

    def init():
        begun.append(True)
        warnings.warn("Found GPU0 which is too old", UserWarning, stacklevel=2)

    monkeypatch.setattr(torch.cuda, "init", init)
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: bool(begun))
    wake(CPU)
    assert not begun
    with pytest.warns(UserWarning, match="the device is cuda, and torch warns: Found GPU0") as told:
        wake(GPU)
    wake(GPU)
    assert len(told) == len(begun) == 1


def test_a_message_is_one_line_of_the_standard_error():
    code = "from featdyn_core.devices import tell; tell('the fan is loud')"
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.splitlines() == ["featdyn:0: UserWarning: the fan is loud"]


# Memory

OUT_OF_MEMORY = {
    "torch": torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    "CUDA": torch.AcceleratorError("CUDA error: out of memory"),
    "CUDA, older torch": RuntimeError("CUDA error: out of memory"),
    "cuBLAS": RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    "cuDNN": RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    "cuDNN, of its workspace": RuntimeError("CUDNN_STATUS_NOT_SUPPORTED: cannot get the workspace of 2 GiB"),
    "torch's CPU": RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"),
    "Python": MemoryError(),
}


@pytest.mark.parametrize("name", OUT_OF_MEMORY)
def test_every_name_of_too_little_memory_is_known(name):
    assert is_out_of_memory(OUT_OF_MEMORY[name])


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("CUDA error: an illegal memory access was encountered"),
        RuntimeError("cuDNN error: CUDNN_STATUS_NOT_SUPPORTED"),
        ValueError("out of memory"),
        None,
    ],
)
def test_other_faults_are_not_of_memory(error):
    assert not is_out_of_memory(error)


def test_an_error_that_hides_too_little_memory_is_known():
    """The end of a capture that ran out of memory raises an error of its own."""
    error = RuntimeError("the capture was invalidated")
    error.__context__ = torch.OutOfMemoryError("CUDA out of memory")
    assert is_out_of_memory(error)


def test_a_drivers_warning_ends_no_collection_of_unit_tests(tmp_path):
    """In a new process, as torch warns once; the tests are those of this folder that take a GPU if there is one."""
    (tmp_path / "old_driver.py").write_text(
        "import warnings\n"
        "import torch\n"
        "def is_available():\n"
        "    warnings.warn('the driver is too old')\n"
        "    return False\n"
        "torch.cuda.is_available = is_available\n"
    )
    folder = Path(__file__).parent
    asked = ["-p", "old_driver", "-W", "error", "-p", "no:cacheprovider", "--collect-only", "-q"]
    found = subprocess.run(
        [sys.executable, "-m", "pytest", *asked, str(folder / "training" / "test_branching.py")],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(folder.parents[1])])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stdout + found.stderr
