"""The grid against a loop over composites, and its errors for epochs that were left out."""

import dataclasses
import tracemalloc

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from featdyn_core.errors import DeviceError, MeasurementError, ModelError
from featdyn_core.measures.composites import engine
from featdyn_core.measures.composites.composite import composite, predict
from featdyn_core.measures.composites.grid import RECHECK_CELLS, CompositeGrid, composite_grid
from featdyn_core.measures.composites.masks import band
from featdyn_core.measures.composites.policies import POLICIES
from featdyn_core.networks.blocks import BlockNetwork

CROSS_ENTROPY = 1e-5  # nats; folding normalisation into convolutions changes logits by rounding

HALF_FLIPS = 0.01  # share of predictions
HALF_CROSS_ENTROPY = 0.01  # relative

CUTS = ("stem", "stage1_block1", "stage2_block1", "stage3_block1")


@pytest.fixture(scope="module")
def images(tiny_trajectory):
    return tiny_trajectory.dataset.test_images


@pytest.fixture(scope="module")
def labels(tiny_trajectory):
    return tiny_trajectory.dataset.test_labels


def literal_grid(trajectory, images, cuts, shallow_epochs, deep_epochs, policy):
    """Logits (cuts, S, T, N, classes) of every composite, one by one."""
    with torch.no_grad():
        rows = [
            [
                torch.stack([composite(trajectory, s, t, cut, batchnorm=policy)(images) for t in deep_epochs])
                for s in shallow_epochs
            ]
            for cut in cuts
        ]
    return torch.stack([torch.stack(row) for row in rows])


def many_classes(dataset, classes=300):
    """Return the data set with labels spread over ``classes`` classes."""
    train, test = (labels * 7 % classes for labels in (torch.arange(200), torch.arange(100)))
    return dataclasses.replace(dataset, train_labels=train, test_labels=test, classes=classes)


@pytest.fixture(scope="module")
def small_dataset(tiny_dataset):
    """The middle 4×4 pixels of the digits, which a ResNet reduces to one."""
    middle = {name: getattr(tiny_dataset, name)[..., 2:6, 2:6] for name in ("train_images", "test_images")}
    return dataclasses.replace(tiny_dataset, **middle)


def grid_of(trajectory, images, **changes):
    arguments = {"cuts": CUTS, "shallow_epochs": [0, 1, 2, 4], "deep_epochs": [1, 4], **changes}
    return composite_grid(trajectory, images, **arguments)


def assert_is_the_loop(trajectory, images, labels, **arguments):
    """Compare predictions, reference, cross-entropy, accuracy and agreement of a grid with those of the loop."""
    cuts, shallow_epochs, deep_epochs = (arguments[name] for name in ("cuts", "shallow_epochs", "deep_epochs"))
    logits = literal_grid(trajectory, images, cuts, shallow_epochs, deep_epochs, arguments["batchnorm"])
    grid = composite_grid(trajectory, images, labels=labels, **arguments)
    predictions = logits.argmax(-1).numpy()
    reference = np.stack([predict(trajectory.network(t), images) for t in deep_epochs])
    assert len(np.unique(reference)) > 2, "the networks predict too few classes to tell one composite from another"
    np.testing.assert_array_equal(grid.predictions, predictions)
    np.testing.assert_array_equal(grid.reference, reference)
    for cut, row, column in np.ndindex(predictions.shape[:3]):
        loss = F.cross_entropy(logits[cut, row, column], labels).item()
        assert grid.cross_entropy[cut, row, column] == pytest.approx(loss, abs=CROSS_ENTROPY), (
            f"cross-entropy of {cuts[cut]}, row {row}, column {column}"
        )
        hits = [int(predictions[cut, row, column, i] == labels[i]) for i in range(len(labels))]
        same = [int(predictions[cut, row, column, i] == reference[column, i]) for i in range(len(labels))]
        assert grid.accuracy[cut, row, column] == sum(hits) / len(hits), (
            f"accuracy of {cuts[cut]}, row {row}, column {column}"
        )
        assert grid.agreement[cut, row, column] == sum(same) / len(same), (
            f"agreement of {cuts[cut]}, row {row}, column {column}"
        )


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize(
    ("shallow_epochs", "deep_epochs"),
    [
        pytest.param([0, 1, 2, 4], [1, 4], id="deep among shallow"),
        pytest.param([0, 4], [1, 2, 4], id="deep outside shallow"),
    ],
)
def test_grid_is_the_loop_over_composites(tiny_trajectory, images, labels, policy, shallow_epochs, deep_epochs):
    epochs = {"shallow_epochs": shallow_epochs, "deep_epochs": deep_epochs}
    assert_is_the_loop(tiny_trajectory, images, labels, cuts=CUTS, batchnorm=policy, **epochs)


