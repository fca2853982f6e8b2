"""Names of the networks that a recipe may choose; apart from them, so that a recipe is read without torch."""

import re

NETWORKS = ("resnet20", "resnet32", "resnet8", "mlp", "svhn-convnet", "stl10-convnet", "vit")

FACTORY = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.ASCII)
"""``package.module:function``, which makes a network (see ``networks.factory``)."""


def is_factory(name: str) -> bool:
    """Whether a network's name is that of somebody's own function."""
    return FACTORY.fullmatch(name) is not None
