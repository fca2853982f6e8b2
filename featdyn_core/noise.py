"""The one-step protocol (section 6): feature changes after single SGD updates from one checkpoint.

Updates are plain SGD steps, ``θ' = θ − η (g + λ θ)``, at the recipe's learning rate for that epoch and its
weight decay ``λ``, each from the same checkpoint with another mini-batch; momentum starts at zero, so it
plays no part.

**Reading:** gradients are taken in train mode (batch statistics, dropout on), features before and after in
eval mode with the checkpoint's running statistics, so that only the parameters move.
"""

import copy
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from featdyn_core.errors import MeasurementError
from featdyn_core.models import BlockNetwork
from featdyn_core.trajectory import Trajectory

NORM_SAMPLES = 10

Step = list[Tensor]
"""Change of each parameter before the cut, in the network's order."""


def one_step_changes(
    trajectory: Trajectory,
    epoch: int,
    samples: Tensor,
    *,
    updates: int,
    cut: str,
    rng: np.random.Generator,
    dtype: torch.dtype = torch.float32,
) -> npt.NDArray[np.float64]:
    """Feature changes of fixed samples after each of several independent one-step updates.

    Args:
        trajectory: supplies checkpoint, training set, batch size, learning rate and weight decay.
        epoch: the checkpoint.
        samples: M images (M, C, H, W).
        updates: K, the number of mini-batches, each drawn without replacement.
        cut: where the features are read.
        rng: draws the mini-batches.
        dtype: float32, or float64 to keep rounding out of small changes.

    Returns:
        (M, K, p): change of the p flattened features of each sample by each update.

    Raises:
        MeasurementError: fewer than 2 updates, no samples, or an epoch without checkpoint.
    """
    return _changes(trajectory, epoch, samples, updates, cut, dtype, _gradient_steps(trajectory, epoch, rng))


def parameter_noise_changes(
    trajectory: Trajectory,
    epoch: int,
    samples: Tensor,
    *,
    updates: int,
    cut: str,
    rng: np.random.Generator,
    dtype: torch.dtype = torch.float32,
) -> npt.NDArray[np.float64]:
    """As ``one_step_changes``, each update replaced by isotropic Gaussian parameter noise of equal norm.

    Norms are those of ``NORM_SAMPLES`` SGD updates, drawn from anew for each noise update.

    The Jacobian of the features shapes even isotropic parameter noise, so this is what SGD's spectrum must be
    compared with before its concentration can be ascribed to SGD.
    """
    gradient_step = _gradient_steps(trajectory, epoch, rng)
    norms: list[Tensor] = []

    def isotropic(network: BlockNetwork, parameters: Sequence[Tensor]) -> Step:
        if not norms:
            norms.extend(_norm(gradient_step(network, parameters)) for _ in range(NORM_SAMPLES))
        noise = [torch.from_numpy(rng.standard_normal(p.shape)).to(p.dtype) for p in parameters]
        scale = norms[int(rng.integers(len(norms)))] / _norm(noise)
        return [part * scale for part in noise]

    return _changes(trajectory, epoch, samples, updates, cut, dtype, isotropic)


StepRule = Callable[[BlockNetwork, Sequence[Tensor]], Step]


def _gradient_steps(trajectory: Trajectory, epoch: int, rng: np.random.Generator) -> StepRule:
    """Return a rule that makes one SGD step of the given parameters, each call with a fresh mini-batch."""
    images, labels = trajectory.training_set()
    recipe = trajectory.recipe
    rate = recipe.learning_rate(min(epoch, recipe.training.epochs - 1))
    size = min(recipe.training.batch_size, len(labels))

    def step(network: BlockNetwork, parameters: Sequence[Tensor]) -> Step:
        index = torch.from_numpy(rng.choice(len(labels), size, replace=False))
        with torch.random.fork_rng(devices=[]):  # dropout draws from torch's global generator
            torch.default_generator.manual_seed(int(rng.integers(2**63)))
            loss = F.cross_entropy(network(images[index]), labels[index])
        gradients = torch.autograd.grad(loss, parameters)
        decay = recipe.optimizer.weight_decay
        return [-rate * (g + decay * p.detach()) for g, p in zip(gradients, parameters, strict=True)]

    return step


def _changes(
    trajectory: Trajectory,
    epoch: int,
    samples: Tensor,
    updates: int,
    cut: str,
    dtype: torch.dtype,
    rule: StepRule,
) -> npt.NDArray[np.float64]:
    if updates < 2 or not len(samples):
        raise MeasurementError(f"the one-step protocol needs at least 2 updates and 1 sample, found {updates}")
    still = trajectory.network(epoch).to(dtype)
    training = copy.deepcopy(still).train()
    moving = [p for name, p in training.named_parameters() if training.in_shallow_part(name, cut)]
    moved = [p for name, p in still.named_parameters() if still.in_shallow_part(name, cut)]
    start = [p.detach().clone() for p in moved]
    with torch.no_grad():
        before = still.shallow(samples, cut).flatten(1)
    changes = torch.empty((len(samples), updates, before.shape[1]), dtype=dtype)
    for number in range(updates):
        step = rule(training, moving)
        with torch.no_grad():
            for parameter, origin, part in zip(moved, start, step, strict=True):
                torch.add(origin, part, out=parameter)
            changes[:, number] = still.shallow(samples, cut).flatten(1) - before
    return changes.double().numpy()


def _norm(parts: Sequence[Tensor]) -> Tensor:
    return torch.sqrt(torch.stack([part.square().sum() for part in parts]).sum())
