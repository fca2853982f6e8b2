"""The picture of two features: regions as the classifier says, paths as the record has them."""

import dataclasses
import json

import numpy as np
import pytest

from featdyn_core.analysis.regions.planes import CELLS, IMAGES, MARGIN, plane
from featdyn_core.analysis.regions.turning import planted_paths
from featdyn_core.records.planting import CLASSES as NUMBER
from featdyn_core.verdicts.plane import CLASSES

LAYER = planted_paths(np.radians(np.linspace(0, 300, 40)))


def test_regions_are_classes_at_cell_centres_from_the_top_down():
    found = plane(LAYER, 3)
    assert (found.seed, found.epochs) == (3, [0, 1, 2])
    width, height = (np.diff(ends)[0] / CELLS for ends in (found.x, found.y))
    for row, column in ((0, 0), (0, CELLS - 1), (CELLS - 1, 5), (20, 30)):
        middle = [found.x[0] + (column + 0.5) * width, found.y[1] - (row + 0.5) * height]
        assert found.regions[row][column] == CLASSES[LAYER.classes(np.array(middle))]
    assert {len(found.regions), *map(len, found.regions)} == {CELLS}


def test_paths_are_of_the_first_images_of_each_class():
    found = plane(LAYER, 0)
    assert [path.label for path in found.paths] == [CLASSES[number] for number in range(NUMBER) for _ in range(IMAGES)]
    first, second = found.paths[:2]
    assert [first.x, first.y] == pytest.approx(LAYER.points[:, 0].T, abs=1e-3)
    assert [second.x, second.y] == pytest.approx(LAYER.points[:, NUMBER].T, abs=1e-3)


def test_all_paths_are_shown_with_a_margin():
    found = plane(LAYER, 0)
    shown = LAYER.points[:, : IMAGES * NUMBER]
    for ends, part in ((found.x, shown[..., 0]), (found.y, shown[..., 1])):
        room = MARGIN * np.ptp(part)
        assert ends == pytest.approx([part.min() - room, part.max() + room], abs=1e-3)


def test_a_picture_of_sixteen_epochs_takes_under_20_kilobytes():
    long = dataclasses.replace(
        LAYER, epochs=np.arange(16), points=np.repeat(LAYER.points[-1:] * 10.1234567, 16, axis=0)
    )
    assert len(json.dumps(dataclasses.asdict(plane(long, 0)), indent=1)) < 20_000
