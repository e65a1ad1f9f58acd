import json

import numpy as np
import pytest

from napari_centermask.core.errors import BadAnnotations
from napari_centermask.io.coco.document import check_images, read_coco, write_coco
from napari_centermask.io.coco.image_record import ImageRecord

coco_mask = pytest.importorskip("pycocotools.mask")


def minimal(**changes):
    data = {
        "images": [{"id": 1, "file_name": "a.png", "height": 6, "width": 6}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "segmentation": {"size": [6, 6], "counts": [7, 2, 27]}}
        ],
        "categories": [{"id": 1, "name": "nucleus"}],
    }
    return data | changes


def write(tmp_path, data):
    path = tmp_path / "c.json"
    path.write_text(data if isinstance(data, str) else json.dumps(data))
    return path


def test_what_is_written_reads_back_equal_to_the_bit(tmp_path, cells):
    truth = cells(n=30, overlap=0.6)
    path = tmp_path / "out.json"
    write_coco(path, [ImageRecord(7, "a.png", None, truth.shape, truth, {"pixel_size_um": 0.5})])
    (record,) = read_coco(path)
    assert record.instances.equals(truth)
    assert (record.id, record.extra) == (7, {"pixel_size_um": 0.5})
    assert not list(tmp_path.glob("*.part"))


def test_pycocotools_reads_the_same_masks(tmp_path, cells):
    from pycocotools.coco import COCO

    truth = cells(n=15, overlap=0.5)
    path = tmp_path / "out.json"
    write_coco(path, [ImageRecord(1, "a.png", None, truth.shape, truth)])
    coco = COCO(str(path))
    for annotation, cell in zip(coco.loadAnns(coco.getAnnIds()), truth, strict=True):
        frame = np.zeros(truth.shape, bool)
        y0, x0, y1, x1 = cell.box
        frame[y0:y1, x0:x1] = cell.mask
        assert np.array_equal(coco.annToMask(annotation).astype(bool), frame)
        assert annotation["area"] == cell.area


def test_real_annotations_survive_a_round_trip(tmp_path, shared):
    source = shared / "data" / "dsb_overlap_composite" / "annotations_val.json"
    records = read_coco(source, images_root=source.parent / "images")
    check_images(source, records)
    write_coco(tmp_path / "out.json", records)
    before = [a["segmentation"]["counts"] for a in json.loads(source.read_text())["annotations"]]
    after = [a["segmentation"]["counts"] for a in json.loads((tmp_path / "out.json").read_text())["annotations"]]
    assert sorted(before) == sorted(after)


def test_polygons_are_rasterised_as_pycocotools_does(tmp_path):
    polygon = [1.2, 1.0, 4.9, 1.5, 3.0, 4.6]
    data = minimal()
    data["annotations"][0]["segmentation"] = [polygon]
    (record,) = read_coco(write(tmp_path, data))
    (cell,) = record.instances
    frame = np.zeros((6, 6), bool)
    y0, x0, y1, x1 = cell.box
    frame[y0:y1, x0:x1] = cell.mask
    assert np.array_equal(frame, coco_mask.decode(coco_mask.frPyObjects([polygon], 6, 6))[..., 0].astype(bool))


def test_crowds_are_not_cells(tmp_path):
    data = minimal()
    data["annotations"][0]["iscrowd"] = 1
    assert len(read_coco(write(tmp_path, data))[0].instances) == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("{", "cannot be read"),
        ("[]", "is not COCO"),
        (minimal(images=[{"id": 1, "file_name": "a.png", "height": -6, "width": 6}]), "not positive"),
        (minimal(images=[{"id": 1, "file_name": "a.png", "height": 6}]), "'width' of .* must be an integer"),
        (minimal(images=minimal()["images"] * 2), "image id 1 twice"),
        (minimal(annotations=minimal()["annotations"] * 2), "annotation id 1 twice"),
        (minimal(categories=[{"id": 2, "name": "x"}]), "has category 1"),
        (minimal(images=[{"id": 3, "file_name": "a.png", "height": 6, "width": 6}]), "which is not listed"),
        (minimal(images=[{"id": 1, "file_name": "../../etc/passwd", "height": 6, "width": 6}]), "is outside"),
        (minimal(images=[{"id": 1, "file_name": "./", "height": 6, "width": 6}]), "is outside"),
        (minimal(images=[{"id": 1, "file_name": "a", "height": 6, "width": 6, "x": float("nan")}]), "JSON cannot hold"),
        (minimal(categories=[{"id": 0, "name": "x"}]), "at least 1"),
    ],
)
def test_bad_files_get_one_clear_message(tmp_path, change, message):
    with pytest.raises(BadAnnotations, match=message):
        read_coco(write(tmp_path, change))


@pytest.mark.parametrize(
    ("segmentation", "message"),
    [
        ({"size": [5, 6], "counts": [7, 2, 27]}, "RLE size"),
        ({"size": [6, 6], "counts": [99, 2, 27]}, "damaged"),
        ({"size": [6, 6], "counts": "~~"}, "damaged"),
        ([[1, 2, 3]], "three x, y points"),
        (None, "polygons or RLE"),
    ],
)
def test_bad_segmentations_name_the_annotation(tmp_path, segmentation, message):
    data = minimal()
    data["annotations"][0]["segmentation"] = segmentation
    with pytest.raises(BadAnnotations, match=message):
        read_coco(write(tmp_path, data))


def test_missing_images_are_named(tmp_path):
    path = write(tmp_path, minimal())
    with pytest.raises(BadAnnotations, match=r"1 image that cannot be found: a\.png"):
        check_images(path, read_coco(path))


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path, cells):
    truth = cells(n=3)
    path = tmp_path / "out.json"
    path.write_text("old")
    with pytest.raises(TypeError):
        write_coco(path, [ImageRecord(1, "a.png", None, truth.shape, truth, {"bad": object()})])
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["out.json"]
