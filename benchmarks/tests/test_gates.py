"""The equality gates: each passes equal sides and refuses a wrong one, so that a ratio compares equal results."""

import dataclasses
from functools import partial

import numpy as np
import pytest
import torch

from benchmarks import (
    bench_distances,
    bench_grid,
    bench_isotropy,
    bench_linearized,
    bench_one_step,
    bench_records,
    bench_training,
)
from benchmarks.ratio import ResultsDifferError
from featdyn_core.data.sources import load_dataset
from featdyn_core.measures.one_step.isotropy import null_statistics
from featdyn_core.networks.zoo import build_model
from featdyn_core.seeds import torch_generator
from featdyn_core.trajectories.recipe import load_recipe

differ = pytest.raises(ResultsDifferError)
no_evidence = pytest.raises(ResultsDifferError, match="no evidence")

# Permutation test of MMD


@pytest.mark.parametrize("prepare", [bench_distances.blocks, bench_distances.vectors])
def test_mmd(prepare):
    x, y = bench_distances.samples(30)
    baseline, product = (
        partial(test, x, y, 99) for test in (partial(bench_distances.loop, prepare), bench_distances.product)
    )
    expected, found = baseline(0), product(0)
    bench_distances.require_equal(expected, found)
    statistic, p_value = found
    assert 0.01 < p_value < 1  # not what every statistic would give
    with differ:
        bench_distances.require_equal(expected, product(1))  # other permutations
    for wrong in (
        (statistic + 1e-11, p_value),
        (statistic, p_value + 0.01),
        (float("nan"), p_value),
        (statistic, None),
    ):
        with differ:
            bench_distances.require_equal(expected, wrong)


# Composite grid


@pytest.fixture(scope="module")
def grid():
    """Three epochs, three cuts and 48 images; the baseline's logits on every fourth cell."""
    epochs, images = 3, 48
    trajectory = bench_grid.planted(epochs, images)
    sample = bench_grid.every(4, tuple(trajectory.network(0).depths), epochs)
    loop = bench_grid.Loop(trajectory, sample, images, torch.channels_last)
    found = bench_grid.engine(trajectory, sample.cuts, epochs, images)
    return sample, loop(), found


def test_grid(grid):
    sample, logits, found = grid
    assert bench_grid.gate("grid", logits, sample.of(found)).startswith("gate: 0 of")


def test_grid_with_one_flipped_prediction(grid):
    sample, logits, found = grid
    wrong = sample.of(found).copy()
    wrong[-1, 7] = (wrong[-1, 7] + 1) % 10
    with pytest.raises(ResultsDifferError, match="1 of"):
        bench_grid.gate("grid", logits, wrong)


@pytest.mark.parametrize("axis", [0, 1, 2], ids=["cut", "shallow epoch", "deep epoch"])
def test_grid_with_one_cell_of_another(axis, grid):
    sample, logits, found = grid
    for number, cell in enumerate(sample.index):
        elsewhere = cell.copy()
        elsewhere[axis] = (cell[axis] + 1) % 3
        if axis == 0 and cell[1] == cell[2]:
            continue  # the network itself, whatever the cut
        wrong = sample.of(found).copy()
        wrong[number] = found.predictions[tuple(elsewhere)]
        with differ:
            bench_grid.gate("grid", logits, wrong)


def test_grid_of_networks_that_predict_one_class_only(grid):
    _, logits, _ = grid
    constant = torch.zeros_like(logits)
    constant[..., 3] = 1
    with no_evidence:
        bench_grid.gate("grid", constant, constant.argmax(-1).numpy())


def test_grid_with_one_cell_that_predicts_one_class_only(grid):
    sample, logits, found = grid
    constant, right = logits.clone(), sample.of(found).copy()
    constant[2, :, 3], right[2] = 100, 3
    with no_evidence:
        bench_grid.gate("grid", constant, right)


def test_grid_of_networks_with_all_logits_equal(grid):
    sample, logits, found = grid
    with no_evidence:
        bench_grid.gate("grid", torch.zeros_like(logits), sample.of(found))


def test_grid_without_cells(grid):
    sample, logits, found = grid
    with no_evidence:
        bench_grid.gate("grid", logits[:0], sample.of(found)[:0])


def test_memory_of_a_grid_is_that_of_its_arrays(grid):
    _, _, found = grid
    network = build_model("resnet20")
    (few, total_of_few), (many, total_of_many) = (bench_grid.memory(network, 3, images, 3) for images in (48, 49))
    assert few == found.predictions.nbytes
    assert total_of_many - total_of_few == (many - few) + 3 + 3 * 32 * 32  # reference and pixels of one image


