"""The start of a branch: a checkpoint of its parent, with the part behind a cut initialised again (App. F).

**Reading:** a branch takes the parameters and normalisation statistics of its parent's checkpoint. Its optimiser is
new, as at the first step of a training. Momentum or Adam's moments build up again within some tens of steps. So a
branch is compared with an unchanged branch of the same epoch. With plain SGD, which has no such state, the unchanged
branch equals its parent's training, bit for bit.

A store keeps the optimiser at the last epoch only. A branch from there continues with it if its recipe has ``optimizer
= "kept"``. If nothing else changes, this branch continues the parent's training bit for bit, with every optimiser.
"""

from featdyn_core.data.sources import Dataset
from featdyn_core.errors import TrainingError
from featdyn_core.seeds import torch_generator
from featdyn_core.trajectories.recipe import BranchSpec, Recipe
from featdyn_core.trajectories.trajectory import State, Trajectory, new_network


def initial_state(recipe: Recipe, seed: int, dataset: Dataset, parent: Trajectory | None) -> State:
    """Return the state dict that a training begins from.

    A new network is drawn from the stream ``init``. The new part of a branch is drawn from the stream ``reinit`` of its
    epoch, so that branches with different cuts have equal values where both are new.

    A branch without its parent is a ``TrainingError``. A checkpoint of the parent that cannot be read is a
    ``FeatdynError``, as ``Trajectory.state`` raises it.

    Args:
        recipe: recipe of the training.
        seed: the training seed.
        dataset: the recipe's images.
        parent: for a branch, the trajectory of its parent with this seed.
    """
    branch = recipe.branch
    if branch is None:
        return new_network(recipe, dataset, torch_generator(seed, "init")).state_dict()
    kept = _checked(parent, branch, recipe, seed).state(branch.at_epoch)
    if not branch.keep:
        return kept
    network = new_network(recipe, dataset, torch_generator(seed, "reinit", branch.at_epoch))
    fresh = network.state_dict()
    return {name: kept[name] if network.in_shallow_part(name, branch.keep) else fresh[name] for name in fresh}


def initial_optimizer(recipe: Recipe, seed: int, parent: Trajectory | None) -> State:
    """Return the optimiser's tensors that a training begins with: its parent's if they are kept, else none.

    A branch without its parent, or without the optimiser of that, is a ``TrainingError``. An optimiser of the parent
    that cannot be read is a ``FeatdynError``, as its store raises it.

    Args:
        recipe: recipe of the training.
        seed: the training seed.
        parent: for a branch, the trajectory of its parent with this seed.
    """
    branch = recipe.branch
    if branch is None or not branch.optimizer:
        return {}
    return _checked(parent, branch, recipe, seed).load_optimizer()


def _checked(parent: Trajectory | None, branch: BranchSpec, recipe: Recipe, seed: int) -> Trajectory:
    """Return the parent after a check that it belongs to the branch.

    Raises:
        TrainingError: the parent is missing, or is another trajectory.
    """
    if parent is None or (parent.recipe, parent.seed) != (branch.parent, seed):
        raise TrainingError(
            f"{recipe.name} seed {seed} is a branch of {branch.parent.name}; give the parent's trajectory too"
        )
    return parent
