"""Whether checkpoints belong to one training: correct sets have no fault, and faults name their epochs."""

import functools
import itertools

import pytest
import torch

from featdyn_core.networks.blocks import BlockNetwork
from featdyn_core.tests.elsewhere import CUTS, EPOCHS, small, trained
from featdyn_core.trajectories.oneness import Examiner, _swapped

states_of = functools.cache(trained)
network = functools.cache(lambda: BlockNetwork.from_module(small(), CUTS))
LOSSES = {0: 2.3, 3: 1.5, 7: 0.9}


def examined(states, losses=None, **options):
    examiner = Examiner(network())
    for epoch, state in states.items():
        examiner.look(epoch, network().translated(state))
    return examiner.conclude(losses, **options)


def changed(epoch: int, state) -> dict:
    """Return the training of seed 0 with another checkpoint at one epoch."""
    return states_of(0) | {epoch: state}


def halves(shallow, deep) -> dict:
    """Return a state with one state's part before the cut "2" and another's rest."""
    return deep | {name: shallow[name] for name in shallow if int(name[0]) <= 2}


def test_one_training_has_no_fault():
    found = examined(states_of(0), LOSSES)
    assert (found.seams, found.faults, found.suspicions) == ({}, [], [])
    assert min(found.cosines.values()) > 0.6
    assert list(found.cosines) == list(itertools.pairwise(EPOCHS))
    assert found.sides([*EPOCHS]) == [(0, 7)]


def test_two_runs_under_one_name_have_a_seam_between_them():
    mixed = {epoch: states_of(int(epoch > 3))[epoch] for epoch in EPOCHS}
    found = examined(mixed, LOSSES)
    assert list(found.seams) == [(3, 4)]
    assert "the weights have nothing in common: median cosine" in found.seams[3, 4]
    assert found.sides([*EPOCHS]) == [(0, 3), (4, 7)]


def test_another_runs_checkpoint_has_a_seam_on_either_side():
    assert list(examined(changed(4, states_of(1)[4])).seams) == [(3, 4), (4, 5)]


def test_half_of_another_run_is_a_seam_of_that_half():
    found = examined(changed(4, halves(states_of(1)[4], states_of(0)[4])))
    assert list(found.seams) == [(3, 4), (4, 5)]
    assert "the weights before the cut" in found.seams[3, 4]


def test_the_same_checkpoint_at_two_epochs_is_a_fault():
    assert "epochs 2 and 6 are one checkpoint" in examined(changed(6, states_of(0)[2])).faults


def test_the_same_tensors_in_other_memory_are_one_checkpoint():
    again = {name: value.clone() for name, value in states_of(0)[2].items()}
    assert "epochs 2 and 6 are one checkpoint" in examined(changed(6, again)).faults


def test_the_shallow_half_of_another_epoch_is_a_fault():
    found = examined(changed(6, halves(states_of(0)[2], states_of(0)[6])))
    assert "epochs 2 and 6 are alike before the cut '0'" in found.faults
    assert not found.seams


def test_epochs_that_go_back_are_a_fault():
    swapped = states_of(0) | {2: states_of(0)[6], 6: states_of(0)[2]}
    found = examined(swapped)
    assert found.of_order
    assert any("lies off the way" in fault or "is nearer to 0" in fault for fault in found.faults)


@pytest.mark.parametrize("early", [*EPOCHS][1:-2])
def test_neighbours_that_changed_places_are_a_fault(early):
    late = early + 1
    found = examined(states_of(0) | {early: states_of(0)[late], late: states_of(0)[early]})
    assert f"epochs {early} and {late} seem to be swapped" in found.faults
    assert found.of_order


@pytest.mark.parametrize("early", [EPOCHS[0], EPOCHS[-2]])
def test_neighbours_at_an_end_that_changed_places_are_reported(early):
    late = early + 1
    found = examined(states_of(0) | {early: states_of(0)[late], late: states_of(0)[early]})
    assert f"epochs {early} and {late} seem to be swapped" in found.suspicions


def test_behind_a_fall_of_the_rate_no_places_are_changed():
    random, there = torch.Generator().manual_seed(0), states_of(0)[7]

    def noisy():
        return {
            name: value + 0.03 * value.std() * torch.randn(value.shape, generator=random)
            for name, value in there.items()
        }

    found = examined(dict(enumerate([states_of(0)[0], *(noisy() for _ in range(5)), there])))
    assert not any("changed places" in fault for fault in found.faults)
    assert found.suspicions == ["epochs 5 and 6 seem to be swapped"]


def test_a_repetition_is_an_error_without_its_order():
    found = examined(changed(5, states_of(0)[2]), LOSSES)
    assert (found.faults, found.of_order) == (["epochs 2 and 5 are one checkpoint"], False)


def test_what_changed_places_at_a_fall_of_the_rate_is_a_fault():
    # Long steps to and fro, and from the third on short ones ahead: the way through is longer in the right order.
    points = [(2.0, 0.0), (-1.0, 0.0), (0.0, 0.0), (0.0, 0.55), (0.0, 1.1)]
    right = dict(enumerate(map(torch.tensor, points)))
    assert _swapped(right) == ([], [])
    wrong, odd = _swapped(right | {1: right[2], 2: right[1]})
    assert (wrong, odd) == (["epochs 1 and 2 seem to be swapped"], [])


def test_checkpoints_that_are_the_same_have_no_order():
    assert _swapped(dict.fromkeys(range(4), torch.ones(3))) == ([], [])


def test_a_reversed_order_is_found_by_the_loss():
    backwards = {epoch: states_of(0)[7 - epoch] for epoch in EPOCHS}
    found = examined(backwards, {7 - epoch: loss for epoch, loss in LOSSES.items()})
    assert "the loss on training images rises, from 0.900 at epoch 0 to 2.300 at epoch 7" in found.faults[-1]
    accepted = examined(backwards, {7 - epoch: loss for epoch, loss in LOSSES.items()}, accept_order=True)
    assert (accepted.faults, accepted.of_order) == ([], False)
    assert "the loss on training images rises" in accepted.suspicions[-1]


@pytest.mark.parametrize("losses", [{}, {0: 1.0}, {0: 1.0, 3: 2.0, 5: 0.5}, {0: 1.0, 2: 0.8, 4: 0.7, 6: 1.1}])
def test_losses_that_do_not_rise_all_along_are_no_fault(losses):
    assert examined(states_of(0), losses).faults == []


def test_a_part_that_is_frozen_for_a_while_is_a_suspicion():
    still = {epoch: halves(states_of(0)[min(epoch, 4)], state) for epoch, state in states_of(0).items()}
    found = examined(still)
    assert found.faults == []
    assert "epochs 4, 5, 6 and 7 are alike before the cut '0'" in found.suspicions


def test_one_tensor_of_another_direction_is_a_suspicion():
    state = states_of(0)[4]
    other = torch.randn(state["5.weight"].shape, generator=torch.Generator().manual_seed(0))
    found = examined(changed(4, state | {"5.weight": other}))
    assert not found.seams
    assert [text[: text.index("cosine")] for text in found.suspicions] == ["epochs 3 and 4: ", "epochs 4 and 5: "]
