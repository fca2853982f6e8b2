"""Break the core on purpose, one way at a time: a claim that was SUPPORTED must no longer be.

Run with ``pytest -m mutation -s``; each test prints what went red. Grids are evaluated here by their plain
definition, one composite at a time, so that a fault of the composite itself reaches every claim; unbroken, that
changes no verdict.
"""

import dataclasses
import importlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from claims import (
    test_anisotropy_rejection,
    test_forgetting,
    test_memory_window,
    test_ntk_monotonicity,
    test_random_label_collapse,
    test_transferability,
)
from featdyn_core.measures.composites import displacement, grid
from featdyn_core.measures.composites.grid import CompositeGrid
from featdyn_core.measures.linearized.descent import LinearizedNetwork, LinearizedTrajectory
from featdyn_core.measures.one_step import isotropy
from featdyn_core.store.supply import Store
from featdyn_core.trajectories import trajectory
from featdyn_core.verdicts.claim import Verdict

# The package exports a function of the module's name.
composites = importlib.import_module("featdyn_core.measures.composites.composite")

CLAIMS = {
    "memory-window": test_memory_window,
    "forgetting": test_forgetting,
    "transferability": test_transferability,
    "random-label-collapse": test_random_label_collapse,
    "anisotropy-rejection": test_anisotropy_rejection,
    "ntk-monotonicity": test_ntk_monotonicity,
}

Break = Callable[[pytest.MonkeyPatch], None]


def literal_grid(item, images, *, cuts, shallow_epochs, deep_epochs, labels=None, **_):
    """Evaluate the composite grid by its definition."""
    shallow_epochs, deep_epochs = sorted(shallow_epochs), sorted(deep_epochs)
    shape = (len(cuts), len(shallow_epochs), len(deep_epochs))
    predictions = np.zeros((*shape, len(images)), np.uint8)
    losses = np.zeros(shape)
    for index in np.ndindex(shape):
        network = composites.composite(item, shallow_epochs[index[1]], deep_epochs[index[2]], cuts[index[0]])
        with torch.no_grad():
            logits = network(images)
        predictions[index] = logits.argmax(1)
        losses[index] = F.cross_entropy(logits, labels)
    return CompositeGrid(
        cuts=tuple(cuts),
        shallow_epochs=np.array(shallow_epochs),
        deep_epochs=np.array(deep_epochs),
        predictions=predictions,
        reference=np.stack([composites.predict(item.network(epoch), images) for epoch in deep_epochs]),
        evaluated=np.ones(shape[1:], bool),
        cross_entropy=losses,
        labels=labels.numpy(),
    )


def use_literal_grid(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(grid, "composite_grid", literal_grid)
    patch.setattr(test_ntk_monotonicity, "composite_grid", literal_grid)


def merging(rule: Callable) -> Break:
    """Break the composite: ``rule(in_shallow_part, is_statistic, shallow_value, deep_value)`` chooses each tensor."""

    def merged(network, shallow, deep, cut):
        return {key: rule(network.in_shallow_part(key, cut), "running" in key, shallow[key], deep[key]) for key in deep}

    def broken(patch: pytest.MonkeyPatch) -> None:
        use_literal_grid(patch)
        patch.setattr(composites, "merged_state", merged)

    return broken


def not_displaced(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(displacement, "displaced", lambda item, _, deep, *__, **___: item.network(deep))


def fixed_p_value(value: float) -> Break:
    def broken(patch: pytest.MonkeyPatch) -> None:
        original = isotropy.isotropy_test
        patch.setattr(
            test_anisotropy_rejection,
            "isotropy_test",
            lambda sample: dataclasses.replace(original(sample), p_value=value),
        )

    return broken


def narrow_null(patch: pytest.MonkeyPatch) -> None:
    original = isotropy._shared_null
    patch.setattr(isotropy, "_shared_null", lambda *arguments: 0.8 * original(*arguments))


def label_for_reference(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(CompositeGrid, "reference_at", lambda self, _: self.labels)
    patch.setattr(CompositeGrid, "agreement", CompositeGrid.accuracy)


def drifting_accuracy(patch: pytest.MonkeyPatch) -> None:
    """Let accuracy depend on the number of the shallow epoch itself, as a wrong order of images would."""
    original = CompositeGrid.accuracy.fget
    drift = property(lambda self: original(self) + 1e-4 * self.shallow_epochs[:, None])
    patch.setattr(CompositeGrid, "accuracy", drift)


def non_linear_training(patch: pytest.MonkeyPatch) -> None:
    """Train the network itself, and call each half's separate effect on its logits its contribution."""
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


def no_label_noise(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(trajectory, "randomize_labels", lambda labels, *_: labels)


MUTATIONS: dict[str, tuple[Break, tuple[str, ...]]] = {
    "composite ignores the shallow epoch": (merging(lambda *choice: choice[-1]), ("forgetting",)),
    "composite ignores the deep epoch": (merging(lambda *choice: choice[-2]), ("ntk-monotonicity",)),
    "label noise not applied": (no_label_noise, ("random-label-collapse",)),
    "displaced network not displaced": (not_displaced, ("memory-window", "transferability")),
    "p-value always 0": (fixed_p_value(0.0), ("anisotropy-rejection",)),
    "p-value always 1": (fixed_p_value(1.0), ("anisotropy-rejection",)),
    "bootstrap null too narrow by 20 %": (narrow_null, ("anisotropy-rejection",)),
    "consistency compares with the label": (label_for_reference, ("random-label-collapse",)),
    "accuracy drifts with the epoch": (drifting_accuracy, ("forgetting",)),
    "linearised network trained non-linearly": (non_linear_training, ("ntk-monotonicity",)),
    "normalisation statistics of the wrong half": (
        merging(lambda shallow, statistic, s, t: s if shallow != statistic else t),
        ("memory-window", "transferability"),
    ),
}


@pytest.fixture
def store_without_noisy(laboratory, tmp_path) -> Store:
    """A store that knows the session's trajectories but those with noisy labels."""
    for folder in laboratory.store.root.glob("*/manifest.json"):
        if "-noisy-" not in folder.parent.name:
            (tmp_path / folder.parent.name).symlink_to(Path(folder.parent).resolve())
    return Store(tmp_path)


@pytest.mark.mutation
@pytest.mark.parametrize("name", MUTATIONS)
def test_a_claim_turns_red(name, laboratory, monkeypatch, request):
    broken, claims = MUTATIONS[name]
    before = [laboratory.decide(claim, "fast", "digits", CLAIMS[claim].measure).verdict for claim in claims]
    assert set(before) == {Verdict.SUPPORTED}
    broken(monkeypatch)
    if broken is no_label_noise:
        monkeypatch.setattr(laboratory, "store", request.getfixturevalue("store_without_noisy"))
    after = {claim: laboratory.decide(claim, "fast", "digits", CLAIMS[claim].measure).verdict for claim in claims}
    print(f"\n{name}: " + ", ".join(f"{claim} {verdict}" for claim, verdict in after.items()))
    assert Verdict.SUPPORTED not in after.values()


@pytest.mark.mutation
@pytest.mark.parametrize("claim", ["memory-window", "forgetting", "transferability", "ntk-monotonicity"])
def test_the_literal_grid_alone_changes_no_verdict(claim, laboratory, monkeypatch):
    use_literal_grid(monkeypatch)
    assert laboratory.decide(claim, "fast", "digits", CLAIMS[claim].measure).verdict is Verdict.SUPPORTED
