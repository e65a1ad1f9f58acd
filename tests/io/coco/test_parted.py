"""Large COCO files are read for one image at a time, with the same result as when they are read as a whole."""

from __future__ import annotations

import codecs
import gc
import json
import os
import pickle
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from napari_centermask.core.errors import BadAnnotations
from napari_centermask.core.instances import Instance
from napari_centermask.io.coco import parted
from napari_centermask.io.coco.annotated import read_annotated
from napari_centermask.io.coco.document import write_coco
from napari_centermask.io.coco.image_record import ImageRecord
from napari_centermask.io.coco.parted import Parted

H, W = 40, 60


@pytest.fixture
def in_parts(monkeypatch):
    """Read every file in parts, in pieces of a few bytes."""
    monkeypatch.setattr(parted, "LARGEST_WHOLE", 0)
    monkeypatch.setattr(parted, "_PIECE", 7)
    parted._indexed.cache_clear()


@pytest.fixture
def records(cells):
    """Three images, one without cells, with all that a record can hold."""
    first, second = (cells(n=7, seed=n, overlap=0.3, shape=(H, W)) for n in (1, 2))
    first.set(first.ids[0], replace(first[first.ids[0]], status="rejected", source="zellen größe"))
    crowd = Instance.from_mask(np.ones((5, 6), bool), (3, 4), id=99)
    return [
        ImageRecord(1, "größe.png", None, (H, W), first, {"group": "a"}, crowds=(crowd,)),
        ImageRecord(2, "b.png", None, (H, W), type(first)((H, W))),
        ImageRecord(5, "c.png", None, (H, W), second, reviewed=((0, 0, 20, 30),)),
    ]


@pytest.fixture
def folder(tmp_path, records):
    """Write the file, and the images beside it."""
    for record in records:
        Image.fromarray(np.zeros((H, W), np.uint8)).save(tmp_path / record.file_name)
    write_coco(tmp_path / "a.json", records)
    return tmp_path


def _same(actual, expected):
    assert len(actual) == len(expected)
    for a, b in zip(actual, expected, strict=True):
        assert a.instances.equals(b.instances)
        assert a.instances.categories == b.instances.categories
        assert a.instances.next_id == b.instances.next_id
        assert len(a.instances) == len(b.instances)
        assert a.instances.statuses == b.instances.statuses
        assert all(x.equals(y) for x, y in zip(a.crowds, b.crowds, strict=True))
        bare = {"instances": None, "crowds": ()}
        assert replace(a, **bare) == replace(b, **bare)


def _annotations_first(data):
    return {"annotations": data["annotations"]} | data


def _mixed(data):
    order = sorted(data["annotations"], key=lambda item: item["id"] % 3)
    return data | {"annotations": order}


def _foreign(data):
    """As another program writes it: without our fields, one image under two ids, an annotation of no image, text for ids."""
    items = [{k: v for k, v in item.items() if k != "napari_centermask"} for item in data["annotations"]]
    items[-1] = items[-1] | {"image_id": 77}
    items[-2] = items[-2] | {"image_id": "2", "category_id": "8"}
    items[-3] = items[-3] | {"image_id": 6}
    images = [{k: v for k, v in image.items() if k != "napari_centermask"} for image in data["images"]]
    return {"images": [*images, images[2] | {"id": 6}], "annotations": items, "categories": data["categories"]}


@pytest.mark.parametrize("change", [dict, _annotations_first, _mixed, _foreign])
@pytest.mark.parametrize("bom", [b"", codecs.BOM_UTF8])
@pytest.mark.parametrize("indent", [None, 2])
def test_records_are_those_of_the_whole_file(folder, request, change, bom, indent):
    path = folder / "a.json"
    text = json.dumps(change(json.loads(path.read_text())), indent=indent, ensure_ascii=False)
    path.write_bytes(bom + text.encode())
    notes, said = [], []
    expected = read_annotated(path, say=notes.append)
    request.getfixturevalue("in_parts")
    actual = read_annotated(path, say=said.append)
    assert [type(r.instances).__name__ for r in actual] == ["LaterInstances"] * 3
    _same(actual, expected)
    assert sorted(said) == sorted(notes)
    _same(pickle.loads(pickle.dumps(actual)), expected)
    for record in actual:  # of another record in between, and of the same one twice
        assert record.instances.meeting((0, 0, 20, 30)) or not len(record.instances)
    _same(actual, expected)


def test_only_one_image_is_in_memory(folder, in_parts):
    records = read_annotated(folder / "a.json")

    def alive():
        gc.collect()
        return sum(type(o) is Instance for o in gc.get_objects())

    before = alive()
    for record in records:
        assert sum(cell.area for cell in record.instances) >= 0
        del record
    assert alive() - before <= 7