@pytest.fixture(scope="module")
def tiny_convnet(make_trajectory, tiny_dataset):
    """The SVHN network with dropout on a few of the digits, each pixel 4×4: it pools four times."""
    splits = ("train_images", "train_labels", "test_images", "test_labels")
    few = {name: getattr(tiny_dataset, name)[:24] for name in splits}
    for name in ("train_images", "test_images"):
        few[name] = few[name].repeat_interleave(4, dim=-1).repeat_interleave(4, dim=-2)
    return make_trajectory("svhn-convnet", dataclasses.replace(tiny_dataset, **few), dropout=0.3)


@pytest.mark.parametrize("policy", POLICIES)
def test_the_grid_of_a_convnet_with_dropout_equals_the_loop(tiny_convnet, policy):
    """Its convolutions have a bias, its normalisation has no weights, its blocks are sequences of several layers."""
    images, labels = tiny_convnet.dataset.test_images, tiny_convnet.dataset.test_labels
    arguments = {"cuts": ("group1", "group3", "group4"), "shallow_epochs": [0, 4], "deep_epochs": [1, 4]}
    assert_is_the_loop(tiny_convnet, images, labels, batchnorm=policy, **arguments)


@pytest.mark.parametrize("policy", POLICIES)
def test_the_grid_of_a_perceptron_with_dropout_equals_the_loop(tiny_perceptron, images, labels, policy):
    arguments = {"cuts": ("hidden1", "hidden2"), "shallow_epochs": [0, 2, 4], "deep_epochs": [0, 2, 4]}
    assert_is_the_loop(tiny_perceptron, images, labels, batchnorm=policy, **arguments)


def test_the_reference_keeps_its_statistics_under_recalibration(tiny_trajectory, images):
    grid = grid_of(tiny_trajectory, images, cuts=["stem"], batchnorm="recalibrate")
    expected = np.stack([predict(tiny_trajectory.network(t), images) for t in (1, 4)])
    np.testing.assert_array_equal(grid.reference, expected)
    assert (grid.predictions[0, [1, 3], [0, 1]] != expected).any()


def test_grid_takes_single_values_and_arrays_of_numpy(tiny_trajectory, images, labels):
    single = composite_grid(
        tiny_trajectory,
        images.numpy(),
        labels=labels.numpy(),
        cuts="stem",
        shallow_epochs=np.array([0, 4]),
        deep_epochs=4,
    )
    listed = grid_of(tiny_trajectory, images, labels=labels, cuts=["stem"], shallow_epochs=[0, 4], deep_epochs=[4])
    for field in dataclasses.fields(CompositeGrid):
        np.testing.assert_array_equal(getattr(single, field.name), getattr(listed, field.name))


def test_grid_refuses_images_that_are_no_grey_levels(tiny_trajectory, images):
    for changed in (images.float() / 255, (images.float() / 255).numpy()):
        with pytest.raises(MeasurementError, match=r"values from 0 to 1, not grey levels 0\.\.255; multiply by 255"):
            grid_of(tiny_trajectory, changed)
    same = grid_of(tiny_trajectory, images.float()).predictions
    np.testing.assert_array_equal(same, grid_of(tiny_trajectory, images).predictions)


def test_classes_beyond_a_byte_are_distinguished(make_trajectory, tiny_dataset):
    """300 classes; the networks predict some above 255."""
    trajectory = make_trajectory("mlp", many_classes(tiny_dataset), hidden=[12])
    images, labels = trajectory.dataset.test_images, trajectory.dataset.test_labels
    arguments = {"cuts": ("hidden1",), "shallow_epochs": [0, 4], "deep_epochs": [1, 4], "batchnorm": "carry"}
    assert_is_the_loop(trajectory, images, labels, **arguments)
    grid = grid_of(trajectory, images, cuts=["hidden1"])
    assert grid.predictions.max() > 255
    assert grid.predictions.dtype == grid.reference.dtype == predict(trajectory.network(1), images).dtype == np.int32


