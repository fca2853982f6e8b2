"""Published weights of ResNets: their names, and their accuracy on the images that they were published for."""

import hashlib
import math
from typing import NamedTuple

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from featdyn_core.data.sources import load_dataset
from featdyn_core.errors import AbsentDataError, ModelError
from featdyn_core.networks.pretrained import load_published_resnet
from featdyn_core.networks.zoo import build_model
from featdyn_core.project import data_root

SCALE = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
BLOCKS = {"resnet20": 3, "resnet32": 5}
"""Of each stage."""


class Pretrained(NamedTuple):
    """A file of published weights, which ends in the first digits of its sha256."""

    file: str
    stated: float  # accuracy on the 10,000 test images: 1 minus the error in the README of the weights' repository
    right: int  # of the first 1,000 test images, as measured; the two largest logits of each are at least 0.006 apart


PRETRAINED = {
    "resnet20": Pretrained("resnet20-12fca82f.th", 0.9173, 915),
    "resnet32": Pretrained("resnet32-d509ac18.th", 0.9263, 928),
}
FIRST = 1_000
STATED_TOLERANCE = 0.002
"""The accuracy that a file holds as ``best_prec1`` is up to 0.0015 above the one that the README states."""


class PublishedBlock(nn.Module):
    """Residual block as in the public code that App. H names, written down again in plain torch."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.narrower, self.outputs = inputs < outputs, outputs
        stride = 2 if self.narrower else 1
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Apply the block."""
        y = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        if self.narrower:
            zeros = torch.zeros_like(y[:, : self.outputs // 4])
            x = torch.cat([zeros, x[:, :, ::2, ::2], zeros], dim=1)
        return torch.relu(y + x)


class PublishedResNet(nn.Module):
    """ResNet with the names of the public code."""

    def __init__(self, per_stage: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        for stage, (inputs, outputs) in enumerate([(16, 16), (16, 32), (32, 64)], start=1):
            blocks = [PublishedBlock(inputs if not block else outputs, outputs) for block in range(per_stage)]
            setattr(self, f"layer{stage}", nn.Sequential(*blocks))
        self.linear = nn.Linear(64, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Standardised images to logits."""
        x = torch.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.linear(F.avg_pool2d(x, 8).flatten(1))


def published_network(name: str) -> PublishedResNet:
    """Return the published network with random weights, and in its normalisations statistics far from the default."""
    torch.manual_seed(3)
    network = PublishedResNet(BLOCKS[name]).eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.5, 0.5)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
    return network


@pytest.fixture(scope="module")
def published() -> PublishedResNet:
    return published_network("resnet20")


@pytest.mark.parametrize("name", BLOCKS)
@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("wrap", [dict, lambda state: {"state_dict": state, "best_prec1": 91.73}])
def test_published_state_gives_the_published_logits(name, prefix, wrap):
    published, network = published_network(name), build_model(name, **SCALE).eval()
    load_published_resnet(network, wrap({prefix + key: value for key, value in published.state_dict().items()}))
    images = torch.randint(0, 256, (3, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    expected = published(network.standardize(images))
    assert expected.abs().max() > 0.1
    torch.testing.assert_close(network(images), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("zipped", [True, False])
def test_published_state_is_read_from_files_of_old_and_new_torch(published, zipped, tmp_path):
    state = {f"module.{key}": value for key, value in published.state_dict().items()}
    if not zipped:  # torch before 0.4.1 did not count batches
        state = {key: value for key, value in state.items() if not key.endswith("num_batches_tracked")}
    file = tmp_path / "resnet20.th"
    torch.save({"state_dict": state, "best_prec1": 91.73}, file, _use_new_zipfile_serialization=zipped)
    network = build_model("resnet20", **SCALE)
    load_published_resnet(network, torch.load(file, map_location="cpu", weights_only=True))
    assert torch.equal(network.head.linear.weight, published.linear.weight)


@pytest.mark.parametrize("name", PRETRAINED)
@torch.no_grad()
def test_pretrained_networks_have_the_measured_accuracy(name):
    file, stated, right = PRETRAINED[name]
    path = data_root() / "weights" / file
    if not path.exists():
        pytest.skip(f"the folder of image sets has no weights/{file} (docs/models.md says where it is from)")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert digest.startswith(path.stem.split("-")[1]), f"{path} is another file than its name says: sha256 {digest}"
    try:
        data = load_dataset("cifar10", download=False)
    except AbsentDataError as error:
        pytest.skip(str(error))
    network = build_model(name, **SCALE).eval()
    load_published_resnet(network, torch.load(path, map_location="cpu", weights_only=True))
    hits = torch.cat([network(images).argmax(1) for images in data.test_images.split(500)]) == data.test_labels
    assert int(hits[:FIRST].sum()) == right, f"{name}: right on other than {right} of the first {FIRST} test images"
    count, whole = len(hits), data.published_counts[1]
    # Four standard errors of a sample of the test images without replacement; 0 if all are used.
    sampling = math.sqrt(stated * (1 - stated) * (1 / count - 1 / whole))
    assert hits.double().mean().item() == pytest.approx(stated, abs=STATED_TOLERANCE + 4 * sampling), f"{count} images"


@pytest.mark.parametrize(
    "key", ["layer4.0.conv1.weight", "layer1.x.conv1.weight", "layer2.0.conv3.weight", "fc.weight"]
)
def test_unknown_tensor_of_a_published_state_is_refused(published, key):
    with pytest.raises(ModelError, match=rf"'module\.{key}' is not a tensor of the published ResNet"):
        load_published_resnet(
            build_model("resnet20"), {"state_dict": published.state_dict() | {f"module.{key}": torch.zeros(1)}}
        )


def test_published_state_of_another_network_is_refused(published):
    with pytest.raises(ModelError, match="does not fit the network"):
        load_published_resnet(build_model("resnet8"), published.state_dict())


@pytest.mark.parametrize("state", [[torch.zeros(1)], {"state_dict": None}])
def test_what_is_no_published_state_is_refused(state):
    with pytest.raises(ModelError, match=r"a state dict is needed, not (list|NoneType); give what torch\.load"):
        load_published_resnet(build_model("resnet20"), state)


def test_a_key_that_is_no_text_is_no_tensor_of_a_published_state():
    with pytest.raises(ModelError, match="7 is not a tensor of the published ResNet"):
        load_published_resnet(build_model("resnet20"), {"state_dict": {7: torch.zeros(1)}})
