"""Names of the networks that a recipe may choose, in a module of their own so that reading a recipe needs no torch."""

import re

NETWORKS = ("resnet20", "resnet32", "resnet8", "mlp", "svhn-convnet", "stl10-convnet", "vit")

FACTORY = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.ASCII)
"""Pattern of ``package.module:function``, which names a function that builds a network (see ``networks.factory``)."""


def is_factory(name: str) -> bool:
    """Whether a network's name is that of a user's function."""
    return FACTORY.fullmatch(name) is not None
