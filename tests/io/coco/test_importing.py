import json

import numpy as np
import pytest

from napari_centermask.core.errors import BadAnnotations
from napari_centermask.io import rle
from napari_centermask.io.coco.document import write_coco
from napari_centermask.io.coco.extension import KEY
from napari_centermask.io.coco.importing import import_coco
from napari_centermask.io.coco.records import records_of

SQUARE = [2, 1, 6, 1, 6, 5, 2, 5]
RUNS = [9, 3, 5, 3, 44]


def picture(path, height=8, width=8):
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.zeros((height, width), np.uint8)).save(path)


def data(image=None, annotations=(), categories=({"id": 1, "name": "cell"},), **others):
    image = {"id": 1, "file_name": "a.png", "height": 8, "width": 8} | (image or {})
    base = {"image_id": image["id"], "category_id": 1, "segmentation": [SQUARE], "iscrowd": 0}
    items = [{"id": n} | base | item for n, item in enumerate(annotations, start=1)]
    return {"images": [image], "annotations": items, "categories": list(categories)} | others


def load(tmp_path, content, **options):
    path = tmp_path / "theirs.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return import_coco(path, **options)


def areas(imported):
    return [[c.area for c in r.instances] for r in imported.records]


def test_our_own_file_is_imported_unchanged(tmp_path, cells):
    from napari_centermask.core.result import Result

    result = Result((256, 256), leading=(2,))
    for z in (0, 1):
        result.put((z,), cells(n=9, overlap=0.5, seed=z))
    result.set_reviewed((1,), [(0, 0, 9, 9)])
    write_coco(tmp_path / "c.json", records_of(result, "a.tif", extra={KEY: {"later": [1]}}))
    imported = import_coco(tmp_path / "c.json")
    assert imported.report.missing == ["a.tif"]
    assert not imported.report.repaired
    assert not imported.report.refused
    assert [r.plane for r in imported.records] == [(0,), (1,)]
    assert all(r.instances.equals(result.plane(r.plane)) for r in imported.records)
    assert imported.records[1].reviewed == ((0, 0, 9, 9),)
    assert imported.records[0].extra == {KEY: {"later": [1]}}


def test_cvat_masks_are_cells_though_marked_as_crowds(tmp_path):
    mask = {"size": [8, 8], "counts": RUNS}
    content = data(
        annotations=[
            {"segmentation": mask, "iscrowd": 1, "attributes": {"occluded": False}},
            {"segmentation": {"size": [8, 8], "counts": [0, 4, 60]}, "iscrowd": 1},
        ]
    )
    imported = load(tmp_path, content)
    assert areas(imported) == [[6]]
    assert imported.report.repaired["a mask marked as a crowd is read as a cell"].count == 1
    assert imported.report.n_refused == 1
    assert areas(load(tmp_path, content, crowds="cells")) == [[6, 4]]
    assert areas(load(tmp_path, content, crowds="leave out")) == [[]]


def test_label_studio_ids_count_from_0_and_paths_lead_to_its_server(tmp_path):
    picture(tmp_path / "images" / "field.png")
    content = data(
        {"id": 0, "file_name": "../../label-studio/data/media/upload/3/0a1b2c3d-field.png"},
        [{"id": 0, "category_id": 0, "ignore": 0}, {"id": 1, "category_id": 1, "segmentation": [[0, 0, 3, 0, 3, 3]]}],
        [{"id": 0, "name": "living"}, {"id": 1, "name": "dead"}],
    )
    imported = load(tmp_path, content)
    (record,) = imported.records
    assert (record.file_name, record.path) == ("images/field.png", tmp_path / "images" / "field.png")
    assert record.instances.categories == {1: "living", 2: "dead"}
    assert [c.category for c in record.instances] == [1, 2]
    assert record.id == 1
    assert "categories counted from 0, now from 1" in imported.report.repaired