def test_a_byte_holds_up_to_256_classes(make_trajectory, tiny_dataset):
    trajectory = make_trajectory("mlp", many_classes(tiny_dataset, 256), hidden=[12])
    grid = grid_of(trajectory, trajectory.dataset.test_images, cuts=["hidden1"])
    assert grid.predictions.dtype == grid.reference.dtype == np.uint8
    assert grid.predictions.max() > 127


@pytest.mark.parametrize("policy", POLICIES)
def test_a_calibration_image_left_over_does_no_harm(make_trajectory, small_dataset, policy):
    """At one pixel its features have no variance."""
    trajectory = make_trajectory("resnet8", small_dataset, width=4)
    training = dataclasses.replace(trajectory.recipe.training, batch_size=199)
    trajectory = dataclasses.replace(trajectory, recipe=dataclasses.replace(trajectory.recipe, training=training))
    images, labels = small_dataset.test_images, small_dataset.test_labels
    arguments = {"cuts": ("stage1_block1",), "shallow_epochs": [0, 2], "deep_epochs": [1, 4]}
    assert_is_the_loop(trajectory, images, labels, batchnorm=policy, **arguments)


def test_policies_differ(tiny_trajectory, images):
    carry, recalibrate = (grid_of(tiny_trajectory, images, batchnorm=policy) for policy in POLICIES)
    assert (carry.predictions != recalibrate.predictions).any()
    assert (carry.predictions[0, 0] != carry.predictions[0, 2]).any()


def test_axes_are_ascending_without_repetition(tiny_trajectory, images):
    grid = grid_of(
        tiny_trajectory,
        images,
        cuts=["stage2_block1", "stem", "stage2_block1"],
        shallow_epochs=[4, 0, 4],
        deep_epochs=(2, 1),
    )
    assert grid.cuts == ("stage2_block1", "stem")
    assert grid.shallow_epochs.tolist() == [0, 4]
    assert grid.deep_epochs.tolist() == [1, 2]
    logits = literal_grid(tiny_trajectory, images, grid.cuts, [0, 4], [1, 2], "carry")
    np.testing.assert_array_equal(grid.predictions, logits.argmax(-1).numpy())


@pytest.mark.parametrize("policy", POLICIES)
def test_pairs_choose_what_is_evaluated(tiny_trajectory, images, labels, policy):
    pairs = np.array([[True, False], [False, False], [False, True], [True, True]])
    whole = grid_of(tiny_trajectory, images, labels=labels, batchnorm=policy)
    part = grid_of(tiny_trajectory, images, labels=labels, batchnorm=policy, pairs=pairs)
    np.testing.assert_array_equal(part.evaluated, pairs)
    np.testing.assert_array_equal(part.predictions[:, pairs], whole.predictions[:, pairs])
    np.testing.assert_array_equal(part.reference, whole.reference)
    for name in ("cross_entropy", "accuracy", "agreement"):
        found, expected = getattr(part, name), getattr(whole, name)
        np.testing.assert_allclose(found[:, pairs], expected[:, pairs], atol=CROSS_ENTROPY, rtol=0)
        assert np.isnan(found[:, ~pairs]).all(), name


def test_columns_are_those_of_memory_and_transfer(tiny_trajectory, images):
    grid = grid_of(tiny_trajectory, images, shallow_epochs=[0, 1, 2, 4], deep_epochs=[2, 4])
    number = CUTS.index("stage1_block1")
    np.testing.assert_array_equal(grid.memory("stage1_block1", 2), grid.predictions[number, :3, 0])
    np.testing.assert_array_equal(grid.transfer("stage1_block1", 2), grid.predictions[number, 2:, 0])
    np.testing.assert_array_equal(grid.memory("stem", 4), grid.predictions[0, :, 1])
    np.testing.assert_array_equal(grid.transfer("stem", 4), grid.predictions[0, 3:, 1])
    np.testing.assert_array_equal(grid.reference_at(2), predict(tiny_trajectory.network(2), images))
    np.testing.assert_array_equal(grid.memory("stem", 2)[-1], grid.reference_at(2))


