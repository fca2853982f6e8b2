"""Devices: lookup by name, true single precision, repeatable results, seeded dropout and CUDA graphs.

``undisturbed`` overrides the caller's settings of torch that a result depends on, and restores them afterwards. torch's
settings, its number of threads and the generator of dropout belong to the whole process, so threads take turns.
"""

import contextlib
import functools
import os
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any, ParamSpec, TypeVar

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.modules import module as torch_module

from featdyn_core.errors import DeviceError

P = ParamSpec("P")
R = TypeVar("R")

WARM_UP = 3
"""Number of runs before a capture, in which libraries choose and load code that must not be captured."""

CPU_THREADS = 1
"""Threads of a training and of a measurement on a CPU; several of them keep several cores busy."""

_TURN = threading.RLock()
"""Lock of the thread that changes settings of the process or draws from its generator; others wait."""

AUTOCAST = ("cpu", "cuda", "mps", "xpu")
"""Kinds of device that have an autocast of their own."""

HOOKS: tuple[dict[int, Any], ...] = tuple(
    getattr(torch_module, name)
    for name in (
        "_global_forward_pre_hooks",
        "_global_forward_hooks",
        "_global_backward_pre_hooks",
        "_global_backward_hooks",
        "_global_buffer_registration_hooks",
        "_global_module_registration_hooks",
        "_global_parameter_registration_hooks",
    )
)
"""Global hooks of all modules; a caller's hooks may change the result of any module."""

ISA_LIMITS = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "MKL_ENABLE_INSTRUCTIONS", "MKL_CBWR")
"""Environment variables that restrict the instructions that CPU libraries use."""

NO_MEMORY = (
    ("out of memory",),
    ("can't allocate memory",),
    ("STATUS_ALLOC_FAILED",),
    ("STATUS_NOT_SUPPORTED", "workspace"),
)
"""Words of a RuntimeError of torch, CUDA, cuBLAS or cuDNN about lack of memory: all words of one entry occur."""


def tell(line: str) -> None:
    """Report a fact about this machine as a warning that never becomes an error, for any filter of the caller.

    pytest lists the warning, also from its workers. Elsewhere it is one line on standard error.
    """
    with _TURN, warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn_explicit(line, UserWarning, "featdyn", 0)  # without a file, no source line is printed


def _heard(function: Callable[[], R]) -> tuple[R, str]:
    """Return the result of a function, and the first line of each warning that it raises."""
    with _TURN, warnings.catch_warnings(record=True) as given:
        warnings.simplefilter("always")
        found = function()
    return found, "; ".join(dict.fromkeys(str(one.message).strip().partition("\n")[0] for one in given))


@functools.cache
def cuda_devices() -> tuple[int, str]:
    """Number of CUDA devices that torch can use, and its warnings, such as about an old driver; asked once."""
    return _heard(lambda: torch.cuda.device_count() if torch.cuda.is_available() else 0)


@functools.cache
def _automatic() -> torch.device:
    """CUDA if there is a device, otherwise the CPU; if torch warned, one line names the device and the reason."""
    count, told = cuda_devices()
    device = torch.device("cuda" if count else "cpu")
    if told:
        tell(f"the device is {device}, and torch warns: {told}; choose with --device")
    return device


def wake(device: torch.device) -> None:
    """Initialise torch on a device before its use; its warnings, such as about an old GPU, become one line."""
    if device.type == "cuda" and not torch.cuda.is_initialized():
        _, told = _heard(torch.cuda.init)
        if told:
            tell(f"the device is {device}, and torch warns: {told}")


def resolve_device(name: str | torch.device) -> torch.device:
    """Return the device for ``auto`` (CUDA if there is one, otherwise the CPU) or for a torch device name.

    Raises:
        DeviceError: the name is unknown, or this machine does not have the CUDA device.
    """
    if name == "auto":
        return _automatic()
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise DeviceError(f"unknown device {name!r}; use auto, cpu or cuda") from error
    if device.type == "cuda" and (device.index or 0) >= cuda_devices()[0]:
        found = ", and torch warns: ".join(filter(None, map(str, cuda_devices())))
        raise DeviceError(f"there is no device {str(name)!r} (CUDA devices found: {found}); use --device cpu")
    return device


def is_out_of_memory(error: BaseException | None) -> bool:
    """Whether an error, or one in its context, reports lack of memory on a device or the host.

    A failed allocation inside a capture or a compiled function is the context of another error.
    """
    while error is not None:
        if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
            return True
        said = str(error)
        if isinstance(error, RuntimeError) and any(all(word in said for word in words) for words in NO_MEMORY):
            return True
        error = error.__cause__ or error.__context__
    return False


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Compute as in a fresh process, in every mode of torch that the caller has set; also a decorator of functions.

    Autocast and inference mode are off, gradients are recorded, new tensors are float32 on the CPU, and the caller's
    global hooks of modules are not called. Afterwards all settings are restored. Inside, autocast, ``no_grad`` and
    hooks work as usual.
    """
    with _TURN, contextlib.ExitStack() as modes:
        dtype, elsewhere = torch.get_default_dtype(), torch.get_default_device() != torch.device("cpu")
        modes.enter_context(torch.inference_mode(False))
        modes.enter_context(torch.enable_grad())
        for kind in AUTOCAST:
            if torch.is_autocast_enabled(kind):
                modes.enter_context(torch.autocast(kind, enabled=False))
        if elsewhere:  # only if needed, because it slows down every function of torch
            modes.enter_context(torch.device("cpu"))
        for hooks in filter(None, HOOKS):
            modes.callback(hooks.update, dict(hooks))
            hooks.clear()
        modes.callback(torch.set_default_dtype, dtype)
        torch.set_default_dtype(torch.float32)
        yield


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Compute with ``CPU_THREADS`` on the CPU, because the number of threads changes the order of sums and the bits.

    This holds even if a GPU does most of the work, because the CPU computes statistics and averages then.
    """
    with _TURN:
        before = torch.get_num_threads()
        torch.set_num_threads(CPU_THREADS)
        try:
            yield
        finally:
            torch.set_num_threads(before)


