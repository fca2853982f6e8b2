"""Flatness: derivatives against full Jacobians, drift along unread directions, and ratios in plain numbers."""

import dataclasses

import numpy as np
import pytest
import torch

from featdyn_core.errors import MeasurementError
from featdyn_core.measures.drift.directional import _shuffled, changes_along, changes_among_features
from featdyn_core.records.flatness import Flatness, Options, measure, read, resolve
from featdyn_core.records.kind import Scope
from featdyn_core.register.register import Window
from featdyn_core.tests.tiny import tiny_recipe

ROUNDING = 1e-4  # relative; single precision, by two ways of differentiating
EPOCHS = {"shallow": (0, 2), "deep": 4}
PARAMETERS = {"shallow": [0, 2], "deep": 4, "split": "held-out", "directions": 3, "images": 100}
IMAGES = 70  # more than a batch


@pytest.fixture(params=["tiny_trajectory", "tiny_perceptron"])
def trajectory(request):
    return dataclasses.replace(request.getfixturevalue(request.param), evaluation_images=IMAGES)


def jacobians(network, hidden, cut):
    """Derivative of the logits of each image by its features, (N, classes, p)."""
    deep = torch.func.jacrev(lambda one: network.deep(one[None], cut)[0])
    with torch.no_grad():
        return torch.stack([deep(one).flatten(1) for one in hidden])


def test_changes_are_products_with_the_jacobian(trajectory):
    found = changes_along(trajectory, **EPOCHS, split="training", directions=400)
    images, _ = trajectory.evaluation_set("training")
    network = trajectory.network(4)
    some = [0, 3, IMAGES - 1]
    for number, cut in enumerate(network.depths):
        with torch.no_grad():
            now, *then = (trajectory.network(epoch).shallow(images, cut) for epoch in (4, 0, 2))
        whole = jacobians(network, now[some], cut)
        for place, before in enumerate(then):
            drift = (now - before).flatten(1)
            expected = torch.linalg.vector_norm(torch.einsum("ncp,np->nc", whole, drift[some]), dim=1)
            assert found["drift"][number, place, some] == pytest.approx(expected.numpy(), rel=ROUNDING), (
                f"{cut}, place {place}"
            )
            norms = torch.linalg.vector_norm(drift, dim=1)
            assert found["moved"][number, place] == pytest.approx(norms.numpy(), rel=ROUNDING), f"{cut}, place {place}"
            unit = drift[2] / norms[2]  # the drift of the image before
            of_other = torch.linalg.vector_norm(whole[1] @ unit) * norms[3]
            assert found["other"][number, place, 3] == pytest.approx(of_other.item(), rel=ROUNDING), (
                f"{cut}, place {place}"
            )
        units = torch.randn(4000, whole.shape[2], generator=torch.Generator().manual_seed(1))
        units /= torch.linalg.vector_norm(units, dim=1, keepdim=True)
        at_random = torch.linalg.vector_norm(torch.einsum("ncp,kp->nkc", whole, units), dim=2).mean(dim=1)
        assert found["random"][number, some] == pytest.approx(at_random.numpy(), rel=0.1), cut


def test_attention_is_differentiated_too(make_trajectory):
    trajectory = dataclasses.replace(make_trajectory("vit", patch=4), evaluation_images=3)
    network, (images, _) = trajectory.network(4), trajectory.evaluation_set("training")
    cut = network.depths[0]
    found = changes_along(trajectory, **EPOCHS, split="training", directions=1)
    with torch.no_grad():
        now, before = (trajectory.network(epoch).shallow(images, cut) for epoch in (4, 0))
        step = 1e-3 * (now - before)
        change = (network.double().deep((now + step).double(), cut) - network.deep((now - step).double(), cut)) / 2e-3
    expected = torch.linalg.vector_norm(change, dim=1).numpy()
    assert found["drift"][0, 0] == pytest.approx(expected, rel=1e-2)
    assert torch.backends.mha.get_fastpath_enabled()


