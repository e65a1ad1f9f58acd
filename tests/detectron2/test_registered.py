"""Our modules in detectron2's registries: configurations build them, and they compute what the reference computes."""

import numpy as np
import pytest
import torch

from napari_centermask.core.errors import BadModel, BadSettings
from napari_centermask.detectron2.config import form_of, load_config, read_config
from napari_centermask.detectron2.registered import register

pytest.importorskip("detectron2.modeling", reason="detectron2 is not installed (docs/detectron2.md)")

LOADED = (
    *("centermask_R_101", "centermask_R_50", "centermask_V_39_eSE", "centermask_V_57_eSE", "centermask_V_99_eSE"),
    *("centermask_X_101", "centermask_lite_Mv2", "centermask_lite_V_19_eSE", "centermask_lite_V_19_slim_dw_eSE"),
    *("centermask_lite_V_19_slim_eSE", "centermask_lite_V_39_eSE"),
)
NOT_LOADED = ("centermask_V_39_eSE_dcn", "centermask_V_57_eSE_dcn", "centermask_V_99_eSE_dcn")


def built(path, options=()):
    from detectron2.modeling import META_ARCH_REGISTRY

    register()
    cfg = load_config(path, options=["MODEL.DEVICE", "cpu", *options])
    return META_ARCH_REGISTRY.get(cfg.MODEL.META_ARCHITECTURE)(cfg), cfg


def batch(facts):
    """Two images with cells as detectron2's mapper gives them."""
    from detectron2.structures import BitMasks, Boxes, Instances

    images = []
    for seed in range(2):
        masks = torch.zeros(2, 96, 128, dtype=torch.bool)
        masks[0, 10:50, 12:60] = masks[1, 40:90, 50:110] = True
        cells = Instances((96, 128), gt_boxes=Boxes(torch.tensor([[12.0, 10, 60, 50], [50, 40, 110, 90]])))
        cells.gt_classes, cells.gt_masks = torch.tensor([0, 1]), BitMasks(masks)
        image = torch.randint(0, 255, (3, 96, 128), generator=torch.Generator().manual_seed(seed)).float()
        image[:, masks.any(dim=0)] += 200
        images.append({"image": image, "instances": cells, "height": 96, "width": 128})
    return images


def test_registering_twice_changes_nothing_and_a_taken_name_is_an_error(monkeypatch):
    from detectron2.modeling import PROPOSAL_GENERATOR_REGISTRY

    register()
    register()
    monkeypatch.setitem(PROPOSAL_GENERATOR_REGISTRY._obj_map, "FCOS", torch.nn.Module)
    with pytest.raises(BadSettings, match=r"another FCOS, from torch.nn"):
        register()


@pytest.mark.parametrize("name", LOADED)
def test_a_published_configuration_builds_a_network_with_the_published_names(published, name):
    path, facts = published(name, "keys")
    with torch.device("meta"):
        model, _ = built(path)
    shapes = {entry["key"]: tuple(entry["shape"]) for entry in facts["state_dict"]}
    ours = {key: tuple(value.shape) for key, value in model.state_dict().items()}
    assert {k: v for k, v in ours.items() if not k.endswith("num_batches_tracked")} == shapes


@pytest.mark.parametrize("name", NOT_LOADED)
def test_a_configuration_with_deformable_convolutions_is_refused(published, name):
    path, _ = published(name, "keys")
    with pytest.raises(BadModel, match="deformable convolutions, which is not supported"):
        built(path)


@torch.no_grad()
def test_detections_are_those_of_the_reference(published, recipe, goldens):
    """The whole model in detectron2, from a BGR image to boxes, scores and mask scores."""
    path, facts = published("centermask_lite_V_19_slim_eSE")
    model, _ = built(path)
    state = {
        entry["key"]: torch.from_numpy(
            np.asarray(recipe.fill_value(entry["key"], tuple(entry["shape"]), facts["consts"]))
        )
        for entry in facts["state_dict"]
    }
    model.load_state_dict(state)
    model.eval()
    wanted = np.load(goldens / "centermask_lite_V_19_slim_eSE" / "outputs.npz")
    image = torch.from_numpy(recipe.test_image(0).transpose(2, 0, 1).astype(np.float32))
    (found,) = model.inference([{"image": image}], do_postprocess=False)
    assert np.allclose(found.pred_boxes.tensor, wanted["img0.det.boxes"], atol=1e-2)
    assert np.allclose(found.scores, wanted["img0.det.scores"], atol=1e-5)
    assert (found.pred_classes.numpy() == wanted["img0.det.classes"]).all()
    assert np.allclose(found.mask_scores, wanted["img0.det.mask_scores"], atol=1e-4)
    assert np.allclose(found.pred_masks[:, 0], torch.from_numpy(wanted["img0.mask.logits"]).sigmoid(), atol=1e-3)


