"""Displaced networks move as far as training did, and only before the cut."""

import numpy as np
import pytest
import torch

from featdyn_core.errors import MeasurementError, ModelError
from featdyn_core.measures.composites.displacement import (
    MATCHES,
    displaced,
    mirrored,
    moved,
    moved_as_between,
    reestimated_before,
    shallow_vector,
)
from featdyn_core.measures.composites.statistics import reestimate, statistics_images

CUT = "stage2_block1"
LENGTH = 1e-5  # relative; norms of float32 tensors


def rng():
    return np.random.default_rng(0)


def shallow_parameters(network, cut=CUT):
    return {name: p.detach() for name, p in network.named_parameters() if network.in_shallow_part(name, cut)}


def cosine(one, other):
    return float((one * other).sum() / (one.norm() * other.norm()))


@pytest.fixture(scope="module")
def moved_networks(tiny_trajectory):
    """The network at epoch 4 displaced as far as epoch 1 is, for each kind of match."""
    return {match: displaced(tiny_trajectory, 1, 4, CUT, rng(), match=match) for match in MATCHES}


def test_every_tensor_moves_as_far_as_training_moved_it(tiny_trajectory, moved_networks):
    start, earlier = tiny_trajectory.network(4), tiny_trajectory.state(1)
    before = shallow_parameters(start)
    assert len(before) == 15  # five convolutions with weight and bias of their normalisations
    for name, parameter in shallow_parameters(moved_networks["distance"]).items():
        expected = (earlier[name] - before[name]).norm()
        assert float((parameter - before[name]).norm()) == pytest.approx(float(expected), rel=LENGTH), name
        assert not torch.allclose(parameter, earlier[name], rtol=0.1), name


def test_direction_is_random_and_not_that_of_training(tiny_trajectory):
    """The cosine of a random direction to a fixed one has mean 0 and standard deviation 1/√p."""
    before = shallow_parameters(tiny_trajectory.network(4))
    earlier = tiny_trajectory.state(1)
    name = "blocks.stage2_block1.second.conv.weight"
    change = earlier[name] - before[name]
    generator = rng()
    tensors = [displaced(tiny_trajectory, 1, 4, CUT, generator).get_parameter(name) for _ in range(20)]
    spread = change.numel() ** -0.5
    for axis in (change, torch.ones_like(change)):
        cosines = [cosine(parameter.detach() - before[name], axis) for parameter in tensors]
        assert abs(np.mean(cosines)) < 3 * spread / 20**0.5
        assert 0.5 * spread < np.std(cosines) < 2 * spread


def test_turning_keeps_norm_and_angle_of_the_earlier_tensor(tiny_trajectory, moved_networks):
    before, earlier = shallow_parameters(tiny_trajectory.network(4)), tiny_trajectory.state(1)
    for name, parameter in shallow_parameters(moved_networks["angle"]).items():
        assert float(parameter.norm()) == pytest.approx(float(earlier[name].norm()), rel=LENGTH), name
        expected = cosine(earlier[name], before[name])
        assert cosine(parameter, before[name]) == pytest.approx(expected, abs=LENGTH), name
        distance = float((earlier[name] - before[name]).norm())
        assert float((parameter - before[name]).norm()) == pytest.approx(distance, rel=10 * LENGTH), name
        assert not torch.allclose(parameter, earlier[name], rtol=0.1), name


def test_turning_of_a_tensor_of_zeros_is_a_move_of_equal_norm(make_trajectory):
    """Biases of normalisations start at zero, where no angle is defined."""
    name = "blocks.stem.0.norm.bias"
    world = make_trajectory("resnet8", width=4)
    world.state(0)[name].zero_()
    found = shallow_parameters(displaced(world, 4, 0, "stem", rng(), match="angle"), "stem")[name]
    assert float(found.norm()) == pytest.approx(float(world.state(4)[name].norm()), rel=LENGTH)


@pytest.mark.parametrize("match", MATCHES)
def test_deep_half_is_untouched(tiny_trajectory, moved_networks, match):
    start = tiny_trajectory.state(4)
    found = moved_networks[match]
    deep = {name: value for name, value in found.state_dict().items() if not found.in_shallow_part(name, CUT)}
    assert any("running_mean" in name for name in deep)
    for name, value in deep.items():
        assert torch.equal(value, start[name]), name
    assert not any(part.training for part in found.modules())


@pytest.mark.parametrize("match", MATCHES)
def test_statistics_of_the_shallow_half_are_re_estimated(tiny_trajectory, moved_networks, match):
    found = moved_networks[match]
    again = tiny_trajectory.network(4)
    again.load_state_dict(found.state_dict())
    for name, buffer in again.named_buffers():
        if "running" in name and again.in_shallow_part(name, CUT):
            buffer.fill_(1.0)
    reestimate(again, statistics_images(tiny_trajectory), again.shallow_blocks(CUT), 64)
    for name, buffer in found.named_buffers():
        assert torch.equal(buffer, again.get_buffer(name)), name


@pytest.mark.parametrize("match", MATCHES)
def test_no_distance_no_displacement(tiny_trajectory, match):
    found = displaced(tiny_trajectory, 2, 2, CUT, rng(), match=match)
    for name, parameter in found.named_parameters():
        assert torch.equal(parameter, tiny_trajectory.state(2)[name]), name


@pytest.mark.parametrize("match", MATCHES)
def test_the_generator_alone_decides(tiny_trajectory, moved_networks, match):
    torch.manual_seed(7)
    same = displaced(tiny_trajectory, 1, 4, CUT, rng(), match=match)
    other = displaced(tiny_trajectory, 1, 4, CUT, np.random.default_rng(1), match=match)
    for name, parameter in shallow_parameters(moved_networks[match]).items():
        assert torch.equal(parameter, same.get_parameter(name)), name
        assert not torch.equal(parameter, other.get_parameter(name)), name


