"""The recipe's optimiser, and its tensors as a flat table that can be stored."""

import torch
from torch import Tensor, nn

from featdyn_core.errors import TrainingError
from featdyn_core.trajectories.specs import OptimizerSpec
from featdyn_core.trajectories.trajectory import State

_GATHERED = {torch.optim.SGD: ("momentum_buffer",), torch.optim.Adam: ("step", "exp_avg", "exp_avg_sq")}
"""Names of the state that an optimiser keeps for each parameter that it moves."""


def new_optimizer(spec: OptimizerSpec, network: nn.Module, device: torch.device) -> torch.optim.Optimizer:
    """Return the recipe's optimiser, fused; on a GPU its learning rate is a tensor, which a CUDA graph can read."""
    on_gpu = device.type == "cuda"
    rate = torch.tensor(spec.learning_rate, device=device) if on_gpu else spec.learning_rate
    parameters, decay = network.parameters(), spec.weight_decay
    if spec.name == "adam":
        adam = torch.optim.Adam(parameters, rate, weight_decay=decay, capturable=on_gpu, fused=True)
        # torch warns if a capturable step runs uncaptured, as before a capture and in the eager engine.
        adam._warned_capturable_if_run_uncaptured = True
        return adam
    return torch.optim.SGD(parameters, rate, momentum=spec.momentum, weight_decay=decay, fused=True)


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> State:
    """Flatten the optimiser's per-parameter tensors to names such as ``3.momentum_buffer``."""
    return {
        f"{index}.{name}": value.detach().cpu().clone()
        for index, entries in optimizer.state_dict()["state"].items()
        for name, value in entries.items()
        if isinstance(value, Tensor)
    }


def optimizer_bytes(spec: OptimizerSpec, network: nn.Module) -> int:
    """Bytes of the result of ``optimizer_tensors`` after a step: the momentum of every parameter, or Adam's moments."""
    tensors = 2 if spec.name == "adam" else int(spec.momentum > 0)
    return tensors * sum(parameter.nbytes for parameter in network.parameters())


def load_optimizer(optimizer: torch.optim.Optimizer, tensors: State) -> None:
    """Load the result of ``optimizer_tensors``; an empty one, of a new optimiser, changes nothing.

    Tensors of another optimiser or network are a ``TrainingError``.
    """
    if not tensors:
        return
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    _check(optimizer, parameters, tensors)
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        index, name = key.split(".", 1)
        parameter = parameters[int(index)]
        if value.shape == parameter.shape:
            # The fused kernels walk raw memory, so a buffer needs the memory layout of its parameter.
            value = torch.empty_like(parameter, requires_grad=False).copy_(value)
        state.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def _check(optimizer: torch.optim.Optimizer, parameters: list[nn.Parameter], tensors: State) -> None:
    """Refuse tensors whose names or shapes would make a step fail.

    Raises:
        TrainingError: names or shapes do not fit.
    """
    moved = {key.partition(".")[0] for key in tensors}
    expected = {
        f"{index}.{name}": () if name == "step" else tuple(parameter.shape)
        for index, parameter in enumerate(parameters)
        for name in _GATHERED[type(optimizer)]
        if str(index) in moved
    }
    if {key: tuple(value.shape) for key, value in tensors.items()} != expected:
        raise TrainingError(
            f"these tensors do not fit the optimiser, {type(optimizer).__name__} over {len(parameters)} parameters"
        )
