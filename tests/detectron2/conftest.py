"""Configurations and data. Each test file here asks for detectron2, so that it is skipped, visibly, where that is missing."""

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest

MODEL = ("PIXEL_MEAN", "PIXEL_STD", "META_ARCHITECTURE", "BACKBONE", "FPN", "FCOS", "ROI_HEADS", "ROI_MASK_HEAD")
MODEL += ("ROI_MASKIOU_HEAD", "MASK_ON", "MASKIOU_ON", "MASKIOU_LOSS_WEIGHT", "KEYPOINT_ON", "VOVNET", "RESNETS")
SMALL = """
MODEL:
  META_ARCHITECTURE: GeneralizedRCNN
  MASK_ON: True
  BACKBONE: {NAME: build_resnet_fpn_backbone, FREEZE_AT: 0}
  RESNETS: {DEPTH: 18, OUT_FEATURES: [res2, res3, res4, res5], RES2_OUT_CHANNELS: 64, NORM: BN}
  FPN: {IN_FEATURES: [res2, res3, res4, res5], OUT_CHANNELS: 16}
  ANCHOR_GENERATOR: {SIZES: [[8], [16], [32], [64], [128]]}
  RPN: {IN_FEATURES: [p2, p3, p4, p5, p6], POST_NMS_TOPK_TEST: 100}
  ROI_HEADS: {NAME: StandardROIHeads, IN_FEATURES: [p2, p3, p4, p5], NUM_CLASSES: 2}
  ROI_BOX_HEAD: {NAME: FastRCNNConvFCHead, NUM_FC: 2, FC_DIM: 16, POOLER_RESOLUTION: 7}
  ROI_MASK_HEAD: {NAME: MaskRCNNConvUpsampleHead, NUM_CONV: 1, CONV_DIM: 16, POOLER_RESOLUTION: 14}
INPUT: {MASK_FORMAT: bitmask}
VERSION: 2
"""
OURS = """
MODEL:
  META_ARCHITECTURE: GeneralizedRCNN
  MASK_ON: True
  MASKIOU_ON: True
  PIXEL_MEAN: [103.53, 116.28, 123.675]
  PIXEL_STD: [57.0, 57.0, 57.0]
  BACKBONE: {NAME: build_fcos_vovnet_fpn_backbone, FREEZE_AT: 0}
  VOVNET: {CONV_BODY: V-19-slim-dw-eSE, NORM: FrozenBN}
  FPN: {IN_FEATURES: [stage3, stage4, stage5], OUT_CHANNELS: 32}
  PROPOSAL_GENERATOR: {NAME: FCOS}
  FCOS: {NUM_CLASSES: 2, NUM_CLS_CONVS: 1, NUM_BOX_CONVS: 1}
  ROI_HEADS: {NAME: CenterROIHeads, IN_FEATURES: [p3, p4, p5], NUM_CLASSES: 2}
  ROI_MASK_HEAD: {NAME: SpatialAttentionMaskHead, NUM_CONV: 1, CONV_DIM: 32, POOLER_RESOLUTION: 14, ASSIGN_CRITERION: ratio}
  ROI_MASKIOU_HEAD: {NUM_CONV: 1, CONV_DIM: 16}
INPUT: {MASK_FORMAT: bitmask}
VERSION: 2
"""


@pytest.fixture
def small():
    """The configuration of a small Mask R-CNN of detectron2's own parts."""
    return SMALL


@pytest.fixture
def ours():
    """The configuration of a small CenterMask of ours, as CenterMask2 would write it."""
    return OURS


@pytest.fixture
def config(tmp_path):
    """A function that writes a configuration: its path."""

    def write(text, name="small.yaml"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.fixture
def goldens():
    """The folder with what is known of the reference, as in tests/models/nets/test_goldens.py."""
    folder = Path(os.environ.get("CENTERMASK_GOLDENS", Path(__file__).parents[3] / "shared" / "goldens"))
    if not folder.is_dir():
        pytest.skip(f"no goldens in {folder}; set CENTERMASK_GOLDENS")
    return folder


@pytest.fixture
def published(goldens, config):
    """A function: the path of a configuration with the values of a published one, and what is known of its model."""
    import yaml

    def write(name, folder=""):
        path = goldens / folder / (f"{name}.json" if folder else f"{name}/manifest.json")
        facts = json.loads(path.read_text(encoding="utf-8"))
        values = facts["config_values"]
        model = {key: values[key] for key in MODEL if key in values} | {"PROPOSAL_GENERATOR": {"NAME": "FCOS"}}
        whole = {"MODEL": model, "INPUT": values.get("INPUT", {}), "VERSION": 2}
        return config(yaml.safe_dump(whole), f"{name}.yaml"), facts

    return write


@pytest.fixture
def recipe(goldens, monkeypatch):
    """The recipe of the goldens' weights and images."""
    monkeypatch.syspath_prepend(str(goldens))
    import recipe

    yield recipe
    sys.modules.pop("recipe", None)


@pytest.fixture
def folder(tmp_path, cells):
    """A data folder of two images with bright cells of two categories."""
    from dataclasses import replace

    from PIL import Image

    from napari_centermask.core.instances import Instances
    from napari_centermask.io.coco.document import write_coco
    from napari_centermask.io.coco.image_record import ImageRecord

    (tmp_path / "data" / "images").mkdir(parents=True)
    records = []
    for seed in (1, 2):
        drawn = cells(n=8, overlap=0.3, seed=seed, shape=(128, 160))
        kinds = (replace(cell, category=1 + cell.id % 2) for cell in drawn)
        truth = Instances(drawn.shape, kinds, categories={1: "living", 2: "dead"})
        image = np.full(truth.shape, 20, np.uint8)
        for cell in truth:
            y0, x0, y1, x1 = cell.box
            image[y0:y1, x0:x1][cell.mask] = 200
        Image.fromarray(image).save(tmp_path / "data" / "images" / f"{seed}.png")
        records.append(ImageRecord(seed, f"{seed}.png", None, truth.shape, truth))
    write_coco(tmp_path / "data" / "annotations.json", records)
    return tmp_path / "data"
