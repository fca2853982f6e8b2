"""Networks that are not functions of one image, and parts that differ from the module that was cut."""

import copy
import inspect
import random
import re

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor, nn

from featdyn_core.errors import ModelError
from featdyn_core.networks.acceptance import accept
from featdyn_core.networks.blocks import BlockNetwork
from featdyn_core.networks.zoo import build_model
from featdyn_core.tests.tiny import tiny_digits

CLASSES = 10


class Net(nn.Module):
    """Convolution, normalisation, ReLU and pooling; convolution and ReLU; a linear layer."""

    def __init__(self, middle=None, norm=None) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), norm or nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2))
        self.body = nn.Sequential(nn.Conv2d(8, 16, 3, padding=1), nn.ReLU())
        self.classifier = nn.Linear(16 * 4 * 4, CLASSES)
        self.middle = middle or (lambda _, hidden: hidden)

    def forward(self, images: Tensor) -> Tensor:
        """Images to logits."""
        return self.classifier(self.middle(self, self.body(self.stem(images))).flatten(1))


class Block(nn.Module):
    """A layer that is not cut, with a given effect on features."""

    def __init__(self, how) -> None:
        super().__init__()
        self.conv, self.how, self.calls = nn.Conv2d(8, 16, 3, padding=1), how, 0

    def forward(self, hidden: Tensor) -> Tensor:
        """Features to features."""
        self.calls += 1
        return self.how(self, self.conv(hidden))


def tried(module: nn.Module, cuts=("stem", "body"), images=None) -> None:
    images = tiny_digits().train_images if images is None else images
    accept(BlockNetwork.from_module(module, cuts), images, CLASSES, "digits")


def with_body(how) -> Net:
    net = Net()
    net.body = Block(how)
    return net


def line_of(function) -> str:
    """The file and the line of a function of one line, as an error has them."""
    return re.escape(f"{inspect.getsourcefile(function)}:{function.__code__.co_firstlineno + 1}: ")


def dropped(_module, hidden):
    return F.dropout(hidden, 0.5)


def pythons(_module, hidden):
    return hidden * random.random()


def numpys(_module, hidden):
    return hidden * np.random.rand()  # noqa: NPY002


def counting(module, hidden):
    return hidden * module.calls


def batchwise(_module, hidden):
    return hidden - hidden.mean(0)


def sized(_module, hidden):
    return hidden / hidden.shape[0]


INSIDE = r"'body' \(Block\), "
REFUSED = {
    "dropout that is always on": (Net(dropped), r"draws at random in evaluation: .*" + line_of(dropped)),
    "the same in a block": (with_body(dropped), r"draws at random .*: " + INSIDE + line_of(dropped)),
    "Python's generator": (with_body(pythons), "draws at random in evaluation"),
    "NumPy's generator": (with_body(numpys), "draws at random in evaluation"),
    "a block that counts": (with_body(counting), "logits .* a second time: " + INSIDE + line_of(counting)),
    "statistics of the batch": (
        Net(norm=nn.BatchNorm2d(8, track_running_stats=False)),
        r"other logits alone than in a batch: 'stem\.1' \(BatchNorm2d\), .*test_acceptance\.py:\d+: .*self\.stem\(",
    ),
    "a mean over the batch": (with_body(batchwise), "alone than in a batch: " + INSIDE + line_of(batchwise)),
    "the size of the batch": (with_body(sized), "alone than in a batch: " + INSIDE + line_of(sized)),
}


@pytest.mark.parametrize("case", REFUSED)
def test_network_that_is_no_function_of_an_image(case):
    module, message = REFUSED[case]
    with pytest.raises(ModelError, match=message):
        tried(copy.deepcopy(module), cuts=["stem"] if "block" in case else ["stem", "body"])


