"""Numbers that repeat: true single precision, torch's modes, threads and the generator of dropout, each for a time.

``undisturbed`` overrides the caller's settings of torch that a result depends on, and restores them afterwards. torch's
settings, its number of threads and the generator of dropout belong to the whole process, so threads take turns.
"""

import contextlib
import os
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any, ParamSpec, TypeVar

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.modules import module as torch_module

P = ParamSpec("P")
R = TypeVar("R")

CPU_THREADS = 1
"""Threads of a training and of a measurement on a CPU; several of them keep several cores busy."""

TURN = threading.RLock()
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


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Compute as in a fresh process, in every mode of torch that the caller has set; also a decorator of functions.

    Autocast and inference mode are off, gradients are recorded, new tensors are float32 on the CPU, and the caller's
    global hooks of modules are not called. Afterwards all settings are restored. Inside, autocast, ``no_grad`` and
    hooks work as usual.
    """
    with TURN, contextlib.ExitStack() as modes:
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
    with TURN:
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
    with TURN, contextlib.ExitStack() as before:
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
    with TURN, warnings.catch_warnings(), sdpa_kernel(SDPBackend.MATH):
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
    with TURN, torch.random.fork_rng(devices=index):
        generator = torch.cuda.default_generators[index[0]] if index else torch.default_generator
        generator.manual_seed(seed)
        yield
