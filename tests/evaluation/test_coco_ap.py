import contextlib
import io

import numpy as np
import pytest

from napari_centermask.core.instances import Instance, Instances
from napari_centermask.evaluation.report import evaluate
from napari_centermask.io.coco.document import to_coco
from napari_centermask.io.coco.image_record import ImageRecord

pytest.importorskip("pycocotools")


def disturbed(truth, rng):
    """Detections from annotations: shifted, some missing, some false, some twice, scores with ties."""
    predicted = Instances(truth.shape, categories=truth.categories)
    for cell in truth:
        for _ in range(int(rng.choice([0, 1, 1, 1, 2]))):
            y0 = int(np.clip(cell.y0 + rng.integers(-4, 5), 0, truth.shape[0] - cell.mask.shape[0]))
            x0 = int(np.clip(cell.x0 + rng.integers(-4, 5), 0, truth.shape[1] - cell.mask.shape[1]))
            score = float(np.round(rng.random(), 1))
            category = cell.category if rng.random() < 0.9 else 3 - cell.category
            predicted.add(Instance(id=0, y0=y0, x0=x0, mask=cell.mask, score=score, category=category))
    return predicted


def pycoco(truths, predictions, max_detections, areas=None):
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        truth, result = COCO(), COCO()
        for coco, images in ((truth, truths), (result, predictions)):
            coco.dataset = to_coco(ImageRecord(i, f"{i}.png", None, s.shape, s) for i, s in enumerate(images, 1))
            coco.createIndex()
        run = COCOeval(truth, result, "segm")
        run.params.maxDets = [1, 2, max_detections]
        if areas is not None:
            run.params.areaRng, run.params.areaRngLbl = [areas], ["some"]
        run.evaluate()
        run.accumulate()
    precision, recall = run.eval["precision"][..., 0, -1], run.eval["recall"][..., 0, -1]

    def mean(values):
        return float(values[values > -1].mean())

    return {"AP": mean(precision), "AP50": mean(precision[0]), "AP75": mean(precision[5]), "AR": mean(recall)}


def cells_of_two_categories(cells, seed, rng, radii=(12, 12, 12, 12)):
    """Annotated images and detections."""
    truths = []
    for image, radius in enumerate(radii):
        plain = cells(n=14, overlap=0.5, seed=10 * seed + image, radius=radius)
        truths.append(Instances(plain.shape, categories={1: "live", 2: "dead"}))
        for cell in plain:
            fields = {"y0": cell.y0, "x0": cell.x0, "mask": cell.mask, "category": int(rng.integers(1, 3))}
            truths[-1].add(Instance(id=0, **fields))
    return truths, [disturbed(truth, rng) for truth in truths]


@pytest.mark.parametrize("max_detections", [8, 1000])
@pytest.mark.parametrize("seed", range(4))
def test_coco_ap_equals_pycocotools(cells, seed, max_detections):
    truths, predictions = cells_of_two_categories(cells, seed, np.random.default_rng(seed))
    ours = evaluate(zip(truths, predictions, [None] * 4, strict=True), max_detections=max_detections).to_json()["coco"]
    for name, value in pycoco(truths, predictions, max_detections).items():
        assert ours[name] == pytest.approx(value, abs=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_ap_by_cell_size_equals_pycocotools_at_the_same_bounds(cells, seed):
    truths, predictions = cells_of_two_categories(cells, seed, np.random.default_rng(seed), radii=(6, 9, 12, 15))
    sizes = evaluate(zip(truths, predictions, [None] * 4, strict=True)).to_json()["coco_by_size"]
    assert list(sizes) == ["small", "medium", "large"]
    for row in sizes.values():
        low, high = row["area"]
        theirs = pycoco(truths, predictions, 1000, areas=[low or 0, high or 1e10])
        assert (row["AP"], row["AP50"]) == pytest.approx((theirs["AP"], theirs["AP50"]), abs=1e-6)


def test_sizes_are_thirds_of_the_annotated_cells_and_only_their_own_count():
    """Widths 1 to 6; the three smallest are missed, and a false cell of the largest size."""
    strips = [Instance(id=0, y0=0, x0=10 * n, mask=np.ones((4, n), bool)) for n in range(1, 7)]
    false = Instance(id=0, y0=0, x0=80, mask=np.ones((4, 6), bool), score=1.0)
    truth, predictions = Instances((4, 90), strips), Instances((4, 90), [*strips[3:], false])
    sizes = evaluate([(truth, predictions, None)]).to_json()["coco_by_size"]
    assert [row["n"] for row in sizes.values()] == [2, 2, 2]
    assert [row["area"] for row in sizes.values()] == [[None, 10.5], [10.5, 17.5], [17.5, None]]
    assert sizes["small"]["AP50"] == 0.0
    assert sizes["medium"]["AP50"] == pytest.approx(51 / 101)  # one of two, and no false one of that size
    assert sizes["large"]["AP50"] == pytest.approx(1.0)  # equal scores: the false one comes last


def test_without_annotated_cells_there_are_no_sizes():
    empty = Instances((5, 5))
    assert evaluate([(empty, empty, None)]).to_json()["coco_by_size"] == {}


def test_details_can_be_left_out(cells):
    truth = cells(n=5)
    data = evaluate([(truth, truth, None)], details=False).to_json()
    assert data["coco"]["AP"] == pytest.approx(1.0)
    assert (data["coco_by_size"], data["class_map"]["per_class"], data["boundary"]["iou_matched"]) == ({}, {}, None)
