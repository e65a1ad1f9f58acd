import json
import zipfile
from dataclasses import replace

import numpy as np
import pytest

from napari_centermask.core.compose import label_image
from napari_centermask.core.errors import BadAnnotations
from napari_centermask.core.instances import Instance
from napari_centermask.core.result import Result
from napari_centermask.io.formats import FORMATS
from napari_centermask.io.formats.loss import flat_loss, only_shown

EXACT = [name for name, f in FORMATS.items() if f.exact]
FLAT = [name for name, f in FORMATS.items() if not f.exact]
NEEDS = {"imagej": "roifile", "ome-zarr": "zarr"}


@pytest.fixture
def format(request):
    if request.param in NEEDS:
        pytest.importorskip(NEEDS[request.param])
    return FORMATS[request.param]


@pytest.mark.parametrize("leading", [(), (3,), (2, 3), (1,)], ids=str)
@pytest.mark.parametrize("format", EXACT, indirect=True)
def test_exact_formats_give_back_every_pixel_and_every_value(format, leading, tmp_path, result, same):
    before = result(leading)
    path = tmp_path / f"x{format.ending}"
    format.write(path, [before])
    (after,) = format.read(path).results
    assert same(before, after)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("format", EXACT, indirect=True)
def test_an_image_without_cells_comes_back(format, tmp_path, same):
    before = Result((7, 9), name="empty.png")
    format.write(tmp_path / f"x{format.ending}", [before])
    (after,) = format.read(tmp_path / f"x{format.ending}").results
    assert (len(after), after.shape, after.name) == (0, (7, 9), "empty.png")


@pytest.mark.parametrize("leading", [(), (3,)], ids=str)
@pytest.mark.parametrize("format", FLAT, indirect=True)
def test_flat_formats_keep_the_top_most_cells_and_the_loss_is_counted(format, leading, tmp_path, result):
    before = result(leading)
    path = tmp_path / f"field{format.ending}"
    loss = format.loss([before])
    format.write(path, [before])
    (after,) = format.read(path).results
    kept = sum(c.area for c in after)
    shown = only_shown(before)
    assert loss.all_pixels == sum(c.area for c in shown)
    assert loss.pixels == loss.all_pixels - kept > 0
    assert len(after) == len(shown) - loss.gone
    assert loss.rejected == sum(c.status == "rejected" for c in before) > 0
    for index in before.planes:
        assert np.array_equal(label_image(after.plane(index)) > 0, label_image(before.visible(index)) > 0)


@pytest.mark.parametrize("format", FLAT, indirect=True)
def test_flat_formats_lose_nothing_where_no_cells_overlap(format, tmp_path, cells):
    before = Result((256, 256), name="field")
    for cell in cells(n=8, overlap=0):
        before.set((), cell.id, replace(cell, score=1.0, mask_quality=1.0, status="accepted"))
    assert not flat_loss([before])
    path = tmp_path / f"field{format.ending}"
    format.write(path, [before])
    (after,) = format.read(path).results
    masks = [(c.box, c.mask.tobytes()) for c in after]
    assert masks == [(c.box, c.mask.tobytes()) for c in before]


def test_a_cell_that_disappears_is_counted(cells):
    from napari_centermask.core.instances import Instance

    result = Result((20, 20))
    result.set((), 1, Instance(1, 5, 5, np.ones((3, 3), bool), order=0))
    result.set((), 2, Instance(2, 4, 4, np.ones((6, 6), bool), order=1))
    loss = flat_loss([result])
    assert (loss.cells, loss.changed, loss.gone, loss.pixels, loss.all_pixels) == (2, 0, 1, 9, 45)
    assert "1 disappear" in loss.text()


def test_what_labels_have_no_place_for_is_counted_by_kind():
    result = Result((20, 20))
    result.categories = {1: "cell", 2: "dead"}
    mask = np.ones((3, 3), bool)
    result.set((), 1, Instance(1, 2, 2, mask, 1, 1.0, 1.0, "accepted"))
    result.set((), 2, Instance(2, 8, 8, mask, 2, 0.4, 1.0, "corrected", probabilities=(0.25, 0.75)))
    result.set((), 3, Instance(3, 14, 14, mask, 2, 1.0, 0.5, "predicted"))
    result.set_reviewed((), [(0, 0, 5, 5)])
    loss = flat_loss([result])
    assert (loss.categories, loss.scores, loss.statuses, loss.probabilities, loss.regions) == (2, 2, 2, 1, 1)
    assert loss.text() == (
        "lost: the category of 2 cells, the score of 2 cells, the status of 2 cells, the probabilities of 1 cell, "
        "1 reviewed region."
    )


