"""A user's module, cut after named submodules into a chain of parts (see ``BlockNetwork.from_module``).

``torch.fx`` follows the module's forward pass into the submodules that contain a cut. It takes all others whole, so
these may hold code that it cannot follow. Parameters and buffers keep their names inside their part.
"""

import copy
import itertools
import operator
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.fx.passes.split_utils import split_by_tags

from featdyn_core.errors import ModelError
from featdyn_core.networks import whereabouts

LAST = "rest"
"""Name of the part after the last cut."""

WHERE = "where"
"""Key under which a node of a graph keeps its place in the module's code."""

HOOKS = ("_forward_pre_hooks", "_forward_hooks", "_backward_pre_hooks", "_backward_hooks")
"""Attributes that hold a module's hooks."""


class _Tracer(fx.Tracer):
    """Follows only submodules that contain a cut; all arguments except the first have their defaults."""

    def __init__(self, cuts: Sequence[str]) -> None:
        super().__init__()
        self.cuts = cuts

    def is_leaf_module(self, _: nn.Module, module_qualified_name: str) -> bool:
        return not any(cut.startswith(f"{module_qualified_name}.") for cut in self.cuts)

    def create_args_for_root(self, root_fn: Callable[..., Any], *_: object) -> tuple[Callable[..., Any], list[Any]]:
        return root_fn, [self.root, self.create_proxy("placeholder", "images", (), {})]

    def create_node(self, *args: Any, **kwargs: Any) -> fx.Node:
        node = super().create_node(*args, **kwargs)
        node.meta[WHERE] = whereabouts.here()
        return node


def parts_of(
    module: nn.Module, cuts: Sequence[str]
) -> tuple[nn.Module, dict[str, nn.Module], dict[str, tuple[str, str]]]:
    """Cut a copy of a module.

    Returns:
        The copy; its parts by the cut that ends each, in the order of the forward pass, with the name ``LAST`` for the
        last; and, by the module's names of parameters and buffers, the part of each and its name there.

    Raises:
        ModelError: see ``BlockNetwork.from_module``.
    """
    if not cuts or isinstance(cuts, str) or len(set(cuts)) < len(cuts) or LAST in cuts:
        raise ModelError(f"cuts = {cuts!r}; give a list of names of submodules, each once, without the name {LAST!r}")
    _check_hooks(module)
    own = copy.deepcopy(module, detached(module))
    graph = _trace(own, cuts)
    ends = {cut: _end(graph, own, cut) for cut in cuts}
    ordered = sorted(cuts, key=ends.__getitem__)
    for earlier, later in itertools.pairwise(ordered):
        if ends[earlier] == ends[later]:
            raise ModelError(f"the cuts {earlier!r} and {later!r} are at the same place; leave one out")
    names = [*ordered, LAST]
    tags = {name: f"part{number}" for number, name in enumerate(names)}
    nodes = list(graph.nodes)
    for place, node in enumerate(nodes):
        node.tag = tags[next((cut for cut in ordered if place <= ends[cut]), LAST)]
    if not any(node.tag == tags[LAST] for node in nodes if node.op.startswith("call")):
        raise ModelError(f"nothing follows the cut {ordered[-1]!r}; cut before the last submodule")
    _check_output(nodes[-1], own)
    _let_parts_count_images(graph, [nodes[ends[cut]] for cut in ordered], list(tags.values()))
    _check_chain(graph, own, {tags[cut]: (cut, nodes[ends[cut]]) for cut in ordered}, list(tags.values()))
    chain = split_by_tags(fx.GraphModule(own, graph), list(tags.values()))
    assert isinstance(chain, fx.GraphModule)
    parts = {name: chain.get_submodule(tag) for name, tag in tags.items()}
    _forget_constants(own, parts)
    return own, parts, _names(own, parts)


def detached(module: nn.Module) -> dict[int, Any]:
    """Return a memo for ``copy.deepcopy`` of a module, which otherwise refuses some computed tensors.

    torch's older ``weight_norm`` keeps such tensors. A copy leaves their computation out.
    """
    kept = [value for inner in module.modules() for value in vars(inner).values() if isinstance(value, Tensor)]
    return {id(value): value.detach().clone() for value in kept if not value.is_leaf}