def test_one_value_a_channel_cannot_be_normalised_alone():
    module = nn.Sequential(nn.Flatten(), nn.Linear(64, 20), nn.BatchNorm1d(20, track_running_stats=False), nn.ReLU())
    with pytest.raises(ModelError, match=r"cannot take an image alone.*: Expected more than 1 value.*running stat"):
        tried(nn.Sequential(module, nn.Linear(20, CLASSES)), cuts=["0"])


def test_layer_that_begins_as_zero_hides_nothing():
    net = with_body(batchwise)
    nn.init.zeros_(net.classifier.weight)
    with pytest.raises(ModelError, match="alone than in a batch"):
        tried(net, cuts=["stem"])


def test_parts_that_give_other_logits_than_the_module():
    class Shifted(Net):
        shift = 0.0

        def forward(self, images):
            return super().forward(images) + self.shift

    module = Shifted()
    network = BlockNetwork.from_module(module, ["stem"])
    network.whole[0].shift = 1e-5  # as something would that torch.fx has not followed
    with pytest.raises(ModelError, match=r"Shifted and its parts, cut after stem, give other .*:\d+: def forward"):
        accept(network, tiny_digits().train_images, CLASSES, "digits")


def test_images_and_logits_that_do_not_fit():
    grey = tiny_digits().train_images
    colours = torchvision.models.resnet18(num_classes=CLASSES)
    with pytest.raises(ModelError, match=r"cannot take the images of digits, \(1, 8, 8\) .* to have 3 channels,"):
        tried(colours, cuts=["layer1"])
    network = BlockNetwork.from_module(colours, ["layer1"], mean=(0.5, 0.5, 0.5))
    with pytest.raises(ModelError, match=r"means of 3 channels, and the images of digits have 1; give"):
        accept(network, grey, CLASSES, "digits")
    with pytest.raises(ModelError, match=r"logits of shape \(8, 10\) for 8 images of letters, which has 26 classes"):
        accept(BlockNetwork.from_module(Net(), ["stem"]), grey, 26, "letters")
    wrong = Net(lambda _, hidden: hidden[:, :, :3])
    with pytest.raises(ModelError, match=r"digits, \(1, 8, 8\) .* at Net, .*self\.classifier\(.*: mat1"):
        tried(wrong)


def test_module_taken_whole_that_returns_more():
    class Last(nn.Linear):
        def forward(self, hidden):
            return {"logits": super().forward(hidden)}

    module = nn.Sequential(nn.Flatten(), Last(64, CLASSES))
    with pytest.raises(ModelError, match=r"returns a dict, .*\n\nclass Logits\(Sequential\):\n.*\n.*\['logits'\]"):
        tried(module, cuts=["0"])


def test_a_function_of_an_image_is_accepted_and_left_alone():
    for module, cuts in [
        (Net(), ["stem", "body"]),
        (nn.Sequential(nn.Flatten(), nn.Linear(64, 9), nn.Dropout(0.5), nn.Linear(9, CLASSES)), ["1"]),
        (Net(lambda _, x: F.dropout(x, 0.5, False)), ["body"]),
    ]:
        state, before = copy.deepcopy(module.state_dict()), torch.get_rng_state()
        network = BlockNetwork.from_module(module, cuts)
        accept(network, tiny_digits().train_images, CLASSES, "digits")
        assert torch.equal(torch.get_rng_state(), before)
        assert all(torch.equal(value, state[name]) for name, value in module.state_dict().items())
        assert all(torch.equal(network.state_dict()[network.names[name]], value) for name, value in state.items())
        assert network.training


@pytest.mark.parametrize("name", ["mlp", "vit", "resnet8"])
def test_networks_of_the_project_are_accepted(name):
    network = build_model(name, image=(1, 8, 8), generator=torch.Generator().manual_seed(0))
    accept(network, tiny_digits().train_images, CLASSES, "digits")


def test_diverged_network_is_a_function_of_an_image():
    net = Net()
    net.classifier.weight.data[0] = float("nan")
    net.classifier.weight.data[1] = float("inf")
    tried(net)