def test_a_window_with_a_gap_is_refused_and_the_column_shows_it(tiny_trajectory, images):
    pairs = np.array([[True, True], [True, True], [False, True], [True, True]])
    grid = grid_of(tiny_trajectory, images, pairs=pairs)
    assert grid.memory("stem", 1).shape == (2, len(images))
    with pytest.raises(MeasurementError, match=r"deep epoch 1 was not evaluated at the shallow epochs \[2\]; column"):
        grid.transfer("stem", 1)
    epochs, predictions = grid.column("stage1_block1", 1)
    assert epochs.tolist() == [0, 1, 4]
    np.testing.assert_array_equal(predictions, grid.predictions[1, [0, 1, 3], 0])
    assert grid.column("stem", 4)[0].tolist() == [0, 1, 2, 4]
    np.testing.assert_array_equal(grid.column("stem", 4)[1], grid.memory("stem", 4))


def test_band_leaves_distant_pairs_out(tiny_trajectory, images):
    epochs = [0, 1, 2, 4]
    pairs = band(epochs, epochs, 1)
    grid = grid_of(tiny_trajectory, images, shallow_epochs=epochs, deep_epochs=epochs, pairs=pairs)
    assert grid.column("stem", 2)[0].tolist() == [1, 2]
    assert np.isnan(grid.agreement[:, 0, 3]).all()


def test_columns_name_what_is_not_in_the_grid(tiny_trajectory, images):
    grid = grid_of(tiny_trajectory, images, cuts=["stem"])
    with pytest.raises(MeasurementError, match=r"deep epoch 2 is not in this grid; it has \[1, 4\]"):
        grid.memory("stem", 2)
    with pytest.raises(MeasurementError, match="cut 'stage1_block1' is not in this grid; it has stem"):
        grid.transfer("stage1_block1", 4)
    with pytest.raises(MeasurementError, match="accuracy needs labels"):
        _ = grid.accuracy
    assert grid.labels is None
    assert np.isnan(grid.cross_entropy).all()


@pytest.mark.parametrize(
    ("changes", "kind", "message"),
    [
        pytest.param({"cuts": []}, MeasurementError, "at least one image, cut, shallow epoch", id="no cut"),
        pytest.param({"shallow_epochs": []}, MeasurementError, "at least one image", id="no shallow epoch"),
        pytest.param({"deep_epochs": []}, MeasurementError, "at least one image", id="no deep epoch"),
        pytest.param({"shallow_epochs": [3]}, MeasurementError, "no checkpoint at epoch 3", id="shallow epoch"),
        pytest.param({"deep_epochs": [7]}, MeasurementError, "no checkpoint at epoch 7", id="deep epoch"),
        pytest.param({"cuts": ["head"]}, ModelError, "no cut 'head'", id="cut"),
        pytest.param(
            {"labels": torch.zeros(3, dtype=torch.long)}, MeasurementError, r"\(3,\) for 100 images", id="labels"
        ),
        pytest.param({"labels": torch.zeros(100)}, MeasurementError, "found torch.float32 of", id="real labels"),
        pytest.param({"labels": torch.full((100,), 10)}, MeasurementError, "run from 10 to 10; the 10", id="label"),
        pytest.param({"pairs": np.ones((2, 4), bool)}, MeasurementError, r"shape \(S, T\) = \(4, 2\)", id="pairs"),
        pytest.param({"pairs": np.zeros((4, 2), bool)}, MeasurementError, "found 0 chosen", id="no pair"),
        pytest.param({"batchnorm": "forget"}, MeasurementError, "'forget'; use one of carry", id="policy"),
        pytest.param({"precision": "tf32"}, MeasurementError, "tf32 needs a CUDA device", id="precision"),
        pytest.param({"device": "tpu"}, DeviceError, "unknown device 'tpu'", id="device"),
    ],
)
def test_grid_names_what_is_not_there(tiny_trajectory, images, changes, kind, message):
    with pytest.raises(kind, match=message):
        grid_of(tiny_trajectory, images, **changes)


def test_a_grid_uses_the_device_of_the_trajectory_by_default(tiny_trajectory, images):
    elsewhere = dataclasses.replace(tiny_trajectory, device="tpu")
    with pytest.raises(DeviceError, match="unknown device 'tpu'"):
        grid_of(elsewhere, images)
    assert (grid_of(elsewhere, images, device="cpu").predictions == grid_of(tiny_trajectory, images).predictions).all()


def test_grid_needs_an_image(tiny_trajectory, images):
    with pytest.raises(MeasurementError, match="at least one image"):
        grid_of(tiny_trajectory, images[:0])


