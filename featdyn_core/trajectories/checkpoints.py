"""Checkpoint files of other programs, read for a network and identified by their bytes."""

import hashlib
import io
import operator
import os
import re
import zipfile
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, SupportsIndex

import safetensors.torch
import torch
from torch import Tensor

from featdyn_core.errors import ModelError, RecipeError
from featdyn_core.files import read_file
from featdyn_core.networks.blocks import BlockNetwork

WRAPPINGS = (
    "state_dict",
    "model_state_dict",
    "model",
    "module",
    "state_dict_ema",
    "ema_state_dict",
    "model_ema",
    "ema",
)
"""Names for a state dict inside a checkpoint with other content; the network's own comes before averages."""

WRAPPERS = ("module", "_orig_mod", "model")
"""Prefixes that ``DistributedDataParallel``, ``AveragedModel``, ``torch.compile`` and Lightning add to every name."""

COUNTERS = ("num_batches_tracked",)
"""Buffers that older versions of torch did not have."""

AVERAGED = "n_averaged"
"""Names that ``torch.optim.swa_utils.AveragedModel`` keeps beside its module."""

SHOWN = 5
"""Largest number of names that an error lists."""


def by_epoch(checkpoints: Mapping[int, str | os.PathLike[str]]) -> dict[int, str | os.PathLike[str]]:
    """Return the files of checkpoints by ascending epochs, which may be integers of NumPy.

    Raises:
        RecipeError: it is not a table of paths by epoch, an epoch is not an integer, or there is none after epoch 0.
    """
    if not isinstance(checkpoints, Mapping):
        raise RecipeError(
            f"checkpoints must be a table of files by epoch, not a {type(checkpoints).__name__}; for a list of files "
            "in the order of their epochs, dict(enumerate(files)) is one"
        )
    files = {_epoch(epoch): file for epoch, file in checkpoints.items()}
    if others := [epoch for epoch, file in files.items() if not isinstance(file, str | os.PathLike)]:
        kind = type(files[others[0]]).__name__
        raise RecipeError(
            f"checkpoints: that of epoch {others[0]} is not the path of a file, but of type {kind}; write a state dict "
            "by torch.save(state, path), and give the path"
        )
    if not any(files):
        given = "one of epoch 0 alone" if files else "none"
        raise RecipeError(f"checkpoints: {given} is not a training; give those of later epochs, too")
    return dict(sorted(files.items()))


def _epoch(given: object) -> int:
    if isinstance(given, SupportsIndex) and not isinstance(given, bool):
        return operator.index(given)
    mend = "if some checkpoints lie within an epoch, count all of them in steps of the optimiser"
    if isinstance(given, str):
        mend = f"give int({given!r})" if given.strip().isdecimal() else "give the number alone"
    raise RecipeError(f"checkpoints: the epoch {given!r} is not an integer; {mend}")


def read_state(path: str | os.PathLike[str], network: BlockNetwork) -> tuple[dict[str, Tensor], str]:
    """Read a state dict for a network, with the network's names or those of the module that it was cut from.

    Args:
        path: path of a ``.safetensors`` file, or of a file from ``torch.save``, from which only tensors and plain
            values are read (``weights_only``). It holds a state dict, or the first of ``WRAPPINGS`` beside other
            content. Its names may have ``WRAPPERS`` as prefixes, in any order, and ``_orig_mod`` inside them.
        network: network with the expected names, shapes and types of numbers. A tensor with two names needs only one of
            them in the file.

    Returns:
        The state dict under the network's names, and the hex SHA-256 of the file.

    Raises:
        ModelError: the file cannot be read or holds no state dict, or the names, shapes or types of numbers differ from
            the network's; the error uses the names of the module that was cut.
    """
    try:
        content = read_file(path)
        found = _parsed(content, os.fspath(path).endswith(".safetensors"))
    except Exception as error:  # files of other programs fail in many ways
        raise ModelError(_unreadable(path, error)) from error
    expected = network.state_dict(keep_vars=True)
    state = network.translated(_unwrapped(found, {*expected, *network.names}, path))
    counters = {name: value for name, value in expected.items() if name.endswith(COUNTERS)}
    twins = {id(expected[name]): value for name, value in state.items() if name in expected}
    tied = {name: twins[id(tensor)] for name, tensor in expected.items() if id(tensor) in twins}
    state = {**counters, **tied, **state}
    _check(state, expected, {inner: name for name, inner in network.names.items()}, path)
    return state, hashlib.sha256(content).hexdigest()


