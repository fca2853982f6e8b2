"""featdyn: empirical claims about training dynamics as assertion-based tests over checkpoint trajectories.

The public names stand in ``__init__.pyi``; scripts may rely on them. Each is imported when it is first used, so that
judging records, which needs no network, does not wait for torch.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