def test_drift_that_the_deep_part_does_not_read_is_flat(tiny_perceptron):
    cut = tiny_perceptron.network(4).depths[-1]
    base = {key: value.clone() for key, value in tiny_perceptron.state(4).items()}
    (name,) = (key for key in base if key.startswith(f"blocks.{cut}.") and key.endswith("weight"))
    base["blocks.head.linear.weight"][:, :4] = 0
    moved = base | {name: base[name].clone()}
    moved[name][:4] += 1
    planted = dataclasses.replace(tiny_perceptron, load=lambda epoch: moved if epoch == 0 else base)
    found = {
        name: array[-1] for name, array in changes_along(planted, **EPOCHS, split="training", directions=3).items()
    }
    assert found["moved"][0].mean() > 0.1
    assert not found["drift"].any()
    assert found["shuffled"][0].mean() > 0.3 * (found["moved"][0] * found["random"]).mean()


def test_a_record_holds_what_was_measured(trajectory):
    arrays = measure(trajectory, PARAMETERS)
    again = measure(trajectory, PARAMETERS)
    other = measure(dataclasses.replace(trajectory, seed=1), PARAMETERS)
    assert all(np.array_equal(arrays[name], again[name]) for name in arrays)
    assert np.array_equal(arrays["drift"], other["drift"])
    assert not np.array_equal(arrays["random"], other["random"])
    found = read(arrays, PARAMETERS)
    assert (found.cuts, found.epochs) == (trajectory.network(4).depths, (0, 2))
    assert found.drift.shape == found.other.shape == found.shuffled.shape == (len(found.cuts), 2, IMAGES)
    assert found.random.shape == (len(found.cuts), IMAGES)


def test_shuffling_keeps_the_norm_and_loses_the_direction():
    drift = torch.rand(5, 3, 10, 10) + 1
    found = _shuffled(drift, torch.Generator().manual_seed(0))
    assert found.shape == drift.shape
    assert torch.equal(found.abs().flatten(1).sort(dim=1).values, drift.flatten(1).sort(dim=1).values)
    cosines = torch.nn.functional.cosine_similarity(found.flatten(1), drift.flatten(1))
    assert cosines.abs().max() < 0.25  # of 300 coordinates


def test_the_ratio_is_that_of_the_means_over_images():
    pair = np.array([[[2.0, 4.0]]])
    flatness = Flatness(("one",), (0,), 3 * pair, pair, pair, moved=pair, random=np.array([[1.0, 2.0]]))
    assert flatness.ratio("drift") == pytest.approx(np.array([[(6 + 12) / (2 + 8)]]))
    assert flatness.ratio("other") == flatness.ratio("shuffled") == pytest.approx(np.array([[6 / 10]]))


def test_drawn_directions_have_the_covariance_of_the_features(trajectory):
    options = {"deep": 4, "split": "training"}
    found = changes_among_features(trajectory, **options, directions=150)
    images, _ = trajectory.evaluation_set("training")
    network = trajectory.network(4)
    some = [0, 3, IMAGES - 1]
    for number, cut in enumerate(network.depths):
        with torch.no_grad():
            hidden = network.shallow(images, cut)
        whole = jacobians(network, hidden[some], cut)
        law = torch.distributions.MultivariateNormal
        covariance = torch.cov(hidden.flatten(1).double().T)
        covariance += 1e-9 * covariance.trace() * torch.eye(len(covariance))  # which makes it regular
        with torch.random.fork_rng():
            torch.manual_seed(1)
            units = law(torch.zeros(len(covariance)).double(), covariance).sample((4000,)).float()
        units /= torch.linalg.vector_norm(units, dim=1, keepdim=True)
        expected = torch.linalg.vector_norm(torch.einsum("ncp,kp->nkc", whole, units), dim=2).mean(dim=1)
        for name in ("drawn", "redrawn"):
            assert found[name][number, some] == pytest.approx(expected.numpy(), rel=0.15), f"{name}, {cut}"