def _unreadable(path: str | os.PathLike[str], error: Exception) -> str:
    said = re.sub(r"\x1b\[[0-9;]*m", "", str(error))
    if unsafe := re.search(r"GLOBAL ([\w.]+)", said):
        return (
            f"{path} holds more than tensors: {unsafe[1]}, an object that would run code when it is read. Write the "
            "state dict alone into a file: found = torch.load(path, weights_only=False), if you trust the file, and "
            "torch.save(found.state_dict(), other) of a module, or torch.save(found['state_dict'], other)"
        )
    return (
        f"{path} cannot be read as a checkpoint ({type(error).__name__}: {(said.splitlines() or [''])[0]}); give a "
        ".safetensors file, or what torch.save(network.state_dict(), path) writes"
    )


def tensor_bytes(tensors: Mapping[str, Tensor]) -> bytes:
    """Return tensors as the bytes of a safetensors file; equal tensors give equal bytes."""
    # safetensors refuses tensors with another memory order, such as channels-last weights.
    return safetensors.torch.save({name: value.contiguous() for name, value in tensors.items()})


def together(digests: Iterable[str]) -> str:
    """Return one hex SHA-256 over the digests of a training's checkpoints, in the order of their epochs."""
    return hashlib.sha256("".join(digests).encode()).hexdigest()


def _parsed(content: bytes, is_safetensors: bool) -> Any:
    """Return the content of a checkpoint's bytes, of any type.

    Raises:
        ValueError: the content is compressed.
    """
    if is_safetensors:
        return safetensors.torch.load(content)
    if zipfile.is_zipfile(file := io.BytesIO(content)):
        # torch.save compresses nothing. A file that claims more bytes than it has would be unpacked before any check.
        told = sum(member.file_size for member in zipfile.ZipFile(file).infolist())
        if told > len(content):
            raise ValueError(f"it claims {told:,} bytes, but has {len(content):,}")
    return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)


def _unwrapped(found: Any, known: set[str], path: str | os.PathLike[str]) -> dict[str, Tensor]:
    """Return the state dict inside, without the prefixes of wrappers that the network does not have.

    Raises:
        ModelError: there is no state dict, or it has two tensors for one name.
    """
    while isinstance(found, Mapping) and (inside := [n for n in WRAPPINGS if isinstance(found.get(n), Mapping)]):
        found = found[inside[0]]
    if not (isinstance(found, Mapping) and found and all(isinstance(value, Tensor) for value in found.values())):
        raise ModelError(f"{path} is not a state dict, and holds none with the name {', '.join(WRAPPINGS)}")
    names = {str(name): _bare(str(name), known) for name in found}
    if twice := [name for name, count in Counter(names.values()).items() if count > 1]:
        raise ModelError(f"{path} has several tensors for {_listed(twice)}; give a file of one network")
    return {names[str(name)]: value for name, value in found.items() if names[str(name)] != AVERAGED}


def _bare(name: str, known: set[str]) -> str:
    """Return the name without additions of wrappers, or unchanged if the network does not have the result."""
    words = name.split(".")
    for start in range(len(words)):
        for bare in (words[start:], [word for word in words[start:] if word != "_orig_mod"]):
            if ".".join(bare) in known or (bare == [AVERAGED] and AVERAGED not in known):
                return ".".join(bare)
        if words[start] not in WRAPPERS:
            break
    return name


def _check(
    state: Mapping[str, Tensor], expected: Mapping[str, Tensor], called: Mapping[str, str], path: str | os.PathLike[str]
) -> None:
    """Refuse a state dict that does not fit the network, with the faulty names.

    Raises:
        ModelError: names the tensors that are missing, unknown, or of another shape or type of numbers.
    """
    shared = {called.get(name, name): (state[name], expected[name]) for name in expected if name in state}
    faults = {
        "it lacks": [called.get(name, name) for name in expected if name not in state],
        "the network has no": [name for name in state if name not in expected],
        "of another shape": [
            f"{name} {tuple(one.shape)}, in the network {tuple(other.shape)}"
            for name, (one, other) in shared.items()
            if one.shape != other.shape
        ],
        "of another kind of numbers": [
            f"{name} {one.dtype}, in the network {other.dtype}"
            for name, (one, other) in shared.items()
            if _kind(one) != _kind(other) and not name.endswith(COUNTERS)
        ],
    }
    told = [f"{what} {_listed(names)}" for what, names in faults.items() if names]
    if told:
        raise ModelError(f"{path} does not fit the network: {'; '.join(told)}")


def _kind(tensor: Tensor) -> tuple[bool, bool]:
    return tensor.is_floating_point(), tensor.is_complex()


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
