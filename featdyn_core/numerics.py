"""Devices: found by name, computing in true single precision, repeatable, with seeded dropout and CUDA graphs.

Whatever the caller has told torch: ``undisturbed`` sets what a result depends on, and puts it back. Threads take turns:
torch's settings, the number of its threads and the generator that dropout draws from are those of the whole process.
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
"""Runs before a capture, in which libraries choose and load what must not be captured."""

CPU_THREADS = 1
"""Threads of a training and of a measurement on a CPU; several of them keep several cores busy."""

_TURN = threading.RLock()
"""Held by the thread that has changed settings of the process or draws from its generator; the others wait."""

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
"""Hooks of all modules there are: a caller's own may change what any of them returns."""

ISA_LIMITS = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "MKL_ENABLE_INSTRUCTIONS", "MKL_CBWR")
"""Environment variables by which the libraries of a CPU keep to fewer of its instructions."""

NO_MEMORY = (
    ("out of memory",),
    ("can't allocate memory",),
    ("STATUS_ALLOC_FAILED",),
    ("STATUS_NOT_SUPPORTED", "workspace"),
)
"""What torch, CUDA, cuBLAS and cuDNN say in a RuntimeError where memory is short: all the words of one of these."""


def tell(line: str) -> None:
    """Say something of this machine in a warning that is never an error, whatever the caller makes of warnings.

    pytest lists it, from its workers too; elsewhere it is one line of the standard error.
    """
    with _TURN, warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn_explicit(line, UserWarning, "featdyn", 0)  # no file, so that no line of source is printed


def _heard(function: Callable[[], R]) -> tuple[R, str]:
    """Return what a function returns, and the first line of each warning that it gives meanwhile."""
    with _TURN, warnings.catch_warnings(record=True) as given:
        warnings.simplefilter("always")
        found = function()
    return found, "; ".join(dict.fromkeys(str(one.message).strip().partition("\n")[0] for one in given))


@functools.cache
def cuda_devices() -> tuple[int, str]:
    """How many CUDA devices torch can use, and what it warns of as it looks, such as too old a driver; asked once."""
    return _heard(lambda: torch.cuda.device_count() if torch.cuda.is_available() else 0)


@functools.cache
def _automatic() -> torch.device:
    """CUDA where there is one, else the CPU; where torch warned, a line says which and why."""
    count, told = cuda_devices()
    device = torch.device("cuda" if count else "cpu")
    if told:
        tell(f"the device is {device}, and torch warns: {told}; choose with --device")
    return device


def wake(device: torch.device) -> None:
    """Start torch's work on a device, before it is used; what torch warns of then, such as an old GPU, is one line."""
    if device.type == "cuda" and not torch.cuda.is_initialized():
        _, told = _heard(torch.cuda.init)
        if told:
            tell(f"the device is {device}, and torch warns: {told}")


