"""The same stack gives the same cells everywhere: command line, dock, predictions for the next images, evaluation."""

import numpy as np
import pytest
import tifffile

from napari_centermask import cli
from napari_centermask.core.regions import contains
from napari_centermask.core.result import centre
from napari_centermask.evaluation.folder import predictor
from napari_centermask.io.coco.document import read_coco
from napari_centermask.io.images import read_image
from napari_centermask.pipeline import Plane, PlaneCells
from napari_centermask.settings import SegmentSettings
from napari_centermask.widgets.project.predictions import predict
from napari_centermask.widgets.viewer.planes import ImagePlanes
from napari_centermask.widgets.work import tasks

SHAPE, BLANK = (700, 620), 2
SETTINGS = SegmentSettings(tile=256, score=0.5)
FLAGS = ("--tile", "256", "--score", "0.5")


@pytest.fixture
def stack(fake, tmp_path, monkeypatch):
    """A stack of cells that grow from plane to plane, with a constant plane, and an engine for every entry."""
    radii = (12, 14, 0, 17, 20, 24, 28)
    planes = [fake.draw(SHAPE, fake.place(SHAPE, 60, radii=(0.8 * r, 1.2 * r)) if r else [])[0] for r in radii]
    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, np.stack(planes).astype(np.uint8), imagej=True, metadata={"axes": "ZYX"})
    engine = fake.engine()
    monkeypatch.setattr("napari_centermask.engines.load.load_engine", lambda *_, **__: engine)
    monkeypatch.setattr(tasks, "cached_engine", lambda settings: engine)
    return path


def by_command(path, out):
    assert cli.run(["segment", str(path), "--out", str(out), "--format", "coco", *FLAGS]) == 0
    return {record.plane: record.instances for record in read_coco(out / "annotations.json")}


def by_worker(steps):
    """The cells by plane, and the generator's value."""
    by_plane = {}
    while True:
        try:
            step = next(steps)
        except StopIteration as end:
            return by_plane, end.value
        if isinstance(step, PlaneCells):
            by_plane[step.plane.index] = step.cells


def by_prediction(path):
    """The cells by plane of a prediction in a project, and of all images of one."""
    _, done = by_worker(predict(path, SETTINGS))
    return {plane.plane.index: plane.cells for plane in done.planes}


def of_dock(path, **region):
    planes = ImagePlanes(tifffile.imread(path))
    return [Plane(index, planes.plane(index), **region) for index in planes.indices()]


def outlines(cells):
    return {(cell.box, cell.mask.tobytes()) for cell in cells}


def masks(cells):
    return {(cell.box, cell.mask.tobytes(), round(cell.score, 6), cell.category) for cell in cells}


def test_a_stack_with_a_blank_plane_has_the_same_cells_by_every_entry(stack, tmp_path, fake):
    expected = by_command(stack, tmp_path / "out")
    assert [len(expected[z,]) > 20 for z in range(7)] == [z != BLANK for z in range(7)]
    docked, end = by_worker(tasks.run(of_dock(stack), SETTINGS))
    predicted = by_prediction(stack)
    image, indices = read_image(stack), [(z,) for z in range(7)]
    evaluated = dict(zip(indices, predictor(fake.engine(), SETTINGS)(image, indices), strict=True))
    for entry in (docked, predicted, evaluated):
        assert entry.keys() == expected.keys()
        for index, cells in expected.items():
            assert masks(entry[index]) == masks(cells)
    assert end.n_planes == 7
    assert [why.startswith(f"{BLANK}: It has no contrast") for why in end.left_out] == [True]


@pytest.mark.parametrize("bad", ["nan", "ends", "dropped"])
def test_planes_that_cannot_be_used_have_no_cells_by_every_entry(stack, tmp_path, fake, bad):
    pixels = tifffile.imread(stack).astype(np.float32)
    empty = {"nan": [BLANK, 4], "ends": [0, BLANK, 6], "dropped": [BLANK, 3, 4]}[bad]
    if bad == "nan":
        pixels[4, 30, 40] = np.nan
    else:
        pixels[empty] = 0
    tifffile.imwrite(stack, pixels, imagej=True, metadata={"axes": "ZYX"})
    expected = by_command(stack, tmp_path / "out")
    assert [z for z in range(7) if not len(expected[z,])] == empty
    docked, _ = by_worker(tasks.run(of_dock(stack), SETTINGS))
    predicted = by_prediction(stack)
    indices = [(z,) for z in range(7)]
    evaluated = dict(zip(indices, predictor(fake.engine(), SETTINGS)(read_image(stack), indices), strict=True))
    for entry in (docked, predicted, evaluated):
        assert [z for z in range(7) if not len(entry[z,])] == empty


def test_planes_that_are_evaluated_alone_have_the_cells_of_the_stack(stack, tmp_path, fake):
    expected = by_command(stack, tmp_path / "out")
    some = predictor(fake.engine(), SETTINGS)(read_image(stack), [(6,), (1,)])
    assert [masks(cells) for cells in some] == [masks(expected[6,]), masks(expected[1,])]


def test_a_drawn_region_has_the_cells_that_the_whole_plane_has_there(stack, tmp_path):
    single = tmp_path / "plane.tif"
    tifffile.imwrite(single, tifffile.imread(stack)[3])
    (whole,) = by_command(single, tmp_path / "out").values()
    triangle = np.array([(80.3, 60.0), (500.0, 200.7), (250.0, 590.0)])
    docked, _ = by_worker(tasks.run(of_dock(single, region=(triangle,)), SETTINGS))
    inside = [cell for cell in whole if contains([triangle], centre(cell))]
    assert 5 < len(inside) < len(whole) - 5
    assert outlines(docked[()]) == outlines(inside)


def test_the_diameter_that_the_dock_estimates_is_that_of_the_run(stack):
    _, end = by_worker(tasks.run(of_dock(stack), SETTINGS))
    _, estimated = by_worker(tasks.estimate_diameter(of_dock(stack), SETTINGS))
    assert estimated == end.diameter
