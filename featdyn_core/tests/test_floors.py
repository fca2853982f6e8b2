"""The floors of the house: a module imports only modules that stand before it in the table."""

import ast
from pathlib import Path

import pytest

PACKAGE = "featdyn_core"
ROOT = Path(__file__).parents[1]

# Lowest floor first, one floor a line of thought; within a floor the order counts as well.
FLOORS = {
    "errors, random streams, devices": ("errors", "seeds", "devices"),
    "networks, data, statistics, claims": (
        "models",
        "data",
        "data.labels",
        "data.files",
        "data.formats",
        "data.published",
        "data.sources",
        "data.official",
        "data.corruption_kernels",
        "data.corruption_weather",
        "data.corruptions",
        "statistics",
        "claim",
    ),
    "recipes": ("recipe",),
    "trajectories": ("trajectory",),
    "measurements and controls, the register, planted worlds": (
        "consistency",
        "concentration",
        "isotropy",
        "distances",
        "total_variation",
        "tangent_kernel",
        "linearized",
        "monotonicity",
        "composite",
        "pairs",
        "grid_engine",
        "grid",
        "displacement",
        "noise",
        "register",
        "planted",
    ),
    "training": ("optimizer", "stepping", "training"),
    "the store": ("trajectory_folder", "store", "verification"),
    "evidence and reports": ("evidence", "figures", "report", "progress"),
    "plugin and command line": ("plugin", "cli"),
    "public names": (PACKAGE,),
}
ORDER = [module for floor in FLOORS.values() for module in floor]

SOURCES = {
    ".".join(path.with_suffix("").parts).removesuffix("__init__").rstrip(".") or PACKAGE: ROOT / path
    for path in (found.relative_to(ROOT) for found in sorted(ROOT.rglob("*.py")))
    if "tests" not in path.parts
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
        if not (top_level and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)):
            pending.extend(ast.iter_child_nodes(node))
    return found


def packages(source, **options):
    """Top-level packages that a source imports."""
    return {name.split(".")[0] for name in imported(source, **options)}


def own_modules(source):
    """Modules of this package that a source imports; the package for a public name taken from it."""
    names = [f"{name}." for name in imported(source) if f"{name}.".startswith(f"{PACKAGE}.")]
    prefixes = [[module for module in ORDER if name.startswith(f"{PACKAGE}.{module}.")] for name in names]
    return {max(modules, key=len, default=PACKAGE) for modules in prefixes}


def text(module):
    return SOURCES[module].read_text(encoding="utf-8")


def test_every_module_has_its_place_in_the_table():
    assert len(ORDER) == len(set(ORDER))
    assert sorted(SOURCES) == sorted(ORDER)


@pytest.mark.parametrize("module", ORDER)
def test_imports_go_downwards(module):
    below = set(ORDER[: ORDER.index(module)])
    upward = own_modules(text(module)) - below
    assert not upward, f"{module} imports {', '.join(sorted(upward))}, which do not stand below it"


@pytest.mark.parametrize("module", ORDER)
def test_imports_are_absolute_and_stay_in_the_library(module):
    names = imported(text(module))
    assert not [name for name in names if name.startswith(".")]
    assert not packages(text(module)) & {"claims", "fixtures", "benchmarks", "tests", "conftest"}
    assert not [name for name in names if name.startswith(f"{PACKAGE}.tests")]


def test_only_the_plugin_knows_pytest():
    assert [module for module in ORDER if "pytest" in packages(text(module))] == ["plugin"]


@pytest.mark.parametrize("module", ["statistics", "claim"])
def test_inference_and_verdicts_do_without_torch(module):
    below = own_modules(text(module))
    for name in (module, *below):
        assert "torch" not in packages(text(name)), name


@pytest.mark.parametrize("module", ORDER)
def test_torchvision_is_imported_inside_functions_only(module):
    assert "torchvision" not in packages(text(module), top_level=True)


# The checks themselves


@pytest.mark.parametrize(
    ("source", "modules"),
    [
        ("import featdyn_core.store", {"store"}),
        ("import featdyn_core.data.sources as s", {"data.sources"}),
        ("from featdyn_core import evidence", {"evidence"}),
        ("from featdyn_core.data import labels as l, files", {"data.labels", "data.files"}),
        ("from featdyn_core.trajectory_folder import Folder", {"trajectory_folder"}),
        ("def f():\n    from featdyn_core.store import Store", {"store"}),
        ("from featdyn_core import load_recipe", {PACKAGE}),
        ("import featdyn_core", {PACKAGE}),
        ("import torch", set()),
    ],
)
def test_imports_of_this_package_are_recognised(source, modules):
    assert own_modules(source) == modules


def test_imports_inside_functions_are_told_from_those_at_the_top():
    source = "try:\n    import a.b\nfinally:\n    pass\nclass C:\n    from c import d\ndef f():\n    import e"
    assert packages(source) == {"a", "c", "e"}
    assert packages(source, top_level=True) == {"a", "c"}
    assert imported("from . import sibling") == {"..sibling"}
