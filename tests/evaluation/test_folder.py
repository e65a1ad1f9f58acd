from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import tifffile

import other_tools as tools
from napari_centermask.core.compose import label_image
from napari_centermask.core.errors import BadAnnotations
from napari_centermask.core.instances import Instance, Instances
from napari_centermask.evaluation.class_maps import ClassMap
from napari_centermask.evaluation.folder import class_mapper, evaluate_folder, evaluate_predictions, read_truth
from napari_centermask.io.coco.document import write_coco
from napari_centermask.io.coco.image_record import ImageRecord
from napari_centermask.pipeline import PlaneCells, Progress
from napari_centermask.settings import SegmentSettings


@pytest.fixture
def folder(tmp_path, cells):
    from PIL import Image

    (tmp_path / "images").mkdir()
    truth = cells(n=8)
    Image.fromarray(np.zeros(truth.shape, np.uint8)).save(tmp_path / "images" / "a.png")
    write_coco(tmp_path / "annotations_test.json", [ImageRecord(1, "a.png", None, truth.shape, truth)])
    return tmp_path


def test_predictions_are_found_by_file_name(folder, cells):
    write_coco(folder / "p.json", [ImageRecord(99, "a.png", None, (256, 256), cells(n=8))])
    assert evaluate_predictions(folder, "test", folder / "p.json").to_json()["f1"] == 1.0


def test_predictions_of_other_images_are_refused(folder, cells):
    write_coco(folder / "p.json", [ImageRecord(1, "b.png", None, (256, 256), cells(n=8))])
    with pytest.raises(BadAnnotations, match=r"b\.png"):
        evaluate_predictions(folder, "test", folder / "p.json")


def test_a_missing_split_names_what_is_there(folder):
    with pytest.raises(BadAnnotations, match=r"only annotations_test\.json"):
        read_truth(folder, "train")


def test_a_network_s_own_class_maps_are_judged_where_they_are_given(folder):
    (record,) = read_truth(folder, "test")
    half = label_image(record.instances) > 0
    half[:, :128] = False

    def found(image, indices):
        return [record.instances] * len(indices)

    drawn = evaluate_folder(folder, "test", found).to_json()
    own = evaluate_folder(
        folder, "test", found, class_maps=lambda r: ClassMap(half.astype(np.uint8), ["nucleus"])
    ).to_json()
    assert drawn["class_map"]["miou"] == 1.0
    part = half.sum() / (label_image(record.instances) > 0).sum()
    assert [row["iou"] for row in own["class_map"]["per_class"].values()][1] == pytest.approx(part)
    assert own["f1"] == own["boundary"]["iou_matched"] == 1.0


def test_the_class_map_of_a_plane_is_that_of_the_pipeline(planes, monkeypatch):
    folder, _ = planes
    asked = []

    def segment_planes(planes, engine, settings, *, only, classes, **_):
        asked.append((len(planes), set(only), classes))
        (plane,) = (p for p in planes if p.index in only)
        yield Progress(0, 1, "Tile")
        yield PlaneCells(plane, Instances(plane.shape), 20.0, classes=np.full(plane.shape, 2, np.uint8))

    monkeypatch.setattr("napari_centermask.evaluation.folder.segment_planes", segment_planes)
    engine = SimpleNamespace(card=SimpleNamespace(model=SimpleNamespace(categories=["live", "dead"])))
    last = read_truth(folder, "test")[-1]
    found = class_mapper(engine, SegmentSettings())(last)
    assert asked == [(3, {(2,)}, True)]
    assert found.names == ["live", "dead"]
    assert (found.numbered_as(["cell", "dead", "live"]) == 2).all()


@pytest.fixture
def planes(tmp_path, cells):
    """A stack of three planes, with other cells on each."""
    (tmp_path / "images").mkdir()
    tifffile.imwrite(
        tmp_path / "images" / "a.tif",
        np.zeros((3, 256, 256), np.uint8),
        photometric="minisblack",
        metadata={"axes": "ZYX"},
    )
    made = [cells(n=8, seed=n) for n in range(3)]
    records = [ImageRecord(n + 1, "a.tif", None, (256, 256), c, plane=(n,), leading=(3,)) for n, c in enumerate(made)]
    write_coco(tmp_path / "annotations_test.json", records)
    return tmp_path, records