def test_an_edited_record_keeps_its_edits_and_no_other_sees_them(folder, in_parts):
    path = folder / "a.json"
    record, same = read_annotated(path)[0], read_annotated(path)[0]
    id = record.instances.ids[1]
    gone = record.instances.set(id, None)
    new = record.instances.add(replace(gone, id=0))
    read_annotated(path)[2].instances.ids  # noqa: B018 - another image takes the place of the one read last
    assert id not in record.instances
    assert new.id in record.instances
    assert len(record.instances) == 7
    assert new.id == same.instances.next_id == record.instances.next_id - 1
    assert id in same.instances
    assert id in read_annotated(path)[0].instances


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d["annotations"][-1].update(id=d["annotations"][0]["id"]), "annotation id 1 twice"),
        (lambda d: d["annotations"][-1].update(id=2**70) or d["annotations"][0].update(id=2**70), "twice"),
        (lambda d: d["annotations"][3].update(id=2**70) or d["annotations"][-1].update(id=1), "annotation id 1 twice"),
        (lambda d: d["annotations"][3].update(image_id=44), "belongs to image 44"),
        (lambda d: d.pop("images"), "has no 'images'"),
        (lambda d: d["annotations"][3].update(category_id=9), "has category 9"),
        (lambda d: d["annotations"][3]["segmentation"].update(counts="~~"), "its RLE is damaged"),
        (lambda d: d["images"].append(d["images"][0]), "image id 1 twice"),
    ],
)
def test_what_is_wrong_is_named_as_in_the_whole_file(folder, request, change, message):
    path = folder / "a.json"
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))
    with pytest.raises(BadAnnotations, match=message):
        read_annotated(path)
    request.getfixturevalue("in_parts")
    with pytest.raises(BadAnnotations, match=message):
        read_annotated(path)


def test_images_that_come_later_are_found(tmp_path, in_parts):
    square = [[2, 1, 6, 1, 6, 5, 2, 5]]
    data = {"images": [{"id": 1, "file_name": "a.png", "height": 8, "width": 8}], "categories": [], "annotations": []}
    data["annotations"] = [{"id": 1, "image_id": 1, "category_id": 1, "segmentation": square}]
    (tmp_path / "a.json").write_text(json.dumps(data))
    assert [r.path for r in read_annotated(tmp_path / "a.json")] == [None]
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "a.png")
    assert [r.path for r in read_annotated(tmp_path / "a.json")] == [tmp_path / "a.png"]


@pytest.mark.parametrize(
    "cells",
    [
        ((1, None), (2, 7), (3, 8)),  # the first has no category, which is clear as long as there is one
        ((3, "b"), (1, "a"), (2, None)),
        ((2, 1), (11, 1), (1, 1), (2, 1)),  # 1 and 11 are the same image
    ],
)
def test_cells_that_need_repair_are_the_same_at_each_reading(tmp_path, request, cells):
    images = [{"id": id, "file_name": f"{id % 10}.png", "height": 20, "width": 20} for id in (1, 2, 3, 11)]
    items = [
        {"id": n, "image_id": image, "category_id": category, "segmentation": [[n, 1, n + 6, 1, n + 6, 5, n, 5]]}
        for n, (image, category) in enumerate(cells, start=1)
    ]
    for name in "123":
        Image.fromarray(np.zeros((20, 20), np.uint8)).save(tmp_path / f"{name}.png")
    data = {"images": images, "annotations": items, "categories": [{"id": 1, "name": "cell"}]}
    (tmp_path / "a.json").write_text(json.dumps(data))
    expected = read_annotated(tmp_path / "a.json")
    request.getfixturevalue("in_parts")
    actual = read_annotated(tmp_path / "a.json")
    _same(actual, expected)
    _same(actual[::-1], expected[::-1])


def test_a_link_to_a_file_is_read_where_it_lies(folder, in_parts):
    (folder / "elsewhere").mkdir()
    (folder / "a.json").rename(folder / "elsewhere" / "blob")
    (folder / "a.json").symlink_to(folder / "elsewhere" / "blob")
    assert all(r.path.is_file() for r in read_annotated(folder / "a.json"))


def test_annotations_that_lie_apart_are_read_one_by_one(folder, in_parts, monkeypatch):
    path = folder / "a.json"
    data = json.loads(path.read_text())
    path.write_text(json.dumps(data | {"annotations": [item | {"note": "x" * 9000} for item in data["annotations"]]}))
    expected = {key: parted.parted(path)[key] for key in (1, 5)}
    mixed = sorted(data["annotations"], key=lambda item: item["id"] % 2)
    path.write_text(json.dumps(data | {"annotations": [item | {"note": "x" * 9000} for item in mixed]}))
    known = Parted(path)
    for key, items in expected.items():
        assert sorted(known[key], key=lambda item: item["id"]) == items


def test_a_file_that_is_gone_is_named(folder, in_parts):
    records = read_annotated(folder / "a.json")
    records[0].instances.ids  # noqa: B018
    (folder / "a.json").unlink()
    with pytest.raises(BadAnnotations, match="cannot be read any more"):
        records[2].instances.ids  # noqa: B018


def test_a_file_that_changes_in_between_is_named(folder, in_parts):
    path = folder / "a.json"
    records = read_annotated(path)
    records[2].instances.ids  # noqa: B018 - the cells of the last one are still there
    os.utime(path, ns=(0, 0))
    with pytest.raises(BadAnnotations, match=r"a\.json was changed while it was read"):
        records[0].instances.ids  # noqa: B018
    assert read_annotated(path)[0].instances.ids


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "{",
        '{"images": [], "annotations": [1]}',
        '{"images": [], "annotations": {"1": {}}}',
        '{"images": [], "annotations": []} {}',
        '{"annotations": [], "annotations": []}',
        '{"images": [] "annotations": []}',
        '{"images": [], "annotations": [{}',
        '{"images": [], 7: []}',
        '{"annotations": []}',
        "",
        "\udcff",
    ],
)
def test_other_forms_are_left_to_the_reader_of_whole_files(tmp_path, in_parts, text):
    path = tmp_path / "a.json"
    path.write_bytes(text.encode(errors="surrogateescape"))
    assert parted.parted(path) is None
    path.write_text('{"images": [], "annotations": [ ], "x": "]}", "y": [1.5e-3, -2], "z": 12.25e+1}')
    assert dict(Parted(path)) == {}
    assert Parted(path).data == {"images": [], "x": "]}", "y": [1.5e-3, -2], "z": 122.5}
