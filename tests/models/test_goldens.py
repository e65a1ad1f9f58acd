"""Conformance with the reference CenterMask2: every configuration in CENTERMASK_GOLDENS (default ../shared/goldens)."""

import importlib.util
import json
import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from napari_centermask.core.errors import BadModel
from napari_centermask.core.paste import paste_many
from napari_centermask.engines import Features
from napari_centermask.engines.decode import candidates, detect
from napari_centermask.models.centermask import CenterMask
from napari_centermask.models.checkpoint import load_state
from napari_centermask.models.fcos import flatten, propose
from napari_centermask.models.losses import (
    assign,
    fcos_losses,
    level_table,
    mask_iou_targets,
    mask_losses,
    sample_regions,
)
from napari_centermask.models.reference import guess_settings
from napari_centermask.models.roi_heads import assign_levels, of_class, pool

FOLDER = Path(os.environ.get("CENTERMASK_GOLDENS", Path(__file__).parents[3] / "shared" / "goldens"))
CONFIGS = sorted(p.parent.name for p in FOLDER.glob("*/outputs.npz"))
TRAINED = sorted((p.parent.name, p.stem[-1]) for p in FOLDER.glob("*/train_?.npz"))
VARIANTS = sorted(p.stem for p in FOLDER.glob("variants/*.npz"))
KEYS = sorted(p.stem for p in FOLDER.glob("keys/*.json"))
UNSUPPORTED = ("_dcn", "X_101")  # deformable convolutions and ResNeXt: not part of this project
FEATURES = {"rtol": 1e-4, "atol": 1e-3}

pytestmark = pytest.mark.skipif(not CONFIGS, reason=f"no goldens in {FOLDER}; set CENTERMASK_GOLDENS")