def test_roboflow_has_an_empty_category_and_hashes_in_names(tmp_path):
    picture(tmp_path / "well_3.png")
    name = "well_3_png.rf.0123456789abcdef0123456789abcdef.jpg"
    content = data(
        {"file_name": name, "extra": {"name": "well_3.png"}},
        [{"category_id": 1}],
        [{"id": 0, "name": "cells", "supercategory": "none"}, {"id": 1, "name": "cell", "supercategory": "cells"}],
    )
    (record,) = load(tmp_path, content).records
    assert (record.file_name, record.instances.categories) == ("well_3.png", {1: "cell"})


def test_livecell_has_annotations_as_a_table_of_string_ids(tmp_path):
    content = data(annotations=[{}])
    content["annotations"] = {"7001": content["annotations"][0] | {"id": 7001}, "7002": "?"}
    imported = load(tmp_path, content)
    assert areas(imported) == [[16]]
    assert "annotations was an object instead of a list" in imported.report.repaired
    assert "an entry of annotations is not an object" in imported.report.refused


@pytest.mark.parametrize("key", ["8f1c-uuid", "12", 81645724526782010095170042166076916798, -3, 4.0])
def test_ids_of_any_kind_find_their_image(tmp_path, key):
    content = data({"id": key}, [{"id": "x"}])
    assert areas(load(tmp_path, content)) == [[16]]


def test_text_and_number_ids_are_one(tmp_path):
    assert areas(load(tmp_path, data({"id": 12}, [{"image_id": "12", "category_id": "1"}]))) == [[16]]


@pytest.mark.parametrize(
    ("segmentation", "note"),
    [
        ([SQUARE], None),
        (SQUARE, "was not in a list"),
        ([[[2, 1], [6, 1], [6, 5], [2, 5]]], "were pairs"),
        ([[*SQUARE, 9]], "middle of a point"),
        ([SQUARE, [1, 2, 3, 4]], "fewer than three"),
        ([["2", "1", "6", "1", "6", "5", "2", "5"]], None),
        ({"counts": [17, 4, 4, 4, 4, 4, 4, 4, 19], "size": [8, 8]}, None),
        ({"counts": [17, 4, 4, 4, 4, 4, 4, 4, 19]}, "was missing"),
        ({"counts": [17, 4, 4, 4, 4, 4, 4, 4, 19], "size": ["8", 8.0]}, "was text"),
        ({"counts": rle.compress([17, 4, 4, 4, 4, 4, 4, 4, 19]), "size": [8, 8]}, None),
    ],
)
def test_segmentations_of_many_kinds(tmp_path, segmentation, note):
    imported = load(tmp_path, data(annotations=[{"segmentation": segmentation}]))
    assert areas(imported) == [[16]], imported.report
    notes = " ".join(imported.report.repaired)
    assert note in notes if note else not notes


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"segmentation": []}, "it has no outline"),
        ({"segmentation": [], "bbox": [1, 1, 3, 3]}, "only a box"),
        ({"segmentation": [[]]}, "three points"),
        ({"segmentation": [["a", 2]]}, "not a number"),
        ({"segmentation": [[20, 20, 30, 20, 30, 30]]}, "covers no pixel"),
        ({"segmentation": {"size": [8, 9], "counts": RUNS}}, "RLE size"),
        ({"segmentation": {"size": [8, 8], "counts": "~"}}, "damaged"),
        ({"segmentation": {"size": [8, 8], "counts": [-1, 3]}}, "do not fit"),
        ({"segmentation": "polygon"}, "got str"),
        ({"image_id": 99}, "not listed"),
        ({"image_id": None}, "not listed"),
        ({"iscrowd": 1}, "crowd"),
    ],
)
def test_what_cannot_be_read_stays_out_and_is_named(tmp_path, change, reason):
    imported = load(tmp_path, data(annotations=[{}, {"id": 77} | change]))
    assert areas(imported) == [[16]]
    (what, tally), *others = imported.report.refused.items()
    assert not others
    assert reason in what
    assert tally.places == ["77"]
    assert "77" in str(imported.report)


