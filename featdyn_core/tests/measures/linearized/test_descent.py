"""Linearised training against an explicit Jacobian in float64, and the theorem of App. D with its limits."""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.func import functional_call, jacrev

from featdyn_core.analysis.monotonicity import largest_rise_as_shallow_recedes, largest_rise_in_deep_time
from featdyn_core.errors import DataError, MeasurementError, ModelError, TrainingError
from featdyn_core.measures.linearized.descent import LinearizedNetwork, LinearizedTrajectory, linearized_trajectory
from featdyn_core.measures.linearized.kernel import HALVES
from featdyn_core.tests.measures.linearized.test_kernel import EXACT, Problem, problem

NOISE = 1e-12  # relative rise of a loss that rounding may make
STEPS = 12
CUTS = [("mlp", "hidden1"), ("mlp", "hidden2"), ("resnet8", "stage1_block1"), ("resnet8", "stage3_block1")]
ROUTES = [(name, cut, method) for name, cut in CUTS for method in ("kernel", "jvp") if (name, method)[0] == "mlp"]
ROUTES += [(name, cut, "jvp") for name, cut in CUTS if name == "resnet8"]


def rate_of(given: Problem, cut: str) -> float:
    return LinearizedNetwork(given.network, given.images, cut=cut).stable_learning_rate