@pytest.mark.parametrize("value", [True, np.uint8(1), np.uint8(255)], ids=["bool", "1", "255"])
def test_the_blobs_of_a_binary_mask_are_cells_and_it_is_said(tmp_path, value):
    mask = np.zeros((2, 20, 20), np.asarray(value).dtype)
    mask[0, 2:6, 2:6] = mask[0, 6:9, 6:9] = mask[0, 12:15, 12:15] = mask[1, 4:7, 4:7] = value
    np.save(tmp_path / "f_mask.npy", mask)
    reading = FORMATS["labels"].read(tmp_path / "f_mask.npy")
    (result,) = reading.results
    assert [len(plane) for plane in result.planes.values()] == [2, 1]
    assert "its 3 separate parts are read as cells" in reading.notes[0]


def test_labels_in_separate_parts_stay_one_cell_and_are_counted(tmp_path):
    labels = np.zeros((20, 20), np.uint16)
    labels[2:5, 2:5] = labels[10:13, 10:13] = 1
    labels[2:5, 12:15] = 2
    np.save(tmp_path / "f_labels.npy", labels)
    reading = FORMATS["labels"].read(tmp_path / "f_labels.npy")
    assert len(reading.results[0]) == 2
    assert reading.notes == ("1 of 2 labels in separate parts; each label is read as one cell.",)


@pytest.mark.parametrize("format", FORMATS, indirect=True)
def test_a_failed_write_keeps_what_was_there(format, tmp_path, result, monkeypatch):
    path = tmp_path / f"x{format.ending}"
    path.write_text("old")
    broken = result()
    monkeypatch.setattr(Result, "plane", lambda *a: 1 / 0)
    monkeypatch.setattr(Result, "planes", property(lambda self: 1 / 0))
    with pytest.raises(ZeroDivisionError):
        format.write(path, [broken])
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("format", EXACT, indirect=True)
def test_real_overlapping_cells_survive_all_exact_formats(format, tmp_path, shared, same):
    from napari_centermask.io.coco.document import read_coco
    from napari_centermask.io.coco.records import result_of

    source = shared / "data" / "dsb_overlap_composite" / "annotations_val.json"
    for record in read_coco(source)[:3]:
        before = result_of([record])
        path = tmp_path / f"{record.id}{format.ending}"
        format.write(path, [before])
        (after,) = format.read(path).results
        masks = [(c.id, c.box, c.mask.tobytes()) for c in after]
        assert masks == [(c.id, c.box, c.mask.tobytes()) for c in before]


def test_geojson_is_what_qupath_reads(tmp_path, result):
    FORMATS["geojson"].write(tmp_path / "x.geojson", [result((3,))])
    data = json.loads((tmp_path / "x.geojson").read_text(encoding="utf-8"))
    assert data["type"] == "FeatureCollection"
    kinds = set()
    for feature in data["features"]:
        kinds.add(feature["geometry"]["type"])
        assert feature["properties"]["objectType"] == "detection"
        assert feature["properties"]["classification"]["name"] in ("cell", "bud ü: \\x")
        assert feature["geometry"]["plane"]["z"] in (0, 1, 2)
        measures, own = feature["properties"]["measurements"], feature["properties"]["napari_centermask"]
        given = [measures.get(f"Probability: {name}") for name in ("cell", "bud ü: \\x")]
        assert given == (own["probabilities"] if "probabilities" in own else [None, None])
        parts = feature["geometry"]["coordinates"]
        for polygon in parts if feature["geometry"]["type"] == "MultiPolygon" else [parts]:
            assert all(ring[0] == ring[-1] and len(ring) >= 5 for ring in polygon)
    assert "MultiPolygon" in kinds


def test_a_class_that_was_changed_in_qupath_is_taken_over(tmp_path, result):
    path = tmp_path / "x.geojson"
    FORMATS["geojson"].write(path, [result()])
    data = json.loads(path.read_text(encoding="utf-8"))
    data["features"][0]["properties"]["classification"] = {"names": ["Tumor", "Positive"], "color": [1, 2, 3]}
    path.write_text(json.dumps(data))
    (after,) = FORMATS["geojson"].read(path).results
    first = next(iter(after))
    assert after.categories[first.category] == "Tumor: Positive"
    assert {1, 3} < set(after.categories)


