"""Random and hostile COCO: a clear refusal or an import with a report; bounded memory; no path out of the folder."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from napari_centermask.core.errors import BadAnnotations
from napari_centermask.core.history import History
from napari_centermask.core.result import Result
from napari_centermask.io.coco.document import read_coco, write_coco
from napari_centermask.io.coco.extension import KEY
from napari_centermask.io.coco.importing import import_coco
from napari_centermask.io.coco.merge import merge
from napari_centermask.io.coco.records import by_image, records_of, result_of
from napari_centermask.io.rle import decompress

RUN = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)

numbers = st.one_of(
    st.integers(-3, 12),
    st.integers(-(10**20), 10**20),
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from([0, 1, 8, -1, 1e300, -1e300, 2**31, 2**63, 10**30, 0.5]),
)
texts = st.one_of(
    st.text(max_size=8),
    st.sampled_from(
        [
            "",
            "1",
            "8",
            "../../x.png",
            "/etc/passwd",
            "C:\\x",
            "a.png",
            "\0",
            ".",
            "/",
            "./.",
            "\ud800",
            "P" * 200,
            "~/x",
        ]
    ),
)
junk = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, texts),
    lambda inner: st.one_of(st.lists(inner, max_size=8), st.dictionaries(texts, inner, max_size=4)),
    max_leaves=12,
)
ids = st.one_of(st.integers(0, 3), st.sampled_from(["1", "a", None, 2.0]), numbers)
counts = st.one_of(st.lists(numbers, max_size=9), st.lists(st.integers(0, 64), max_size=9), texts, junk)
rle_masks = st.fixed_dictionaries(
    {}, optional={"size": st.one_of(st.just([8, 8]), st.lists(numbers), junk), "counts": counts}
)
polygons = st.lists(
    st.one_of(st.lists(numbers, max_size=12), st.lists(st.floats(-4, 12), min_size=6, max_size=12), junk)
)
own = st.one_of(
    junk,
    st.fixed_dictionaries(
        {},
        optional={
            k: st.one_of(numbers, texts, junk)
            for k in (
                "id",
                "score",
                "status",
                "source",
                "order",
                "mask_quality",
                "probabilities",
                "plane",
                "leading",
                "last_id",
                "seams",
            )
        }
        | {"reviewed_regions": st.one_of(st.lists(st.lists(numbers, max_size=5)), junk)},
    ),
)
images = st.fixed_dictionaries(
    {"id": ids},
    optional={
        "file_name": st.one_of(texts, junk),
        "height": st.one_of(st.just(8), numbers, junk),
        "width": st.one_of(st.just(8), numbers, junk),
        KEY: own,
        "extra": junk,
        "pixel_size_um": st.one_of(numbers, junk),
    },
)
annotations = st.fixed_dictionaries(
    {"image_id": ids, "segmentation": st.one_of(rle_masks, polygons, junk)},
    optional={
        "id": st.one_of(ids, junk),
        "category_id": st.one_of(ids, junk),
        "bbox": st.one_of(st.lists(numbers, max_size=5), junk),
        "iscrowd": st.one_of(st.integers(0, 1), junk),
        "score": st.one_of(numbers, junk),
        "attributes": st.one_of(st.just({"occluded": True}), junk),
        KEY: own,
    },
)
categories = st.fixed_dictionaries({"id": ids}, optional={"name": st.one_of(texts, junk), "supercategory": junk})
files = st.fixed_dictionaries(
    {"images": st.one_of(st.lists(images, max_size=4), st.dictionaries(texts, images, max_size=3), junk)},
    optional={
        "annotations": st.one_of(
            st.lists(st.one_of(annotations, junk), max_size=6), st.dictionaries(texts, annotations, max_size=3), junk
        ),
        "categories": st.one_of(st.lists(st.one_of(categories, junk), max_size=4), junk),
        "info": junk,
    },
)


def check(record, root):
    """A record that came in can be trusted everywhere."""
    assert record.path is None or record.path.resolve().is_relative_to(root.resolve())
    assert not Path(record.file_name).is_absolute()
    assert ".." not in Path(record.file_name).parts
    for cell in record.instances:
        y0, x0, y1, x1 = cell.box
        assert 0 <= y0 < y1 <= record.shape[0]
        assert 0 <= x0 < x1 <= record.shape[1]
        assert cell.mask.dtype == bool
        assert cell.mask[0].any()
        assert cell.mask[-1].any()
        assert cell.mask[:, 0].any()
        assert cell.mask[:, -1].any()
        assert 0 <= cell.score <= 1
        assert cell.id > 0
        assert cell.category in record.instances.categories


@RUN
@given(files)
def test_an_import_comes_to_an_end_with_a_report(tmp_path, content):
    path = tmp_path / "theirs.json"
    path.write_text(json.dumps(content))
    try:
        imported = import_coco(path, boxes=True, crowds="cells")
    except BadAnnotations:
        return
    assert str(imported.report)
    json.dumps(imported.report.to_json(), allow_nan=False)
    for record in imported.records:
        check(record, tmp_path)
        assert record.pixel_size_um is None or record.pixel_size_um > 0
    write_coco(tmp_path / "ours.json", imported.records)
    for before, after in zip(imported.records, read_coco(tmp_path / "ours.json"), strict=True):
        assert after.instances.equals(before.instances)
    for records in by_image(imported.records).values():
        result_of(records)
        try:
            plan = merge(Result((8, 8)), records)
        except BadAnnotations:
            continue
        result = Result((8, 8))
        result.categories = plan.categories
        History(result).do("import", plan.changes, regions=plan.regions)
        assert len(result) == plan.added


@RUN
@given(files)
def test_the_strict_reader_refuses_or_gives_good_cells(tmp_path, content):
    path = tmp_path / "theirs.json"
    path.write_text(json.dumps(content))
    try:
        records = read_coco(path)
        for planes in by_image(records).values():
            result_of(planes)
    except BadAnnotations:
        return
    for record in records:
        check(record, tmp_path)


@RUN
@given(st.binary(max_size=200))
def test_any_bytes_are_refused_or_read(tmp_path, content):
    path = tmp_path / "theirs.json"
    path.write_bytes(content)
    for read in (read_coco, import_coco):
        with pytest.raises(BadAnnotations):
            read(path)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"images": ' * 50_000, '{"images": [' + "9" * 5000 + "]}"])
def test_deep_and_long_json_is_refused(tmp_path, text):
    (tmp_path / "theirs.json").write_text(text)
    for read in (read_coco, import_coco):
        with pytest.raises(BadAnnotations, match="cannot be read"):
            read(tmp_path / "theirs.json")


@RUN
@given(st.text(alphabet=[chr(c) for c in range(40, 120)], max_size=60))
def test_compressed_counts_of_any_text(text):
    try:
        runs = decompress(text)
    except ValueError:
        return
    assert all(abs(r) < 2**62 for r in runs)


def test_many_large_masks_are_refused_before_memory_is_gone(tmp_path, monkeypatch):
    for module in ("document", "importing"):
        monkeypatch.setattr(f"napari_centermask.io.coco.{module}.LARGEST_FILE", 500)
    mask = {"size": [8, 8], "counts": [0, 64]}
    items = [{"id": n, "image_id": 1, "category_id": n, "segmentation": mask} for n in range(1, 10)]
    image = {"id": 1, "file_name": "a.png", "height": 8, "width": 8}
    categories = [{"id": n, "name": str(n)} for n in range(1, 10)]
    path = tmp_path / "c.json"
    path.write_text(json.dumps({"images": [image], "annotations": items, "categories": categories}))
    for read in (read_coco, import_coco):
        with pytest.raises(BadAnnotations, match="Split it"):
            read(path)


def test_results_survive_hostile_reordering(tmp_path, cells):
    result = Result((64, 64), leading=(3,))
    for z in (2, 0):
        result.put((z,), cells(n=4, shape=(64, 64), radius=6, seed=z))
    write_coco(tmp_path / "c.json", records_of(result, "a.tif"))
    data = json.loads((tmp_path / "c.json").read_text())
    for key in ("images", "annotations", "categories"):
        data[key].reverse()
    (tmp_path / "c.json").write_text(json.dumps(data))
    (records,) = by_image(read_coco(tmp_path / "c.json")).values()
    again = result_of(records)
    assert {c.id for c in again} == {c.id for c in result}
    assert all(again.get(i, c.id).equals(c) for i, plane in result.planes.items() for c in plane)


@settings(RUN, max_examples=60)
@given(content=files)
def test_a_project_takes_what_is_good_or_nothing(tmp_path_factory, content):
    from PIL import Image

    from napari_centermask.io.project import Project
    from napari_centermask.io.project_import import import_into

    folder = tmp_path_factory.mktemp("project")
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(folder / "a.png")
    path = tmp_path_factory.mktemp("theirs") / "theirs.json"
    path.write_text(json.dumps(content))
    with Project.create(folder) as project:
        before = project.categories
        try:
            report = import_into(project, path, boxes=True, crowds="cells")
        except BadAnnotations:
            assert project.categories == before
            assert len(project.result(1)) == 0
            return
        assert report.cells == len(project.result(1))
        expected = project.result(1).plane(())
        names = {id: c.name for id, c in project.categories.items()}
    with Project.open(folder) as again:  # from the journal
        assert again.result(1).plane(()).equals(expected)
        again.save()
    with Project.open(folder) as saved:
        assert saved.result(1).plane(()).equals(expected)
        assert {id: c.name for id, c in saved.categories.items()} == names