def test_boxes_stand_for_cells_on_request(tmp_path):
    content = data(annotations=[{"segmentation": [], "bbox": [1, 2, 3, 4]}])
    (record,) = load(tmp_path, content, boxes=True).records
    (cell,) = record.instances
    assert (cell.box, cell.area) == ((2, 1, 6, 4), 12)


def test_a_copy_of_a_cell_is_imported_once(tmp_path):
    imported = load(tmp_path, data(annotations=[{}, {}]))
    assert areas(imported) == [[16]]
    assert "a cell is identical to another one" in imported.report.refused


def test_missing_categories_are_made(tmp_path):
    imported = load(tmp_path, data(annotations=[{"category_id": 5}, {"category_id": "bud"}], categories=[]))
    assert imported.records[0].instances.categories == {5: "category 5", 1: "category bud"}
    imported = load(tmp_path, data(annotations=[{"category_id": None}], categories=[]))
    assert imported.records[0].instances.categories == {1: "cell"}


def test_without_a_category_among_several_a_cell_stays_out(tmp_path):
    two = [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}]
    imported = load(tmp_path, data(annotations=[{"category_id": None}], categories=two))
    assert areas(imported) == [[]]
    assert imported.report.n_refused == 1


def test_a_missing_size_comes_from_the_masks_or_the_file(tmp_path):
    rle = {"size": [8, 8], "counts": RUNS}
    assert areas(load(tmp_path, data({"height": None}, [{"segmentation": rle}]))) == [[6]]
    imported = load(tmp_path, data({"height": None}, [{}]))
    assert imported.records == []
    assert "the size of an image is unknown" in imported.report.refused
    picture(tmp_path / "a.png")
    assert areas(load(tmp_path, data({"height": 0, "width": "8"}, [{}]))) == [[16]]


def test_an_image_of_another_size_stays_out_unless_the_masks_fit_the_file(tmp_path):
    picture(tmp_path / "a.png", 9, 7)
    assert load(tmp_path, data(annotations=[{}])).records == []
    rle = {"size": [9, 7], "counts": RUNS}
    (record,) = load(tmp_path, data(annotations=[{"segmentation": rle}])).records
    assert record.shape == (9, 7)


def test_one_image_under_two_ids_is_one(tmp_path):
    content = data(annotations=[{}, {"image_id": 2, "segmentation": [[0, 0, 3, 0, 3, 3, 0, 3]]}])
    content["images"].append(content["images"][0] | {"id": 2})
    imported = load(tmp_path, content)
    assert areas(imported) == [[16, 9]]
    assert "an image was listed under several ids" in imported.report.repaired


def test_two_images_under_one_id_stay_out_with_their_cells(tmp_path):
    content = data(annotations=[{}])
    content["images"].append(content["images"][0] | {"file_name": "b.png"})
    imported = load(tmp_path, content)
    assert imported.records == []
    assert imported.report.n_refused == 3


@pytest.mark.parametrize(
    "name",
    ["../../../etc/passwd", "/etc/passwd", "C:\\data\\..\\..\\a.png", "\\\\server\\share\\a.png", "~/a.png", "a\0b.png"]
    + ["file:///etc/passwd", "x" * 5000, "images/../../secret.png", "con:a", ".", "..", "\ud800.png"],
)
def test_no_path_leads_out_of_the_folder(tmp_path, name):
    root = tmp_path / "in" / "images"
    root.mkdir(parents=True)
    picture(tmp_path / "secret.png")
    picture(tmp_path / "in" / "secret.png")
    imported = load(tmp_path, data({"file_name": name}, [{}]), images_root=root)
    (record,) = imported.records
    assert record.path is None
    assert not record.file_name.startswith("/")
    assert ".." not in record.file_name.split("/")


def test_an_absolute_path_is_found_by_its_last_parts(tmp_path):
    picture(tmp_path / "plate1" / "a.png")
    picture(tmp_path / "plate2" / "a.png")
    for name in ("/home/someone/plate2/a.png", "D:\\x\\plate2\\a.png", "https://host/y/plate2/a.png?token=1"):
        (record,) = load(tmp_path, data({"file_name": name}, [{}])).records
        assert record.file_name == "plate2/a.png"
    assert load(tmp_path, data({"file_name": "a.png"}, [{}])).report.missing == ["a.png"]


