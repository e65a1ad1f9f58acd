"""Whoever brings data of another tool is told the command that makes COCO of it."""

import json
import shlex

import numpy as np
import pytest
import tifffile

from napari_centermask import cli
from napari_centermask.io.formats.conversion import how_to_convert

LABELS = np.kron(np.eye(2, dtype=np.uint8), np.ones((6, 6), np.uint8))
SHAPES = {"shapes": [{"label": "cell", "points": [[1, 1], [6, 1], [6, 6]], "shape_type": "polygon", "group_id": None}]}
LABELME = json.dumps(SHAPES | {"imagePath": "a.tif", "imageData": None, "imageHeight": 12, "imageWidth": 12})


def write(folder, files):
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content) if isinstance(content, str) else tifffile.imwrite(path, content)


@pytest.mark.parametrize(
    "files",
    [
        {"images/a.tif": LABELS * 90, "masks/a.tif": LABELS},
        {"a.tif": LABELS * 90, "a_masks.tif": LABELS},
        {"images/a.tif": LABELS * 90, "labels/a.txt": "0 0.1 0.1 0.5 0.1 0.5 0.5\n"},
        {"a.tif": LABELS * 90, "a.json": LABELME},
        {"t000.tif": LABELS * 90, "../01_GT/SEG/man_seg000.tif": LABELS},
    ],
    ids=["StarDist", "Cellpose", "YOLO", "LabelMe", "Cell Tracking Challenge"],
)
def test_the_command_writes_annotations_beside_the_images(tmp_path, files):
    folder = tmp_path / "my data" / "01"
    folder.mkdir(parents=True)
    write(folder, files)
    _, *words = shlex.split(how_to_convert(folder))
    assert cli.run(words) == 0
    written = json.loads((folder / "annotations.json").read_text())
    assert [image["file_name"] for image in written["images"]] == [p.rpartition("/")[2] for p in files][:1]
    assert written["annotations"]


def test_images_alone_are_nobodys_cells(tmp_path):
    write(tmp_path, {"a.tif": LABELS * 90, "b.tif": LABELS, "notes.txt": "From the microscope downstairs."})
    assert how_to_convert(tmp_path) is None
    assert how_to_convert(tmp_path / "missing") is None
