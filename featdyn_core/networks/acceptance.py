"""Checks on a few images that a network is a function of an image, and that its parts give the same network."""

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn

from featdyn_core.errors import ModelError
from featdyn_core.networks import whereabouts
from featdyn_core.networks.blocks import BlockNetwork
from featdyn_core.networks.cutting import alone
from featdyn_core.numerics import exactly, one_thread

TRIED = 8
"""Number of images in the batch that tries a network."""

ROUNDING = 1e-4
"""Largest difference from rounding, relative to the largest value, between batches of different sizes."""

HIDING = 0.05
"""Standard deviation of the numbers that replace parameters that are all 0, which would hide their inputs."""


@exactly
@torch.no_grad()
def accept(network: BlockNetwork, images: Tensor, classes: int, called: str) -> None:
    """Refuse a network whose composites would be meaningless, or would differ from the module that was cut.

    In evaluation the network must draw nothing at random. It must give the same logits for the same batch twice, and
    the same logits for an image alone and in a batch. Its parts must give the logits of the whole module, bit for bit.
    Before training, all parameters of a layer may be 0. The check replaces them, because such a layer hides its inputs.

    Args:
        network: network to check; not changed.
        images: (N, C, H, W) in grey levels; the first ``TRIED`` are used.
        classes: number of classes of the images; there must be as many logits.
        called: name of the images.

    Raises:
        ModelError: names the module and the line, if they are found.
    """
    network = filled(copy.deepcopy(network).cpu().eval())
    whole: nn.Module = network
    if network.whole:
        whole, state = network.whole[0].cpu().eval(), network.state_dict()
        whole.load_state_dict({name: state[inner] for name, inner in network.names.items()})
    check_channels(network, images, called)
    batch = network.standardize(images[:TRIED].cpu())

    def run(count: int | None = None) -> Tensor:
        return whole(batch[:count].clone()) if network.whole else network._run(batch[:count].clone(), [*network.blocks])

    with one_thread():
        logits = _first(run, whole, classes, images, called)
        _check_repeatable(run, logits, whole)
        _check_alone(run, logits, whole)
        if not _same(network(images[:TRIED].cpu()), logits):
            raise ModelError(
                f"{type(whole).__name__} and its parts, cut after {', '.join(network.cuts)}, give other logits for the "
                f"same images; its forward pass ({whereabouts.of_definition(whole).told(whole)}) depends on something "
                "that torch.fx does not follow; cut after outer submodules only, or write it without that"
            )


def check_channels(network: BlockNetwork, images: Tensor, called: str) -> None:
    """Refuse images with one channel if the network's ``mean`` and ``std`` would repeat it.

    Raises:
        ModelError: names the numbers of channels.
    """
    given = max(len(network.standardize.scale), len(network.standardize.shift))
    has = images.shape[1]
    if given not in (1, has):
        raise ModelError(
            f"the network takes off means of {given} channels, and the images of {called} have {has}; give mean and "
            f"std of {has} channels, or of one"
        )


def misfit(images: Tensor, called: str, error: Exception, place: str = "") -> str:
    """Return the message for a network that cannot take the images."""
    return (
        f"the network cannot take the images of {called}, {tuple(images.shape[1:])} (channels, height, width){place}: "
        f"{error}; choose another network or other images"
    )


def check_logits(logits: object, count: int, classes: int, name: str, called: str) -> None:
    """Refuse a result that is not a tensor of logits with one for each class.

    Raises:
        ModelError: names its type or shape.
    """
    if not isinstance(logits, Tensor):
        raise ModelError(alone(name, logits))
    if logits.shape != (count, classes) or not logits.is_floating_point():
        raise ModelError(
            f"the network gives {logits.dtype} logits of shape {tuple(logits.shape)} for {count} images of {called}, "
            f"which has {classes} classes; make it (N, {classes}), and floating"
        )


@torch.no_grad()
def filled(network: BlockNetwork) -> BlockNetwork:
    """Replace parameters that are all 0 by small random numbers in place, and return the network."""
    generator = torch.Generator().manual_seed(0)
    for parameter in network.parameters():
        if parameter.is_floating_point() and not parameter.any():
            parameter.normal_(0, HIDING, generator=generator)
    return network


def _first(run: Callable[[], Tensor], whole: nn.Module, classes: int, images: Tensor, called: str) -> Tensor:
    """Return the logits of the batch.

    Raises:
        ModelError: the images or the logits do not fit, or the network draws at random.
    """
    states = whereabouts.generators()
    try:
        logits = run()
    except Exception as error:  # raised by code outside this project
        raise ModelError(misfit(images, called, error, whereabouts.of_error(error, whole))) from error
    check_logits(logits, len(images[:TRIED]), classes, type(whole).__name__, called)
    if whereabouts.generators() != states:
        with whereabouts.Draws() as draws:  # only now, because torch computes differently while it is watched
            run()
        place = draws.first or whereabouts.of_definition(whole)
        raise ModelError(
            f"the network draws at random in evaluation: {place.told(whole)}; let it do so in training only, such as "
            "by nn.Dropout, or F.dropout(x, training=self.training)"
        )
    return logits


def _check_repeatable(run: Callable[[], Tensor], logits: Tensor, whole: nn.Module) -> None:
    if not _same(run(), logits):
        place = whereabouts.first_difference(run, run, _same) or whereabouts.of_definition(whole)
        raise ModelError(
            f"the network gives other logits for the same images a second time: {place.told(whole)}; in evaluation it "
            "must keep nothing and draw nothing"
        )


def _check_alone(run: Callable[[int | None], Tensor], logits: Tensor, whole: nn.Module) -> None:
    mend = (
        "an image's logits must not depend on the others in its batch; normalise by running statistics "
        "(track_running_stats=True), or without the batch"
    )
    try:
        single = run(1)
    except Exception as error:  # batch normalisation refuses a single value
        raise ModelError(
            f"the network cannot take an image alone{whereabouts.of_error(error, whole)}: {error}; {mend}"
        ) from error
    if not _close(logits, single):
        place = whereabouts.first_difference(lambda: run(None), lambda: run(1), _close)
        place = place or whereabouts.of_definition(whole)
        raise ModelError(f"the network gives an image other logits alone than in a batch: {place.told(whole)}; {mend}")


def _same(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and torch.allclose(one, other, rtol=0, atol=0, equal_nan=True)


def _close(batch: Tensor, single: Tensor) -> bool:
    """Whether an image alone has the values of the batch's first row; True for a tensor without a row an image."""
    if single.shape != (1, *batch.shape[1:]) or not batch.is_floating_point():
        return True
    room = ROUNDING * float(batch.abs().nan_to_num(posinf=0).max())
    return torch.allclose(batch[:1], single, rtol=0, atol=room, equal_nan=True)