def test_lines_and_points_are_skipped_and_the_size_is_assumed_with_a_note(tmp_path):
    square = [[[2, 1], [6, 1], [6, 4], [2, 4], [2, 1]]]
    features = [
        {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": square}},
        {"type": "Feature", "geometry": {"type": "Point", "coordinates": [1, 2]}, "properties": None},
        {"type": "Feature", "geometry": None},
    ]
    path = tmp_path / "x.geojson"
    path.write_text(json.dumps(features))
    reading = FORMATS["geojson"].read(path)
    (result,) = reading.results
    assert result.shape == (4, 6)
    assert [c.box for c in result] == [(1, 2, 4, 6)]
    assert any("2 objects without an area" in n for n in reading.notes)
    assert any("4 x 6" in n for n in reading.notes)


def test_sizes_come_from_the_image_beside_the_file(tmp_path):
    from PIL import Image

    Image.fromarray(np.zeros((30, 50), np.uint8)).save(tmp_path / "x.png")
    path = tmp_path / "x.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": []}))
    reading = FORMATS["geojson"].read(path)
    assert reading.results[0].shape == (30, 50)
    assert reading.notes == ()


def test_imagej_reads_our_rois_by_roifile_alone(tmp_path, cells):
    roifile = pytest.importorskip("roifile")
    before = Result((256, 256), name="x.png")
    before.put((), cells(n=3, overlap=0))
    FORMATS["imagej"].write(tmp_path / "x.zip", [before])
    import zipfile

    with zipfile.ZipFile(tmp_path / "x.zip") as archive:
        names = [n for n in archive.namelist() if n.endswith(".roi")]
        rois = [roifile.ImagejRoi.frombytes(archive.read(n)) for n in names]
    assert [r.roitype for r in rois] == [roifile.ROI_TYPE.TRACED] * 3
    for roi, cell in zip(rois, before, strict=True):
        assert (roi.top, roi.left, roi.bottom, roi.right) == cell.box
        x, y = roi.coordinates().T
        assert abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))) / 2 == cell.area


def test_categories_survive_where_imagej_saves_the_rois_again(tmp_path, result):
    pytest.importorskip("roifile")
    before = result(())
    FORMATS["imagej"].write(tmp_path / "ours.zip", [before])
    with zipfile.ZipFile(tmp_path / "ours.zip") as ours, zipfile.ZipFile(tmp_path / "again.zip", "w") as again:
        for name in ours.namelist():
            if name.endswith(".roi"):  # ImageJ leaves our own entry out
                again.writestr(name, ours.read(name))
    (after,) = FORMATS["imagej"].read(tmp_path / "again.zip").results
    named = [sorted(r.categories[c.category] for c in r) for r in (before, after)]
    assert named[0] == named[1]
    assert len(set(named[0])) > 1


def test_composites_have_the_area_of_the_cell_for_other_readers(tmp_path, result):
    roifile = pytest.importorskip("roifile")
    import zipfile

    before = result()
    FORMATS["imagej"].write(tmp_path / "x.zip", [before])
    with zipfile.ZipFile(tmp_path / "x.zip") as archive:
        rois = {n: roifile.ImagejRoi.frombytes(archive.read(n)) for n in archive.namelist() if n.endswith(".roi")}
    for name, roi in rois.items():
        rings = roi.coordinates(multi=True)
        assert roi.composite
        assert len(rings) > 1
        signed = sum(np.dot(r[:, 0], np.roll(r[:, 1], -1)) - np.dot(np.roll(r[:, 0], -1), r[:, 1]) for r in rings) / 2
        assert signed == before.get((), int(name.removesuffix(".roi"))).area


