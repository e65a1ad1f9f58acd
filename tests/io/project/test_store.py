"""Annotations that were not opened stay as they came."""

from __future__ import annotations

import json

import numpy as np
import pytest
from strokes import draw, square

from napari_centermask.core.errors import (
    BadProject,
)
from napari_centermask.core.instances import Instances
from napari_centermask.io.coco.document import to_coco
from napari_centermask.io.coco.image_record import ImageRecord
from napari_centermask.io.project import Project, store


def test_annotations_that_are_gone_are_not_taken_for_none(folder):
    with Project.open(folder) as project:
        draw(project, 1, square(3, 4, 20, 30))
        project.save()
        project.save()
    (folder / "annotations.json").unlink()
    with pytest.raises(BadProject, match=r"annotations\.previous\.json"):
        Project.open(folder)
    (folder / "annotations.previous.json").rename(folder / "annotations.json")
    with Project.open(folder) as again:
        assert len(again.result(1)) == 1


@pytest.mark.parametrize(
    "value",
    [{}, [], {"a": [], "b": {}, "c": None}, {"n": [{"k": i, "s": 'é"'} for i in range(1201)], "m": {"h": [1, 2.5]}}],
)
def test_parts_of_a_file_are_together_what_json_makes_of_it(value):
    assert "".join(store._parts(value)) == json.dumps(value)


def test_images_that_were_not_opened_are_written_back_as_they_came(folder):
    raw = {
        "info": {"year": 2020},
        "licenses": [{"id": 1, "name": "CC0"}],
        "images": [
            {"id": 7, "file_name": "a1.png", "height": 64, "width": 80, "license": 1},
            {"id": 9, "file_name": "lost.png", "height": 10, "width": 10},
        ],
        "annotations": [
            {
                "id": 4,
                "image_id": 7,
                "category_id": 3,
                "segmentation": [[2, 2, 9, 2, 9, 9]],
                "iscrowd": 0,
                "by": "Ada",
                "bbox": [2, 2, 7, 7],
                "area": 24.5,
            },
            {
                "id": 6,
                "image_id": 7,
                "category_id": 3,
                "segmentation": {"size": [64, 80], "counts": [0, 9, 5111]},
                "iscrowd": 1,
            },
            {"id": 5, "image_id": 9, "category_id": 3, "segmentation": [[2, 2, 9, 2, 9, 9]]},
        ],
        "categories": [{"id": 3, "name": "yeast"}],
    }
    (folder / "annotations.json").write_text(json.dumps(raw))
    with Project.open(folder) as project:
        assert project.status(1) == "in work"
        assert [c.name for c in project.categories.values()] == ["yeast"]
        draw(project, 2, square(1, 1, 5, 5), category=3)
        project.save()
        data = json.loads((folder / "annotations.json").read_text())
        assert data["licenses"] == raw["licenses"]
        assert data["info"]["year"] == 2020
        by_name = {i["file_name"]: i for i in data["images"]}
        assert by_name["a1.png"]["license"] == 1
        kept = [a for a in data["annotations"] if a["image_id"] == by_name["a1.png"]["id"]]
        assert [{**a, "id": 0, "image_id": 0} for a in kept] == [
            {**a, "id": 0, "image_id": 0} for a in raw["annotations"][:2]
        ]
        draw(project, 1, square(30, 30, 40, 40), category=3)
        project.save()
    data = json.loads((folder / "annotations.json").read_text())
    assert sum(a["iscrowd"] for a in data["annotations"] if "iscrowd" in a) == 1
    assert len(data["annotations"]) == 5
    with Project.open(folder) as again:
        assert len(again.result(1)) == 2


def test_crowd_regions_stay_on_their_plane_and_painted_masks_of_cvat_are_cells_once(tmp_path):
    import tifffile

    tifffile.imwrite(tmp_path / "s.tif", np.zeros((3, 64, 80), np.uint8), metadata={"axes": "ZYX"}, imagej=True)
    crowd = {"category_id": 1, "segmentation": {"size": [64, 80], "counts": [0, 9, 5111]}, "iscrowd": 1}
    planes = [
        ImageRecord(
            1 + n, "s.tif", None, (64, 80), Instances((64, 80), categories={1: "cell"}), plane=(n,), leading=(3,)
        )
        for n in range(3)
    ]
    data = to_coco(planes)
    data["annotations"] = [
        {"id": 1, "image_id": 3, **crowd},
        {"id": 2, "image_id": 2, **crowd, "attributes": {"occluded": False}},
    ]
    (tmp_path / "annotations.json").write_text(json.dumps(data))
    for n in range(2):
        with Project.open(tmp_path) as project:
            assert [c.area for c in project.result(1).plane((1,))] == [9] * (n + 1)
            assert {index: len(found) for index, found in project.crowds(1).items()} == {(2,): 1}
            draw(project, 1, square(30 + 8 * n, 4, 33 + 8 * n, 7), plane=(1,))
            project.save()