def test_a_chooser_is_asked_once_for_a_folder(tmp_path):
    picture(tmp_path / "elsewhere" / "a.png")
    picture(tmp_path / "elsewhere" / "b.png")
    asked = []

    def choose(name):
        asked.append(name)
        return tmp_path / "elsewhere"

    content = data(annotations=[{}])
    content["images"] += [content["images"][0] | {"id": n, "file_name": f"{n}.png"} for n in "bc"]
    (tmp_path / "root").mkdir()
    imported = load(tmp_path, content, images_root=tmp_path / "root", find=choose)
    assert [r.path and r.path.name for r in imported.records] == ["a.png", "b.png", None]
    assert asked == ["a.png", "c.png"]
    assert load(tmp_path, content, images_root=tmp_path / "root", find=lambda name: None).report.missing == [
        "a.png",
        "b.png",
        "c.png",
    ]


def test_damaged_own_fields_get_defaults_and_are_named(tmp_path):
    own = {"id": -4, "score": 7, "status": "fine", "source": 3, "order": "top", "mask_quality": None}
    image = {KEY: {"reviewed_regions": [[0, 0, 4, 4], [0, 0, 99, 99]], "plane": [-1], "last_id": "x"}}
    imported = load(tmp_path, data(image, [{KEY: own}]))
    (record,) = imported.records
    (cell,) = record.instances
    assert (cell.score, cell.status, cell.source, cell.order, cell.id) == (1.0, "accepted", "theirs.json", 0.0, 1)
    assert record.reviewed == ((0, 0, 4, 4),)
    assert len(imported.report.repaired) == 9


@pytest.mark.parametrize("text", ["", "[]", "{", "null", '{"annotations": []}', '{"images": []}', '{"images": 3}'])
def test_what_is_not_coco_at_all_is_refused(tmp_path, text):
    with pytest.raises(BadAnnotations):
        load(tmp_path, text)


def test_a_report_is_json_and_reads_well(tmp_path):
    imported = load(tmp_path, data(annotations=[{}, {}, {"segmentation": []}]))
    assert str(imported.report).splitlines() == [
        "theirs.json: 1 image and 1 cell imported.",
        "Left out: a cell is identical to another one: 1 (2)",
        "Left out: it has no outline: 1 (3)",
        "Images not found: 1 (a.png). Choose the folder they are in.",
    ]
    assert json.loads(json.dumps(imported.report.to_json()))["refused"]["it has no outline"]["count"] == 1


def test_equal_cells_of_our_own_files_stay_two(tmp_path):
    imported = load(tmp_path, data(annotations=[{KEY: {"id": 1}}, {KEY: {"id": 2}}]))
    assert areas(imported) == [[16, 16]]


def test_two_names_never_share_a_file(tmp_path):
    picture(tmp_path / "x" / "a.png")
    content = data({"file_name": "x/a.png"}, [{}])
    content["images"] += [content["images"][0] | {"id": n, "file_name": f"{n}/a.png"} for n in "yz"]
    imported = load(tmp_path, content)
    assert [r.file_name for r in imported.records] == ["x/a.png", "y/a.png", "z/a.png"]
    assert imported.report.missing == ["y/a.png", "z/a.png"]


def test_planes_that_do_not_fit_together_stay_out(tmp_path):
    content = data({KEY: {"plane": [0], "leading": [2]}}, [{}])
    content["images"].append(content["images"][0] | {"id": 2, KEY: {}})
    imported = load(tmp_path, content)
    assert [r.plane for r in imported.records] == [(0,)]
    assert imported.report.n_refused == 1


def test_fields_that_are_not_json_stay_out(tmp_path):
    imported = load(tmp_path, data({"quality": float("nan")}, [{}]))
    assert imported.records[0].extra == {}
    assert "an image had values that JSON cannot hold" in imported.report.repaired
