"""Checkpoint files that another program wrote, read for a network and known by their bytes."""

import hashlib
import io
import os
from collections.abc import Mapping
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from featdyn_core.errors import ModelError
from featdyn_core.files import read_file
from featdyn_core.networks.blocks import BlockNetwork

WRAPPINGS = ("state_dict", "model_state_dict", "model")
"""Names under which a checkpoint holds the network's state dict beside other things."""

PREFIXES = ("module.", "_orig_mod.")
"""What ``DistributedDataParallel`` and ``torch.compile`` put before every name."""

SHOWN = 5
"""Most names that an error lists."""


def read_state(path: str | os.PathLike[str], network: BlockNetwork) -> tuple[dict[str, Tensor], str]:
    """Read a state dict for a network, whose own names or those of the module that it was cut from the file has.

    Args:
        path: of a ``.safetensors`` file, or of one that ``torch.save`` wrote, of which only tensors and plain values
            are read (``weights_only``); a state dict, or one of ``WRAPPINGS`` beside other things.
        network: gives names and shapes.

    Returns:
        The state dict under the network's names, and the hex sha256 of the file.

    Raises:
        ModelError: the file cannot be read, holds no state dict, or one with other names or shapes than the network's.
    """
    try:
        content = read_file(path)
        found = _parsed(content, os.fspath(path).endswith(".safetensors"))
    except Exception as error:  # files of other programs fail in many ways
        raise ModelError(
            f"{path} is no checkpoint that can be read ({type(error).__name__}: {str(error).splitlines()[0]}); give a "
            ".safetensors file, or what torch.save(network.state_dict(), path) writes"
        ) from error
    expected = network.state_dict()
    state = network.translated(_unwrapped(found, {*expected, *network.names}, path))
    counters = {name: value for name, value in expected.items() if name.endswith("num_batches_tracked")}
    state = {**counters, **state}  # old versions of torch did not count batches
    _check(state, expected, path)
    return state, hashlib.sha256(content).hexdigest()


def _parsed(content: bytes, is_safetensors: bool) -> Any:
    if is_safetensors:
        return safetensors.torch.load(content)
    return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)


def _unwrapped(found: Any, known: set[str], path: str | os.PathLike[str]) -> dict[str, Tensor]:
    for name in WRAPPINGS:
        if isinstance(found, Mapping) and isinstance(found.get(name), Mapping):
            found = found[name]
    if not (isinstance(found, Mapping) and found and all(isinstance(value, Tensor) for value in found.values())):
        raise ModelError(f"{path} holds no state dict, nor one called {', '.join(WRAPPINGS)}")
    state = dict(found)
    for prefix in PREFIXES:
        if known.isdisjoint(state) and all(name.startswith(prefix) for name in state):
            state = {name.removeprefix(prefix): value for name, value in state.items()}
    return state


def _check(state: Mapping[str, Tensor], expected: Mapping[str, Tensor], path: str | os.PathLike[str]) -> None:
    """Refuse a state dict that is not the network's, with the names at fault.

    Raises:
        ModelError: what is lacking, too much, or of another shape.
    """
    faults = {
        "it lacks": [name for name in expected if name not in state],
        "the network has no": [name for name in state if name not in expected],
        "of another shape": [
            f"{name} {tuple(state[name].shape)}, in the network {tuple(expected[name].shape)}"
            for name in expected
            if name in state and state[name].shape != expected[name].shape
        ],
    }
    told = [f"{what} {_listed(names)}" for what, names in faults.items() if names]
    if told:
        raise ModelError(f"{path} does not fit the network: {'; '.join(told)}")


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
