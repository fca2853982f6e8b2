"""Devices by name, arithmetic settings, the caller's modes of torch, and the dropout seed."""

import itertools
import os
import subprocess
import sys
import threading
import warnings
from pathlib import Path

import pytest
import torch

from featdyn_core import numerics
from featdyn_core.errors import DeviceError
from featdyn_core.numerics import (
    exact_arithmetic,
    exactly,
    forward_mode,
    is_out_of_memory,
    one_thread,
    resolve_device,
    seeded_dropout,
    undisturbed,
    wake,
)

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

    cached = numerics.cuda_devices, numerics._automatic
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
    code = "from featdyn_core.numerics import tell; tell('the fan is loud')"
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


# Arithmetic

SETTINGS = {
    "matmul": torch.backends.cuda.matmul,
    "conv": torch.backends.cudnn.conv,
    "rnn": torch.backends.cudnn.rnn,
    "cpu matmul": torch.backends.mkldnn.matmul,
    "cpu conv": torch.backends.mkldnn.conv,
}


def settings():
    """Return the settings; the older interface's is "contradicted" if reading it raises."""
    older = {
        "older matmul": torch.get_float32_matmul_precision,
        "older cuda.matmul": lambda: torch.backends.cuda.matmul.allow_tf32,
        "older cudnn": lambda: torch.backends.cudnn.allow_tf32,
    }
    found = {name: setting.fp32_precision for name, setting in SETTINGS.items()}
    for name, read in older.items():
        try:
            found[name] = read()
        except RuntimeError:
            found[name] = "contradicted"
    found["deterministic"], found["benchmark"] = torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark
    return found


def exact(tf32):
    on_gpu = "tf32" if tf32 else "ieee"
    return {
        "matmul": on_gpu,
        "conv": on_gpu,
        "rnn": on_gpu,
        "cpu matmul": "ieee",
        "cpu conv": "ieee",
        "older matmul": "high" if tf32 else "highest",
        "older cuda.matmul": tf32,
        "older cudnn": tf32,
        "deterministic": True,
        "benchmark": False,
    }


def told(matmul, cudnn):
    """Set the older interface, which also sets the newer one."""
    torch.set_float32_matmul_precision(matmul)
    torch.backends.cudnn.allow_tf32 = cudnn


@pytest.fixture(autouse=True)
def _as_they_were():
    before = {name: setting.fp32_precision for name, setting in SETTINGS.items()}
    yield
    told("highest", True)
    for name, value in before.items():
        SETTINGS[name].fp32_precision = value


@pytest.mark.parametrize("tf32", [False, True])
def test_arithmetic_is_exact_for_a_time(tf32):
    before = settings()
    with exact_arithmetic(tf32=tf32):
        assert settings() == exact(tf32)
    assert settings() == before


@pytest.mark.parametrize("tf32", [False, True])
@pytest.mark.parametrize("matmul", ["highest", "high", "medium"])
@pytest.mark.parametrize("cudnn", [False, True])
def test_both_interfaces_to_the_precision_are_set_and_put_back(tf32, matmul, cudnn):
    newer = itertools.product(["none", "ieee", "tf32"], repeat=3)
    told(matmul, cudnn)
    as_told = {name: setting.fp32_precision for name, setting in SETTINGS.items()}
    changes = [dict(zip(("matmul", "conv", "rnn"), values, strict=True)) for values in newer]
    changes += [{"cpu matmul": a, "cpu conv": b} for a in ("none", "ieee", "bf16", "tf32") for b in ("none", "bf16")]
    for change in ({}, *changes):
        told(matmul, cudnn)
        for name, value in (as_told | change).items():
            SETTINGS[name].fp32_precision = value
        before = settings()
        with exact_arithmetic(tf32=tf32):
            assert settings() == exact(tf32)
        assert settings() == before
        for name in SETTINGS:  # what the older interface was told can be read where the newer one agrees with it
            SETTINGS[name].fp32_precision = "tf32" if name in ("conv", "rnn") and cudnn else "ieee"
        assert settings()["older matmul"] == matmul
        assert settings()["older cudnn"] == cudnn


