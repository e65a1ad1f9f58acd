import json
from dataclasses import replace

import numpy as np
import pytest
import tifffile

from napari_centermask.core.errors import BadAnnotations
from napari_centermask.core.instances import Instance, Instances
from napari_centermask.evaluation.error_maps import COLOURS, classify, error_map
from napari_centermask.evaluation.folder import evaluate_folder, evaluate_predictions, read_truth
from napari_centermask.evaluation.report import evaluate, format_table
from napari_centermask.io.coco.document import write_coco
from napari_centermask.io.coco.image_record import ImageRecord

KEYS = {
    "n_images", "n_instances", "bioimage_ap", "bioimage_ap_mean", "coco", "precision", "recall", "f1", "pq",
    "mean_iou_matched", "dice_matched", "overlap", "per_category", "seconds_per_image",
}  # fmt: skip


def strip(x, width=4, height=4, **fields):
    return Instance(id=0, y0=0, x0=x, mask=np.ones((height, width), bool), **fields)


def test_a_perfect_prediction_scores_one_everywhere(cells):
    truth = cells(n=20, overlap=0.6)
    data = evaluate([(truth, truth, 0.5)]).to_json()
    assert set(data) >= KEYS
    assert set(data["bioimage_ap"].values()) == {1.0}
    ones = (data["bioimage_ap_mean"], data["f1"], data["pq"], data["mean_iou_matched"], data["dice_matched"])
    assert ones == (1.0,) * 5
    assert data["coco"]["AP"] == pytest.approx(1.0)
    assert data["overlap"]["recall50"] == data["overlap"]["mean_iou"] == 1.0
    assert data["overlap"]["n"] > 0
    assert data["seconds_per_image"] == 0.5


def test_hand_counted_case():
    truth = Instances((4, 40), [strip(0), strip(10), strip(20)])
    # IoU 1, IoU 3/5 = 0.6, one false
    found = Instances((4, 40), [strip(0), strip(11), strip(30)])
    data = evaluate([(truth, found, None)]).to_json()
    assert data["bioimage_ap"]["0.50"] == pytest.approx(2 / 4)
    assert data["bioimage_ap"]["0.65"] == pytest.approx(1 / 5)
    assert (data["precision"], data["recall"], data["f1"]) == pytest.approx((2 / 3, 2 / 3, 2 / 3))
    assert data["mean_iou_matched"] == pytest.approx(0.8)
    assert data["pq"] == pytest.approx(0.8 * 2 / 3)
    assert data["dice_matched"] == pytest.approx((1 + 0.75) / 2)


def test_low_scores_count_for_coco_only():
    truth = Instances((4, 40), [strip(0), strip(10)])
    found = Instances((4, 40), [strip(0, score=0.9), strip(10, score=0.1)])
    data = evaluate([(truth, found, None)], score=0.5).to_json()
    assert data["recall"] == 0.5
    assert data["coco"]["AR"] == 1.0


def test_overlap_score_looks_at_shared_cells_alone():
    truth = Instances((4, 60), [strip(0, 10), strip(8, 10), strip(40, 10)])
    found = Instances((4, 60), [strip(0, 10)])
    overlap = evaluate([(truth, found, None)]).to_json()["overlap"]
    assert overlap == {"n": 2, "recall50": 0.5, "mean_iou": 0.5}


def test_nothing_to_measure_is_null_and_valid_json():
    empty = Instances((5, 5))
    data = evaluate([(empty, empty, None)]).to_json()
    assert data["bioimage_ap_mean"] is None
    assert data["coco"]["AP"] is None
    json.dumps(data, allow_nan=False)
    assert "0 annotated cells" in format_table(evaluate([(empty, empty, None)]))


def test_errors_are_told_apart():
    truth = [strip(0, 4), strip(4, 4), strip(20, 12), strip(50, 4), strip(60, 4)]
    found = [strip(0, 8), strip(20, 5), strip(26, 5), strip(60, 4), strip(70, 4)]
    of_truth, of_found = classify(truth, found, threshold=0.55)
    assert of_truth == ["merged", "merged", "split", "missed", "true"]
    assert of_found == ["merged", "split", "split", "true", "false"]


def test_error_map_shows_the_colours_and_a_legend(cells):
    truth = cells(n=5, overlap=0)
    picture = error_map(np.zeros((1, *truth.shape), np.uint8), truth, Instances(truth.shape))
    assert picture.shape[0] > truth.shape[0]
    colours = {tuple(c) for c in picture[: truth.shape[0]].reshape(-1, 3).tolist()}
    assert colours == {(0, 0, 0), COLOURS["missed"]}


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
    with pytest.raises(BadAnnotations, match=r"found annotations_test\.json"):
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
    report = evaluate_folder(folder, "test", lambda image: records[image[0, 0, 0]].instances)
    assert report.to_json()["f1"] == 1.0
