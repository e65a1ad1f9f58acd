from dataclasses import replace

import numpy as np
import pytest
import tifffile

from napari_centermask.core.errors import BadAnnotations
from napari_centermask.evaluation.folder import evaluate_folder, evaluate_predictions, read_truth
from napari_centermask.io.coco.document import write_coco
from napari_centermask.io.coco.image_record import ImageRecord


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
