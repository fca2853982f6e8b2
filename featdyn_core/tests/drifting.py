"""Small trajectories without training: networks of random states and random normalisation statistics."""

import copy
import dataclasses

import torch

from featdyn_core.data.sources import load_dataset
from featdyn_core.measures.composites.statistics import reestimate
from featdyn_core.trajectories.recipe import Recipe
from featdyn_core.trajectories.specs import DataSpec, NetworkSpec, OptimizerSpec, ScheduleSpec, TrainingSpec
from featdyn_core.trajectories.trajectory import Trajectory, new_network

EPOCHS = (0, 1, 2, 4)
DRIFT = 0.3  # of each parameter per epoch, relative to its tensor's root mean square


def recipe_of(network, **options):
    """Return a recipe of four epochs with momentum, weight decay and one step of the learning rate."""
    return Recipe(
        name=f"tiny-{network}",
        data=DataSpec("digits"),
        network=NetworkSpec(network, options),
        optimizer=OptimizerSpec("sgd", learning_rate=0.1, momentum=0.9, weight_decay=0.01),
        training=TrainingSpec(epochs=4, batch_size=64, checkpoints=EPOCHS),
        schedule=ScheduleSpec(milestones=(2,), factor=0.5),
    )


def states_of(recipe, dataset):
    """Return one state dict per epoch of a random, drifting network with statistics near those of the images."""
    generator = torch.Generator().manual_seed(0)
    network = new_network(recipe, dataset, generator).eval()
    states = {}
    for epoch in recipe.training.checkpoints:
        for parameter in network.parameters():
            size = parameter.detach().square().mean().sqrt() + 0.1
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.data += DRIFT * size * noise
        reestimate(network, dataset.train_images, list(network.blocks), 64)
        with torch.no_grad():
            # so that many classes are predicted
            network.head.linear.bias -= network(dataset.train_images).mean(0)
        for name, buffer in network.named_buffers():
            if name.endswith(("running_mean", "running_var")):
                buffer *= 1 + 0.2 * torch.rand(buffer.shape, generator=generator)
        states[epoch] = copy.deepcopy(network.state_dict())
    return states


def few_digits():
    """Return the first 200 training and 100 test images of the digits."""
    whole = load_dataset("digits")
    return dataclasses.replace(
        whole,
        train_images=whole.train_images[:200],
        train_labels=whole.train_labels[:200],
        test_images=whole.test_images[:100],
        test_labels=whole.test_labels[:100],
    )


def drifting(network, dataset, **options):
    """Return a trajectory of a network of this name and these options."""
    recipe = recipe_of(network, **options)
    states = states_of(recipe, dataset)
    return Trajectory(recipe, 0, f"key of {recipe.name}", EPOCHS, dataset, states.__getitem__)