def recipe():
    spec = importlib.util.spec_from_file_location("recipe", FOLDER / "recipe.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_LOADED = {}


def arrays(path):
    """All arrays of an npz file, the file closed."""
    with np.load(path) as file:
        return dict(file)


def load(config, consts=None, opts=()):
    """The model of a configuration, its manifest and its images; kept for the next test of the same one."""
    key = (config, json.dumps(consts), str(opts))
    if key not in _LOADED:
        _LOADED.clear()
        manifest = json.loads((FOLDER / config / "manifest.json").read_text())
        make = recipe()
        entries = {e["key"]: e["shape"] for e in manifest["state_dict"]}
        if "no_maskiou" in opts:
            entries = {k: s for k, s in entries.items() if "maskiou_head" not in k}
        if "cls_agnostic" in opts:
            entries |= {
                f"roi_heads.mask_head.predictor.{k}": [1, *s] for k, s in (("bias", []), ("weight", [128, 1, 1]))
            }
        state = {k: torch.from_numpy(make.fill_value(k, s, consts or manifest["consts"])) for k, s in entries.items()}
        settings = guess_settings(state, where=config)
        if "area" in opts:
            settings = settings.model_copy(update={"roi_levels": "area"})
        model = CenterMask(settings).eval()
        load_state(model, state, where=config)
        images = arrays(FOLDER / config / "inputs.npz")
        inputs = [network_input(images[f"image{i}"], manifest) for i in range(2)]
        _LOADED[key] = model, manifest, inputs
    return _LOADED[key]


def network_input(image, manifest):
    """(1, 3, H, W) BGR minus the mean, zero padding at the bottom and right to a multiple of 32, and the plain size."""
    values = manifest["config_values"]
    x = (image.astype(np.float32) - np.float32(values["PIXEL_MEAN"])) / np.float32(values["PIXEL_STD"])
    height, width = image.shape[:2]
    padded = np.zeros((-(-height // 32) * 32, -(-width // 32) * 32, 3), np.float32)
    padded[:height, :width] = x
    return torch.from_numpy(padded.transpose(2, 0, 1)[None].copy()), (height, width)


def close(actual, expected, *, name, rtol=1e-4, atol=1e-3):
    actual = np.asarray(actual.detach() if isinstance(actual, torch.Tensor) else actual)
    assert actual.shape == expected.shape, name
    np.testing.assert_allclose(actual, expected, rtol=rtol, atol=atol, err_msg=name)


def decode(model, dense, shape, manifest, **options):
    values = manifest["config_values"]["FCOS"]
    _, logits, ltrb, centerness = dense
    features = Features(shape, (), logits.numpy(), ltrb.numpy(), centerness.numpy())
    card = SimpleNamespace(strides=model.strides)
    given = {
        "score": values["INFERENCE_TH_TEST"],
        "nms": values["NMS_TH"],
        "threshold": "class",
        "pre_nms_topk": values["PRE_NMS_TOPK_TEST"],
        "max_detections": values["POST_NMS_TOPK_TEST"],
    } | options
    before = {k: given[k] for k in ("score", "threshold", "pre_nms_topk")}
    return candidates(features, card, **before), detect(features, card, **given)


def check_detections(found, golden, prefix):
    close(found.boxes, golden[prefix + "det.boxes"], name="boxes", rtol=0, atol=1e-2)
    close(found.scores, golden[prefix + "det.scores"], name="scores", rtol=0, atol=1e-5)
    assert np.array_equal(found.classes, golden[prefix + "det.classes"])


def rois_of(boxes):
    return torch.cat([torch.zeros(len(boxes), 1), torch.as_tensor(boxes)], dim=1)


def runs_to_mask(golden, prefix, k):
    counts = golden[prefix + "mask_rle_counts"][slice(*golden[prefix + "mask_rle_offsets"][k : k + 2])]
    height, width = golden[prefix + "mask_hw"]
    values = np.repeat(np.arange(len(counts)) % 2, counts)
    return values.reshape(width, height).T.astype(bool)


def check_masks(boxes, probability, size, golden, prefix, wanted):
    """Masks pasted into the boxes scaled and clipped to the wanted size, as the reference does."""
    scale = np.array([wanted[1] / size[1], wanted[0] / size[0]] * 2, np.float32)
    clipped = np.clip(boxes * scale, 0, [wanted[1], wanted[0]] * 2).astype(np.float32)
    kept = (clipped[:, 2] > clipped[:, 0]) & (clipped[:, 3] > clipped[:, 1])
    close(clipped[kept], golden[prefix + "boxes"], name="final boxes", rtol=0, atol=1e-2)
    different = 0
    for k, crop in enumerate(paste_many(probability[kept], clipped[kept], wanted)):
        frame = np.zeros(wanted, bool)
        if crop is not None:
            y0, x0, mask = crop
            frame[y0 : y0 + mask.shape[0], x0 : x0 + mask.shape[1]] = mask
        different += np.count_nonzero(frame ^ runs_to_mask(golden, prefix, k))
    assert different <= 5
    return kept


@pytest.mark.parametrize("name", KEYS)
def test_every_published_name_and_shape_is_ours(name):
    entries = json.loads((FOLDER / "keys" / f"{name}.json").read_text())["state_dict"]
    with torch.device("meta"):
        state = {e["key"]: torch.empty(e["shape"]) for e in entries}
        if name.endswith(UNSUPPORTED[0]) or UNSUPPORTED[1] in name:
            with pytest.raises(BadModel):
                guess_settings(state, where=name)
            return
        own = CenterMask(guess_settings(state, where=name)).state_dict()
    assert {k: tuple(v.shape) for k, v in own.items()} == {e["key"]: tuple(e["shape"]) for e in entries}


@pytest.mark.parametrize("image", [0, 1])
@pytest.mark.parametrize("config", CONFIGS)
@torch.no_grad()
def test_features_and_dense_outputs(config, image):
    model, manifest, inputs = load(config)
    golden, prefix = arrays(FOLDER / config / "outputs.npz"), f"img{image}."
    x, _ = inputs[image]
    close(x[0, :, ::4, ::4], golden[prefix + "input_sub"], name="input")
    maps = {}
    bottom = model.backbone.bottom_up
    hooks = [
        getattr(bottom, part).register_forward_hook(lambda _m, _i, out, name=name: maps.setdefault(name, out))
        for name, part in _taps(bottom).items()
    ]
    pyramid = model.pyramid(x)
    for hook in hooks:
        hook.remove()
    maps |= {f"C{i + 3}": m for i, m in enumerate(bottom(x).values())}
    maps |= {f"P{i + 3}": m for i, m in enumerate(pyramid)}
    checked = 0
    for name, every in manifest["subsample"].items():
        if name not in maps:
            continue
        t = maps[name][0]
        step, channels = every["spatial_stride"], every["channel_stride"]
        close(t[::channels, ::step, ::step], golden[prefix + name], name=name)
        close(t.mean((1, 2)), golden[prefix + name + ".chmean"], name=name + ".chmean")
        close(t.std((1, 2), correction=0), golden[prefix + name + ".chstd"], name=name + ".chstd")
        checked += 1
    assert checked >= 8
    heads = model.proposal_generator.fcos_head(pyramid)
    for kind, levels in zip(("cls_logits", "bbox_reg", "ctrness"), heads, strict=True):
        for level, t in enumerate(levels):
            close(t[0], golden[f"{prefix}P{level + 3}.{kind}"], name=f"P{level + 3}.{kind}")


def _taps(bottom):
    """Modules whose output is published as stem and C2."""
    names = dict(bottom.named_children())
    taps = {"stem": "stem"} if "stem" in names else {}
    second = [n for n in ("stage2", "res2") if n in names]
    return taps | ({"C2": second[0]} if second else {})


@pytest.mark.parametrize("image", [0, 1])
@pytest.mark.parametrize("config", CONFIGS)
@torch.no_grad()
def test_detections_masks_and_scores(config, image):
    model, manifest, inputs = load(config)
    golden, prefix = arrays(FOLDER / config / "outputs.npz"), f"img{image}."
    x, size = inputs[image]
    dense = model.dense(x)
    before, found = decode(model, dense, x.shape[2:], manifest)
    assert golden[prefix + "pre_nms.n_per_level"].sum() == len(before[0])
    close(before[0], golden[prefix + "pre_nms.boxes"], name="candidates", rtol=0, atol=1e-2)
    close(before[1], golden[prefix + "pre_nms.scores"], name="candidate scores", rtol=0, atol=1e-5)
    assert np.array_equal(before[2], golden[prefix + "pre_nms.classes"])
    _, uncut = decode(model, dense, x.shape[2:], manifest, max_detections=None)
    ours = np.sort(uncut.scores)[::-1]
    close(ours, np.sort(golden[prefix + "post_nms.scores"])[::-1], name="after NMS", rtol=0, atol=1e-5)
    check_detections(found, golden, prefix)
    check_regions(model, dense, golden, prefix, size)
    probability = torch.from_numpy(golden[prefix + "mask.logits"]).sigmoid().numpy()
    boxes = golden[prefix + "det.boxes"]
    kept = check_masks(boxes, probability, size, golden, prefix + "final.", size)
    assert np.array_equal(golden[prefix + "det.scores"][kept], golden[prefix + "final.scores"])
    wanted = tuple(manifest["images"][image]["rescaled_output_hw"])
    check_masks(boxes, probability, size, golden, prefix + "final_rescaled.", wanted)


def check_regions(model, dense, golden, prefix, size):
    """Levels, pooled features, attention, masks and mask IoU of the published boxes."""
    boxes, classes = golden[prefix + "det.boxes"], torch.from_numpy(golden[prefix + "det.classes"]).long()
    rois, area = rois_of(boxes), float(size[0] * size[1])
    levels = assign_levels(rois[:, 1:], area, rule=model.settings.roi_levels)
    assert np.array_equal(levels, golden[prefix + "roi.level"])
    logits, iou = model.roi(*dense[0], rois, classes, area)
    close(logits, golden[prefix + "mask.logits"], name="mask logits")
    if model.settings.maskiou:
        close(
            golden[prefix + "det.scores"] * iou.numpy(),
            golden[prefix + "det.mask_scores"],
            name="mask scores",
            atol=1e-4,
        )
        x = pool(dense[0], rois, levels)
        close(model.roi_heads.maskiou_head(x, logits), golden[prefix + "maskiou"], name="mask IoU")
    if prefix + "roi.feat" not in golden:
        return
    x, head = pool(dense[0], rois, levels), model.roi_heads.mask_head
    close(x[:6, ::4], golden[prefix + "roi.feat"], name="pooled features")
    close(x.mean((2, 3)), golden[prefix + "roi.feat.chmean_all"], name="pooled means")
    close(head(x)[:3, ::10], golden[prefix + "mask.logits_allcls_sub"], name="all classes")
    for i in range(head.convs):
        x = torch.relu(getattr(head, f"mask_fcn{i + 1}")(x))
    close(x[:6, ::16], golden[prefix + "mask.fcn_last"], name="before attention")
    close(head.spatialAtt.attention(x)[:, 0], golden[prefix + "mask.sam_map"], name="attention")
    close(head.spatialAtt(x)[:6, ::16], golden[prefix + "mask.sam_out"], name="after attention")


@pytest.mark.parametrize("name", VARIANTS)
@torch.no_grad()
def test_behaviour_variants(name):
    facts = json.loads((FOLDER / "variants" / f"{name}.json").read_text())
    golden = arrays(FOLDER / "variants" / f"{name}.npz")
    opts = facts.get("opts", [])
    flags = [f for f in ("no_maskiou", "area", "cls_agnostic") if name.startswith(f)]
    model, manifest, inputs = load(facts["base"], facts["consts"], tuple(flags))
    given = dict(zip(opts[::2], opts[1::2], strict=True))
    options = {
        ours: given["MODEL.FCOS." + theirs]
        for ours, theirs in (
            ("score", "INFERENCE_TH_TEST"),
            ("pre_nms_topk", "PRE_NMS_TOPK_TEST"),
            ("max_detections", "POST_NMS_TOPK_TEST"),
        )
        if "MODEL.FCOS." + theirs in given
    }
    if given.get("MODEL.FCOS.THRESH_WITH_CTR"):  # probability x centerness > 0.05, so its root > 0.2236
        options |= {"threshold": "score", "score": 0.05**0.5}
    shape = facts.get("padded", [0, 0, 0, 0])[2:]
    for image, (x, size) in enumerate(inputs):
        if "padded" in facts:  # image 1 is padded to the size of image 0, as in their batch
            x = torch.nn.functional.pad(x, (0, shape[1] - x.shape[3], 0, shape[0] - x.shape[2]))
        prefix, dense = f"img{image}.", model.dense(x)
        _, found = decode(model, dense, x.shape[2:], manifest, **options)
        check_detections(found, golden, prefix)
        if len(found.boxes):
            check_regions(model, dense, golden, prefix, size)
            probability = torch.from_numpy(golden[prefix + "mask.logits"]).sigmoid().numpy()
            check_masks(golden[prefix + "det.boxes"], probability, size, golden, prefix + "final.", size)


def training_case(config, letter):
    model, manifest, inputs = load(config)
    golden = arrays(FOLDER / config / f"train_{letter}.npz")
    facts = json.loads((FOLDER / config / "train.json").read_text())[letter]
    height, width = (max(x.shape[i] for x, _ in inputs) for i in (2, 3))
    pad = torch.nn.functional.pad
    batch = torch.cat([pad(x, (0, width - x.shape[3], 0, height - x.shape[2])) for x, _ in inputs])
    boxes = [torch.from_numpy(golden[f"img{i}.gt_boxes"]).reshape(-1, 4) for i in range(2)]
    classes = [torch.from_numpy(golden[f"img{i}.gt_classes"]).long() for i in range(2)]
    return model, manifest, golden, facts, batch, boxes, classes, [float(h * w) for _, (h, w) in inputs]


@pytest.mark.parametrize(("config", "letter"), TRAINED)
def test_targets_sampling_losses_and_gradients(config, letter):
    model, manifest, golden, facts, batch, boxes, classes, areas = training_case(config, letter)
    model.zero_grad(set_to_none=True)
    pyramid = model.pyramid(batch)
    heads = model.proposal_generator.fcos_head(pyramid)
    shapes = [tuple(m.shape[2:]) for m in heads[0]]
    table = level_table(shapes, model.strides)
    n_classes = len(model.settings.categories)
    assignments = [assign(b, c, table, n_classes) for b, c in zip(boxes, classes, strict=True)]
    check_targets(assignments, shapes, golden, n_classes)
    logits, ltrb, centerness = (flatten(m) for m in heads)
    losses = fcos_losses(logits, ltrb, centerness[..., 0], assignments)
    proposals = propose(logits, ltrb * table[1][:, None], centerness[..., 0], table[0])
    rois, kinds, front_areas = [], [], []
    for i, (found, _) in enumerate(proposals):
        close(found, golden[f"img{i}.proposals.boxes"], name="proposals", rtol=0, atol=1e-2)
        given = torch.from_numpy(golden[f"img{i}.proposals.boxes"]).reshape(-1, 4)
        sample = sample_regions(given, boxes[i], shuffle=False)
        assert np.array_equal(sample.indices, golden[f"img{i}.sampled_idx"])
        front, matched = sample.indices[: sample.foreground], sample.matched[: sample.foreground]
        if len(boxes[i]):
            assert np.array_equal(sample.matched, golden[f"img{i}.sampled_gt"])
        chosen = torch.cat([given, boxes[i]])[front]
        close(chosen, golden[f"img{i}.fg.boxes"].reshape(-1, 4), name="foreground", rtol=0, atol=1e-4)
        rois.append(torch.cat([torch.full_like(chosen[:, :1], i), chosen], dim=1))
        kinds.append(classes[i][matched])
        front_areas += [areas[i]] * len(front)
    losses |= region_losses(model, pyramid, torch.cat(rois), torch.cat(kinds), torch.tensor(front_areas), golden)
    for name, value in facts["losses"].items():
        assert float(losses[name].detach()) == pytest.approx(value, rel=1e-4, abs=1e-6), name
    sum(losses.values()).backward()
    check_gradients(model, facts)


def check_targets(assignments, shapes, golden, n_classes):
    sizes = [h * w for h, w in shapes]
    for level in range(len(shapes)):
        start, stop = sum(sizes[:level]), sum(sizes[: level + 1])
        labels = torch.cat([a.labels[start:stop] for a in assignments]).numpy()
        targets = torch.cat([a.ltrb[start:stop] for a in assignments]).numpy()
        expected = golden[f"P{level + 3}.fcos_labels"]
        assert np.array_equal(labels, expected)
        used = expected != n_classes
        close(targets[used], golden[f"P{level + 3}.fcos_reg_targets"][used], name="distances", atol=1e-4)


def region_losses(model, pyramid, rois, kinds, areas, golden):
    """Mask losses on the published targets, which come from polygons; how much lies inside follows from their IoU."""
    n = len(rois)
    if n == 0:
        return mask_losses(
            rois.new_zeros((0, 28, 28)), rois.new_zeros(0), rois.new_zeros((0, 28, 28)), rois.new_zeros(0)
        )
    targets = np.unpackbits(golden["mask_targets_polygon_packed"])[: n * 784].reshape(n, 28, 28)
    targets = torch.from_numpy(targets).float()
    logits, iou = model.roi(*pyramid[:3], rois, kinds, areas)
    close(logits, golden["mask_logits_sel"].astype(np.float32), name="mask logits", rtol=2e-3, atol=2e-2)
    close(iou, golden["maskiou_pred_sel"], name="mask IoU predictions")
    inside = inside_parts(golden, rois)
    expected = golden["maskiou_targets"]
    np.testing.assert_allclose(mask_iou_targets(logits.detach(), targets, inside), expected, rtol=1e-3, atol=2e-3)
    return mask_losses(logits, iou, targets, inside)


def inside_parts(golden, rois):
    """Raster area of each region's polygons inside the region as a part of the polygons' area."""
    from pycocotools import mask as coco_mask

    parts = []
    for i in range(2):
        count = len(golden[f"img{i}.fg.boxes"])
        matched = golden[f"img{i}.sampled_gt"][:count]
        xy, offsets, owner = (golden[f"img{i}.poly_{k}"] for k in ("xy", "offsets", "instance"))
        polygons = [xy[a:b] for a, b in zip(offsets[:-1], offsets[1:], strict=True)]
        for box, gt in zip(golden[f"img{i}.fg.boxes"], matched, strict=True):
            own = [p for p, o in zip(polygons, owner, strict=True) if o == gt]
            area = sum(_shoelace(p) for p in own)
            cols, rows = int(box[2] - box[0]), int(box[3] - box[1])
            moved = [(p.reshape(-1, 2) - box[:2]).ravel().tolist() for p in own]
            mask = coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects(moved, rows, cols)))
            parts.append(min(mask.sum() / area, 1.0))
    assert len(parts) == len(rois)
    return torch.tensor(parts, dtype=torch.float64)


def _shoelace(p):
    x, y = p[::2], p[1::2]
    return 0.5 * abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1)))


def check_gradients(model, facts):
    norms = {k: p.grad.norm().item() for k, p in model.named_parameters() if p.grad is not None}
    for key, expected in facts["grad_norms"].items():
        if expected is not None and key in norms:
            assert norms[key] == pytest.approx(expected, rel=5e-3, abs=1e-5), key


def test_of_class_picks_each_regions_own_map():
    maps = torch.arange(24.0).reshape(2, 3, 2, 2)
    assert torch.equal(of_class(maps, torch.tensor([2, 0])), torch.stack([maps[0, 2], maps[1, 0]]))
