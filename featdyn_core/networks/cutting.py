"""A module of one's own, cut after named submodules into a chain of parts (see ``BlockNetwork.from_module``).

``torch.fx`` follows the module's forward pass into those submodules that a cut lies inside, and takes all others whole,
so that these may hold what it cannot follow. Parameters and buffers keep their names inside their part.
"""

import copy
import itertools
from collections.abc import Sequence

from torch import fx, nn
from torch.fx.passes.split_utils import split_by_tags

from featdyn_core.errors import ModelError

LAST = "rest"
"""What the part after the last cut is called."""


class _Tracer(fx.Tracer):
    """Looks only into submodules that a cut lies inside."""

    def __init__(self, cuts: Sequence[str]) -> None:
        super().__init__()
        self.cuts = cuts

    def is_leaf_module(self, _: nn.Module, module_qualified_name: str) -> bool:
        return not any(cut.startswith(f"{module_qualified_name}.") for cut in self.cuts)


def parts_of(module: nn.Module, cuts: Sequence[str]) -> tuple[dict[str, nn.Module], dict[str, tuple[str, str]]]:
    """Cut a copy of a module.

    Returns:
        Its parts by the cut that ends each, in the order of its forward pass, the last called ``LAST``; and the
        module's names of parameters and buffers to the part where each is and its name there.

    Raises:
        ModelError: see ``BlockNetwork.from_module``.
    """
    if not cuts or isinstance(cuts, str) or len(set(cuts)) < len(cuts) or LAST in cuts:
        raise ModelError(f"cuts = {cuts!r}; give a list of names of submodules, each once, and none called {LAST!r}")
    own = copy.deepcopy(module)
    traced = fx.GraphModule(own, _trace(own, cuts))
    ends = {cut: _end(traced.graph, own, cut) for cut in cuts}
    ordered = sorted(cuts, key=ends.__getitem__)
    for earlier, later in itertools.pairwise(ordered):
        if ends[earlier] == ends[later]:
            raise ModelError(f"the cuts {earlier!r} and {later!r} are at the same place; leave one out")
    names = [*ordered, LAST]
    tags = {name: f"part{number}" for number, name in enumerate(names)}
    for place, node in enumerate(traced.graph.nodes):
        node.tag = tags[next((cut for cut in ordered if place <= ends[cut]), LAST)]
    if not any(node.tag == tags[LAST] for node in traced.graph.nodes if node.op.startswith("call")):
        raise ModelError(f"nothing follows the cut {ordered[-1]!r}; cut before the last submodule")
    chain = split_by_tags(traced, list(tags.values()))
    assert isinstance(chain, fx.GraphModule)
    parts = {name: chain.get_submodule(tag) for name, tag in tags.items()}
    _check_chain(chain, names)
    return parts, _names(own, parts)


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
    training, graphs = module.training, []
    for mode in (True, False):
        try:
            graphs.append(_Tracer(cuts).trace(module.train(mode)))
        except Exception as error:  # the module's own code has met something that is no tensor
            raise ModelError(
                f"torch.fx cannot follow {type(module).__name__}.forward up to the cuts ({error}); cut after outer "
                "submodules only, which are taken whole, or write the module as nn.Sequential"
            ) from error
    module.train(training)
    if str(graphs[0]) != str(graphs[1]):
        raise ModelError(
            f"{type(module).__name__}.forward does other things in training than in evaluation, outside of the "
            "submodules that are taken whole; put them into a submodule, such as nn.Dropout for F.dropout"
        )
    return graphs[1]


def _end(graph: fx.Graph, module: nn.Module, cut: str) -> int:
    """Place in the graph of the last thing that a submodule computes.

    Raises:
        ModelError: it is not called exactly once.
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


def _check_chain(chain: fx.GraphModule, names: Sequence[str]) -> None:
    """Refuse cuts across which more passes than what the part before computed last.

    Raises:
        ModelError: a skip connection leads across a cut, or more than the logits are returned.
    """
    before, *calls, output = (node for node in chain.graph.nodes if node.op != "placeholder" or node.users)
    if output.args != (calls[-1],):
        raise ModelError("the module returns something else than the one tensor of logits; return that alone")
    for call, cut in zip(calls, [None, *names], strict=False):
        if call.args != (before,):
            raise ModelError(
                f"a skip connection leads across the cut {cut!r}: what follows needs something else than the one "
                "tensor that the cut submodule returns; cut after the whole residual block"
            )
        before = call


def _names(module: nn.Module, parts: dict[str, nn.Module]) -> dict[str, tuple[str, str]]:
    """Return where each parameter and buffer of a module is: its part, and its name there.

    Raises:
        ModelError: one belongs to two parts, or to none.
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