def test_checkpoints_are_left_alone(tiny_trajectory):
    before = {name: value.clone() for name, value in tiny_trajectory.state(4).items()}
    displaced(tiny_trajectory, 1, 4, CUT, rng())
    assert all(torch.equal(value, tiny_trajectory.state(4)[name]) for name, value in before.items())


@pytest.mark.parametrize(
    ("arguments", "options", "kind", "message"),
    [
        pytest.param(
            (1, 4, CUT),
            {"match": "norm"},
            MeasurementError,
            "'norm' is unknown; use one of distance, angle",
            id="match",
        ),
        pytest.param((3, 4, CUT), {}, MeasurementError, "no checkpoint at epoch 3", id="epoch"),
        pytest.param((1, 4, "trunk"), {}, ModelError, "no cut 'trunk'", id="cut"),
    ],
)
def test_displacement_names_what_is_not_there(tiny_trajectory, arguments, options, kind, message):
    with pytest.raises(kind, match=message):
        displaced(tiny_trajectory, *arguments, rng(), **options)


def test_the_shallow_shift_is_over_all_its_parameters_together(tiny_trajectory):
    earlier, later = (
        torch.cat([part.flatten() for part in shallow_parameters(tiny_trajectory.network(epoch)).values()])
        for epoch in (1, 4)
    )
    distance, angle = moved(tiny_trajectory, 1, 4, CUT)
    assert distance == pytest.approx(float((earlier - later).norm() / later.norm()), rel=LENGTH)
    assert np.cos(angle) == pytest.approx(cosine(earlier, later), abs=LENGTH)


def test_what_does_not_move_is_at_no_distance(tiny_trajectory):
    assert moved(tiny_trajectory, 2, 2, CUT) == pytest.approx((0, 0), abs=1e-6)


def test_the_mirrored_half_is_on_the_other_side(tiny_trajectory):
    before, earlier = shallow_parameters(tiny_trajectory.network(4)), tiny_trajectory.state(1)
    for name, parameter in shallow_parameters(mirrored(tiny_trajectory, 1, 4, CUT)).items():
        assert torch.allclose(parameter, 2 * before[name] - earlier[name], atol=1e-6), name


def test_a_mirrored_turn_keeps_norm_and_angle(tiny_trajectory):
    before, earlier = shallow_parameters(tiny_trajectory.network(4)), tiny_trajectory.state(1)
    for name, parameter in shallow_parameters(mirrored(tiny_trajectory, 1, 4, CUT, match="angle")).items():
        assert float(parameter.norm()) == pytest.approx(float(earlier[name].norm()), rel=LENGTH), name
        assert cosine(parameter, before[name]) == pytest.approx(cosine(earlier[name], before[name]), abs=LENGTH), name
        across = [
            part - before[name] * (cosine(part, before[name]) * part.norm() / before[name].norm())
            for part in (parameter, earlier[name])
        ]
        assert cosine(*across) == pytest.approx(-1, abs=1e-3), name


def test_another_periods_drift_is_as_long_as_the_real_one(tiny_trajectory):
    before, earlier = shallow_parameters(tiny_trajectory.network(4)), tiny_trajectory.state(2)
    ahead, behind = tiny_trajectory.state(0), tiny_trajectory.state(1)
    network = moved_as_between(tiny_trajectory, 2, 4, CUT, (0, 1))
    for name, parameter in shallow_parameters(network).items():
        change = parameter - before[name]
        assert float(change.norm()) == pytest.approx(float((earlier[name] - before[name]).norm()), rel=LENGTH), name
        assert cosine(change, ahead[name] - behind[name]) == pytest.approx(1, abs=1e-4), name


@pytest.mark.parametrize("match", MATCHES)
def test_the_drift_of_the_window_itself_is_the_past(tiny_trajectory, match):
    earlier = tiny_trajectory.state(1)
    network = moved_as_between(tiny_trajectory, 1, 4, CUT, (1, 4), match=match)
    for name, parameter in shallow_parameters(network).items():
        assert torch.allclose(parameter, earlier[name], atol=1e-5), name


def test_what_is_only_reestimated_keeps_its_parameters(tiny_trajectory):
    network, start = reestimated_before(tiny_trajectory, 4, CUT), tiny_trajectory.network(4)
    assert all(torch.equal(value, start.get_parameter(name)) for name, value in network.named_parameters())
    changed = [name for name, value in network.named_buffers() if not torch.equal(value, start.get_buffer(name))]
    assert changed
    assert all(network.in_shallow_part(name, CUT) for name in changed)


@pytest.mark.parametrize("make", [mirrored, lambda *of, **how: moved_as_between(*of, (0, 1), **how)])
def test_other_directions_leave_the_deep_half_alone(tiny_trajectory, make):
    start = tiny_trajectory.network(4)
    network = make(tiny_trajectory, 1, 4, CUT)
    for name, value in network.state_dict().items():
        assert network.in_shallow_part(name, CUT) or torch.equal(value, start.state_dict()[name]), name
    with pytest.raises(MeasurementError, match="match 'size' is unknown; use one of distance, angle"):
        make(tiny_trajectory, 1, 4, CUT, match="size")


def test_a_shallow_vector_has_the_parameters_before_the_cut(tiny_trajectory):
    network = tiny_trajectory.network(4)
    vector = shallow_vector(network, tiny_trajectory.state(4), CUT)
    parts = shallow_parameters(network).values()
    assert vector.dtype == torch.float64
    assert torch.equal(vector, torch.cat([part.double().flatten() for part in parts]))