# Null of the isotropy test

N, P = 100, 64


@pytest.fixture(scope="module")
def literal():
    return bench_isotropy.literal(N, P, bench_isotropy.GATE_DRAWS, np.random.default_rng(0))


def test_null(literal):
    bench_isotropy.require_one_law(literal, bench_isotropy.bidiagonal(N, P, 9999, np.random.default_rng(1)), N, P)


@pytest.mark.parametrize(("dof", "p"), [(N - 2, P), (N, P), (N - 1, P + 1)])
def test_null_of_other_degrees_of_freedom(dof, p, literal):
    with differ:
        bench_isotropy.require_one_law(literal, null_statistics(dof, p, 9999, np.random.default_rng(1)), N, P)


def test_null_of_the_right_mean_and_another_law(literal):
    draws = bench_isotropy.bidiagonal(N, P, 9999, np.random.default_rng(1))
    wider = np.sqrt((draws**2).mean() + 3 * (draws**2 - (draws**2).mean()))
    with pytest.raises(ResultsDifferError, match="Kolmogorov"):
        bench_isotropy.require_one_law(literal, wider, N, P)


def test_null_of_a_baseline_that_is_wrong_itself(literal):
    wrong = literal * 1.01
    with pytest.raises(ResultsDifferError, match="mean of T²/p"):
        bench_isotropy.require_one_law(wrong, wrong, N, P)


def test_null_that_is_not_finite(literal):
    with differ:
        bench_isotropy.require_one_law(literal, np.full(9999, np.nan), N, P)


# Linearised training


@pytest.fixture(scope="module")
def problem():
    given = bench_linearized.problem(12, 8)
    with torch.no_grad():
        for name, parameter in given.network.named_parameters():
            if name.endswith("bias"):
                parameter.zero_()  # so that a network without biases is the same function
    return given


@pytest.fixture(scope="module")
def jacobians(problem):
    return bench_linearized.explicit_jacobians(problem)


def test_tangent_kernels(problem, jacobians):
    bench_linearized.require_equal_kernels(bench_linearized.layerwise(problem), bench_linearized.products(jacobians))


def test_tangent_kernels_without_bias_terms(jacobians):
    given = bench_linearized.problem(12, 8)
    for module in given.network.modules():
        if isinstance(module, torch.nn.Linear):
            module.bias = None
    with pytest.raises(ResultsDifferError, match="shallow kernels"):
        bench_linearized.require_equal_kernels(bench_linearized.layerwise(given), bench_linearized.products(jacobians))


def test_tangent_kernels_with_halves_exchanged(problem, jacobians):
    shallow, deep = bench_linearized.products(jacobians).values()
    with differ:
        bench_linearized.require_equal_kernels(bench_linearized.layerwise(problem), {"shallow": deep, "deep": shallow})


# The first forward-mode derivative makes torch load code that warns about torch itself.
@pytest.mark.filterwarnings(r"ignore:.*torch\.jit:FutureWarning")
@pytest.mark.parametrize("name", ["explicit Jacobian", "vjp and jvp"])
def test_descent(name, problem, jacobians):
    linear = bench_linearized.layerwise(problem)
    rate, steps = linear.stable_learning_rate, bench_linearized.FEW_STEPS
    jacobian = torch.cat(list(jacobians.values()), dim=1)
    baseline = {
        "explicit Jacobian": partial(bench_linearized.descend_explicit, problem, jacobian),
        "vjp and jvp": partial(bench_linearized.descend_by_products, problem),
    }[name]
    expected = baseline(rate, steps)
    found = partial(bench_linearized.descend_layerwise, problem, linear)
    bench_linearized.require_equal("logits", expected, found(rate, steps))
    for wrong in (found(rate, steps - 1), found(rate * 1.001, steps), found(rate, steps) + 1e-7, expected * np.nan):
        with differ:
            bench_linearized.require_equal("logits", expected, wrong)


def test_loss_grid(problem):
    trajectory = bench_linearized.layerwise(problem).train(problem.labels, steps=20)
    expected = torch.from_numpy(bench_linearized.grid_by_rows(trajectory, problem.labels))
    found = torch.from_numpy(trajectory.loss_grid(problem.labels))
    bench_linearized.require_equal("loss grids", expected, found)
    for wrong in (found.T, found.roll(1, 0), found.diagonal().expand_as(found), found * np.nan):
        with differ:
            bench_linearized.require_equal("loss grids", expected, wrong)


def test_arrays_of_another_form():
    with pytest.raises(ResultsDifferError, match="shapes"):
        bench_linearized.require_equal("logits", torch.ones(3, 2), torch.ones(1, 2))


