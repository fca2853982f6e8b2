"""Train one epoch of ``cifar10-reduced`` into a temporary store and print the process's peak memory, as JSON.

It is a separate process, ``python -m benchmarks.peak_memory``, with the same imports as a training.
Without CIFAR-10 in the folder of image sets it has random images of the same form: 50,000 and 10,000, from which the
recipe draws its subset.
"""

import argparse
import dataclasses
import json
import os
import re
import tempfile
from pathlib import Path

import numpy as np

from featdyn_core.project import data_root
from featdyn_core.store.supply import Store, get_trajectory
from featdyn_core.trajectories.recipe import Recipe, load_recipe
from featdyn_core.trajectories.specs import TrainingSpec

RECIPE = "cifar10-reduced"
SOURCES = ("cifar10.npz", "cifar-10-batches-py")
"""Where the folder of image sets has CIFAR-10, so that nothing must be downloaded."""

QUICK_IMAGES = 512


def one_epoch(recipe: Recipe, images: int | None) -> Recipe:
    """Return the recipe with one epoch, and another number of training images if one is given."""
    data = recipe.data if images is None else dataclasses.replace(recipe.data, subset=images)
    training = TrainingSpec(1, recipe.training.batch_size, (0, 1), recipe.training.precision)
    return recipe.replace(data=data, training=training)


def write_random_images(root: Path) -> None:
    """Write random images of CIFAR-10's form where ``load_dataset`` finds them."""
    rng, arrays = np.random.default_rng(0), {}
    for part, count in (("train", 50_000), ("test", 10_000)):
        arrays[f"x_{part}"] = rng.integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)
        arrays[f"y_{part}"] = rng.integers(0, 10, count)
    np.savez(root / SOURCES[0], **arrays)


def peak_mib() -> float | None:
    """Most memory that this process had resident, in MiB; None where the system does not say.

    This is not ``ru_maxrss``, because Linux lets a process inherit that from its parent.
    """
    status = Path("/proc/self/status")
    found = re.search(r"^VmHWM:\s+(\d+) kB$", status.read_text(), re.MULTILINE) if status.exists() else None
    return int(found[1]) / 1024 if found else None


def main() -> None:
    """Train and print ``data``, ``images`` and ``peak MiB``."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peak_memory", description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"only {QUICK_IMAGES} training images")
    recipe = one_epoch(load_recipe(RECIPE), QUICK_IMAGES if parser.parse_args().quick else None)
    published = any((data_root() / name).exists() for name in SOURCES)
    with tempfile.TemporaryDirectory() as root:
        if not published:
            write_random_images(Path(root))
            os.environ["FEATDYN_DATA"] = root
        dataset = get_trajectory(recipe, 0, store=Store(Path(root) / "store", device="cpu")).dataset
    source = dataset.source if published else "random images"
    print(json.dumps({"data": source, "images": len(dataset.train_labels), "peak MiB": peak_mib()}))


if __name__ == "__main__":
    main()
