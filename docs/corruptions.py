"""Draw every corruption at every severity: a row for each kind, a column for each severity, a few images in each cell.

Run from the root of the repository::

    python docs/corruptions.py [--data FOLDER] [--output docs/corruptions.png]

With ``--data`` the images are the first ones of ``x_test`` in FOLDER/cifar10.npz, uint8 (N, 32, 32, 3). Without it,
they are cut from the two photographs that come with scikit-learn, china.jpg and flower.jpg (CC BY 2.0,
attributed to danielbuechele in scikit-learn's ``datasets/images/README.txt``), and scaled to 32×32.
"""

import argparse
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont
from sklearn.datasets import load_sample_images

from featdyn_core.data.corruptions import EXTRA_KINDS, KINDS, corrupt
from featdyn_core.data.names import SEVERITIES
from featdyn_core.seeds import numpy_generator

SHOWN = 2
SIDE = 32
# In pixels of the drawing.
ENLARGEMENT = 2
GAP = 4
LABEL_WIDTH = 160
TITLE_HEIGHT = 20
SEED = 0


def sample_images() -> npt.NDArray[np.uint8]:
    """Return a square of each of scikit-learn's photographs, scaled down: (2, 32, 32, 3)."""
    china, flower = (Image.fromarray(photograph) for photograph in load_sample_images().images)
    squares = [china.crop((0, 0, 426, 426)), flower.crop((100, 0, 526, 426))]
    return np.stack([np.asarray(square.resize((SIDE, SIDE), Image.Resampling.BOX)) for square in squares])


def cifar_images(folder: Path) -> npt.NDArray[np.uint8]:
    """Return the first test images of ``folder``/cifar10.npz, (2, 32, 32, 3)."""
    with np.load(folder / "cifar10.npz") as archive:
        return archive["x_test"][:SHOWN]


def draw(images: npt.NDArray[np.uint8]) -> Image.Image:
    """Return the table of all corruptions of the images (N, H, W, 3)."""
    kinds = KINDS + EXTRA_KINDS
    count, height, width, _ = images.shape
    cell = (count * width * ENLARGEMENT, height * ENLARGEMENT)
    lefts = [LABEL_WIDTH + column * (cell[0] + GAP) for column in range(1 + len(SEVERITIES))]
    tops = [TITLE_HEIGHT + row * (cell[1] + GAP) for row in range(len(kinds))]
    table = Image.new("RGB", (lefts[-1] + cell[0], tops[-1] + cell[1]), "white")
    pen, font = ImageDraw.Draw(table), ImageFont.load_default(14)
    for left, title in zip(lefts, ["clean", *(f"severity {severity}" for severity in SEVERITIES)], strict=True):
        pen.text((left + cell[0] / 2, TITLE_HEIGHT / 2), title, "black", font, anchor="mm")
    for top, kind in zip(tops, kinds, strict=True):
        label = kind.replace("_", " ") + (" (synthesised)" if kind == "frost" else "")
        pen.text((LABEL_WIDTH - 2 * GAP, top + cell[1] / 2), label, "black", font, anchor="rm")
        rng = numpy_generator(SEED, "corrupt", kind)
        versions = [images, *(corrupt(images, kind, severity, rng) for severity in SEVERITIES)]
        for left, version in zip(lefts, versions, strict=True):
            strip = Image.fromarray(np.concatenate(list(version), axis=1))
            table.paste(strip.resize(cell, Image.Resampling.NEAREST), (left, top))
    return table


def main() -> None:
    """Read the command line, draw, and write a PNG file of 256 colours."""
    parser = argparse.ArgumentParser(description="Draw every corruption at every severity.")
    parser.add_argument("--data", type=Path, help="folder with cifar10.npz (default: scikit-learn's photographs)")
    parser.add_argument("--output", type=Path, default=Path(__file__).with_suffix(".png"))
    options = parser.parse_args()
    table = draw(cifar_images(options.data) if options.data else sample_images())
    table.quantize(256, dither=Image.Dither.NONE).save(options.output, optimize=True)


if __name__ == "__main__":
    main()