def test_predictions_for_stacks_are_compared_on_every_plane(planes):
    folder, records = planes
    write_coco(folder / "p.json", records[::-1])
    report = evaluate_predictions(folder, "test", folder / "p.json").to_json()
    assert (report["f1"], report["n_images"]) == (1.0, 3)
    write_coco(folder / "p.json", records[:2])
    assert evaluate_predictions(folder, "test", folder / "p.json").to_json()["recall"] == pytest.approx(2 / 3)


def test_a_plane_predicted_twice_is_refused(planes):
    folder, records = planes
    write_coco(folder / "p.json", [records[0], replace(records[0], id=9)])
    with pytest.raises(BadAnnotations, match=r"'a\.tif' twice"):
        evaluate_predictions(folder, "test", folder / "p.json")


def test_a_model_sees_the_annotated_plane_of_a_stack(planes):
    folder, records = planes
    stack = np.stack([np.full((256, 256), n, np.uint8) for n in range(3)])
    tifffile.imwrite(folder / "images" / "a.tif", stack, photometric="minisblack", metadata={"axes": "ZYX"})
    report = evaluate_folder(
        folder, "test", lambda image, indices: [records[image.data[i][0, 0]].instances for i in indices]
    )
    assert report.to_json()["f1"] == 1.0


def squares(at, *, score=1.0):
    """Square cells at their corners, of the size that the challenge's frames have."""
    side = np.ones((tools.SIDE, tools.SIDE), bool)
    cells = (Instance(id=0, y0=y, x0=x, mask=side, score=score) for y, x in at)
    return Instances(tools.SHAPE, cells, categories={1: "cell"})


def test_cells_that_nobody_outlined_are_not_false_in_a_frame_outlined_in_part(tmp_path):
    folder = tools.challenge(tmp_path, bare=(2,))
    report = evaluate_folder(folder, None, lambda _, indices: [squares(tools.SQUARES)] * len(indices))
    data = report.to_json()
    assert (data["n_images"], data["n_instances"]) == (3, 17)
    assert (
        data["precision"] == data["recall"] == data["bioimage_ap_mean"] == data["boundary"]["bioimage_ap_mean"] == 1.0
    )
    assert data["coco"]["AP"] == pytest.approx(1.0)
    assert data["class_map"]["miou"] == data["per_category"]["cell"]["precision"] == 1.0
    assert data["left_out"] == "One image is annotated in part: other cells found there are neither right nor wrong."


def test_a_missed_cell_of_such_a_frame_and_a_false_one_of_a_whole_frame_count(tmp_path):
    folder = tools.challenge(tmp_path, bare=(2,))
    found = {0: [*tools.SQUARES, (30, 18)], 2: tools.SQUARES[1:], 4: tools.SQUARES}
    frames = iter(found.values())
    data = evaluate_folder(folder, None, lambda *_: [squares(next(frames))]).to_json()
    assert data["precision"] == pytest.approx(16 / 17)
    assert data["recall"] == pytest.approx(16 / 17)


def test_only_what_lies_in_the_reviewed_regions_can_be_false(tmp_path, folder):
    truth = Instances((256, 256), [Instance(id=1, y0=8, x0=8, mask=np.ones((16, 16), bool), status="accepted")])
    beside, inside = (Instance(id=0, y0=y, x0=60, mask=np.ones((16, 16), bool)) for y in (200, 70))
    record = ImageRecord(1, "a.png", None, truth.shape, truth, reviewed=((0, 0, 128, 256),))
    write_coco(folder / "annotations_test.json", [record])
    for cells, precision in (([*truth, beside], 1.0), ([*truth, inside], 0.5)):
        predicted = replace(record, instances=Instances(truth.shape, cells), reviewed=())
        write_coco(folder / "p.json", [predicted])
        assert evaluate_predictions(folder, "test", folder / "p.json").to_json()["precision"] == precision


def test_an_image_that_nobody_reviewed_is_left_out_aloud(planes):
    folder, records = planes
    reviewed = [replace(r, reviewed=((0, 0, 256, 256),)) for r in records[:1]]
    write_coco(folder / "annotations_test.json", [*reviewed, *records[1:]])
    write_coco(folder / "p.json", records)
    said = []
    report = evaluate_predictions(folder, "test", folder / "p.json", say=said.append)
    assert report.n_images == 1
    assert "2 images that nobody has reviewed: left out." in said
