"""Whole networks against those of the checkpoints, evaluated one by one."""

import dataclasses

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from featdyn_core.analysis.columns import gained_over_churn
from featdyn_core.errors import RecipeError
from featdyn_core.measures.composites.composite import predict
from featdyn_core.records import churn, column
from featdyn_core.records.kind import Scope
from featdyn_core.records.kinds import KINDS
from featdyn_core.records.path import WHOLE_NETWORK
from featdyn_core.register.register import Window
from featdyn_core.tables import build
from featdyn_core.tests.tiny import tiny_recipe
from featdyn_core.trajectories.turning_network import TURN

PARAMETERS = {
    "deep": 2,
    "shallow": [1, 2, 4],
    "split": "held-out",
    "policy": "carry",
    "precision": "fp32",
    "frozen": False,
}
LOSS_TOLERANCE = 1e-5  # of a mean cross-entropy in single precision, relative


def measured(kind, trajectory, parameters, **options):
    """Measure and read one column of a kind."""
    (arrays,) = kind.measure(trajectory, [parameters], **options)
    return kind.read(arrays, parameters)


@pytest.mark.parametrize("split", ["held-out", "training"])
def test_each_network_is_that_of_its_checkpoint(tiny_trajectory, split):
    found = measured(churn, tiny_trajectory, PARAMETERS | {"split": split})
    images, labels = tiny_trajectory.evaluation_set(split)
    assert (found.cuts, found.epochs.tolist(), found.deep) == (("whole",), [1, 2, 4], 2)
    assert (found.labels == labels.numpy()).all()
    assert (found.reference == predict(tiny_trajectory.network(2), images)).all()
    for number, epoch in enumerate((1, 2, 4)):
        network = tiny_trajectory.network(epoch)
        assert (found.predictions[0, number] == predict(network, images)).all(), f"epoch {epoch}"
        with torch.no_grad():
            loss = float(F.cross_entropy(network(images), labels))
        assert found.cross_entropy[0, number] == pytest.approx(loss, rel=LOSS_TOLERANCE), f"epoch {epoch}"
    assert found.accuracy[0, 1] == found.reference_accuracy
    assert found.agreement[0, 1] == 1 > found.agreement[0, 0]


def test_it_is_the_baseline_of_a_column(tiny_trajectory):
    composites, networks = (measured(kind, tiny_trajectory, PARAMETERS) for kind in (column, churn))
    assert (networks.reference == composites.reference).all()
    gained = gained_over_churn(composites.at([1]), networks)
    expected = composites.at([1]).agreement[:, 0] - networks.at([1]).agreement[0, 0]
    assert [float(value) for value in gained.values()] == expected.tolist()


def test_several_epochs_t_share_their_networks(tiny_trajectory):
    several, seen = [PARAMETERS, PARAMETERS | {"deep": 4, "shallow": [0, 4]}], []
    together = churn.measure(tiny_trajectory, several, progress=lambda *counts: seen.append(counts))
    assert seen[-1] == (4, 4)  # the epochs 0, 1, 2 and 4, each once
    for arrays, parameters in zip(together, several, strict=True):
        (alone,) = churn.measure(tiny_trajectory, [parameters])
        assert arrays.keys() == alone.keys()
        assert all(np.array_equal(arrays[name], alone[name]) for name in arrays)


def test_t_need_be_none_of_the_epochs(tiny_trajectory):
    found = measured(churn, tiny_trajectory, PARAMETERS | {"shallow": [1]})
    images, _ = tiny_trajectory.evaluation_set("held-out")
    assert (found.reference == predict(tiny_trajectory.network(2), images)).all()
    assert found.predictions.shape == (1, 1, len(images))


def test_nothing_is_gained_where_nothing_moves(tiny_trajectory):
    frozen = PARAMETERS | {"frozen": True}
    composites, networks = (measured(kind, tiny_trajectory, frozen) for kind in (column, churn))
    assert {float(value) for value in gained_over_churn(composites, networks).values()} == {0}


def test_all_is_gained_where_the_shallow_part_alone_stands_still(tiny_trajectory):
    standing = PARAMETERS | {"planted": {"pace": "standing", "duration": 4}}
    composites, networks = (measured(kind, tiny_trajectory, standing) for kind in (column, churn))
    assert (composites.agreement == 1).all()
    gained = gained_over_churn(composites.at([1]), networks)["depth 1"]
    assert float(gained) == pytest.approx(TURN * 0.25, abs=1 / 50)


def test_corrupted_images_are_those_of_a_column(tiny_trajectory):
    corrupted = PARAMETERS | {"corruption": {"kind": "fog", "severity": 5}}
    composites, networks = (measured(kind, tiny_trajectory, corrupted) for kind in (column, churn))
    assert (networks.source, networks.labels.tolist()) == (composites.source, composites.labels.tolist())
    plain = measured(churn, tiny_trajectory, PARAMETERS)
    assert (networks.predictions != plain.predictions).any()


def resolved(kind, **options):
    """Return the parameters of a kind's record over epochs 1 to 3."""
    scope = Scope(tiny_recipe(), 0, 1, {"late": Window(1, 3)}, {"deep_epochs": 2}, images=20)
    return kind.resolve(kind.Options(window="late", **options), scope)


@pytest.mark.parametrize("options", [{"deep": "last"}, {"deep": "first", "every": 2}, {"deep": "each"}])
def test_its_epochs_are_those_of_a_column(options):
    assert resolved(churn, **options) == resolved(column, **options)


@pytest.mark.parametrize("option", ["policy", "cuts"])
def test_a_whole_network_has_neither_policy_nor_cuts(option):
    with pytest.raises(RecipeError, match=option):
        build(churn.Options, {"window": "late", "deep": "last", option: "all"}, "options of 'churn'")


def test_records_are_joined_as_columns_are():
    kind, more = KINDS["churn"], PARAMETERS | {"shallow": [0, 1, 2, 4]}
    assert kind.covers(more, PARAMETERS)
    assert not kind.covers(PARAMETERS, more)
    assert kind.joined(PARAMETERS, PARAMETERS | {"shallow": [0]}) == more
    assert kind.together(PARAMETERS, PARAMETERS | {"deep": 4})


def test_in_half_precision_the_flip_rate_is_kept(tiny_trajectory, monkeypatch):
    from featdyn_core.measures.composites import grid

    plain = grid.composite_grid

    def in_half(*arguments, precision, **options):
        assert precision == "fp16"
        return dataclasses.replace(plain(*arguments, precision="fp32", **options), flip_rate=0.25)

    monkeypatch.setattr(grid, "composite_grid", in_half)
    assert measured(churn, tiny_trajectory, PARAMETERS | {"precision": "fp16"}).flip_rate == 0.25


def test_a_record_names_no_cut(tiny_trajectory):
    (arrays,) = churn.measure(tiny_trajectory, [PARAMETERS])
    assert arrays["cuts"].tolist() == [WHOLE_NETWORK]
