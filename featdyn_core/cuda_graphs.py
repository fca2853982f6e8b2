"""CUDA graphs: a step of many small kernels is recorded once and launched as a whole."""

from collections.abc import Callable

import torch

WARM_UP = 3
"""Number of runs before a capture, in which libraries choose and load code that must not be captured."""


def capture(
    step: Callable[[], object], device: torch.device, reset: Callable[[], object] = lambda: None
) -> Callable[[], object]:
    """Run a step a few times on a CUDA device, then capture it as a graph; return a function that replays it.

    A small network's step mostly consists of launching many kernels, and a graph launches them at once. The step must
    not wait for the host, and must use the same tensors each time. The global generators are restored; each replay
    draws from them again.

    Args:
        step: the step to capture.
        device: device of the step.
        reset: called before each of the first runs, if a step has a position that must not exceed a limit.
    """
    with torch.cuda.device(device), torch.random.fork_rng(devices=[torch.cuda.current_device()]):
        aside, graph = torch.cuda.Stream(), torch.cuda.CUDAGraph()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(WARM_UP):
                reset()
                step()
        torch.cuda.current_stream().wait_stream(aside)
        # cuBLAS keeps a workspace for each stream. Clearing it gives the graph a workspace of its own, which lives as
        # long as the graph and which no other graph uses at the same time.
        torch._C._cuda_clearCublasWorkspaces()
        with torch.cuda.graph(graph, stream=aside):
            step()
        torch._C._cuda_clearCublasWorkspaces()
    return graph.replay