def explicit(
    given: Problem, cut: str, rate: float, frozen: str | None = None, start: Tensor | None = None
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return logits and each half's part of them (STEPS + 1, N, C), by descent in parameters."""
    parameters = dict(given.network.named_parameters())
    logits = given.network(given.images).detach()
    jacobians = jacrev(lambda moved: functional_call(given.network, moved, (given.images,)))(parameters)
    J = {half: [] for half in HALVES}
    for key, value in jacobians.items():
        half = "shallow" if given.network.in_shallow_part(key, cut) else "deep"
        J[half].append(value.detach().flatten(2))
    J = {half: torch.cat(parts, dim=2) for half, parts in J.items()}
    theta = {half: torch.zeros(J[half].shape[2], dtype=torch.float64) for half in HALVES}
    origin, logits = logits if start is None else start, []
    path = {half: [] for half in HALVES}
    for _ in range(STEPS + 1):
        for half in HALVES:
            path[half].append(J[half] @ theta[half])
        logits.append(origin + path["shallow"][-1] + path["deep"][-1])
        residual = (logits[-1].softmax(1) - F.one_hot(given.labels, origin.shape[1])) / len(origin)
        for half in HALVES:
            if half != frozen:
                theta[half] = theta[half] - rate * torch.einsum("ncp,nc->p", J[half], residual)
    return torch.stack(logits), {half: torch.stack(parts) for half, parts in path.items()}


def retrained(given: Problem, cut: str, rate: float) -> LinearizedTrajectory:
    """Return the mutant: the real network is trained, and the halves' parts add up to its logits."""
    network, labels = copy.deepcopy(given.network), given.labels
    initial = network(given.images).detach().numpy()
    shallow, deep, losses = [], [], []
    for _ in range(STEPS + 1):
        half = copy.deepcopy(given.network)
        for key, value in half.named_parameters():
            if half.in_shallow_part(key, cut):
                value.data = network.get_parameter(key).data.clone()
        logits = network(given.images)
        shallow.append(half(given.images).detach().numpy() - initial)
        deep.append(logits.detach().numpy() - initial - shallow[-1])
        loss = F.cross_entropy(logits, labels)
        losses.append(loss.item())
        for value, slope in zip(
            network.parameters(), torch.autograd.grad(loss, list(network.parameters())), strict=True
        ):
            value.data -= rate * slope
    steps = np.arange(STEPS + 1)
    return LinearizedTrajectory(steps, initial, np.array(shallow), np.array(deep), np.array(losses), rate)


def assert_linear(trajectory: LinearizedTrajectory, logits: Tensor, parts: dict[str, Tensor]) -> None:
    """Assert that a trajectory is what the explicit Jacobian gives."""
    for half in HALVES:
        np.testing.assert_allclose(getattr(trajectory, half), parts[half], rtol=0, atol=EXACT, err_msg=half)
    total = trajectory.initial + trajectory.shallow + trajectory.deep
    np.testing.assert_allclose(total, logits, rtol=0, atol=EXACT)


def direct_loss(logits: np.ndarray, labels: Tensor) -> float:
    return F.cross_entropy(torch.from_numpy(logits), labels).item()


@pytest.mark.parametrize(("name", "cut", "method"), ROUTES)
def test_descent_equals_the_explicit_jacobian(name, cut, method):
    given = problem(name)
    rate = LinearizedNetwork(given.network, given.images, cut=cut, method=method).stable_learning_rate
    found = linearized_trajectory(*given, cut=cut, learning_rate=rate, steps=STEPS, method=method)
    assert abs(found.shallow[-1]).max() > 100 * EXACT
    assert abs(found.deep[-1]).max() > 100 * EXACT
    assert_linear(found, *explicit(given, cut, rate))


@pytest.mark.parametrize("freeze", HALVES)
@pytest.mark.parametrize("method", ["kernel", "jvp"])
def test_a_half_frozen_later_equals_the_explicit_jacobian(method, freeze):
    given, cut = problem(), "hidden1"
    linear = LinearizedNetwork(given.network, given.images, cut=cut, method=method)
    joint = linear.train(given.labels, steps=STEPS)
    found = linear.train(given.labels, steps=STEPS, freeze=freeze, start=joint.until(5))
    origin = torch.from_numpy(joint.initial + joint.shallow[5] + joint.deep[5])
    logits, parts = explicit(given, cut, joint.learning_rate, frozen=freeze, start=origin)
    assert_linear(found, logits, {half: torch.from_numpy(getattr(joint, half)[5]) + parts[half] for half in HALVES})
    assert found.steps.tolist() == list(range(5, 5 + STEPS + 1))


def test_a_network_really_trained_fails_the_test_of_linearity():
    given, cut = problem(), "hidden1"
    rate = rate_of(given, cut)
    mutant = retrained(given, cut, rate)
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        assert_linear(mutant, *explicit(given, cut, rate))


def test_linearisation_agrees_with_real_training_for_small_moves():
    given, cut, rate = problem(), "hidden1", 1e-6
    found = linearized_trajectory(*given, cut=cut, learning_rate=rate, steps=STEPS)
    np.testing.assert_allclose(found.losses, retrained(given, cut, rate).losses, rtol=0, atol=1e-9)
    assert found.losses[0] - found.losses[-1] > 1e-6


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    samples=st.integers(2, 10),
    hidden=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    cut=st.sampled_from(["hidden1", "hidden2"]),
    freeze=st.sampled_from([None, *HALVES]),
    begin=st.integers(0, 30),
    share=st.floats(0.1, 1.9),
)
def test_loss_never_rises_in_training_with_a_half_frozen(seed, samples, hidden, cut, freeze, begin, share):
    given = problem(samples=samples, seed=seed, hidden=hidden, dropout=0.0)
    linear = LinearizedNetwork(given.network, given.images, cut=cut)
    joint = linear.train(given.labels, steps=30, learning_rate=share * linear.stable_learning_rate)
    frozen = linear.train(
        given.labels, steps=60, learning_rate=joint.learning_rate, freeze=freeze, start=joint.until(begin)
    )
    for losses in (joint.losses, frozen.losses):
        assert (np.diff(losses) <= NOISE * losses[:-1]).all(), f"rises by up to {np.diff(losses).max():.3g}"


def test_loss_rises_at_a_rate_far_above_the_stable_one():
    given, cut = problem(), "hidden1"
    found = linearized_trajectory(*given, cut=cut, learning_rate=100 * rate_of(given, cut), steps=30)
    assert np.diff(found.losses).max() > 0.01


