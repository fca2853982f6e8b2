"""Locations in a user's code, as module and line, for errors."""

import linecache
import os
import random
import sys
import traceback
from collections.abc import Callable
from types import FrameType
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

TORCH, HERE = (os.path.dirname(file) + os.sep for file in (torch.__file__, __file__))


class Place(NamedTuple):
    """``module``: the innermost active module. ``file`` and ``line``: the innermost code outside torch."""

    module: nn.Module | None
    file: str
    line: int

    def told(self, root: nn.Module) -> str:
        """Return the place in words, with the name of the module inside ``root``."""
        names = {id(module): name for name, module in root.named_modules()}
        name = names.get(id(self.module), "")
        module = f"{name!r} ({type(self.module).__name__})" if name else type(root).__name__
        text = linecache.getline(self.file, self.line).strip()
        return f"{module}, {self.file}:{self.line}: {text}" if self.file else module


def here() -> Place:
    """Return the calling place in the user's code, outside torch and this package."""
    frame: FrameType | None = _beyond_this_package()
    module = None
    while frame is not None and not frame.f_code.co_filename.startswith(HERE):
        if module is None and isinstance(frame.f_locals.get("self"), nn.Module):
            module = frame.f_locals["self"]
        if _is_own(frame.f_code.co_filename):
            return Place(_module(frame) if module is None else module, frame.f_code.co_filename, frame.f_lineno)
        frame = frame.f_back
    return Place(module, "", 0)


def of_error(error: BaseException, root: nn.Module) -> str:
    """Return the innermost line of the user's code that raised an error, in words; empty if there is none."""
    frames = [(frame, line) for frame, line in traceback.walk_tb(error.__traceback__) if _is_own_code(frame)]
    if not frames:
        return ""
    frame, line = frames[-1]
    return " at " + Place(_module(frame), frame.f_code.co_filename, line).told(root)


def of_definition(module: nn.Module) -> Place:
    """Return the place of the definition of a module's forward pass."""
    code = getattr(type(module).forward, "__code__", None)
    known = code is not None and _is_own(code.co_filename)
    return Place(module, code.co_filename, code.co_firstlineno) if code is not None and known else Place(module, "", 0)


def generators() -> object:
    """Return the states of the global generators of torch (on the CPU), Python and NumPy, for comparison."""
    kind, keys, *rest = np.random.get_state(legacy=True)  # noqa: NPY002 (somebody's own code may use it)
    return torch.get_rng_state().numpy().tobytes(), random.getstate(), (kind, np.asarray(keys).tobytes(), *rest)


class Draws(TorchFunctionMode):
    """Finds the first function of torch that draws from the global generator; ``first`` is its place."""

    first: Place | None = None

    def __torch_function__(self, func: Any, _: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call the function, and check whether the generator has moved."""
        before = torch.get_rng_state()
        found = func(*args, **(kwargs or {}))
        if self.first is None and not torch.equal(torch.get_rng_state(), before):
            self.first = here()
        return found


class Steps(TorchFunctionMode):
    """Keeps the result of each function of torch in ``kept``, with its place."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[tuple[Place, Tensor]] = []

    def __torch_function__(self, func: Any, _: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call the function, and keep a copy of its tensor."""
        found = func(*args, **(kwargs or {}))
        if isinstance(found, Tensor):
            self.kept.append((here(), found.detach().clone()))
        return found


def first_difference(
    one: Callable[[], object], other: Callable[[], object], same: Callable[[Tensor, Tensor], bool]
) -> Place | None:
    """Return the place of the first function of torch with different results in two runs, if it is found."""
    runs = []
    for run in (one, other):
        with Steps() as steps:
            run()
        runs.append(steps.kept)
    pairs = zip(*runs, strict=False)
    return next((place for (place, first), (_, second) in pairs if not same(first, second)), None)


def _is_own(file: str) -> bool:
    return not file.startswith((TORCH, HERE, "<"))


def _is_own_code(frame: FrameType) -> bool:
    return _is_own(frame.f_code.co_filename) and _module(frame) is not None


def _module(frame: FrameType) -> nn.Module | None:
    """Return the module whose method a frame runs, or the module that called it."""
    outer: FrameType | None = frame
    while outer is not None and not outer.f_code.co_filename.startswith(HERE):
        if isinstance(found := outer.f_locals.get("self"), nn.Module):
            return found
        outer = outer.f_back
    return None


def _beyond_this_package() -> FrameType | None:
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(HERE):
        frame = frame.f_back
    return frame
