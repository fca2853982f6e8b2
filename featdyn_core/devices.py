"""Devices: lookup by name, what torch says as it first uses one, and lack of memory on one."""

import functools
import warnings
from collections.abc import Callable
from typing import TypeVar

import torch

from featdyn_core.errors import DeviceError
from featdyn_core.numerics import TURN

R = TypeVar("R")

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
    with TURN, warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn_explicit(line, UserWarning, "featdyn", 0)  # without a file, no source line is printed


def _heard(function: Callable[[], R]) -> tuple[R, str]:
    """Return the result of a function, and the first line of each warning that it raises."""
    with TURN, warnings.catch_warnings(record=True) as given:
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
