"""Images that a model was trained on are recognised by their bytes, whatever they are called."""

from dataclasses import replace

import numpy as np
from PIL import Image

from napari_centermask.io.coco.image_record import ImageRecord
from napari_centermask.io.trained_on import fingerprint, merged, overlap, places_in, places_of


def record(path, cells, **fields):
    Image.fromarray(np.random.default_rng(len(path.stem)).integers(0, 255, (120, 160), np.uint8)).save(path)
    instances = cells(n=6, overlap=0.0, seed=1, shape=(120, 160), radius=9)
    return ImageRecord(1, path.name, path, instances.shape, instances, **fields)


def test_a_copy_under_another_name_is_known_and_another_image_is_not(tmp_path, cells):
    one, other = record(tmp_path / "a.png", cells), record(tmp_path / "other.png", cells)
    trained_on = places_of([one])
    (tmp_path / "copy.png").write_bytes((tmp_path / "a.png").read_bytes())
    assert places_in(replace(one, path=tmp_path / "copy.png", file_name="copy.png"), trained_on) == [(0, 0, 120, 160)]
    assert places_in(other, trained_on) == []
    assert places_in(replace(one, path=tmp_path / "gone.png"), trained_on) == []


def test_of_a_partly_reviewed_image_regions_and_right_cells_are_places(tmp_path, cells):
    one = record(tmp_path / "a.png", cells, reviewed=((0, 0, 60, 160),))
    first, *rest = sorted(one.instances, key=lambda c: -c.y0)
    kept = [replace(first, status="accepted"), *(replace(c, status="predicted") for c in rest)]
    (boxes,) = places_of([replace(one, instances=type(one.instances)(one.shape, kept))]).values()
    assert boxes[0] == (0, 0, 60, 160)
    assert overlap(boxes, [first.box])
    below = [c.box for c in rest if c.y0 > 62]
    assert below
    assert not overlap(boxes, below)


def test_places_of_parent_and_child_are_joined_without_doubles():
    joined = merged({"a": [(0, 0, 9, 9)], "b": [[0, 0, 2, 2]]}, {"a": [(0, 0, 3, 3), (5, 5, 12, 12)]})
    assert joined == {"a": [(0, 0, 9, 9), (5, 5, 12, 12)], "b": [(0, 0, 2, 2)]}
    assert not overlap([(0, 0, 4, 4)], [(4, 0, 8, 4)])


def test_images_in_one_file_have_a_fingerprint_each(lif):
    path, *_ = lif()
    prints = {fingerprint(path), fingerprint(path / "Series 1"), fingerprint(path / "Series_2_x")}
    assert len(prints) == 3
    assert fingerprint(path.rename(path.with_name("b.lif")) / "Series 1") in prints
