"""The pretended device: tensors that lie on the CPU and say ``cuda:0``, and every operator of torch looked at.

A tensor of the device is a ``PretendedTensor``, which shares its memory with a plain one. A dispatch mode sees every
operator below autograd: it refuses to mix tensors of device and host, counts where the host waits, watches the
streams, and records what is captured. The numbers are those of the same operators on the CPU, bit for bit.
"""

import contextlib
import functools
from collections import Counter
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from featdyn_core.tests.pretended.graphs import Graph, Work, address
from featdyn_core.tests.pretended.nested import leaves, tensors, with_tensors
from featdyn_core.tests.pretended.streams import Host, Memory, Stream, learn

CUDA, CPU = torch.device("cuda", 0), torch.device("cpu")
aten = torch.ops.aten

WAITS = {torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape}
"""Of operators whose result's value or shape the host must know."""

INDEXING = (aten.index.Tensor, aten.index_put.default, aten.index_put_.default, aten._index_put_impl_.default)
"""Operators that wait only for a mask, of which the host must know how much it leaves, and for indices on the host."""

STATISTICS = {aten.native_batch_norm.default: (3, 4), aten.cudnn_batch_norm.default: (3, 4)}
"""Positions of arguments that are changed in train mode though the operator's schema does not say so."""


class PretendedTensor(Tensor):
    """A tensor of the pretended device.

    Args:
        plain: the plain tensor of the same memory.
    """

    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, plain):
        """Share the memory."""
        return Tensor._make_subclass(cls, plain)

    def __init__(self, plain):
        self.plain = plain

    device = property(lambda _: CUDA)
    is_cuda = property(lambda _: True)
    is_cpu = property(lambda _: False)

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        raise RuntimeError(f"{func} of a tensor whose pretended device is no more")

    def numpy(self, *, force=False):
        """Refuse, as CUDA tensors do; ``force`` copies."""
        if force:
            return self.detach().cpu().numpy()
        raise TypeError("can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() first")

    def __array__(self, dtype=None):
        return self.numpy()

    def tolist(self):
        """Return the numbers, for which the host waits."""
        return self.detach().cpu().tolist()

    def get_device(self):
        """Return the device's index."""
        return CUDA.index

    def __deepcopy__(self, memo):
        copied = self.detach().clone().requires_grad_(self.requires_grad)
        if isinstance(self, torch.nn.Parameter):
            copied = torch.nn.Parameter(copied, self.requires_grad)
        return memo.setdefault(id(self), copied)

    def __reduce_ex__(self, protocol):
        raise TypeError("a tensor of the device is not written to a file; use Tensor.cpu() first")

    def __repr__(self, **_):
        return f"PretendedTensor({tuple(self.shape)}, {self.dtype})"


class Move(torch.autograd.Function):
    """A copy between host and device."""

    @staticmethod
    def forward(ctx, device, tensor):
        """Copy; the host waits in both directions, because its memory is not pinned."""
        ctx.pretended = device
        return device.moved(tensor)

    @staticmethod
    def backward(ctx, gradient):
        """Copy the gradient back."""
        return None, ctx.pretended.moved(gradient)