def test_shapes_that_people_draw_in_imagej_are_read(tmp_path):
    roifile = pytest.importorskip("roifile")
    import zipfile

    oval = roifile.ImagejRoi(roitype=roifile.ROI_TYPE.OVAL, top=10, left=20, bottom=30, right=60)
    box = roifile.ImagejRoi(roitype=roifile.ROI_TYPE.RECT, top=1, left=2, bottom=4, right=8)
    line = roifile.ImagejRoi(roitype=roifile.ROI_TYPE.LINE, x1=1, y1=1, x2=5, y2=5)
    free = roifile.ImagejRoi.frompoints([[2.5, 2.5], [12.5, 2.5], [12.5, 8.5], [2.5, 8.5]])
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for n, roi in enumerate((oval, box, line, free)):
            archive.writestr(f"{n}.roi", roi.tobytes())
    reading = FORMATS["imagej"].read(tmp_path / "x.zip")
    (result,) = reading.results
    areas = [c.area for c in result]
    assert areas[1:] == [18, 60]
    assert areas[0] == pytest.approx(np.pi * 10 * 20, rel=0.02)
    assert any("1 ROI without an area" in n for n in reading.notes)


def test_cellpose_opens_what_is_written(tmp_path, result):
    FORMATS["cellpose"].write(tmp_path / "x_seg.npy", [result(rough=False)])
    content = np.load(tmp_path / "x_seg.npy", allow_pickle=True).item()  # our own file
    assert {"masks", "outlines", "filename", "flows", "ismanual"} <= set(content)
    assert content["masks"].max() == len(np.unique(content["masks"])) - 1 == len(content["ismanual"])
    edge = content["outlines"] > 0
    assert (content["masks"][edge] == content["outlines"][edge]).all()
    assert 0 < edge.sum() < (content["masks"] > 0).sum()


def test_ome_zarr_labels_are_flat_and_described(tmp_path, result):
    zarr = pytest.importorskip("zarr")
    before = result((2, 3))
    FORMATS["ome-zarr"].write(tmp_path / "x.ome.zarr", [before])
    labels = zarr.open_group(str(tmp_path / "x.ome.zarr"), mode="r")["labels"]
    names = labels.attrs["labels"]
    assert len(names) > 1
    seen = set()
    for name in names:
        about = labels[name].attrs
        (scale,) = about["multiscales"]
        assert [a["name"] for a in scale["axes"]] == ["t", "z", "y", "x"]
        array = labels[name][scale["datasets"][0]["path"]]
        assert array.shape == (2, 3, 120, 140)
        values = set(np.unique(array[:]).tolist()) - {0}
        assert values == {p["label-value"] for p in about["image-label"]["properties"]}
        seen |= values
    assert seen == {c.id for c in before}


def test_labels_of_other_programs_are_read_whatever_their_type(tmp_path):
    import tifffile

    labels = np.zeros((3, 10, 12), np.float32)
    labels[:, 2:5, 3:6] = 7
    tifffile.imwrite(tmp_path / "field_masks.tif", labels, photometric="minisblack", metadata={"axes": "ZYX"})
    (result,) = FORMATS["labels"].read(tmp_path / "field_masks.tif").results
    assert (result.name, result.leading, len(result)) == ("field", (3,), 3)
    assert sorted(c.id for c in result) == [7, 8, 9]
    tifffile.imwrite(tmp_path / "image.tif", labels + 0.5, photometric="minisblack")
    with pytest.raises(BadAnnotations, match="Is it an image"):
        FORMATS["labels"].read(tmp_path / "image.tif")


def test_ome_zarr_of_other_programs_is_read(tmp_path):
    zarr = pytest.importorskip("zarr")
    labels = np.zeros((2, 1, 10, 12), np.uint8)
    labels[:, 0, 2:5, 3:6] = 7
    root = zarr.open_group(str(tmp_path / "x.zarr"), mode="w", zarr_format=3)
    root.attrs["ome"] = {"version": "0.5", "multiscales": [{"datasets": [{"path": "0"}]}]}
    group = root.create_group("labels")
    group.attrs["ome"] = {"version": "0.5", "labels": ["nuclei"]}
    nuclei = group.create_group("nuclei")
    nuclei.attrs["ome"] = {"multiscales": [{"datasets": [{"path": "s0"}]}], "image-label": {}}
    nuclei.create_array("s0", data=labels)
    for path in (tmp_path / "x.zarr", tmp_path / "x.zarr" / "labels", tmp_path / "x.zarr" / "labels" / "nuclei"):
        (result,) = FORMATS["ome-zarr"].read(path).results
        assert (result.leading, result.shape) == ((2,), (10, 12))
        assert [c.area for c in result] == [9, 9]
    root.create_group("empty")
    with pytest.raises(BadAnnotations):
        FORMATS["ome-zarr"].read(tmp_path / "x.zarr" / "empty")