def test_features_in_one_direction_are_drawn_from_it(tiny_perceptron):
    cut = tiny_perceptron.network(4).depths[-1]
    state = {key: value.clone() for key, value in tiny_perceptron.state(4).items()}
    (name,) = (key for key in state if key.startswith(f"blocks.{cut}.") and key.endswith("weight"))
    state[name][1:] = 0
    state["blocks.head.linear.weight"][:, 0] = 0
    flat = dataclasses.replace(tiny_perceptron, load=lambda _: state)
    options = {"deep": 4, "split": "training", "directions": 3}
    found = changes_among_features(flat, **options)
    assert found["drawn"][-1].max() < 1e-3  # rounding of the mean, in directions that are read
    assert changes_along(flat, shallow=(0,), **options)["random"][-1].min() > 1e-3


def test_old_numbers_stay_where_directions_are_drawn_too(trajectory):
    asked = PARAMETERS | {"drawn": True}
    before, after = measure(trajectory, PARAMETERS), measure(trajectory, asked)
    assert all(np.array_equal(before[name], after[name]) for name in before)
    assert set(after) - set(before) == {"drawn", "redrawn"}
    found = read(after, asked)
    assert found.drawn.shape == found.redrawn.shape == (len(found.cuts), IMAGES)
    assert not np.array_equal(found.drawn, found.redrawn)
    assert (measure(trajectory, asked)["drawn"] == after["drawn"]).all()
    other = measure(dataclasses.replace(trajectory, seed=1), asked)
    assert not np.array_equal(other["drawn"], after["drawn"])
    with pytest.raises(MeasurementError, match="ask for flatness with drawn = true"):
        read(before, PARAMETERS).ratio("drift", "drawn")


def test_halves_are_every_other_image(trajectory):
    asked = PARAMETERS | {"drawn": True}
    found = read(measure(trajectory, asked), asked)
    first, second = found.halves
    assert np.array_equal(first.drift, found.drift[..., ::2])
    assert np.array_equal(second.drawn, found.drawn[:, 1::2])
    old_first, _ = read(measure(trajectory, PARAMETERS), PARAMETERS).halves
    assert old_first.drawn is None
    assert np.array_equal(old_first.random, found.random[:, ::2])


def test_planted_changes_have_the_requested_ratios():
    drift, again = np.array([0.5, 1.0, 2.0]), np.array([1.0, 1.1, 0.9])
    found = Flatness.planted((14, 20), drift, isotropic=0.25, redrawn=again)
    assert found.ratio("drift", "drawn") == pytest.approx(np.tile(drift[:, None], 2))
    assert found.ratio("redrawn", "drawn") == pytest.approx(np.tile(again[:, None], 2))
    assert found.ratio("drift") == pytest.approx(4 * np.tile(drift[:, None], 2))
    assert found.ratio("shuffled") == pytest.approx(np.ones((3, 2)))
    first, second = Flatness.planted((14, 20), 0.5, apart=1.5).halves
    assert second.ratio("drift", "drawn") / first.ratio("drift", "drawn") == pytest.approx(np.full((3, 2), 1.5))


def test_where_nothing_moves_there_is_nothing_to_compare(tiny_perceptron):
    still = measure(tiny_perceptron.frozen_at(4), PARAMETERS)
    with pytest.raises(MeasurementError, match="features do not move"):
        read(still, PARAMETERS).ratio("drift")


def test_epochs_are_spread_over_the_window_before_its_end():
    scope = Scope(tiny_recipe(), 0, 1, {"late": Window(0, 3)}, {"images": 5, "directions": 2}, images=20)
    for part in resolve(Options("late", points=2), scope).values():
        assert (part["shallow"], part["deep"]) == ([0, 2], 3)
        assert "drawn" not in part
    assert all(part["drawn"] for part in resolve(Options("late", points=2, drawn=True), scope).values())