def _check_hooks(module: nn.Module) -> None:
    """Refuse hooks of the module itself, which no part would call.

    Raises:
        ModelError: names the hook and its line.
    """
    hooks = [hook for kind in HOOKS for hook in getattr(module, kind).values()]
    if hooks:
        code = getattr(hooks[0], "__code__", None)
        line = f", {code.co_filename}:{code.co_firstlineno}" if code else ""
        raise ModelError(
            f"{type(module).__name__} has a hook, {getattr(hooks[0], '__name__', hooks[0])!r}{line}, and its parts "
            "would not call it; remove it (handle.remove()), or move its code into forward"
        )


def _trace(module: nn.Module, cuts: Sequence[str]) -> fx.Graph:
    """Return the graph of the forward pass, which must be the same in training and in evaluation.

    Raises:
        ModelError: there is no such submodule, ``torch.fx`` cannot follow, or the two passes differ.
    """
    known = {name for name, _ in module.named_modules()} - {""}
    if unknown := [cut for cut in cuts if cut not in known]:
        children = ", ".join(name for name, _ in module.named_children())
        raise ModelError(
            f"{type(module).__name__} has no submodule {unknown[0]!r} to cut after; its submodules are {children}, "
            "and those inside them, such as 'outer.inner'"
        )
    training = module.training
    (first, before), (graph, constants) = (_traced(module.train(mode), cuts) for mode in (True, False))
    module.train(training)
    if place := _difference(first, graph, before, constants):
        raise ModelError(
            f"{type(module).__name__}.forward differs between training and evaluation, outside of the "
            f"submodules that are taken whole: {place.told(module)}; put them into a submodule, such as nn.Dropout for "
            "F.dropout"
        )
    for name, value in constants.items():
        setattr(module, name, value)
    return graph


def _traced(module: nn.Module, cuts: Sequence[str]) -> tuple[fx.Graph, dict[str, Tensor]]:
    """Return the graph of the forward pass in the module's present mode, and the tensors that it makes from numbers.

    ``torch.fx`` attaches these to the module. They are removed, so that the next graph has the same names for them.

    Raises:
        ModelError: ``torch.fx`` cannot follow, or the forward pass draws at random.
    """
    before, states = set(vars(module)), whereabouts.generators()
    draws = whereabouts.Draws()
    try:
        with draws:
            graph = _Tracer(cuts).trace(module)
    except Exception as error:  # the module's own code has met a value that is not a tensor
        raise ModelError(
            f"torch.fx cannot follow {type(module).__name__}.forward up to the cuts"
            f"{whereabouts.of_error(error, module)} ({error}); cut after outer submodules only, which are taken "
            "whole, or write the module as nn.Sequential"
        ) from error
    if whereabouts.generators() != states:
        place = draws.first or whereabouts.of_definition(module)
        raise ModelError(
            f"{type(module).__name__}.forward draws at random outside of the submodules that are taken whole: "
            f"{place.told(module)}; its random numbers would stay the same forever. Put it into a submodule"
        )
    return graph, {name: vars(module).pop(name) for name in sorted(set(vars(module)) - before)}


def _difference(
    one: fx.Graph, other: fx.Graph, constants: dict[str, Tensor], others: dict[str, Tensor]
) -> whereabouts.Place | None:
    """Return the place of the first node that differs between two graphs; constants are compared by value."""
    for first, second in itertools.zip_longest(one.nodes, other.nodes):
        if first is None or second is None:
            return (first or second).meta[WHERE]
        values = constants.get(first.target), others.get(second.target)
        if first.format_node() != second.format_node() or not _equal(*values):
            return first.meta[WHERE]
    return None


def _equal(one: Tensor | None, other: Tensor | None) -> bool:
    if one is None or other is None:
        return one is other
    return one.dtype == other.dtype and torch.equal(one, other)


def _end(graph: fx.Graph, module: nn.Module, cut: str) -> int:
    """Index in the graph of the last node of a submodule.

    Raises:
        ModelError: the submodule is not called exactly once.
    """
    places: list[int] = []
    calls = set()
    for place, node in enumerate(graph.nodes):
        inside = [key for key, (path, _) in node.meta.get("nn_module_stack", {}).items() if path == cut]
        calls.update(inside)
        places += [place] * bool(inside)
    if len(calls) != 1:
        raise ModelError(
            f"{type(module).__name__} calls {cut!r} {len(calls)} times; cut after a submodule that is called once"
        )
    return places[-1]


def _check_output(output: fx.Node, module: nn.Module) -> None:
    """Refuse a result that is more than the logits.

    Raises:
        ModelError: shows how to write a module that returns only the logits.
    """
    if not isinstance(returned := output.args[0], fx.Node):
        raise ModelError(alone(type(module).__name__, returned))


