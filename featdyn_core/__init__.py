"""featdyn: empirical claims about training dynamics as assertion-based tests over checkpoint trajectories.

``__init__.pyi`` lists the public names; scripts may rely on them. Each is imported on first use, so judging records,
which needs no network, does not load torch.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
