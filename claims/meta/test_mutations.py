"""Break the core on purpose, one way at a time: a claim must turn red.

Run with ``pytest -m mutation -s``; each test prints what went red. Records go to a folder of their own, so that no
broken measurement meets a good record, or the other way round. Grids are evaluated here by their plain definition, one
composite at a time, so that a fault of the composite itself reaches every claim; unbroken, that changes no verdict.
"""

import dataclasses
import shutil
from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from claims.meta.modules import claim_modules
from featdyn_core.harness.laboratory import Laboratory
from featdyn_core.harness.planted import verdict_in
from featdyn_core.measures.composites import composite as composites
from featdyn_core.measures.composites import displacement, grid
from featdyn_core.measures.composites.column import Column
from featdyn_core.measures.composites.consistency import pointwise_consistency
from featdyn_core.measures.composites.grid import CompositeGrid
from featdyn_core.measures.linearized.descent import LinearizedNetwork, LinearizedTrajectory
from featdyn_core.measures.one_step import isotropy, protocol
from featdyn_core.store.supply import Store
from featdyn_core.trajectories import trajectory
from featdyn_core.verdicts.claim import Draws, Verdict

MODULES = claim_modules()

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


def merging(rule: Callable) -> Break:
    """Break the composite: ``rule(in_shallow_part, is_statistic, shallow_value, deep_value)`` chooses each tensor."""

    def merged(network, shallow, deep, cut):
        return {key: rule(network.in_shallow_part(key, cut), "running" in key, shallow[key], deep[key]) for key in deep}

    def broken(patch: pytest.MonkeyPatch) -> None:
        use_literal_grid(patch)
        patch.setattr(composites, "merged_state", merged)

    return broken


def own_shallow_half(patch: pytest.MonkeyPatch) -> None:
    """Let a stranger's composite have one's own shallow half."""
    original = composites.joined

    def own(item, _, deep, cut, **options):
        return original(item, item.state(deep), deep, cut, **options)

    patch.setattr(composites, "joined", own)


