"""A project on a user's own trainings, with some of the paper's claims, unedited, and one scale."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from featdyn_core.data.sources import stand_in
from featdyn_core.errors import RecipeError
from featdyn_core.networks.acceptance import accept
from featdyn_core.networks.linearity import inner_depths
from featdyn_core.project import REGISTER
from featdyn_core.records.kinds import KINDS
from featdyn_core.register.reading import load_register
from featdyn_core.register.register import Entry, Register, at
from featdyn_core.scaffold.files import WRITTEN, starter, write_project
from featdyn_core.tables import unknown
from featdyn_core.toml_text import toml_text
from featdyn_core.trajectories.recipe import Recipe
from featdyn_core.trajectories.recipe_text import as_written, read_document
from featdyn_core.trajectories.specs import telling
from featdyn_core.trajectories.trajectory import new_network

SCALE = "own"
"""Name of the scale."""

LIKE = "reduced/cifar10"
"""The row whose bounds the scale takes."""

STRANGERS = "strangers"
"""The scale whose claims are chosen by default: those that need only checkpoints and data."""

SEEDS = (0, 1, 2)
"""Default seeds of trainings that the project runs: the fewest on which a claim is judged."""

TRIED = 8
"""Number of images on which a network is tried."""

SPANNING = {"training": 0.0, "forgetting": 0.0, "growth": 0.25}
"""Windows that are not a late part of a training, to the share of the training before they begin."""

SCALES = """\
# The one scale of this project, with its trainings and its windows in epochs. The windows were fixed before anything
# was measured. "like" names the row of the paper's register from which bounds, margins and numbers are taken. The files
# of the claims are featdyn's, unedited; they may name what is listed under "elsewhere".
"""

README = """\
# {name}

{count} claims of one paper, *{title}* (arXiv {arxiv}), tested on {trainings}, seeds {seeds}.

```bash
{train}pytest                                  # measures missing records, and decides the claims
featdyn report evidence.json            # makes one page of the evidence
```

- `claims/test_*.py`: what each claim measures; `claims/register/*.toml`: its sentence, bounds and controls, unedited.
- `claims/register/scales.toml`: what belongs to this project: recipe, seeds, images, and the windows in epochs of these
  trainings. They were fixed before anything was measured. If you change them after a verdict, say so.
- `fixtures/recipes/{name}.toml`: {recipe}
- `fixtures/cache/`: trajectories and records, not committed. `featdyn publish` writes the records into
  `fixtures/records/`. Commit these, and anyone can judge them again in seconds, as the workflow in `.github/` does.

A claim is NOT RUN, and says why, if it lacks an arm or needs facts that are unknown for these trainings. SUPPORTED
passes, and every other verdict fails. A failed test is a finding, not a fault of the project.
"""


def write_own_project(
    folder: Path,
    recipe: Recipe,
    *,
    source: Path,
    window: tuple[int, int],
    claims: Sequence[str] = (),
    seeds: Sequence[int] = (),
    images: int = 1000,
    say: Callable[[str], object] = lambda _: None,
) -> int:
    """Write a project that tests some claims on trainings of one recipe; return the number of files written.

    These are a ``RecipeError``: an unknown claim, a claim without an item on a network with these cuts, and a window
    whose ends are not checkpoints. A network that cannot be made or measured is a ``ModelError``. Existing files and a
    folder that cannot be written are errors of ``write_project``.

    Args:
        folder: folder of the project.
        recipe: recipe of the trainings, which were adopted or are still to be run.
        source: file of the recipe; the files of its arms lie beside it.
        window: first and last epoch of the late part of the training, in which claims test memory.
        claims: the claims; if left out, those that need only checkpoints and data.
        seeds: seeds of the trainings; if left out, all adopted ones.
        images: largest number of images of each split.
        say: takes a line on the usual claims that are left out, and why.
    """
    files = starter()
    register = load_register(files[REGISTER / "scales.toml"].parent)
    lists = _depths(recipe)
    chosen = _chosen(register, recipe, claims, lists)
    for reason, left in ({} if claims else _left(register, recipe, lists)).items():
        say(f"not asked: {', '.join(left)}: {reason}")
    windows = _windows(recipe, window, chosen)
    adopted = [int(seed) for seed in recipe.adopted.checkpoints] if recipe.adopted else list(SEEDS)
    trained = list(seeds) or adopted
    register.check_seeds(tuple(trained))
    names = [Path("claims") / "__init__.py", Path(".github/workflows/claims.yml")]
    for entry in chosen:
        names += [REGISTER / f"{entry.id}.toml", Path("claims") / f"test_{entry.id.replace('-', '_')}.py"]
    recipes = Path("fixtures") / "recipes"
    arms = {recipes / path.name: path for path in sorted(source.parent.glob(f"{recipe.name}-*.toml"))}
    copied = {name: files[name] for name in names} | (
        {} if _has_own_images(recipe) else {recipes / source.name: source}
    )
    scale: dict[str, Any] = {
        "tier": "fast",
        "seeds": trained,
        "images": images,
        "recipes": {recipe.name: recipe.name},
        "like": LIKE,
        "windows": {recipe.name: windows},
    }
    document = read_document(files[REGISTER / "scales.toml"])
    written = {
        REGISTER / "scales.toml": SCALES + toml_text(_scales(document, register, chosen, scale, lists)),
        Path("README.md"): _readme(register, recipe, chosen, trained),
    }
    if _has_own_images(recipe):
        written[recipes / source.name] = toml_text(as_written(recipe.to_dict()))
    return write_project(folder, copied | arms, WRITTEN | written)


def _has_own_images(recipe: Recipe) -> bool:
    """Whether a recipe names images by a path, which differs from another folder."""
    return recipe.data.set.endswith(".npz") and not recipe.adopted


def _chosen(
    register: Register, recipe: Recipe, claims: Sequence[str], lists: Mapping[str, Sequence[str]]
) -> list[Entry]:
    """Return the chosen claims, in the register's order.

    Raises:
        RecipeError: a claim is unknown, is not about the row that the scale is like, or is about depths that the
            network lacks.
    """
    if claims:
        asked = {claim: register.entry(claim) for claim in claims}
    else:
        usual = (register.entry(claim) for claim in register.scale(STRANGERS).claims)
        asked = {entry.id: entry for entry in usual if not recipe.lacking(_needs(entry)) and not entry.unasked(lists)}
    about = [entry.id for entry in register.entries.values() if LIKE.partition("/")[2] in entry.subjects]
    for claim, entry in asked.items():
        if claim not in about:
            raise RecipeError(unknown("claim of trained networks", claim, about, "there are"))
        if none := entry.unasked(lists):
            raise RecipeError(
                f"{claim} is about {none}, and {recipe.name} has none; leave the claim out, or cut the network earlier"
            )
    return [entry for entry in register.entries.values() if entry.id in asked]


def _left(register: Register, recipe: Recipe, lists: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Return why some of the usual claims are not asked, and which they are."""
    found: dict[str, list[str]] = {}
    for entry in map(register.entry, register.scale(STRANGERS).claims):
        reason = ""
        if unknown := recipe.lacking(_needs(entry)):
            reason = f"nobody knows the {' and '.join(unknown)} of {recipe.name}{telling(unknown)}"
        elif none := entry.unasked(lists):
            reason = f"there are no {none.replace('_', ' ')} of {recipe.name}; cut it earlier"
        if reason:
            found.setdefault(reason, []).append(entry.id)
    return found


