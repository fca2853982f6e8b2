"""The planted network has the properties that comparisons with displaced networks assume."""

import numpy as np
import torch

from featdyn_core.measures.composites.composite import composite, predict
from featdyn_core.measures.composites.positive import LAST, UNREAD, planted_drift

WEIGHT = "blocks.hidden1.1.weight"


def test_only_features_that_nobody_reads_move():
    drift = planted_drift(np.random.default_rng(0))
    early, late = drift.state(0), drift.state(LAST)
    assert [name for name in early if not torch.equal(early[name], late[name])] == [WEIGHT]
    assert torch.equal(early[WEIGHT][:2], late[WEIGHT][:2])
    assert (early[WEIGHT][2:] != late[WEIGHT][2:]).all()
    assert not late["blocks.head.linear.weight"][:, -UNREAD:].any()


def test_the_network_is_right_and_so_is_its_composite():
    drift = planted_drift(np.random.default_rng(0))
    images, labels = drift.evaluation_set("held-out")
    (cut,) = drift.network(LAST).depths
    for network in (drift.network(LAST), composite(drift, 0, LAST, cut)):
        assert np.mean(predict(network, images) == labels.numpy()) > 0.95  # grey levels are whole numbers


def test_random_numbers_decide_the_drift():
    one, same, other = (planted_drift(np.random.default_rng(seed)).state(0)[WEIGHT] for seed in (0, 0, 1))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
