"""Where a branch begins: at a checkpoint of its parent, the part behind a cut initialised anew (App. F).

**Reading:** what is kept of the parent are its checkpoints, which hold parameters and normalisation statistics. The
optimiser of a branch begins anew, as at a training's first step: what it had gathered (momentum, Adam's moments) is
gathered again within some tens of steps. So a branch is compared with a branch of the same epoch in which nothing is
changed. Without such a state, plain SGD, that one is its parent's training, bit for bit.

The optimiser itself is kept at the last epoch alone. A branch from there whose recipe says ``optimizer = "kept"`` goes
on with it: where nothing else is changed it is the parent's training continued, bit for bit, whatever the optimiser.
"""

from featdyn_core.data.sources import Dataset
from featdyn_core.errors import TrainingError
from featdyn_core.seeds import torch_generator
from featdyn_core.trajectories.recipe import BranchSpec, Recipe
from featdyn_core.trajectories.trajectory import State, Trajectory, new_network


def initial_state(recipe: Recipe, seed: int, dataset: Dataset, parent: Trajectory | None) -> State:
    """Return the state dict that a training begins from.

    A new network is drawn from the stream ``init``; what a branch initialises anew, from the stream ``reinit`` of its
    epoch, so that branches with different cuts begin alike where both are new.

    A branch without its parent is a ``TrainingError``. A checkpoint of the parent that cannot be read is a
    ``FeatdynError``, as ``Trajectory.state`` raises it.

    Args:
        recipe: of the training.
        seed: the training seed.
        dataset: the recipe's images.
        parent: of a branch, the trajectory of its parent with this seed.
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
        recipe: of the training.
        seed: the training seed.
        parent: of a branch, the trajectory of its parent with this seed.
    """
    branch = recipe.branch
    if branch is None or not branch.optimizer:
        return {}
    return _checked(parent, branch, recipe, seed).load_optimizer()


def _checked(parent: Trajectory | None, branch: BranchSpec, recipe: Recipe, seed: int) -> Trajectory:
    """Return the parent, if it is that of the branch.

    Raises:
        TrainingError: there is none, or it is another.
    """
    if parent is None or (parent.recipe, parent.seed) != (branch.parent, seed):
        raise TrainingError(f"{recipe.name} seed {seed} is a branch of {branch.parent.name}; give its trajectory along")
    return parent
