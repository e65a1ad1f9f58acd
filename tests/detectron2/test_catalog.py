"""Projects in detectron2's catalog: its own loader, trainer and evaluator read them, overlaps and holes included."""

import numpy as np
import pytest

from napari_centermask.core.errors import BadAnnotations
from napari_centermask.detectron2.catalog import register_data
from napari_centermask.io.coco.document import read_coco, write_coco

pytest.importorskip("detectron2.modeling", reason="detectron2 is not installed (docs/detectron2.md)")


@pytest.fixture
def name(request):
    """A name that no other test uses, removed afterwards."""
    from detectron2.data import DatasetCatalog, MetadataCatalog

    yield request.node.name
    if request.node.name in DatasetCatalog.list():
        DatasetCatalog.remove(request.node.name)
        MetadataCatalog.remove(request.node.name)


def test_a_folder_is_read_as_it_is(folder, name):
    from detectron2.data import DatasetCatalog
    from pycocotools import mask as coco_mask

    metadata = register_data(name, folder)
    assert metadata.thing_classes == ["living", "dead"]
    loaded = DatasetCatalog.get(name)
    truth = {record.file_name: record for record in read_coco(folder / "annotations.json")}
    assert len(loaded) == len(truth)
    for one in loaded:
        record = truth[one["file_name"].rsplit("/", 1)[1]]
        assert (one["height"], one["width"]) == record.shape
        cells = list(record.instances)
        assert len(one["annotations"]) == len(cells)
        for cell, annotation in zip(cells, one["annotations"], strict=True):
            whole = np.zeros(record.shape, bool)
            y0, x0, y1, x1 = cell.box
            whole[y0:y1, x0:x1] = cell.mask
            assert (coco_mask.decode(annotation["segmentation"]).astype(bool) == whole).all()
            assert annotation["category_id"] == cell.category - 1


def test_a_project_is_registered_in_one_call_and_later_corrections_are_there(folder, name, tmp_path):
    from detectron2.data import DatasetCatalog

    register_data(name, folder)
    n_before = sum(len(one["annotations"]) for one in DatasetCatalog.get(name))
    records = read_coco(folder / "annotations.json", images_root=folder / "images")
    records[0].instances.set(next(iter(records[0].instances)).id, None)
    write_coco(folder / "annotations.json", records)
    assert sum(len(one["annotations"]) for one in DatasetCatalog.get(name)) == n_before - 1


@pytest.mark.filterwarnings("ignore:The given NumPy array is not writable")  # in its own loader
@pytest.mark.filterwarnings("ignore:The 'warn' method is deprecated:DeprecationWarning")  # in its own evaluator
def test_detectron2s_loader_and_trainer_take_it(folder, name, config, ours, tmp_path):
    """Six steps of its own trainer with our modules, and its evaluator."""
    from detectron2.data import build_detection_test_loader
    from detectron2.engine import DefaultTrainer
    from detectron2.evaluation import COCOEvaluator, inference_on_dataset

    from napari_centermask.detectron2.config import load_config
    from napari_centermask.detectron2.registered import register

    register()
    register_data(name, folder)
    cfg = load_config(config(ours))
    cfg.merge_from_list(
        ["DATASETS.TRAIN", (name,), "DATASETS.TEST", (), "MODEL.DEVICE", "cpu", "OUTPUT_DIR", str(tmp_path / "out")]
        + ["SOLVER.IMS_PER_BATCH", 2, "SOLVER.MAX_ITER", 6, "DATALOADER.NUM_WORKERS", 0, "INPUT.MIN_SIZE_TRAIN", (128,)]
        + ["INPUT.MIN_SIZE_TEST", 128, "SOLVER.BASE_LR", 1e-4]
        + [
            "SEED",
            0,
            "MODEL.VOVNET.NORM",
            "BN",
            "SOLVER.CLIP_GRADIENTS.ENABLED",
            True,
        ]  # no trained weights to begin with
    )
    trainer = DefaultTrainer(cfg)
    trainer.train()
    loader = build_detection_test_loader(cfg, name)
    evaluator = COCOEvaluator(name, output_dir=str(tmp_path / "out"), use_fast_impl=False)
    results = inference_on_dataset(trainer.model, loader, evaluator)
    assert results is not None
    assert (tmp_path / "out" / "model_final.pth").is_file()


def test_a_folder_without_annotations_and_a_taken_name_are_messages(folder, name, tmp_path):
    with pytest.raises(BadAnnotations, match=r"has no annotations_train.json"):
        register_data(name, folder, split="train")
    register_data(name, folder)
    with pytest.raises(BadAnnotations, match="has .* already. Choose another name"):
        register_data(name, folder)
