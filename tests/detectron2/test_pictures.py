"""The Visualizer draws our cells."""

import numpy as np
import pytest

from napari_centermask.detectron2.pictures import as_instances, draw, write_picture
from napari_centermask.io.coco.document import read_coco
from napari_centermask.io.images import read_plane

pytest.importorskip("detectron2.modeling", reason="detectron2 is not installed (docs/detectron2.md)")


@pytest.fixture
def record(folder):
    return read_coco(folder / "annotations.json", images_root=folder / "images")[0]


def test_cells_become_instances_with_their_masks(record):
    theirs = as_instances(record.instances)
    cells = list(record.instances)
    assert theirs.pred_masks.sum(dim=(1, 2)).tolist() == [cell.area for cell in cells]
    assert theirs.pred_classes.tolist() == [cell.category - 1 for cell in cells]


def test_a_picture_shows_the_cells_on_the_image(record, tmp_path):
    image = np.asarray(read_plane(record.path))
    plain = draw(image, type(record.instances)(record.shape, categories=record.instances.categories))
    shown = draw(image, record.instances)
    assert shown.shape == (*record.shape, 3)
    differs = (plain != shown).any(axis=2)
    masks = as_instances(record.instances).pred_masks.any(dim=0).numpy()
    assert differs[masks].mean() > 0.8
    write_picture(tmp_path / "a.png", record.path, record.instances)
    assert (tmp_path / "a.png").stat().st_size > 0