def test_precision_set_for_everything_is_not_inherited():
    torch.backends.fp32_precision = "tf32"
    try:
        with exact_arithmetic():
            assert settings() == exact(tf32=False)
    finally:
        torch.backends.fp32_precision = "none"


@pytest.mark.parametrize("tf32", [False, True])
def test_nesting_goes_back_to_the_outer_arithmetic(tf32):
    with exact_arithmetic(tf32=tf32):
        with exact_arithmetic(tf32=not tf32):
            assert settings() == exact(not tf32)
        assert settings() == exact(tf32)


def test_an_error_gives_the_settings_back():
    before = settings()
    with pytest.raises(ZeroDivisionError), exact_arithmetic():
        1 / 0  # noqa: B018
    assert settings() == before


# Modes of torch


def modes():
    return {
        "inference": torch.is_inference_mode_enabled(),
        "gradients": torch.is_grad_enabled(),
        "autocast": torch.is_autocast_enabled("cpu"),
        "dtype": torch.get_default_dtype(),
        "device": torch.get_default_device().type,
    }


FRESH = {"inference": False, "gradients": True, "autocast": False, "dtype": torch.float32, "device": "cpu"}


@pytest.fixture
def disturbed():
    """Enter all modes that a caller may use."""
    torch.set_default_dtype(torch.float64)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16), torch.device("meta"):
        yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.usefixtures("disturbed")
def test_modes_are_those_of_a_fresh_process_for_a_time():
    before = modes()
    assert not any(before[name] == FRESH[name] for name in FRESH)
    with undisturbed():
        assert modes() == FRESH
        assert torch.ones(2).requires_grad_().sum().requires_grad
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            assert modes() == FRESH | {"gradients": False, "autocast": True}
    assert modes() == before


@pytest.mark.usefixtures("disturbed")
def test_an_error_gives_the_modes_back():
    before = modes()
    with pytest.raises(ZeroDivisionError), undisturbed():
        1 / 0  # noqa: B018
    assert modes() == before


@pytest.mark.usefixtures("disturbed")
def test_a_function_runs_exactly_each_time_it_is_called():
    found = []

    @exactly
    def function(argument, *, option):
        """Note the modes."""
        found.append((modes(), settings(), argument, option))

    for _ in range(2):
        function(1, option=2)
    assert found == [(FRESH, exact(tf32=False), 1, 2)] * 2
    assert (function.__name__, function.__doc__) == ("function", "Note the modes.")


def test_dropout_is_seeded_and_the_global_generator_put_back():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    with seeded_dropout(7, CPU):
        first = torch.nn.functional.dropout(torch.ones(50))
    with seeded_dropout(7, CPU):
        again = torch.nn.functional.dropout(torch.ones(50))
    with seeded_dropout(8, CPU):
        other = torch.nn.functional.dropout(torch.ones(50))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("category", [FutureWarning, DeprecationWarning, UserWarning])
def test_forward_mode_is_spared_torchs_warning_of_itself(category):
    """Its category differs between versions."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with forward_mode():
            warnings.warn("`torch.jit.script` is deprecated", category, stacklevel=1)
        with pytest.raises(category, match="something else"), forward_mode():
            warnings.warn("something else", category, stacklevel=1)


def test_one_thread_is_of_the_cpu_and_put_back():
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        with one_thread():
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


TURNS = {
    "undisturbed": undisturbed,
    "one_thread": one_thread,
    "exact_arithmetic": exact_arithmetic,
    "seeded_dropout": lambda: seeded_dropout(7, CPU),
}


@pytest.mark.parametrize("second", TURNS)
@pytest.mark.parametrize("first", TURNS)
def test_threads_take_turns_in_what_is_the_processs(first, second):
    entered = threading.Event()

    def enter() -> None:
        with TURNS[second]():
            entered.set()

    other = threading.Thread(target=enter)
    with TURNS[first](), TURNS[first]():  # twice: a thread does not wait for itself
        other.start()
        assert not entered.wait(0.1)
    assert entered.wait(60)
    other.join()


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