class Device(TorchDispatchMode):
    """One pretended device.

    Attributes:
        waits: how often the host waited, by what it waited for.
        generator: which the device's random numbers come from.
        stream: the current stream.
        capture: the graph that is being captured.
        faults: numbers of operators, from the first on that is run on the device, to the error that ends them.
    """

    def __init__(self):
        super().__init__()
        self.waits: Counter[str] = Counter()
        self.generator = torch.Generator()
        self.host, self.memory = Host(), Memory()
        self.streams: list[Stream] = []
        self.default = self.stream = self.new_stream()
        self.capture: Graph | None = None
        self.captured_on: Stream | None = None
        self.operators, self.faults = 0, dict[int, Exception]()

    # Host and streams

    def new_stream(self, *_, **__) -> Stream:
        """Return a new stream."""
        self.streams.append(Stream(self.host, self.wait))
        return self.streams[-1]

    def wait(self, what: str) -> None:
        """Count that the host waits."""
        self.forbid(what)
        self.waits[what] += 1

    def forbid(self, what: str) -> None:
        """Refuse an operation that a capture cannot contain.

        Raises:
            RuntimeError: something is being captured.
        """
        if self.capture is not None:
            raise RuntimeError(f"CUDA error: operation not permitted when stream is capturing: {what}")

    def synchronize(self, *_) -> None:
        """Let the host wait for all streams."""
        self.wait("synchronize")
        for stream in self.streams:
            learn(self.host.clock, stream.clock)

    @contextlib.contextmanager
    def on(self, stream: Stream | None) -> Iterator[None]:
        """Make a stream the current one; None changes nothing."""
        before, self.stream = self.stream, stream or self.stream
        try:
            yield
        finally:
            self.stream = before

    @contextlib.contextmanager
    def capturing(self, graph: Graph, stream: Stream | None = None, **_) -> Iterator[None]:
        """Capture the work that is started on a stream."""
        self.synchronize()
        drawn = self.generator.get_state()
        with self.on(stream or self.new_stream()):
            if self.stream is self.default:
                raise RuntimeError("CUDA graphs must be captured on a non-default stream")
            self.capture, self.captured_on, self.stream.captured = graph, self.stream, True
            try:
                yield
            finally:
                self.captured_on.captured = False
                self.capture = self.captured_on = None
                self.generator.set_state(drawn)
                graph.close()

    def moved(self, tensor: Tensor) -> Tensor:
        """Return a copy on the other one of host and device."""
        if isinstance(tensor, PretendedTensor):
            self.wait("copy to the host")
            self._begin("copy to the host", [tensor.plain], [])
            learn(self.host.clock, self.stream.clock)
            return tensor.plain.clone()
        self.wait("copy from the host")
        return self._made("copy from the host", tensor.detach().clone())

    def _made(self, name: str, real: Tensor) -> Tensor:
        self.memory.made(real)
        self._begin(name, [], [real])
        return PretendedTensor(real)

    def _begin(self, name: str, reads: list[Tensor], writes: list[Tensor]) -> None:
        """Start a piece of work on the current stream."""
        self.operators += 1
        if self.operators in self.faults:
            raise self.faults[self.operators]
        if self.capture is not None:
            if self.stream is not self.captured_on:
                raise RuntimeError(f"CUDA error: {name} on another stream while one is captured")
            return
        self.stream.work()
        self.memory.use(self.stream, reads, writes=False, what=name)
        self.memory.use(self.stream, writes, writes=True, what=name)

    # Operators

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        given = list(leaves((args, kwargs)))
        ours = [item for item in given if isinstance(item, PretendedTensor)]
        asked = kwargs.get("device")
        if not ours and (asked is None or torch.device(asked).type != "cuda"):
            return func(*args, **kwargs)
        if func in (aten.copy_.default, aten._to_copy.default) and self._crosses(args, kwargs):
            return self._copied_across(func, args, kwargs)
        if asked is not None and torch.device(asked).type == "meta":  # shapes alone
            return func(*with_tensors(lambda tensor: getattr(tensor, "plain", tensor), args), **kwargs)
        if "device" in kwargs:  # C++ knows all tensors as the CPU's; who asks for another side calls ``to``
            kwargs["device"] = CPU
        self._look(func, given, ours)
        return self._run(func, args, kwargs)

    @staticmethod
    def _crosses(args, kwargs) -> bool:
        sides = {isinstance(item, PretendedTensor) for item in args if isinstance(item, Tensor)}
        asked = kwargs.get("device")
        return len(sides) == 2 or (sides == {False} and asked is not None and torch.device(asked).type == "cuda")

    def _copied_across(self, func, args, kwargs):
        if func is aten._to_copy.default:
            kwargs["device"] = CPU
            return self.moved(func(*args, **kwargs))
        target, source = args[:2]
        with self:
            target.copy_(self.moved(source))
        return target

    def _look(self, func, given, ours) -> None:
        """Refuse to mix devices, and count where the host waits.

        Raises:
            RuntimeError: a tensor or a generator is the host's.
        """
        name = str(func)
        for item in given:
            if isinstance(item, torch.Generator) and item is not self.generator:
                raise RuntimeError(f"Expected a 'cuda' device type for generator but found 'cpu' ({name})")
            if not isinstance(item, Tensor) or isinstance(item, PretendedTensor) or _is_missing_tangent(item):
                continue
            if func in INDEXING:
                self.wait(f"{name} by indices of the host")
            elif item.dim() or torch.Tag.pointwise not in func.tags:
                raise RuntimeError(f"Expected all tensors to be on the same device, but found cuda:0 and cpu ({name})")
        masked = any(item.dtype in (torch.bool, torch.uint8) for item in ours[1:])
        if waits(func) and (func not in INDEXING or masked):
            self.wait(name)

    def _run(self, func, args, kwargs):
        """Compute on the CPU; results are on the device, or are arguments."""
        mapped = {}

        def plain(tensor):
            if isinstance(tensor, PretendedTensor):
                if tensor.plain.shape != tensor.shape:
                    raise NotImplementedError(f"{func} of a tensor whose shape was changed in place")
                mapped[id(tensor.plain)] = tensor
                return tensor.plain
            return tensor.clone() if self.capture is not None else tensor  # a graph keeps the host's numbers

        args, kwargs = with_tensors(plain, (args, kwargs))
        inputs = [tensor.plain for tensor in mapped.values()]
        places, names = written_by(func)
        places += STATISTICS[func] if func in STATISTICS and args[5] else ()
        changed = ([args[place] for place in places if place < len(args)], [kwargs.get(name) for name in names])
        written = [tensor for tensor in tensors(changed) if id(tensor) in mapped]
        if self.capture is not None:
            self.capture.spare(written)
        self._begin_with(func, inputs, written)
        found = self._drawn(func, args, kwargs)
        if waits(func) and self.capture is None:
            learn(self.host.clock, self.stream.clock)
        outs = tensors(found)
        inside = {address(tensor) for tensor in inputs}
        fresh = [number for number, item in enumerate(outs) if address(item) not in inside and id(item) not in mapped]
        self._keep(func, args, kwargs, inputs, written, [outs[number] for number in fresh], fresh)
        return with_tensors(lambda item: mapped[id(item)] if id(item) in mapped else PretendedTensor(item), found)

    def _begin_with(self, func, inputs, written):
        if not _only_views(func):
            unwritten = [tensor for tensor in inputs if all(tensor is not other for other in written)]
            self._begin(str(func), unwritten, written)

    def _keep(self, func, args, kwargs, inputs, written, results, fresh):
        """Note new tensors as memory of the stream or of the graph."""
        for tensor in results:
            self.memory.made(tensor)
        if self.capture is None:
            self.memory.use(self.stream, results, writes=True, what=str(func))
        elif results or written:

            def again():
                outs = tensors(self._drawn(func, args, kwargs))
                return [outs[number] for number in fresh]

            self.capture.record(Work(str(func), again, inputs, written, results))

    def _drawn(self, func, args, kwargs):
        """Compute; random numbers come from the device's generator."""
        if torch.Tag.nondeterministic_seeded not in func.tags or kwargs.get("generator") is not None:
            return func(*args, **kwargs)
        hosts = torch.default_generator.get_state()
        torch.default_generator.set_state(self.generator.get_state())
        try:
            return func(*args, **kwargs)
        finally:
            self.generator.set_state(torch.default_generator.get_state())
            torch.default_generator.set_state(hosts)


@functools.cache
def written_by(func) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Return positions and names of the arguments that an operator changes, from its schema."""
    changed = [(n, a.name) for n, a in enumerate(func._schema.arguments) if a.alias_info and a.alias_info.is_write]
    return tuple(number for number, _ in changed), tuple(name for _, name in changed)


@functools.cache
def waits(func) -> bool:
    """Whether the host needs the operator's result."""
    return bool(WAITS & set(func.tags))


@functools.cache
def _only_views(func) -> bool:
    """Whether an operator computes nothing, because its results are views of its arguments."""
    return func.is_view or func in (aten.detach.default, aten.alias.default, aten.lift_fresh.default)


def _is_missing_tangent(tensor: Tensor) -> bool:
    """Whether this is the zero that forward differentiation makes in C++ for a missing tangent."""
    return tensor.dim() > 0 and not any(tensor.stride()) and tensor.untyped_storage().nbytes() == tensor.element_size()