def alone(name: str, returned: object) -> str:
    """Return the message that shows how to get only the logits from a class of modules that returns more."""
    kind = next((kind for kind in (dict, list, tuple) if isinstance(returned, kind)), type(returned))
    key: object = 0
    if isinstance(returned, dict):
        key = next((key for key in returned if key in ("logits", "out")), next(iter(returned), "logits"))
    return (
        f"{name} returns a {kind.__name__}, not a single tensor of logits; make the network with a class "
        f"that returns only the logits:\n\nclass Logits({name}):\n    def forward(self, images):\n"
        f"        return super().forward(images)[{key!r}]"
    )


def _let_parts_count_images(graph: fx.Graph, ends: Sequence[fx.Node], tags: Sequence[str]) -> None:
    """Make parts that use the number of images from before a cut count the images of their own input."""
    inputs = dict(zip(tags[1:], ends, strict=True))
    counts: list[Any] = [node for node in graph.nodes if _counts_images(node)]
    for node in counts:
        source = node.args[0]
        counted = source.args[0] if _is_shape(source) else source
        for user in [user for user in node.users if user.tag != counted.tag and user.op.startswith("call")]:
            with graph.inserting_after(inputs[user.tag]):
                count = graph.call_method("size", (inputs[user.tag], 0))
            count.tag, count.meta[WHERE] = user.tag, node.meta[WHERE]
            user.replace_input_with(node, count)
        for idle in (node, source):
            if not idle.users and (idle is node or _is_shape(idle)):
                graph.erase_node(idle)


def _counts_images(node: fx.Node) -> bool:
    """Whether a node is ``x.size(0)``, ``x.shape[0]`` or ``x.size()[0]``."""
    if node.op == "call_method" and node.target == "size":
        return (*node.args[1:], *node.kwargs.values()) == (0,)
    shape = node.args[0] if node.args else None
    first = node.op == "call_function" and node.target is operator.getitem and bool(node.args[1] == 0)
    return first and isinstance(shape, fx.Node) and _is_shape(shape)


def _is_shape(node: fx.Node) -> bool:
    """Whether a node is ``x.shape`` or ``x.size()``."""
    if node.op == "call_method":
        return node.target == "size" and len(node.args) == 1 and not node.kwargs
    return node.op == "call_function" and node.target is getattr and bool(node.args[1] == "shape")


def _check_chain(graph: fx.Graph, module: nn.Module, ends: dict[str, tuple[str, fx.Node]], tags: list[str]) -> None:
    """Refuse cuts that need more from the part before than its last result.

    Raises:
        ModelError: names the cut, and the line that needs more.
    """
    for node in graph.nodes:
        for used in node.all_input_nodes:
            if used.op == "get_attr" or used.tag == node.tag:
                continue
            cut, end = ends[tags[tags.index(node.tag) - 1]]
            if used is not end:
                first, last = ends[used.tag]
                raise ModelError(
                    f"a skip connection leads across the cut {cut if used is last else first!r}: what follows needs "
                    f"more than the one tensor that the cut submodule returns: "
                    f"{node.meta[WHERE].told(module)}; cut after the whole residual block"
                )


def _forget_constants(module: nn.Module, parts: dict[str, nn.Module]) -> None:
    """Remove tensors from the parts' state dicts that the module's state dict lacks."""
    known = set(map(id, module.state_dict(keep_vars=True).values()))
    for part in parts.values():
        for inner in part.modules():
            unknown = {name for name, value in inner.named_buffers(recurse=False) if id(value) not in known}
            inner._non_persistent_buffers_set.update(unknown)


def _names(module: nn.Module, parts: dict[str, nn.Module]) -> dict[str, tuple[str, str]]:
    """Return the part of each parameter and buffer of a module, and its name there.

    Raises:
        ModelError: a parameter or buffer belongs to two parts, or to none.
    """
    tensors = module.state_dict(keep_vars=True)
    homes: dict[int, tuple[str, str]] = {}
    for part, inside in parts.items():
        for name, tensor in inside.state_dict(keep_vars=True).items():
            before, _ = homes.setdefault(id(tensor), (part, name))
            if before != part:
                raise ModelError(
                    f"{name!r} is used before and after the cut {before!r}, and a composite could take it from one "
                    "checkpoint only; cut elsewhere"
                )
    if idle := [name for name, tensor in tensors.items() if id(tensor) not in homes]:
        raise ModelError(f"{', '.join(idle)}: the forward pass of {type(module).__name__} does not use it; remove it")
    return {name: homes[id(tensor)] for name, tensor in tensors.items()}
