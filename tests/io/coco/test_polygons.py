import json

import numpy as np
import pytest

from napari_centermask.core.instances import Instance, Instances
from napari_centermask.io.coco.document import read_coco, write_coco
from napari_centermask.io.coco.image_record import ImageRecord
from napari_centermask.io.coco.polygons import polygon_loss, polygons_of

coco_mask = pytest.importorskip("pycocotools.mask")


def drawn(polygons, shape):
    encoded = coco_mask.merge(coco_mask.frPyObjects(polygons, *shape))
    return coco_mask.decode(encoded).astype(bool)


@pytest.mark.parametrize("seed", range(60))
def test_pycocotools_draws_the_very_mask_again_with_holes_and_parts(seed):
    rng = np.random.default_rng(seed)
    frame = np.zeros((40, 50), bool)
    h, w = rng.integers(1, 30, 2)
    frame[5 : 5 + h, 7 : 7 + w] = rng.random((h, w)) < rng.choice([0.2, 0.5, 0.8, 0.97])
    frame[5, 7] = True
    assert np.array_equal(drawn(polygons_of(Instance.from_mask(frame, id=1)), frame.shape), frame)


def test_a_ring_is_one_polygon_with_a_cut():
    frame = np.zeros((9, 9), bool)
    frame[1:8, 1:8] = True
    frame[3:6, 3:6] = False
    (polygon,) = polygons_of(Instance.from_mask(frame, id=1))
    assert len(polygon) == 2 * (4 + 1 + 4 + 1 + 1)
    frame[4, 4] = True
    assert len(polygons_of(Instance.from_mask(frame, id=1))) == 2


def test_cells_on_all_borders_of_the_image_stay_exact():
    frame = np.ones((7, 11), bool)
    frame[3, 5] = False
    assert np.array_equal(drawn(polygons_of(Instance.from_mask(frame, id=1)), frame.shape), frame)


def test_simplification_saves_points_and_its_loss_is_counted(cells):
    truth = cells(n=20, overlap=0.5)
    record = ImageRecord(1, "a.png", None, truth.shape, truth)
    exact, coarse = (sum(len(p) for c in truth for p in polygons_of(c, tolerance=t)) for t in (0, 1.0))
    assert coarse < exact / 3
    loss = polygon_loss([record], tolerance=1.0)
    expected = [drawn(polygons_of(c, tolerance=1.0), truth.shape) for c in truth]
    frames = [np.zeros(truth.shape, bool) for _ in truth]
    for frame, cell in zip(frames, truth, strict=True):
        frame[cell.box[0] : cell.box[2], cell.box[1] : cell.box[3]] = cell.mask
    assert loss.pixels == sum(int((a ^ b).sum()) for a, b in zip(expected, frames, strict=True))
    assert loss.worst_iou == min((a & b).sum() / (a | b).sum() for a, b in zip(expected, frames, strict=True))
    assert loss.worst_iou > 0.85
    assert (loss.cells, loss.all_pixels) == (20, sum(c.area for c in truth))
    assert str(polygon_loss([record])) == "Polygons hold all cells exactly."
    assert str(loss).startswith("Polygons change ")


def test_tiny_cells_survive_any_tolerance():
    truth = Instances((9, 9), [Instance(1, 4, 4, np.ones((1, 1), bool))])
    assert polygon_loss([ImageRecord(1, "a", None, (9, 9), truth)], tolerance=5).worst_iou > 0


def test_a_file_of_polygons_reads_back_exactly(tmp_path, cells):
    truth = cells(n=20, overlap=0.5)
    holed = truth[3].mask.copy()
    holed[6:9, 6:9] = False
    truth.set(3, Instance.from_mask(holed, (truth[3].y0, truth[3].x0), id=3))
    write_coco(tmp_path / "p.json", [ImageRecord(1, "a.png", None, truth.shape, truth)], polygons=0.0)
    data = json.loads((tmp_path / "p.json").read_text())
    assert all(isinstance(a["segmentation"], list) for a in data["annotations"])
    assert read_coco(tmp_path / "p.json")[0].instances.equals(truth)


def test_real_cells_are_exact_as_polygons(shared):
    for name in ("baby_yeast", "dsb_overlap_composite"):
        folder = shared / "data" / name
        assert polygon_loss(read_coco(folder / "annotations_test.json")).changed == 0