def test_losses_fall_in_detectron2s_way_of_training(config, ours):
    from detectron2.utils.events import EventStorage

    torch.manual_seed(0)
    model, cfg = built(config(ours), ["MODEL.VOVNET.NORM", "BN"])
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-4)
    totals = []
    with EventStorage():
        for _ in range(12):
            losses = model(batch(cfg))
            total = sum(losses.values())
            optimiser.zero_grad()
            total.backward()
            optimiser.step()
            totals.append(total.item())
    assert {"loss_fcos_cls", "loss_fcos_loc", "loss_fcos_ctr", "loss_mask", "loss_maskiou"} == set(losses)
    assert np.mean(totals[-3:]) < 0.8 * totals[0]


def test_our_parts_work_with_detectron2s_own(config, ours, small):
    """Our backbone under its RPN and heads, our FCOS before them, and our mask head in its Mask R-CNN."""
    from detectron2.utils.events import EventStorage

    mixed = ours.replace("CenterROIHeads", "StandardROIHeads")
    heads = ["MODEL.ROI_BOX_HEAD.NAME", "FastRCNNConvFCHead", "MODEL.ROI_BOX_HEAD.NUM_FC", "1"]
    heads += ["MODEL.ROI_BOX_HEAD.POOLER_RESOLUTION", "7", "MODEL.ROI_BOX_HEAD.FC_DIM", "16"]
    rpn = ["MODEL.PROPOSAL_GENERATOR.NAME", "RPN", "MODEL.RPN.IN_FEATURES", "['p3', 'p4', 'p5', 'p6', 'p7']"]
    rpn += ["MODEL.ANCHOR_GENERATOR.SIZES", "[[16], [32], [64], [128], [256]]"]
    mask_head = ["MODEL.ROI_MASK_HEAD.NAME", "SpatialAttentionMaskHead"]
    for text, options in ((mixed, heads), (mixed, heads + rpn), (small, mask_head)):
        model, cfg = built(config(text), options)
        with EventStorage():
            losses = model(batch(cfg))
        assert torch.isfinite(sum(losses.values()))
        with torch.no_grad():
            found = model.eval()(batch(cfg))
        assert found[0]["instances"].has("pred_masks")


@torch.no_grad()
def test_test_time_augmentation_finds_masks_too(config, ours):
    from detectron2.modeling import GeneralizedRCNNWithTTA

    torch.manual_seed(0)
    model, cfg = built(config(ours), ["MODEL.FCOS.INFERENCE_TH_TEST", "0.0", "TEST.AUG.MIN_SIZES", "(96, 128)"])
    augmented = GeneralizedRCNNWithTTA(cfg, model.eval())
    image = (np.random.default_rng(0).random((96, 128, 3)) * 255).astype(np.uint8)
    (found,) = augmented([{"image": torch.from_numpy(image.transpose(2, 0, 1)), "height": 96, "width": 128}])
    assert found["instances"].pred_masks.shape[1:] == (96, 128)
    assert len(found["instances"]) > 0


def test_a_configuration_survives_its_own_text(config, ours):

    cfg = load_config(config(ours))
    assert form_of(read_config(cfg.dump())) == form_of(cfg)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("MODEL: {WEIRD: 1}", "no configuration that detectron2 can read"),
        ("MODEL: [", "no configuration that detectron2 can read"),
        ("!!python/object/apply:os.system ['echo hacked']", "no configuration that detectron2 can read"),
        ("_BASE_: https://example.com/base.yaml", "would be downloaded"),
        ("_BASE_: missing.yaml", "cannot be read"),
    ],
)
def test_a_file_that_is_no_configuration_is_a_message(config, text, said):
    with pytest.raises(BadModel, match=said):
        load_config(config(text))


def test_a_python_configuration_is_never_opened(tmp_path):
    path = tmp_path / "lazy.py"
    path.write_text("raise SystemExit")
    with pytest.raises(BadModel, match="would run code and are never opened"):
        load_config(path)


def test_values_that_our_fcos_does_not_have_are_named(config, ours):

    with pytest.raises(BadModel, match="MODEL.FCOS.LOC_LOSS_TYPE=iou, which our FCOS does not support"):
        built(config(ours), ["MODEL.FCOS.LOC_LOSS_TYPE", "iou"])