def test_stable_rate_comes_from_the_largest_eigenvalue():
    given = problem()
    linear = LinearizedNetwork(given.network, given.images, cut="hidden1")
    basis = torch.eye(9 * 4, dtype=torch.float64).view(-1, 9, 4)
    largest = torch.linalg.eigvalsh(linear.kernel()(basis).flatten(1))[-1].item()
    assert linear.stable_learning_rate == pytest.approx(2 * 9 / largest, rel=0.01)


@settings(max_examples=50, deadline=None)
@given(logits=st.lists(st.floats(-30, 30), min_size=2, max_size=12))
def test_lemma_1_hessian_of_cross_entropy_is_semi_definite(logits):
    point = torch.tensor(logits, dtype=torch.float64)
    q = point.softmax(0)
    formula = torch.diag(q) - torch.outer(q, q)
    for label in range(len(point)):
        hessian = jacrev(jacrev(lambda z, label=label: -z.log_softmax(0)[label]))(point)
        torch.testing.assert_close(hessian, formula, rtol=0, atol=1e-12)
    eigenvalues = torch.linalg.eigvalsh(formula)
    assert eigenvalues[0] >= -1e-15 * len(point)
    assert eigenvalues[-1] <= 0.5 + 1e-12  # the constant of the stable learning rate


def test_grid_holds_the_direct_loss_of_every_composite():
    given = problem()
    found = linearized_trajectory(*given, cut="hidden1", steps=STEPS, every=4)
    grid = found.loss_grid(given.labels)
    assert grid.shape == (4, 4)
    np.testing.assert_allclose(np.diagonal(grid), found.losses, rtol=0, atol=1e-12)
    for s in range(4):
        for t in range(4):
            logits = found.initial + found.shallow[s] + found.deep[t]
            assert grid[s, t] == pytest.approx(direct_loss(logits, given.labels), abs=1e-12), f"({s}, {t})"
    assert abs(grid - grid.T).max() > 1e-4


def test_grid_is_exact_for_logits_hundreds_of_nats_apart():
    rng = np.random.default_rng(0)
    shallow, deep = 200 * rng.standard_normal((2, 3, 5, 4)).clip(-1, 1)
    far = LinearizedTrajectory(np.arange(3), np.zeros((5, 4)), shallow, 5 * deep, np.zeros(3), 1.0)
    labels = torch.tensor([0, 1, 2, 3, 0])
    for s, row in enumerate(far.loss_grid(labels)):
        for t, loss in enumerate(row):
            assert loss == pytest.approx(direct_loss(shallow[s] + 5 * deep[t], labels), rel=1e-12), f"({s}, {t})"


def test_grid_refuses_logits_it_cannot_resolve():
    far = np.zeros((1, 2, 3))
    far[:, :, 0] = 1e4
    trajectory = LinearizedTrajectory(np.arange(1), np.zeros((2, 3)), far, far, np.zeros(1), 1.0)
    with pytest.raises(MeasurementError, match=r"span 1e\+04 nats.*smaller learning rate"):
        trajectory.loss_grid([0, 1])


def test_records_are_every_so_many_steps_and_the_last():
    given = problem()
    found = linearized_trajectory(*given, cut="hidden1", steps=10, every=4)
    each = linearized_trajectory(*given, cut="hidden1", steps=10)
    assert found.steps.tolist() == [0, 4, 8, 10]
    np.testing.assert_allclose(found.deep, each.deep[[0, 4, 8, 10]], rtol=0, atol=1e-12)
    np.testing.assert_array_equal(found.losses, each.losses[[0, 4, 8, 10]])


