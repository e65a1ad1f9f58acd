"""Evaluation and training read the COCO files of other programs as an import does."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from napari_centermask.core.errors import BadAnnotations
from napari_centermask.evaluation.folder import evaluate_predictions, read_truth
from napari_centermask.io.coco.annotated import read_annotated
from napari_centermask.io.coco.document import read_coco, write_coco

H, W = 64, 80


def _box(k):
    return [[10, 5 + 9 * k, 22, 5 + 9 * k, 22, 12 + 9 * k, 10, 12 + 9 * k]]


@pytest.fixture
def data():
    """Two images with six cells each, in the form of the COCO paper."""
    cells = [
        {"id": 6 * i + k, "image_id": i, "category_id": 1, "iscrowd": 0, "segmentation": _box(k)}
        for i in (1, 2)
        for k in range(6)
    ]
    images = [{"id": i, "file_name": f"{i}.png", "width": W, "height": H} for i in (1, 2)]
    return {"images": images, "annotations": cells, "categories": [{"id": 1, "name": "cell"}]}


@pytest.fixture
def write(tmp_path):
    """Write the file and its images; returns the folder."""

    def write(data, names=("1.png", "2.png")):
        for name in names:
            (tmp_path / "images" / name).parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.random.default_rng(0).integers(0, 255, (H, W), np.uint8)).save(
                tmp_path / "images" / name
            )
        for name in ("annotations.json", "predictions.json"):
            (tmp_path / name).write_text(json.dumps(data))
        return tmp_path

    return write


def _of_annotations(**fields):
    def change(data):
        for n, item in enumerate(data["annotations"]):
            item |= {key: value(n) if callable(value) else value for key, value in fields.items()}

    return change


def _without_ids(data):
    for item in data["annotations"]:
        del item["id"]


def _without_sizes(data):
    for image in data["images"]:
        del image["width"], image["height"]


def _text_ids(data):
    for image in data["images"]:
        image["id"] = f"img{image['id']}"
    for item in data["annotations"]:
        item["image_id"] = f"img{item['image_id']}"


def _from_zero(data):
    data["categories"] = [{"id": 0, "name": "living"}, {"id": 1, "name": "dead"}]
    _of_annotations(category_id=lambda n: n % 2)(data)


def _as_table(data):
    data["annotations"] = {str(item["id"]): item for item in data["annotations"]}


def _flat_polygons(data):
    for item in data["annotations"]:
        (item["segmentation"],) = item["segmentation"]


KINDS = [
    _without_ids,
    _without_sizes,
    _text_ids,
    _from_zero,
    _as_table,
    _flat_polygons,
    _of_annotations(id=lambda n: f"a{n}"),
    _of_annotations(id=1),
    _of_annotations(score=None),
]


@pytest.mark.parametrize("change", KINDS)
def test_what_an_import_reads_can_be_evaluated(data, write, change):
    change(data)
    folder = write(data)
    report = evaluate_predictions(folder, None, folder / "predictions.json")
    assert (report.n_images, report.to_json()["f1"]) == (2, 1.0)
    assert sum(len(r.instances) for r in read_truth(folder, None)) == 12


@pytest.mark.parametrize(
    ("written", "there"),
    [
        (("a/1.png", "b/1.png"), ("a/1.png", "b/1.png")),
        (("images/1.png", "images/2.png"), ("1.png", "2.png")),
        (("sub\\1.png", "sub\\2.png"), ("sub/1.png", "sub/2.png")),
        (("https://host/x/1.png?key=1", "https://host/x/2.png"), ("1.png", "2.png")),
        (("0a1b2c3d-1.png", "0a1b2c3e-2.png"), ("1.png", "2.png")),
        (("../images/1.png", "../images/2.png"), ("1.png", "2.png")),
        (("1.tif", "2"), ("1.png", "2.png")),
    ],
)
def test_images_are_found_by_the_names_of_other_programs(data, write, written, there):
    for image, name in zip(data["images"], written, strict=True):
        image["file_name"] = name
    folder = write(data, there)
    assert [r.path for r in read_truth(folder, None)] == [folder / "images" / name for name in there]
    report = evaluate_predictions(folder, None, folder / "predictions.json")
    assert report.to_json()["f1"] == 1.0


def test_what_is_left_out_and_repaired_is_said(data, write):
    data["annotations"][0]["segmentation"] = []
    data["annotations"][1]["image_id"] = 77
    data["annotations"][2]["iscrowd"] = 1
    data["annotations"][3]["category_id"] = 5
    said = []
    records = read_annotated(write(data) / "annotations.json", say=said.append)
    assert sum(len(r.instances) for r in records) == 9
    text = "\n".join(said)
    for what in ("no outline", "not listed or was left out", "crowd region", "category was not listed"):
        assert f"{what}" in text
    assert all(line.startswith("annotations.json: ") for line in said)


def test_crowd_regions_stay_regions_when_written(data, write, tmp_path):
    data["annotations"][0]["iscrowd"] = 1
    records = read_annotated(write(data) / "annotations.json")
    assert [len(r.crowds) for r in records] == [1, 0]
    write_coco(tmp_path / "ours.json", records)
    again = read_coco(tmp_path / "ours.json")
    assert [len(r.instances) for r in again] == [5, 6]
    (region,) = again[0].crowds
    assert np.array_equal(region.mask, records[0].crowds[0].mask)


def test_our_own_files_are_read_strictly(data, write, tmp_path):
    write_coco(tmp_path / "ours.json", read_annotated(write(data) / "annotations.json"))
    broken = json.loads((tmp_path / "ours.json").read_text())
    broken["annotations"][0]["image_id"] = 77
    (tmp_path / "ours.json").write_text(json.dumps(broken))
    with pytest.raises(BadAnnotations, match="which is not listed"):
        read_annotated(tmp_path / "ours.json")