def not_displaced(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(displacement, "displaced", lambda item, _, deep, *__, **___: item.network(deep))


def fixed_p_value(value: float) -> Break:
    def broken(patch: pytest.MonkeyPatch) -> None:
        original = isotropy.isotropy_test
        patch.setattr(
            MODULES["anisotropy-rejection"],
            "isotropy_test",
            lambda sample, **options: dataclasses.replace(original(sample, **options), p_value=value),
        )

    return broken


def narrow_null(patch: pytest.MonkeyPatch) -> None:
    original = isotropy._shared_null
    patch.setattr(isotropy, "_shared_null", lambda *arguments: 0.8 * original(*arguments))


def uncounted_rejections(patch: pytest.MonkeyPatch) -> None:
    """Count all planted samples as rejected, however many there are."""
    patch.setattr(MODULES["anisotropy-rejection"], "rejected", lambda p_values, _: Draws(len(p_values), len(p_values)))


def noise_for_sgd(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(protocol, "one_step_changes", protocol.parameter_noise_changes)


def label_for_reference(patch: pytest.MonkeyPatch) -> None:
    def against_labels(self):
        return np.array([pointwise_consistency(rows, self.labels) for rows in self.predictions])

    patch.setattr(Column, "consistency", property(against_labels))
    patch.setattr(Column, "agreement", Column.accuracy)


def drifting_accuracy(patch: pytest.MonkeyPatch) -> None:
    """Let accuracy depend on the number of the shallow epoch itself, as a wrong order of images would."""
    original = Column.accuracy.fget
    patch.setattr(Column, "accuracy", property(lambda self: original(self) + 1e-4 * self.epochs))


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
    "composite ignores the shallow epoch": (merging(lambda *choice: choice[-1]), ("forgetting", "memory-window")),
    "composite ignores the deep epoch": (merging(lambda *choice: choice[-2]), ("ntk-monotonicity",)),
    "normalisation statistics of the wrong half": (
        merging(lambda shallow, statistic, s, t: s if shallow != statistic else t),
        ("memory-window", "transferability"),
    ),
    "stranger not a stranger": (own_shallow_half, ("memory-window", "transferability")),
    "label noise not applied": (no_label_noise, ("random-label-collapse",)),
    "displaced network not displaced": (not_displaced, ("beyond-closeness",)),
    "p-value always 0": (fixed_p_value(0.0), ("anisotropy-rejection",)),
    "p-value always 1": (fixed_p_value(1.0), ("anisotropy-rejection",)),
    "bootstrap null too narrow by 20 %": (narrow_null, ("anisotropy-rejection",)),
    "planted draws miscounted": (uncounted_rejections, ("anisotropy-rejection",)),
    "SGD replaced by parameter noise": (noise_for_sgd, ("anisotropy-beyond-jacobian",)),
    "consistency compares with the label": (label_for_reference, ("random-label-collapse",)),
    "accuracy drifts with the epoch": (drifting_accuracy, ("forgetting",)),
    "linearised network trained non-linearly": (non_linear_training, ("ntk-monotonicity",)),
}


@pytest.fixture
def apart(laboratory, tmp_path) -> Laboratory:
    """The session's trajectories, and records of one's own."""
    again = Laboratory(laboratory.register, laboratory.rows, tmp_path, laboratory.open_store)
    assert again.measurements.records.root == tmp_path / "records" != laboratory.measurements.records.root
    return again


@pytest.fixture
def without_noisy(laboratory, tmp_path) -> Laboratory:
    """Copies of the session's trajectories but those with noisy labels, which are trained again."""
    for manifest in laboratory.measurements.store.root.glob("digits-*/manifest.json"):
        if "-noisy-" not in manifest.parent.name:
            shutil.copytree(manifest.parent, tmp_path / "store" / manifest.parent.name)
    root = tmp_path / "store"
    return Laboratory(laboratory.register, laboratory.rows, root, lambda: Store(root))


def verdict(laboratory: Laboratory, claim: str) -> Verdict:
    return laboratory.decide(f"{claim}-small-digits", MODULES[claim].measure).verdict


@pytest.mark.mutation
@pytest.mark.parametrize("name", MUTATIONS)
def test_a_claim_turns_red(name, laboratory, apart, monkeypatch, request):
    broken, claims = MUTATIONS[name]
    before = {claim: verdict(laboratory, claim) for claim in claims}
    assert before == {claim: laboratory.rows[f"{claim}-small-digits"].known or Verdict.SUPPORTED for claim in claims}
    broken(monkeypatch)
    used = request.getfixturevalue("without_noisy") if broken is no_label_noise else apart
    after = {claim: verdict(used, claim) for claim in claims}
    print(f"\n{name}: " + ", ".join(f"{claim} {found}" for claim, found in after.items()))
    assert Verdict.SUPPORTED not in after.values()
    assert all(after[claim] is not before[claim] for claim in claims)


@pytest.mark.mutation
@pytest.mark.parametrize("claim", ["memory-window", "forgetting", "transferability", "ntk-monotonicity"])
def test_the_literal_grid_alone_changes_no_verdict(claim, apart, monkeypatch):
    use_literal_grid(monkeypatch)
    assert verdict(apart, claim) is Verdict.SUPPORTED


@pytest.mark.mutation
def test_no_forgetting_turns_red_in_its_true_world(laboratory, monkeypatch):
    """It has no data at small scale, so that what it must notice is planted: accuracy that never changes."""
    module = MODULES["forgetting-flat"]
    row = next(row for row in laboratory.rows.values() if row.entry.id == "forgetting-flat")
    assert verdict_in(module.WORLDS["true"], row.claim, module.measure) is Verdict.SUPPORTED
    monkeypatch.setattr(Column, "accuracy", property(lambda self: np.ones(self.predictions.shape[:-1])))
    found = verdict_in(module.WORLDS["true"], row.claim, module.measure)
    print(f"\naccuracy never changes: forgetting-flat {found}")
    assert found is Verdict.INVALID
