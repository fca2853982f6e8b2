"""Layers of packages: a package imports only from lower layers, and has no circular imports."""

import ast
import graphlib
from pathlib import Path

import pytest

PACKAGE = "featdyn_core"
ROOT = Path(__file__).parents[1]

# Lowest row first. Those of one row do not know each other.
ROWS = (
    {"errors"},
    {"arrays", "files", "project", "seeds", "numerics", "cuda_graphs", "tables", "toml_text", "display"},
    {"devices", "provenance", "sealed"},
    {"data", "networks", "verdicts"},
    {"trajectories", "register"},
    {"measures", "training", "report"},
    {"records"},
    {"analysis", "store"},
    {"harness", "plots"},
    {"planted"},
    {"launch", "scaffold"},
    {"cli", "pytest_plugin"},
    {"__main__"},
)
FAMILIES = ("composites", "one_step", "linearized", "distances", "drift")
"""Of ``measures``; they do not know each other, and its own modules know them all."""

TORCHLESS = (
    "verdicts",
    "register",
    "report",
    "records",
    "analysis",
    "planted",
    "plots",
    "harness",
    "arrays",
    "files",
    "project",
    "tables",
    "display",
    "provenance",
    "sealed",
    "errors",
)
"""What judging records goes through: nothing at the top of these modules imports torch, nor what they import there."""

SOURCES = {
    ".".join(path.with_suffix("").parts).removesuffix("__init__").rstrip("."): ROOT / path
    for path in (found.relative_to(ROOT) for found in sorted(ROOT.rglob("*.py")))
    if "tests" not in path.parts and path.parts != ("__init__.py",)
}


def imported(source, *, top_level=False):
    """Dotted names that a source imports, ``a.b`` for ``from a import b``.

    ``top_level``: only what runs when the module is imported, so not what stands inside functions.
    """
    pending, found = [ast.parse(source)], set()
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = "." * node.level + (node.module or "")
            found.update(f"{start}.{alias.name}" for alias in node.names)
        if top_level and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if top_level and isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        pending.extend(ast.iter_child_nodes(node))
    return found


def packages(source, **options):
    """Top-level packages that a source imports."""
    return {name.split(".")[0] for name in imported(source, **options)}


def own_modules(source, **options):
    """Modules of this package that a source imports; the package's name for a public name taken from it."""
    names = [f"{name}." for name in imported(source, **options) if f"{name}.".startswith(f"{PACKAGE}.")]
    prefixes = [[module for module in SOURCES if module and name.startswith(f"{PACKAGE}.{module}.")] for name in names]
    return {max(modules, key=len, default=PACKAGE) for modules in prefixes}


def text(module):
    return SOURCES[module].read_text(encoding="utf-8")


def row(module):
    return next(number for number, names in enumerate(ROWS) if module.split(".")[0] in names)


def family(module):
    parts = module.split(".")
    return parts[1] if parts[0] == "measures" and len(parts) > 1 and parts[1] in FAMILIES else ""


def test_every_module_has_its_place_in_the_table():
    known = [name for names in ROWS for name in names]
    assert len(known) == len(set(known))
    assert {module.split(".")[0] for module in SOURCES} == set(known)


@pytest.mark.parametrize("module", SOURCES)
def test_imports_go_downwards(module):
    own = module.split(".")[0]
    wrong = {other for other in own_modules(text(module)) if other.split(".")[0] != own and row(other) >= row(module)}
    assert not wrong - {PACKAGE}, f"{module} imports {', '.join(sorted(wrong))}, which do not stand below it"
    assert PACKAGE not in wrong, f"{module} takes public names; take them from where they are made"


def test_no_module_imports_itself_by_way_of_others():
    graph = {module: own_modules(text(module)) for module in SOURCES}
    list(graphlib.TopologicalSorter(graph).static_order())  # raises CycleError, which names the circle


@pytest.mark.parametrize("module", [module for module in SOURCES if family(module)])
def test_families_of_measures_do_not_know_each_other(module):
    others = {other for other in own_modules(text(module)) if other.startswith("measures.")}
    assert {family(other) for other in others} <= {family(module)}


@pytest.mark.parametrize("module", SOURCES)
def test_imports_are_absolute_and_stay_in_the_library(module):
    names = imported(text(module))
    assert not [name for name in names if name.startswith(".")]
    assert not packages(text(module)) & {"claims", "fixtures", "benchmarks", "tests", "conftest"}
    assert not [name for name in names if name.startswith(f"{PACKAGE}.tests")]


def test_packages_have_no_code_of_their_own():
    for path in ROOT.rglob("__init__.py"):
        body = ast.parse(path.read_text(encoding="utf-8")).body
        assert path.parent == ROOT or len(body) == 1, f"{path}: a docstring is enough"


def test_only_the_plugin_knows_pytest():
    assert [module for module in SOURCES if "pytest" in packages(text(module))] == [
        "pytest_plugin.autoload",
        "pytest_plugin.plugin",
        "pytest_plugin.reporter",
        "pytest_plugin.selection",
    ]


@pytest.mark.parametrize("module", [module for module in SOURCES if module.split(".")[0] in TORCHLESS])
def test_judging_does_without_torch(module):
    reached, pending = set(), {module}
    while pending:
        name = pending.pop()
        reached.add(name)
        assert not packages(text(name), top_level=True) & {"torch", "torchvision"}, f"{module}, by way of {name}"
        pending |= {other for other in own_modules(text(name), top_level=True) if other != PACKAGE} - reached


@pytest.mark.parametrize("module", SOURCES)
def test_torchvision_is_imported_inside_functions_only(module):
    assert "torchvision" not in packages(text(module), top_level=True)


# The checks themselves


@pytest.mark.parametrize(
    ("source", "modules"),
    [
        ("import featdyn_core.store.supply", {"store.supply"}),
        ("import featdyn_core.data.sources as s", {"data.sources"}),
        ("from featdyn_core.verdicts import claim", {"verdicts.claim"}),
        ("from featdyn_core.data import labels as l, formats", {"data.labels", "data.formats"}),
        ("def f():\n    from featdyn_core.store.supply import Store", {"store.supply"}),
        ("from featdyn_core import load_recipe", {PACKAGE}),
        ("import featdyn_core", {PACKAGE}),
        ("import torch", set()),
    ],
)
def test_imports_of_this_package_are_recognised(source, modules):
    assert own_modules(source) == modules


def test_imports_inside_functions_differ_from_those_at_the_top():
    source = "try:\n    import a.b\nfinally:\n    pass\nclass C:\n    from c import d\ndef f():\n    import e"
    assert packages(source) == {"a", "c", "e"}
    assert packages(source, top_level=True) == {"a", "c"}
    assert packages("if TYPE_CHECKING:\n    import f", top_level=True) == set()
    assert imported("from . import sibling") == {"..sibling"}
