"""``torch.cuda`` of a pretended device, for as long as a context lasts."""

import contextlib
import functools
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
import torch

from featdyn_core import devices
from featdyn_core.tests.pretended.device import CPU, CUDA, Device, Move, PretendedTensor
from featdyn_core.tests.pretended.graphs import Graph
from featdyn_core.tests.pretended.streams import Event

NAME = "Pretended GPU"


@contextlib.contextmanager
def pretended() -> Iterator[Device]:
    """Let torch find one CUDA device; at the end it disappears with its tensors."""
    device, cached = Device(), (devices.cuda_devices, devices._automatic)
    with pytest.MonkeyPatch.context() as patch, device, _forgetting(cached):
        _patch_cuda(patch, device)
        _patch_tensors(patch, device)
        for function in cached:
            patch.setattr(devices, function.__name__, functools.cache(function.__wrapped__))
        yield device


@contextlib.contextmanager
def _forgetting(cached):
    """Let functions ask anew at the beginning and at the end, also where a module has its own name for one."""
    for function in cached:
        function.cache_clear()
    try:
        yield
    finally:
        for function in cached:
            function.cache_clear()


def _patch_cuda(patch, device):
    """Let ``torch.cuda`` tell of the device."""

    def nothing(*_, **__):
        return None

    names = {
        "is_available": lambda: True,
        "is_initialized": lambda: True,
        "is_current_stream_capturing": lambda: device.stream.is_capturing(),
        "device_count": lambda: 1,
        "current_device": lambda: CUDA.index,
        "get_device_name": lambda *_: NAME,
        "get_device_capability": lambda *_: (9, 0),
        "get_device_properties": lambda *_: SimpleNamespace(name=NAME, total_memory=2**34, multi_processor_count=1),
        "mem_get_info": lambda *_: (2**33, 2**34),
        "max_memory_allocated": lambda *_: 2**20,
        "memory_allocated": lambda *_: 2**20,
        "init": nothing,
        "_lazy_init": nothing,
        "empty_cache": nothing,
        "reset_peak_memory_stats": nothing,
        "synchronize": device.synchronize,
        "manual_seed": lambda seed: device.generator.manual_seed(seed),
        "manual_seed_all": lambda seed: device.generator.manual_seed(seed),
        "get_rng_state": lambda *_: device.generator.get_state(),
        "set_rng_state": lambda state, *_: device.generator.set_state(state),
        "default_generators": (device.generator,),
        "device": lambda *_: contextlib.nullcontext(),
        "Stream": device.new_stream,
        "Event": lambda **_: Event(device.wait, device.host),
        "CUDAGraph": lambda **_: Graph(device),
        "stream": device.on,
        "current_stream": lambda *_: device.stream,
        "default_stream": lambda *_: device.default,
        "graph": device.capturing,
    }
    for name, value in names.items():
        patch.setattr(torch.cuda, name, value, raising=False)
    patch.setattr(torch.accelerator, "current_stream", names["current_stream"])
    patch.setattr(torch._C, "_cuda_clearCublasWorkspaces", nothing, raising=False)


def _patch_tensors(patch, device):
    """Let tensors move between host and device, and parameters of a module move with it."""
    patch.setattr(torch.Tensor, "to", _to(torch.Tensor.to, device), raising=False)
    patch.setattr(torch.Tensor, "cpu", lambda self: self.to(CPU), raising=False)
    patch.setattr(torch.Tensor, "cuda", lambda self, *_: self.to(CUDA), raising=False)
    patch.setattr(torch.Tensor, "pin_memory", lambda self, *_: self, raising=False)
    patch.setattr(torch.Tensor, "device", property(functools.partial(_side, torch.Tensor.device)), raising=False)
    patch.setattr(torch.optim.Optimizer, "_group_tensors_by_device_and_dtype", staticmethod(_grouped))
    patch.setattr(torch, "compile", _not_compiled)
    for name in ("tensor", "as_tensor"):  # which ask CUDA itself for the device, in C++
        patch.setattr(torch, name, functools.partial(_made, getattr(torch, name)))
    autocast = torch.autocast

    class Autocast(autocast):
        """The CPU's autocast for both, because the CPU computes the numbers."""

        def __init__(self, device_type, *args, **options):
            super().__init__("cpu" if device_type == "cuda" else device_type, *args, **options)

    patch.setattr(torch, "autocast", Autocast)
    patch.setattr(torch.__future__, "get_swap_module_params_on_conversion", lambda: True)


def _to(plain, device):
    """Return ``Tensor.to`` with moves between host and device: to a device, a type, or those of another tensor."""

    def to(tensor, *args, copy=False, **options):
        if args and isinstance(args[0], torch.Tensor):
            args = (args[0].device, args[0].dtype, *args[1:])
        side, dtype, _, memory_format = torch._C._nn._parse_to(*args, **options)
        here = isinstance(tensor, PretendedTensor)
        if side is not None and side.type in ("cuda", "cpu"):
            if (side.type == "cuda") != here:
                tensor = Move.apply(device, tensor) if tensor.requires_grad else device.moved(tensor)
            side = None
        given = {"device": side, "dtype": dtype, "memory_format": memory_format, "copy": copy}
        return plain(tensor, **{name: value for name, value in given.items() if value is not None})

    return to


def _side(plain, tensor):
    """Return a tensor's device; a tensor wrapped by ``torch.func`` has that of the inner tensor."""
    while torch._C._functorch.is_functorch_wrapped_tensor(tensor):
        tensor = torch._C._functorch.get_unwrapped(tensor)
    return CUDA if isinstance(tensor, PretendedTensor) else plain.__get__(tensor)


def _made(make, data, *args, device=None, **options):
    """Make a tensor of numbers on host or device."""
    found = make(data, *args, **options)
    return found if device is None else found.to(device)


def _grouped(tensorlistlist, with_indices=False):
    """Group lists of tensors by device and type; torch's C++ code would take pretended tensors for the CPU's."""
    groups = {}
    for number, row in enumerate(
        zip(*[part or [None] * len(tensorlistlist[0]) for part in tensorlistlist], strict=True)
    ):
        lists, indices = groups.setdefault((row[0].device, row[0].dtype), ([[] for _ in tensorlistlist], []))
        indices.append(number)
        for part, item, whole in zip(lists, row, tensorlistlist, strict=True):
            if whole:
                part.append(item)
    return {key: (lists, indices if with_indices else None) for key, (lists, indices) in groups.items()}


def _not_compiled(*_, **__):
    raise RuntimeError("nothing is compiled for a pretended device")