def test_missing_epoch_is_named_before_anything_is_loaded(tiny_trajectory, images):
    loaded = []

    def load(epoch):
        loaded.append(epoch)
        return tiny_trajectory.load(epoch)

    with pytest.raises(MeasurementError, match="no checkpoint at epoch 9"):
        grid_of(dataclasses.replace(tiny_trajectory, load=load), images, shallow_epochs=[0, 9])
    assert not loaded


def test_progress_counts_composites(tiny_trajectory, images):
    seen = []
    pairs = np.array([[True, False], [False, False], [False, True], [True, True]])
    for mask in (None, pairs):
        grid_of(tiny_trajectory, images[:4], pairs=mask, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(8, 32), (16, 32), (24, 32), (32, 32), (4, 16), (8, 16), (16, 16)]


# Shares


@pytest.mark.parametrize("name", ["agreement", "accuracy"])
def test_shares_take_the_memory_of_less_than_a_row(name):
    """A table of truth values as large as the predictions would be eight times the bound."""
    rng = np.random.default_rng(0)
    cuts, epochs, shape = ("a", "b"), np.arange(8), (2, 8, 8, 30_000)
    grid = CompositeGrid(
        cuts=cuts,
        shallow_epochs=epochs,
        deep_epochs=epochs,
        predictions=rng.integers(10, size=shape, dtype=np.uint8),
        reference=rng.integers(10, size=shape[2:], dtype=np.uint8),
        evaluated=rng.random((8, 8)) < 0.5,
        cross_entropy=np.zeros(shape[:3]),
        labels=rng.integers(10, size=shape[-1]),
    )
    tracemalloc.start()
    try:
        found = getattr(grid, name)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak <= grid.predictions.nbytes / len(grid.shallow_epochs)
    expected = (grid.predictions == (grid.reference if name == "agreement" else grid.labels)).mean(axis=-1)
    np.testing.assert_array_equal(found, np.where(grid.evaluated, expected, np.nan))


# Precision


@pytest.mark.parametrize("policy", POLICIES)
def test_half_precision_flips_few_predictions_and_says_how_many(tiny_trajectory, images, labels, policy):
    exact, half = (
        grid_of(tiny_trajectory, images, labels=labels, batchnorm=policy, precision=precision)
        for precision in ("fp32", "fp16")
    )
    assert exact.flip_rate == 0
    assert (half.predictions != exact.predictions).mean() <= HALF_FLIPS
    assert half.flip_rate <= HALF_FLIPS
    np.testing.assert_allclose(half.cross_entropy, exact.cross_entropy, rtol=HALF_CROSS_ENTROPY)
    assert (half.cross_entropy != exact.cross_entropy).any()  # it was computed in half precision


@pytest.fixture
def _wrong_in_half_precision(monkeypatch):
    """Logits in half precision have the wrong sign."""
    original = engine._logits

    def wrong(deep, hidden, cut):
        found = original(deep, hidden, cut)
        return (-logits for logits in found) if hidden.dtype == torch.float16 else found

    monkeypatch.setattr(engine, "_logits", wrong)


@pytest.mark.usefixtures("_wrong_in_half_precision")
@pytest.mark.parametrize("cut", ["stem", "stage3_block1"])
def test_flip_rate_is_large_where_half_precision_is_wrong(tiny_trajectory, images, cut):
    assert grid_of(tiny_trajectory, images, cuts=[cut], precision="fp16").flip_rate > 0.5


def test_the_flip_rate_is_the_share_of_changed_predictions(tiny_trajectory, images, monkeypatch):
    """Only one network is wrong in half precision; the rate is its share of the pairs evaluated again."""
    original = BlockNetwork.deep
    pairs = np.zeros((4, 2), bool)
    pairs[[0, 1, 2, 3], [0, 1, 1, 0]] = True  # the number of pairs that are evaluated again
    exact = grid_of(tiny_trajectory, images, cuts=["stem"], pairs=pairs)
    broken = tiny_trajectory.network(4).head.linear.bias[0].half()

    def wrong(self, features, cut):
        logits = original(self, features, cut)
        return logits * (-1 if self.head.linear.bias[0] == broken and logits.dtype == torch.float16 else 1)

    monkeypatch.setattr(BlockNetwork, "deep", wrong)
    half = grid_of(tiny_trajectory, images, cuts=["stem"], pairs=pairs, precision="fp16")
    assert RECHECK_CELLS == 4
    assert half.flip_rate == (half.predictions[:, pairs] != exact.predictions[:, pairs]).mean()
    assert 0.4 < half.flip_rate < 0.6