def resolve_device(name: str | torch.device) -> torch.device:
    """``auto`` (CUDA where there is one, else the CPU) or a torch device name.

    Raises:
        DeviceError: unknown name, or a CUDA device that this machine does not have.
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
    """Whether a device's memory, or the host's, was too small: by class or words of the error, or of one it hides.

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
    """Compute as in a fresh process, whatever modes of torch the caller is in; also a decorator of functions.

    Autocast and inference mode are off, gradients are recorded, new tensors are float32 on the CPU, and hooks that the
    caller has given to all modules are not called. All are as they were afterwards. Inside, autocast, ``no_grad`` and
    hooks may be entered as usual.
    """
    with _TURN, contextlib.ExitStack() as modes:
        dtype, elsewhere = torch.get_default_dtype(), torch.get_default_device() != torch.device("cpu")
        modes.enter_context(torch.inference_mode(False))
        modes.enter_context(torch.enable_grad())
        for kind in AUTOCAST:
            if torch.is_autocast_enabled(kind):
                modes.enter_context(torch.autocast(kind, enabled=False))
        if elsewhere:  # only then, for it slows down every function of torch
            modes.enter_context(torch.device("cpu"))
        for hooks in filter(None, HOOKS):
            modes.callback(hooks.update, dict(hooks))
            hooks.clear()
        modes.callback(torch.set_default_dtype, dtype)
        torch.set_default_dtype(torch.float32)
        yield


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Compute with ``CPU_THREADS`` on the CPU: the order of sums, and with it the bits, would depend on their number.

    Also where a GPU does most of the work: what is left to the CPU, such as statistics and averages, is measured too.
    """
    with _TURN:
        before = torch.get_num_threads()
        torch.set_num_threads(CPU_THREADS)
        try:
            yield
        finally:
            torch.set_num_threads(before)


def cpu_arithmetic() -> dict[str, str]:
    """Return what a CPU's bits depend on beside the versions of the libraries: their instructions, and oneDNN's use."""
    onednn: Any = torch.backends.mkldnn
    used = "on" if onednn.is_available() and onednn.enabled else "off"
    limits = [f"{name}={os.environ[name]}" for name in ISA_LIMITS if os.environ.get(name)]
    return {"oneDNN": " ".join([used, *limits]), "cpu": torch.backends.cpu.get_cpu_capability()}


@contextlib.contextmanager
def exact_arithmetic(*, tf32: bool = False) -> Iterator[None]:
    """Compute float32 as float32, not as the TF32 or bfloat16 that a device may prefer, by repeatable algorithms.

    ``tf32`` allows TF32, on a GPU. What autocast asks for is left alone. torch has two interfaces to the precision, and
    reading the older one (``allow_tf32``, ``get_float32_matmul_precision``), as torch's own profiler and compiler do,
    raises where the newer one (``fp32_precision``) was told otherwise. So both are set, and both are put back; a newer
    setting that was inherited on entering is a setting of its own, of the same value, afterwards.
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
            setting.fp32_precision = "ieee"  # with which what the older interface was told can be read
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
    """Return the function, run in exact arithmetic and undisturbed by the caller's modes of torch."""
    return undisturbed()(exact_arithmetic()(function))


@contextlib.contextmanager
def forward_mode() -> Iterator[None]:
    """Take forward-mode derivatives, of attention too, without the warning of torch about itself that the first brings.

    Its category depends on the versions of torch and Python. Attention fused in evaluation has no such derivative.
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
    """Seed the device's global generator, which dropout draws from, and put it back afterwards."""
    index = [torch.cuda.current_device() if device.index is None else device.index] if device.type == "cuda" else []
    with _TURN, torch.random.fork_rng(devices=index):
        generator = torch.cuda.default_generators[index[0]] if index else torch.default_generator
        generator.manual_seed(seed)
        yield


def capture(
    step: Callable[[], object], device: torch.device, reset: Callable[[], object] = lambda: None
) -> Callable[[], object]:
    """Run a step a few times on a CUDA device, then capture it as a graph; return what replays it.

    A small network's step is mostly the launching of its many kernels, which a graph does at once. The step must
    not wait for the host, and works on the same tensors each time. The global generators are put back; each replay
    draws from them anew.

    Args:
        step: what to capture.
        device: where it works.
        reset: called before each of the first runs, where a step has a place that it must not run beyond.
    """
    with torch.cuda.device(device), torch.random.fork_rng(devices=[torch.cuda.current_device()]):
        aside, graph = torch.cuda.Stream(), torch.cuda.CUDAGraph()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(WARM_UP):
                reset()
                step()
        torch.cuda.current_stream().wait_stream(aside)
        # cuBLAS keeps a workspace for each stream: cleared, so that the graph takes one of its own, which no other
        # graph that is replayed at the same time works in, and which lives as long as the graph.
        torch._C._cuda_clearCublasWorkspaces()
        with torch.cuda.graph(graph, stream=aside):
            step()
        torch._C._cuda_clearCublasWorkspaces()
    return graph.replay
