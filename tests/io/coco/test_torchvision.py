"""torchvision reads what we write; apart from the other readers, because it brings torch into the process."""

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")
datasets = pytest.importorskip("torchvision.datasets")


@pytest.mark.parametrize("polygons", [None, 0.0])
def test_torchvision_reads_every_cell_with_its_mask(tmp_path, cells, polygons):
    from PIL import Image

    from napari_centermask.io.coco.document import write_coco
    from napari_centermask.io.coco.image_record import ImageRecord

    truth = cells(n=12, overlap=0.5, shape=(96, 80), radius=8)
    Image.fromarray(np.zeros(truth.shape, np.uint8)).save(tmp_path / "a.png")
    write_coco(tmp_path / "c.json", [ImageRecord(1, "a.png", None, truth.shape, truth)], polygons=polygons)
    dataset = datasets.CocoDetection(tmp_path, tmp_path / "c.json")
    assert len(dataset[0][1]) == len(json.loads((tmp_path / "c.json").read_text())["annotations"]) == 12
    keys = {"image_id", "boxes", "labels", "masks"}
    _, target = datasets.wrap_dataset_for_transforms_v2(dataset, target_keys=keys)[0]
    assert target["labels"].tolist() == [1] * 12
    for mask, box, cell in zip(target["masks"].bool().numpy(), target["boxes"].tolist(), truth, strict=True):
        y0, x0, y1, x1 = cell.box
        frame = np.zeros(truth.shape, bool)
        frame[y0:y1, x0:x1] = cell.mask
        assert np.array_equal(mask, frame)
        assert box == [x0, y0, x1, y1]
