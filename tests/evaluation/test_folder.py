from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import tifffile

from napari_centermask.core.compose import label_image
from napari_centermask.core.errors import BadAnnotations
from napari_centermask.core.instances import Instances
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
