"""Networks that somebody's own function makes, named in a recipe as ``package.module:function``."""

import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from featdyn_core.errors import ModelError
from featdyn_core.networks.blocks import BlockNetwork
from featdyn_core.networks.zoo import drawing_from

CUTTING = ("cuts", "depths")
"""Options that are not the function's but say where its module is cut (see ``BlockNetwork.from_module``)."""

SCALING = ("image_mean", "image_std")
"""Options that are not the function's but say what its module expects to be taken off images in [0, 1], and to be
divided by, one number for all channels or one for each; those of the image set if left out."""


def from_factory(
    name: str,
    options: Mapping[str, Any],
    *,
    mean: Sequence[float],
    std: Sequence[float],
    generator: torch.Generator | None = None,
) -> BlockNetwork:
    """Call a function that returns a ``BlockNetwork``, or a module that is then cut.

    The function's code runs: take recipes that name one only from whom you trust. **Reading:** such a recipe's digest
    names the function and its arguments, not its code. What a store keeps says beside that which code made it: after
    an edit, records are measured again, and a trajectory is refused. So who changes the code gives the function
    another name, or removes the trajectories.

    Args:
        name: ``package.module:function``; the module is found as Python finds it (``PYTHONPATH``).
        options: arguments of the function, but for ``CUTTING`` and ``SCALING``, where it returns another module than a
            ``BlockNetwork``.
        mean: channel means of the images in [0, 1], taken off for a module that is cut.
        std: channel standard deviations, by which it is then divided.
        generator: seeds torch's global generator for the call, that the module may initialise itself.

    Raises:
        ModelError: no such module or function, a call that fails, what is returned is no module, or cannot be cut.
    """
    function = _found(name)
    given = {option: value for option, value in options.items() if option not in (*CUTTING, *SCALING)}
    try:
        with drawing_from(generator):
            made = function(**given)
    except Exception as error:  # of code that is not this project's
        raise ModelError(f"network {name!r} with {given}: {type(error).__name__}: {error}") from error
    cutting = {option: options[option] for option in CUTTING if option in options}
    if isinstance(made, BlockNetwork):
        if told := [option for option in (*CUTTING, *SCALING) if option in options]:
            raise ModelError(f"network {name!r} has its cuts already; leave out {', '.join(told)}")
        return made
    if not isinstance(made, nn.Module):
        raise ModelError(f"network {name!r} returned a {type(made).__name__}; it must return a torch.nn.Module")
    if "cuts" not in cutting:
        children = ", ".join(child for child, _ in made.named_children())
        raise ModelError(f"network {name!r} is a {type(made).__name__}; say cuts = [...], of its submodules {children}")
    mean, std = (
        _numbers(name, option, options.get(option, usual)) for option, usual in zip(SCALING, (mean, std), strict=True)
    )
    return BlockNetwork.from_module(made, **cutting, mean=mean, std=std)


def _numbers(name: str, option: str, value: Any) -> Sequence[float]:
    numbers = value if isinstance(value, list | tuple) else [value]
    if not all(type(number) in (int, float) for number in numbers):
        raise ModelError(f"network {name!r}, {option}: {value!r} is neither a number nor one for each channel")
    return [float(number) for number in numbers]


def _found(name: str) -> Callable[..., object]:
    module, _, path = name.partition(":")
    try:
        found: Any = importlib.import_module(module)
    except Exception as error:  # the module's own code runs
        raise ModelError(
            f"network {name!r}: the module {module!r} cannot be imported ({type(error).__name__}: {error}); "
            "install it, or put its folder on PYTHONPATH"
        ) from error
    for part in path.split("."):
        if not hasattr(found, part):
            raise ModelError(f"network {name!r}: {module!r} has no {path!r}")
        found = getattr(found, part)
    if not callable(found):
        raise ModelError(f"network {name!r} is a {type(found).__name__}, and no function")
    return found
