"""Networks from a user's own function, which a recipe names as ``package.module:function``."""

import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from featdyn_core.errors import ModelError
from featdyn_core.networks.blocks import BlockNetwork
from featdyn_core.networks.zoo import drawing_from

CUTTING = ("cuts", "depths")
"""Options that set the cuts of the function's module, and are not passed to it (see ``BlockNetwork.from_module``)."""

SCALING = ("image_mean", "image_std")
"""Options with the mean and the standard deviation that scale images in [0, 1] for the module, which are not passed to
the function. Each is one number for all channels or one for each; by default those of the image set."""


def from_factory(
    name: str,
    options: Mapping[str, Any],
    *,
    mean: Sequence[float],
    std: Sequence[float],
    generator: torch.Generator | None = None,
) -> BlockNetwork:
    """Call a function that returns a ``BlockNetwork``, or a module that is then cut.

    The function's code runs, so accept recipes that name a function only from people you trust. **Reading:** the digest
    of such a recipe covers the function's name and its arguments, not its code. A store also keeps which code made its
    content. After an edit, records are measured again and a trajectory is refused. If you change the code, rename the
    function or remove the trajectories.

    Args:
        name: ``package.module:function``; Python must be able to import the module (``PYTHONPATH``).
        options: arguments of the function, and ``CUTTING`` and ``SCALING`` if it returns a module that is not a
            ``BlockNetwork``.
        mean: channel means of the images in [0, 1], subtracted for a module that is cut.
        std: channel standard deviations, which the result is divided by.
        generator: seeds torch's global generator for the call, so that the module can initialise itself.

    Raises:
        ModelError: there is no such module or function, the call fails, or the result is not a module or cannot be cut.
    """
    function = _found(name)
    given = {option: value for option, value in options.items() if option not in (*CUTTING, *SCALING)}
    try:
        with drawing_from(generator):
            made = function(**given)
    except Exception as error:  # raised by code outside this project
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
        raise ModelError(
            f"network {name!r} is a {type(made).__name__}; set cuts = [...] to some of its submodules {children}"
        )
    mean, std = (
        _numbers(name, option, options.get(option, usual)) for option, usual in zip(SCALING, (mean, std), strict=True)
    )
    return BlockNetwork.from_module(made, **cutting, mean=mean, std=std)


def _numbers(name: str, option: str, value: Any) -> Sequence[float]:
    numbers = value if isinstance(value, list | tuple) else [value]
    if not all(type(number) in (int, float) for number in numbers):
        raise ModelError(f"network {name!r}, {option}: {value!r} is neither one number nor one for each channel")
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
        raise ModelError(f"network {name!r} is a {type(found).__name__}, not a function")
    return found
