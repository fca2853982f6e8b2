"""Mutations of the linearised network."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from claims.meta.mutations import Mutations
from featdyn_core.measures.linearized.descent import LinearizedNetwork, LinearizedTrajectory


def non_linear_training(patch: pytest.MonkeyPatch) -> None:
    """Train the network itself, with each half's separate effect on the logits as its contribution."""
    original = LinearizedNetwork.__init__

    def remember(self, network, images, *, cut, **options):
        original(self, network, images, cut=cut, **options)
        self.parts = (network.double(), images, cut)

    def train(self, labels, *, steps, every=1, **_):
        network, images, cut = self.parts
        networks = {"shallow": network, "deep": network}
        begin = {name: value.clone() for name, value in network.state_dict().items()}
        records = []
        for step in range(steps + 1):
            if step % every == 0:
                now = {name: value.clone() for name, value in network.state_dict().items()}
                contributions = {}
                for half in networks:
                    mixed = {
                        key: (now if network.in_shallow_part(key, cut) == (half == "shallow") else begin)[key]
                        for key in now
                    }
                    network.load_state_dict(mixed)
                    contributions[half] = (network(images).detach() - self.initial).numpy()
                network.load_state_dict(now)
                loss = F.cross_entropy(network(images), labels)
                records.append((step, contributions["shallow"], contributions["deep"], loss.item()))
            loss = F.cross_entropy(network(images), labels)
            gradients = torch.autograd.grad(loss, list(network.parameters()))
            with torch.no_grad():
                for parameter, gradient in zip(network.parameters(), gradients, strict=True):
                    parameter -= 0.1 * gradient
        network.load_state_dict(begin)
        taken, shallow, deep, losses = (np.array(part) for part in zip(*records, strict=True))
        return LinearizedTrajectory(taken, self.initial.numpy(), shallow, deep, losses, 0.1)

    patch.setattr(LinearizedNetwork, "__init__", remember)
    patch.setattr(LinearizedNetwork, "train", train)


def no_half_frozen(patch: pytest.MonkeyPatch) -> None:
    """Train both halves, even if one should be frozen."""
    original = LinearizedNetwork.train
    patch.setattr(
        LinearizedNetwork, "train", lambda self, labels, **options: original(self, labels, **options | {"freeze": None})
    )


MUTATIONS: Mutations = {
    "frozen half trained on": (no_half_frozen, ("ntk-forgetting-curve",)),
    "linearised network trained non-linearly": (non_linear_training, ("ntk-monotonicity",)),
}