# One-step protocol


@pytest.fixture(scope="module")
def digits():
    return bench_one_step.untrained(load_recipe("digits-small"), load_dataset("digits"), "cpu")


def test_one_step(digits):
    bench_one_step.gate(digits)


@pytest.mark.parametrize("always", ["frozen", "updated"])
def test_one_step_with_statistics_treated_otherwise(always, digits):
    def candidate(trajectory, updates, dtype, _):
        return bench_one_step.engine(trajectory, updates, dtype, always)

    with pytest.raises(ResultsDifferError, match="updated" if always == "frozen" else "frozen"):
        bench_one_step.gate(digits, candidate=candidate)


@pytest.mark.parametrize("wrong", [{"weight_decay": 0.0}, {"learning_rate": 0.1001}])
def test_one_step_of_another_optimizer(wrong, digits):
    recipe = digits.recipe.replace(optimizer=dataclasses.replace(digits.recipe.optimizer, **wrong))
    other = dataclasses.replace(digits, recipe=recipe)
    with differ:
        bench_one_step.gate(digits, candidate=lambda _, *rest: bench_one_step.engine(other, *rest))


def test_one_step_of_two_steps_with_momentum(digits):
    def candidate(*arguments):
        changes = bench_one_step.engine(*arguments)
        changes[:, 1:] += 0.9 * changes[:, :-1]
        return changes

    with differ:
        bench_one_step.gate(digits, candidate=candidate)


def test_one_step_of_a_network_that_stands_still(digits):
    recipe = digits.recipe.replace(optimizer=dataclasses.replace(digits.recipe.optimizer, learning_rate=0.0))
    with no_evidence:
        bench_one_step.gate(dataclasses.replace(digits, recipe=recipe))


def test_changes_of_another_form_or_not_finite():
    changes = np.ones((2, 3, 4))
    for wrong in (changes[:, :1], changes * np.nan):
        with differ:
            bench_one_step.require_equal(changes, wrong, "frozen")


def test_updates_after_which_a_call_pays():
    row = bench_one_step.Row("", "", baseline_seconds=(2.0,), candidate_seconds=(1.5,))  # of 100 updates
    text = bench_one_step.fixed_cost(row, fewest=0.52, updates=100)
    assert text == "each call costs 0.5 s before its first update: pays from K = 50 on"
    slower = dataclasses.replace(row, baseline_seconds=(0.9,))
    assert bench_one_step.fixed_cost(slower, fewest=0.52, updates=100).endswith("never pays")


# Training

train = partial(bench_training.gate, bench_training.CPU, "eager")


def test_training():
    train(bench_training.small)


@pytest.mark.parametrize("wrong", [{"weight_decay": 1.01e-4}, {"momentum": 0.899}, {"momentum": 0.0}])
def test_training_of_another_optimizer(wrong, monkeypatch):
    monkeypatch.setattr(bench_training, "SPEC", dataclasses.replace(bench_training.SPEC, **wrong))
    with differ:
        train(bench_training.small)


def test_training_on_other_batches(monkeypatch):
    order = bench_training.torch_generator(0, "order", 1)
    monkeypatch.setattr(bench_training, "torch_generator", lambda *_: order)
    with differ:
        train(bench_training.small)


def test_training_of_another_network():
    seeds = iter((0, 0, 1))
    with differ:
        train(lambda: build_model("resnet8", width=4, generator=torch_generator(next(seeds), "init")))


def test_training_that_stands_still():
    start = torch.ones(3)
    still = bench_training.Trained(2.0, start + 1e-4)
    with no_evidence:
        bench_training.require_equal("trainings", start, still, still)


@pytest.mark.parametrize(("loss", "weight"), [(2.00001, 1.0), (2.0, 1.00001), (float("nan"), 1.0), (2.0, float("nan"))])
def test_trainings_that_differ(loss, weight):
    start, expected = torch.zeros(3), bench_training.Trained(2.0, torch.ones(3))
    found = bench_training.Trained(loss, torch.tensor([1.0, 1.0, weight]))
    with differ:
        bench_training.require_equal("trainings", start, expected, found)


def test_records_gate_sees_other_numbers_and_mute_networks():
    numbers = {"agreement": 0.9, "accuracy": 0.5}
    bench_records.require_equal(numbers, dict(numbers))
    with pytest.raises(ResultsDifferError, match="from the record"):
        bench_records.require_equal(numbers, numbers | {"accuracy": 0.6})
    with pytest.raises(ResultsDifferError, match="cannot tell the sides apart"):
        bench_records.require_equal(numbers | {"agreement": 1.0}, numbers | {"agreement": 1.0})
