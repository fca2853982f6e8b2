"""Pretrained networks: published weights, loaded under the names of this project's blocks."""

from collections.abc import Mapping

from featdyn_core.errors import ModelError
from featdyn_core.networks.blocks import BlockNetwork, load_state


def load_published_resnet(network: BlockNetwork, state: Mapping[str, object]) -> None:
    """Load public ResNet weights for CIFAR-10 (akamaster/pytorch_resnet_cifar10, named in App. H).

    Mapping: ``conv1``/``bn1`` → ``stem``; ``layerS.B.convK``/``bnK`` → block B + 1 of stage S, first or
    second; ``linear`` → ``head``. A ``module.`` prefix is dropped. The weights were trained on images
    standardised with mean (0.485, 0.456, 0.406) and standard deviation (0.229, 0.224, 0.225), those of
    ``load_dataset("cifar10")``. ``network`` must be built with them.

    Args:
        network: a ResNet of the weights' depth, such as ``resnet20`` or ``resnet32``, of width 16 and ten classes.
        state: result of ``torch.load``: a state dict, or a checkpoint that holds one as ``state_dict``.

    Raises:
        ModelError: there is no state dict, or its keys or shapes do not fit the network.
    """
    tensors = state.get("state_dict", state) if isinstance(state, Mapping) else state
    if not isinstance(tensors, Mapping):
        raise ModelError(
            f"a state dict is needed, not {type(tensors).__name__}; "
            "give what torch.load(file, map_location='cpu', weights_only=True) returns"
        )
    stages = {f"layer{stage}": f"stage{stage}" for stage in (1, 2, 3)}
    layers = {"conv1": "first.conv", "bn1": "first.norm", "conv2": "second.conv", "bn2": "second.norm"}
    ends = {"conv1": "stem.0.conv", "bn1": "stem.0.norm", "linear": "head.linear"}
    renamed = {}
    for key, value in tensors.items():
        match str(key).removeprefix("module.").split("."):
            case [stage, block, layer, tensor] if stage in stages and block.isdecimal() and layer in layers:
                renamed[f"blocks.{stages[stage]}_block{int(block) + 1}.{layers[layer]}.{tensor}"] = value
            case [end, tensor] if end in ends:
                renamed[f"blocks.{ends[end]}.{tensor}"] = value
            case _:
                raise ModelError(f"{key!r} is not a tensor of the published ResNet for CIFAR")
    load_state(network, renamed)