def cpu_arithmetic() -> dict[str, str]:
    """Return facts that a CPU's bits depend on beside library versions: its instructions, and the use of oneDNN."""
    onednn: Any = torch.backends.mkldnn
    used = "on" if onednn.is_available() and onednn.enabled else "off"
    limits = [f"{name}={os.environ[name]}" for name in ISA_LIMITS if os.environ.get(name)]
    return {"oneDNN": " ".join([used, *limits]), "cpu": torch.backends.cpu.get_cpu_capability()}


@contextlib.contextmanager
def exact_arithmetic(*, tf32: bool = False) -> Iterator[None]:
    """Compute float32 as float32, not as the TF32 or bfloat16 that a device may prefer, by repeatable algorithms.

    ``tf32`` allows TF32 on a GPU. Autocast keeps its own precision. torch has two interfaces to the precision. Its own
    profiler and compiler read the older one (``allow_tf32``, ``get_float32_matmul_precision``), and reading it raises
    an error if the newer one (``fp32_precision``) has a different value. So both are set, and both are restored. If the
    newer setting was inherited, it becomes an explicit setting with the same value.
    """
    backends: Any = torch.backends  # torch's type hints know only some of these settings
    cudnn = backends.cudnn
    on_gpu, on_cpu = (backends.cuda.matmul, cudnn.conv, cudnn.rnn), (backends.mkldnn.matmul, backends.mkldnn.conv)
    with _TURN, contextlib.ExitStack() as before:
        for name in ("deterministic", "benchmark"):
            before.callback(setattr, cudnn, name, getattr(cudnn, name))
        for setting in (*on_gpu, *on_cpu):
            before.callback(setattr, setting, "fp32_precision", setting.fp32_precision)
        for setting in (*on_gpu, *on_cpu):
            setting.fp32_precision = "ieee"  # makes the value of the older interface readable
        before.callback(torch.set_float32_matmul_precision, torch.get_float32_matmul_precision())
        before.callback(setattr, cudnn, "allow_tf32", _cudnn_was_told_tf32())
        cudnn.deterministic, cudnn.benchmark = True, False
        # The older interface sets the newer one too, but not all of it and some of it to "none": it goes first.
        torch.set_float32_matmul_precision("high" if tf32 else "highest")
        cudnn.allow_tf32 = tf32
        for setting in on_gpu:
            setting.fp32_precision = "tf32" if tf32 else "ieee"
        for setting in on_cpu:
            setting.fp32_precision = "ieee"
        yield


def exactly(function: Callable[P, R]) -> Callable[P, R]:
    """Return the function wrapped in exact arithmetic, without the caller's modes of torch."""
    return undisturbed()(exact_arithmetic()(function))


@contextlib.contextmanager
def forward_mode() -> Iterator[None]:
    """Allow forward-mode derivatives, also of attention, without the warning that torch raises on the first one.

    The category of the warning depends on the versions of torch and Python. Attention that is fused in evaluation has
    no forward-mode derivative.
    """
    fused = torch.backends.mha.get_fastpath_enabled()
    with _TURN, warnings.catch_warnings(), sdpa_kernel(SDPBackend.MATH):
        warnings.filterwarnings("ignore", message=r".*torch\.jit")
        torch.backends.mha.set_fastpath_enabled(False)
        try:
            yield
        finally:
            torch.backends.mha.set_fastpath_enabled(fused)


def _cudnn_was_told_tf32() -> bool:
    """Whether the older interface to cuDNN allows TF32, read while the newer one forbids it."""
    try:
        return torch.backends.cudnn.allow_tf32
    except RuntimeError:  # the two differ
        return True


@contextlib.contextmanager
def seeded_dropout(seed: int, device: torch.device) -> Iterator[None]:
    """Seed the device's global generator, which dropout draws from, and restore it afterwards."""
    index = [torch.cuda.current_device() if device.index is None else device.index] if device.type == "cuda" else []
    with _TURN, torch.random.fork_rng(devices=index):
        generator = torch.cuda.default_generators[index[0]] if index else torch.default_generator
        generator.manual_seed(seed)
        yield


def capture(
    step: Callable[[], object], device: torch.device, reset: Callable[[], object] = lambda: None
) -> Callable[[], object]:
    """Run a step a few times on a CUDA device, then capture it as a graph; return a function that replays it.

    A small network's step mostly consists of launching many kernels, and a graph launches them at once. The step must
    not wait for the host, and must use the same tensors each time. The global generators are restored; each replay
    draws from them again.

    Args:
        step: the step to capture.
        device: device of the step.
        reset: called before each of the first runs, if a step has a position that must not exceed a limit.
    """
    with torch.cuda.device(device), torch.random.fork_rng(devices=[torch.cuda.current_device()]):
        aside, graph = torch.cuda.Stream(), torch.cuda.CUDAGraph()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(WARM_UP):
                reset()
                step()
        torch.cuda.current_stream().wait_stream(aside)
        # cuBLAS keeps a workspace for each stream. Clearing it gives the graph a workspace of its own, which lives as
        # long as the graph and which no other graph uses at the same time.
        torch._C._cuda_clearCublasWorkspaces()
        with torch.cuda.graph(graph, stream=aside):
            step()
        torch._C._cuda_clearCublasWorkspaces()
    return graph.replay
