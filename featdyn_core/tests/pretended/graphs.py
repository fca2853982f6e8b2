"""Captured graphs of a pretended device: work is recorded instead of run, and replayed on the same memory."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass
class Work:
    """One kernel of a graph.

    Attributes:
        name: of the operator.
        call: computes it; returns what belongs into ``results``.
        reads: tensors that it reads.
        writes: tensors of others that it changes.
        results: tensors that it makes.
    """

    name: str
    call: Callable[[], list[Tensor]]
    reads: list[Tensor]
    writes: list[Tensor]
    results: list[Tensor]


class Graph:
    """A CUDA graph."""

    def __init__(self, device):
        self.device = device
        self.work: list[Work] = []
        self.own: set[int] = set()
        self.before: dict[int, tuple[torch.UntypedStorage, torch.UntypedStorage]] = {}

    def record(self, work: Work) -> None:
        """Add a piece of work."""
        self.work.append(work)
        self.own.update(address(tensor) for tensor in work.results)

    def spare(self, tensors: list[Tensor]) -> None:
        """Keep memory that is about to be written; ``close`` restores it, because a capture runs nothing."""
        for tensor in tensors:
            storage = tensor.untyped_storage()
            if storage.data_ptr() not in self.own | self.before.keys():
                self.before[storage.data_ptr()] = storage, storage.clone()

    def close(self) -> None:
        """End the capture: memory of others is as it was, and what the graph has made is not computed yet."""
        for storage, content in self.before.values():
            storage.copy_(content)
        for work in self.work:
            for tensor in work.results:
                if tensor.is_floating_point():
                    tensor.fill_(float("nan"))
        self.before.clear()

    def replay(self) -> None:
        """Run all captured work.

        Raises:
            RuntimeError: during a capture, or a tensor that the graph works on is no more.
        """
        self.device.forbid("replaying a graph")
        self._require_memory()
        stream = self.device.stream
        for work in self.work:
            stream.work()
            self.device.memory.use(stream, work.reads, writes=False, what=work.name)
            self.device.memory.use(stream, work.writes + work.results, writes=True, what=work.name)
            for kept, new in zip(work.results, work.call(), strict=True):
                kept.copy_(new)

    def _require_memory(self):
        """Refuse a graph if tensors from before its capture have been released."""
        held = {id(tensor): tensor for work in self.work for tensor in (*work.reads, *work.writes)}
        counts = Counter(address(tensor) for tensor in held.values())
        for tensor in held.values():
            storage = tensor.untyped_storage()
            place = storage.data_ptr()
            if place and place not in self.own and owners(storage) <= counts[place]:
                raise RuntimeError("CUDA error: an illegal memory access: a graph's tensor was freed after the capture")


def owners(storage: torch.UntypedStorage) -> int:
    """Return the number of tensors that hold a storage."""
    return torch._C._storage_Use_Count(storage._cdata) - 1  # the Python object is one of them


def address(tensor: Tensor) -> int:
    """Return the address of a tensor's storage."""
    return tensor.untyped_storage().data_ptr()
