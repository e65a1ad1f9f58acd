"""COCO as a format: files of other programs come with notes, ours as they are."""

import json

from napari_centermask.io.formats import FORMATS


def test_many_images_share_a_file_and_ids_of_images_do_not_repeat(tmp_path, result, same):
    before = [result((2,), name="a.png"), result(name="b.png")]
    FORMATS["coco"].write(tmp_path / "all.json", before)
    reading = FORMATS["coco"].read(tmp_path / "all.json")
    assert reading.notes == ()
    assert all(map(same, reading.results, before))
    ids = [i["id"] for i in json.loads((tmp_path / "all.json").read_text())["images"]]
    assert ids == [1, 2, 3]


def test_what_was_repaired_and_left_out_of_a_foreign_file_is_said(tmp_path):
    square = {"image_id": 1, "category_id": 1, "segmentation": [2, 2, 9, 2, 9, 9, 2, 9]}
    data = {
        "images": [{"id": 1, "file_name": "a.png", "height": 20, "width": 20}],
        "annotations": [square | {"id": 1}, {"id": 2, "image_id": 1, "category_id": 1}],
        "categories": [{"id": 1, "name": "cell"}],
    }
    (tmp_path / "theirs.json").write_text(json.dumps(data))
    reading = FORMATS["coco"].read(tmp_path / "theirs.json")
    assert [len(r) for r in reading.results] == [1]
    assert {note.split(":")[0] for note in reading.notes} == {"Left out", "Repaired"}
