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


def pycoco(truths, predictions, max_detections):
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        truth, result = COCO(), COCO()
        for coco, images in ((truth, truths), (result, predictions)):
            coco.dataset = to_coco(ImageRecord(i, f"{i}.png", None, s.shape, s) for i, s in enumerate(images, 1))
            coco.createIndex()
        run = COCOeval(truth, result, "segm")
        run.params.maxDets = [1, 2, max_detections]
        run.evaluate()
        run.accumulate()
    precision, recall = run.eval["precision"][..., 0, -1], run.eval["recall"][..., 0, -1]

    def mean(values):
        return float(values[values > -1].mean())

    return {"AP": mean(precision), "AP50": mean(precision[0]), "AP75": mean(precision[5]), "AR": mean(recall)}


@pytest.mark.parametrize("max_detections", [8, 1000])
@pytest.mark.parametrize("seed", range(4))
def test_coco_ap_equals_pycocotools(cells, seed, max_detections):
    rng = np.random.default_rng(seed)
    truths = []
    for image in range(4):
        plain = cells(n=14, overlap=0.5, seed=10 * seed + image)
        truths.append(Instances(plain.shape, categories={1: "live", 2: "dead"}))
        for cell in plain:
            fields = {"y0": cell.y0, "x0": cell.x0, "mask": cell.mask, "category": int(rng.integers(1, 3))}
            truths[-1].add(Instance(id=0, **fields))
    predictions = [disturbed(truth, rng) for truth in truths]
    ours = evaluate(zip(truths, predictions, [None] * 4, strict=True), max_detections=max_detections).to_json()["coco"]
    for name, value in pycoco(truths, predictions, max_detections).items():
        assert ours[name] == pytest.approx(value, abs=1e-6)