def _needs(entry: Entry) -> set[str]:
    """Return the facts about a training that a claim's records need."""
    return {fact for record in entry.records.values() for fact in KINDS[record["kind"]].needs(record)}


def _windows(recipe: Recipe, window: tuple[int, int], chosen: Sequence[Entry]) -> dict[str, list[int]]:
    """Return every window of the chosen claims, by name.

    Raises:
        RecipeError: its ends are not checkpoints, or no checkpoint lies before it.
    """
    epochs, called = recipe.training.checkpoints, f"--window {window[0]}-{window[1]}"
    if window[0] >= window[1] or not {*window} <= {*epochs}:
        listed = ", ".join(map(str, epochs))
        raise RecipeError(f"{called}: its ends must be checkpoints of {recipe.name}: {listed}")
    if window[0] == epochs[0]:
        raise RecipeError(f"{called}: it begins at the first checkpoint; take a late part of the training")
    found = {}
    for name in dict.fromkeys(name for entry in chosen for name in entry.windows_of(*LIKE.split("/"))):
        start = epochs[0] + SPANNING.get(name, 0.0) * (epochs[-1] - epochs[0])
        whole = [min(epoch for epoch in epochs if epoch >= start), epochs[-1]]
        found[name] = whole if name in SPANNING else [*window]
    return found


def _depths(recipe: Recipe) -> dict[str, list[str]]:
    """Return the shared lists of depths for a recipe's network.

    A network that cannot be made, or does not take such images, is a ``ModelError``.

    Raises:
        RecipeError: the network has no depth.
    """
    dataset = stand_in(recipe.data.set, TRIED)
    network = new_network(recipe, dataset)
    if not network.depths:
        raise RecipeError(f"the network of {recipe.name} is not cut; name at least one cut")
    accept(network, dataset.train_images, dataset.classes, dataset.name)
    names = {depth: f"depth {number}" for number, depth in enumerate(network.depths, start=1)}
    inner = inner_depths(network, dataset.train_images[:TRIED])
    return {
        "depths": [*names.values()],
        "inner_cuts": [names[depth] for depth in inner],
        "last_cut": [*names.values()][-1:],
    }


def _scales(
    document: Mapping[str, Any],
    register: Register,
    chosen: Sequence[Entry],
    scale: Mapping[str, Any],
    lists: Mapping[str, Sequence[str]],
) -> dict[str, Any]:
    """Return the content of the project's ``scales.toml``, with lists of depths where they differ from ``LIKE``."""
    ((subject, _),) = scale["recipes"].items()
    own = {
        name: {subject: found}
        for name, found in lists.items()
        if found != at(document["shared"][name], *LIKE.split("/"))
    }
    asked = [entry.id for entry in chosen]
    shared = {name for entry in chosen for name in entry.shared}
    subjects = [
        subject for one in register.scales.values() for subject in one.recipes if subject not in scale["recipes"]
    ]
    elsewhere = [*register.scales, *subjects, *(claim for claim in register.entries if claim not in asked)]
    return {
        "schema": document["schema"],
        "pilot_seeds": document["pilot_seeds"],
        "elsewhere": list(dict.fromkeys(elsewhere)),
        "paper": document["paper"],
        "shared": {
            name: value | own[name] if name in own else value
            for name, value in document["shared"].items()
            if name in shared
        },
        "scales": {SCALE: scale},
    }


def _readme(register: Register, recipe: Recipe, chosen: Sequence[Entry], seeds: Sequence[int]) -> str:
    elsewhere = recipe.adopted is not None
    return README.format(
        name=recipe.name,
        count=len(chosen),
        title=register.paper["title"],
        arxiv=register.paper["arxiv"],
        trainings="trainings that were run elsewhere" if elsewhere else f"networks that `{recipe.name}` trains",
        seeds=", ".join(map(str, seeds)),
        train="" if elsewhere else "featdyn train                           # trains missing networks\n",
        recipe="facts about them, and the digests of their checkpoints." if elsewhere else "how they are trained.",
    )