def test_training_can_go_on_from_any_record():
    given = problem()
    linear = LinearizedNetwork(given.network, given.images, cut="hidden1")
    whole = linear.train(given.labels, steps=10)
    rest = linear.train(given.labels, steps=6, start=whole.until(4))
    assert rest.steps.tolist() == list(range(4, 11))
    np.testing.assert_allclose(rest.shallow, whole.shallow[4:], rtol=0, atol=1e-12)
    np.testing.assert_allclose(rest.losses, whole.losses[4:], rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", ["mlp", "resnet8"])
def test_network_is_left_as_it_was(name):
    given = problem(name)
    given.network.float().train()
    before = copy.deepcopy(given.network.state_dict())
    cut = given.network.depths[0]
    found = linearized_trajectory(*given, cut=cut, steps=2, learning_rate=0.1)
    assert given.network.training
    assert found.shallow.dtype == np.float64
    for key, value in given.network.state_dict().items():
        assert torch.equal(value, before[key]), key
        assert value.dtype == before[key].dtype, key


def test_single_precision_is_close_to_double():
    given = problem()
    double = linearized_trajectory(*given, cut="hidden1", steps=STEPS)
    single = linearized_trajectory(*given, cut="hidden1", steps=STEPS, dtype=torch.float32)
    assert single.deep.dtype == np.float32
    np.testing.assert_allclose(single.losses, double.losses, rtol=1e-5)


def test_neither_reading_is_a_theorem_for_linearised_networks():
    """Random labels, trained to a low loss: each step lowers it, but composites get worse in both readings."""
    given = problem(samples=20)
    found = linearized_trajectory(*given, cut="hidden2", steps=5000, every=100)
    grid = found.loss_grid(given.labels)
    assert (np.diff(found.losses) < 0).all()
    assert found.losses[-1] < 0.1
    assert largest_rise_in_deep_time(grid) > 1
    assert largest_rise_as_shallow_recedes(grid) > 1


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"cut": "hidden9"}, ModelError, "no cut 'hidden9'; its cuts are hidden1, hidden2"),
        ({"method": "ntk"}, TrainingError, "unknown method 'ntk'; the methods are auto, kernel, jvp"),
        ({"learning_rate": 0.0}, TrainingError, "learning rate 0.0 is not positive; leave it out"),
        ({"learning_rate": float("nan")}, TrainingError, "learning rate nan is not positive"),
        (
            {"learning_rate": 1e308},
            TrainingError,
            r"loss at step 2 is (nan|inf), with learning rate 1e\+308",
        ),
        ({"steps": -1}, TrainingError, "-1 steps, a record every 1: steps must be ≥ 0"),
        ({"every": 0}, TrainingError, "a record every 0: .* every ≥ 1"),
        ({"freeze": "middle"}, TrainingError, "no half 'middle' to freeze; the halves are shallow, deep"),
        ({"labels": [4] * 9}, DataError, r"labels must lie in 0\.\.3; these run from 4 to 4"),
        ({"labels": [-1] + [0] * 8}, DataError, r"labels must lie in 0\.\.3; these run from -1 to 0"),
        ({"labels": [0, 1]}, DataError, r"labels must be 9 integers; got torch.int64 of shape \(2,\)"),
        ({"labels": [0.5] * 9}, DataError, r"labels must be 9 integers; got torch.float"),
    ],
)
def test_bad_input_is_named(options, error, message):
    given = problem()
    usual = {"labels": given.labels, "cut": "hidden1", "steps": 3}
    with pytest.raises(error, match=message):
        linearized_trajectory(given.network, given.images, **(usual | options))


def test_kernel_method_refuses_a_convolutional_network():
    with pytest.raises(ModelError, match="use method='jvp'"):
        linearized_trajectory(*problem("resnet8"), cut="stage1_block1", steps=1, method="kernel")


def test_start_must_belong_to_the_same_network():
    given, other = problem(), problem(seed=1)
    start = linearized_trajectory(*other, cut="hidden1", steps=1)
    linear = LinearizedNetwork(given.network, given.images, cut="hidden1")
    with pytest.raises(TrainingError, match="another network or other images"):
        linear.train(given.labels, steps=1, start=start)


def test_only_recorded_steps_can_be_started_from():
    found = linearized_trajectory(*problem(), cut="hidden1", steps=4, every=2)
    with pytest.raises(MeasurementError, match=r"step 3 was not recorded; the records are at \[0, 2, 4\]"):
        found.until(3)
