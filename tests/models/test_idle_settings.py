"""Each setting is either used by what was chosen, or refused with the reason; what a file merely carries passes."""

import pytest
from pydantic import BaseModel

from napari_centermask.core.errors import BadSettings
from napari_centermask.models.idle_settings import idle_in_segmentation, idle_in_training, refuse_idle, set_fields
from napari_centermask.models.store.card import ModelCard
from napari_centermask.settings import (
    LossSettings,
    MaskRCNNSettings,
    ModelSettings,
    PreprocessSettings,
    SegmentSettings,
    TrainSettings,
    UNetSettings,
)

TWO = ["living", "dead"]
FORMS = {
    "centermask": ModelSettings(categories=TWO),
    "unet": UNetSettings(categories=TWO),
    "maskrcnn": MaskRCNNSettings(categories=TWO),
}
SEGMENT = {
    "model": "other",
    "score": 0.9,
    "diameter": 33.0,
    "channels": [1],
    "channel_names": ["a", "b", "c"],
    "tile": 512,
    "overlap": 100,
    "engine": "onnx",
    "device": "cpu",
    "precision": "bfloat16",
    "nms": 0.2,
    "soft_nms": 0.5,
    "mask_nms": 0.2,
    "percentiles": (2.0, 98.0),
    "min_area": 20,
    "max_detections": 9,
    "foreground": 0.3,
    "seed": 0.2,
    "smoothing": 4.0,
    "flips": True,
    "scales": [0.8, 1.0],
    "more_models": ["third"],
    "preprocess": {"flat_field": "flat.tif", "dark": 3.0, "background": "tophat", "background_size": 50.0}
    | {"denoise": "median", "denoise_size": 2.0, "ignore_specks": True},
}
NOT_OF_ALL = {
    "centermask": {"nms", "soft_nms", "max_detections", "flips"},
    "unet": {"foreground", "seed", "smoothing", "flips"},
    "maskrcnn": {"nms", "max_detections"},
}


def card_of(family, **changes):
    values = {"name": "mine", "licence": "CC0-1.0", "model": FORMS[family], "diameter": 30.0}
    return ModelCard(**values | {"channel_names": ["a", "b", "c"]} | changes)


def check_segmentation(settings, card, **options):
    refuse_idle(settings, idle_in_segmentation(settings, card), **options)


def test_the_table_has_every_setting_of_a_segmentation():
    assert set(SEGMENT) == set(SegmentSettings.model_fields)
    assert set(SEGMENT["preprocess"]) == set(PreprocessSettings.model_fields)


@pytest.mark.parametrize("family", FORMS)
@pytest.mark.parametrize("field", SEGMENT)
def test_a_setting_of_a_segmentation_is_used_or_refused(family, field):
    settings = SegmentSettings.model_validate({field: SEGMENT[field]})
    if field in set().union(*NOT_OF_ALL.values()) - NOT_OF_ALL[family]:
        with pytest.raises(BadSettings, match=f"'{field}' has no effect: 'mine' is a .* only a .* uses it"):
            check_segmentation(settings, card_of(family))
        with pytest.raises(BadSettings, match=f"--{field.replace('_', '-')} has no effect"):
            check_segmentation(settings, card_of(family), flags=set_fields(settings))
    else:
        check_segmentation(settings, card_of(family), flags=set_fields(settings))


def test_a_flag_is_refused_at_its_default_too_and_a_full_dump_is_not():
    settings = SegmentSettings.model_validate(SegmentSettings().model_dump())
    check_segmentation(settings, card_of("centermask"))
    with pytest.raises(BadSettings, match="--seed"):
        check_segmentation(SegmentSettings(seed=0.4), card_of("centermask"), flags=["seed"])


@pytest.mark.parametrize(
    ("values", "card", "named"),
    [
        ({"percentiles": (2, 98)}, {"normalisation": "zscore"}, "percentiles"),
        ({"preprocess": {"dark": 4}}, {}, "preprocess.dark"),
        ({"preprocess": {"background_size": 40}}, {}, "preprocess.background_size"),
        ({"preprocess": {"denoise_size": 2, "denoise": "none"}}, {"preprocess": {"denoise": "median"}}, "denoise_size"),
    ],
)
def test_a_setting_that_the_card_switches_off_is_refused(values, card, named):
    with pytest.raises(BadSettings, match=named):
        check_segmentation(SegmentSettings.model_validate(values), card_of("unet", **card))


def test_one_kind_of_suppression_takes_the_place_of_the_other():
    settings = SegmentSettings(nms=0.2, soft_nms=0.5)
    with pytest.raises(BadSettings, match="--nms has no effect: soft_nms lowers scores in its place"):
        check_segmentation(settings, card_of("centermask"), flags=["nms", "soft_nms"])
    check_segmentation(SegmentSettings(nms=0.2, soft_nms=0.0), card_of("centermask"), flags=["nms", "soft_nms"])


def test_sizes_count_where_the_card_has_the_correction():
    card = card_of("unet", preprocess=PreprocessSettings(background="tophat"))
    check_segmentation(SegmentSettings(preprocess=PreprocessSettings(background_size=40)), card)


def test_names_of_channels_from_a_file_pass_and_as_a_flag_do_not():
    settings, card = SegmentSettings(channel_names=["x"]), card_of("unet", channel_names=[])
    check_segmentation(settings, card)
    with pytest.raises(BadSettings, match="--channel-names has no effect: the channels of 'mine' have no names"):
        check_segmentation(settings, card, flags=["channel_names"])


TRAIN = {
    "data": ["a", "b"],
    "out": "run",
    "start": "nuclei",
    "pretrained": "nuclei",
    "weights": [1.0, 2.0],
    "channel_names": ["a", "b", "c"],
    "normalisation": "zscore",
    "diameter": 33.0,
    "diameters": "per-category",
    "tile": 128,
    "batch": 3,
    "steps": 5,
    "minutes": 3.0,
    "optimiser": "sgd",
    "learning_rate": 0.1,
    "find_rate": True,
    "weight_decay": 0.2,
    "schedule": "plateau",
    "warmup": 3,
    "clip": 3.0,
    "ema": 0.5,
    "keep": 0.5,
    "amp": "off",
    "freeze": "stem",
    "layer_decay": 0.5,
    "patience": 3,
    "oversample": 0.5,
    "replay": ["c"],
    "replay_part": 0.5,
    "unlabelled": ["d"],
    "unlabelled_part": 0.5,
    "unlabelled_score": 0.9,
    "evaluate_every": 3,
    "evaluate_first": True,
    "compare": True,
    "seed": 3,
    "workers": 3,
    "images_in_memory_mb": 10.0,
    "device": "cpu",
    "tensorboard": True,
    "resume": True,
    "preprocess": SEGMENT["preprocess"],
    "augment": {"flip": False, "scale": (1.0, 1.1), "rotate": 3.0, "intensity": 0.1, "blur": 2.0, "noise": 0.1}
    | {
        "invert": 0.1,
        "gradient": 0.1,
        "grey": 0.1,
        "specks": 0.1,
        "elastic": 3.0,
        "copy_paste": 0.1,
        "drop_channel": 0.1,
        "dim": 0.1,
        "dim_light": (0.1, 0.2),
        "photon_noise": 0.1,
        "photons": (2.0, 20.0),
        "stain": 0.1,
        "stain_strength": 0.1,
        "clahe": 0.1,
        "clahe_limit": (0.01, 0.02),
        "paste_colour": 0.1,
        "paste_light": (0.1, 0.5),
        "mixup": 0.1,
        "mixup_light": (0.1, 0.5),
        "empty": 0.1,
        "defocus": 0.1,
        "defocus_blur": (5.0, 9.0),
    },
    "losses": {
        "cross_entropy": 2.0,
        "focal": 1.0,
        "focal_gamma": 3.0,
        "dice": 50.0,
        "tversky": 1.0,
        "tversky_alpha": 0.1,
    }
    | {"boundary": 1.0, "border": 2.0, "distance": 2.0, "class_weights": "balanced"},
    "instance_losses": {"classification": 2.0, "classification_loss": "quality", "class_weights": "balanced"}
    | {"box": 2.0, "box_loss": "iou", "box_quality": 2.0, "mask": 2.0, "mask_dice": 1.0, "mask_boundary": 1.0}
    | {"small_cells": 0.5, "mask_iou": 2.0},
    "regions": {"objectness": 2.0, "rpn_box": 2.0, "classification": 2.0, "class_weights": "balanced", "box": 2.0}
    | {"mask": 2.0, "anchors": 64, "anchors_positive": 0.25, "anchor_iou": (0.2, 0.6), "proposals": 500}
    | {"regions": 64, "regions_positive": 0.5, "region_iou": 0.6},
}
OWN_GROUPS = {"losses": "unet", "instance_losses": "centermask", "regions": "maskrcnn"}
"""The family that a group of settings belongs to."""
TITLES = {"centermask": "CenterMask", "unet": "U-Net", "maskrcnn": "Mask R-CNN"}
FORM = {
    "centermask": {"in_channels": 2, "categories": ["a", "b"], "backbone": "R-50", "backbone_norm": "GN", "ese": False}
    | {"fpn_channels": 64, "top_levels": 0, "head_convs": 3, "head_norm": "none", "mask_convs": 3, "mask_channels": 64}
    | {"class_agnostic_mask": True, "maskiou": False, "maskiou_convs": 3, "maskiou_channels": 64, "maskiou_fc": 64}
    | {"roi_levels": "area", "first_level": 2, "box_quality": "iou", "roi_size": 12, "head_channels": 32}
    | {"stem_stride": 2},
    "unet": {"in_channels": 2, "categories": ["a", "b"], "architecture": "fpn", "depth": 3, "width": 32, "norm": "none"}
    | {"encoder": "resnet34", "attention": "gate", "dropout": 0.1, "border": False, "distance": False}
    | {"deep_supervision": True},
    "maskrcnn": {
        "in_channels": 2,
        "categories": ["a", "b"],
        "resnet": "R-18",
        "resnet_norm": "GN",
        "pyramid_channels": 64,
    }
    | {"anchor_sizes": [8, 16, 32, 64, 128], "anchor_ratios": [1.0], "box_size": 5, "box_fc": 64, "mask_head_convs": 2}
    | {"mask_head_channels": 64, "roi_size": 12},
}
NEEDS = {
    "augment.flip": {"augment": {"flip": False}},
    "augment.dim_light": {"augment": {"dim": 0.1, "dim_light": (0.1, 0.2)}},
    "augment.photons": {"augment": {"photon_noise": 0.1, "photons": (2.0, 20.0)}},
    "augment.stain_strength": {"augment": {"stain": 0.1, "stain_strength": 0.1}},
    "augment.clahe_limit": {"augment": {"clahe": 0.1, "clahe_limit": (0.01, 0.02)}},
    "augment.mixup_light": {"augment": {"mixup": 0.1, "mixup_light": (0.1, 0.5)}},
    "augment.defocus_blur": {"augment": {"defocus": 0.1, "defocus_blur": (5.0, 9.0)}},
    "losses.focal_gamma": {"losses": {"focal": 1.0, "focal_gamma": 3.0}},
    "losses.tversky_alpha": {"losses": {"tversky": 1.0, "tversky_alpha": 0.1}},
    "model.encoder": {"model": {"architecture": "unet", "encoder": "resnet34"}},
}
"""Settings with which a field has an effect, where its own value is not enough."""


def leaves():
    for name, value in TRAIN.items():
        if isinstance(value, dict):
            yield from (f"{name}.{inner}" for inner in value)
        else:
            yield name


def base(family, **changes):
    """Settings with which every field of the family can have an effect; only what differs was set."""
    model = {"family": family, "categories": TWO} | changes.pop("model", {})
    least = {"data": ["a", "b"], "out": "run", "model": model, "start": "mine"}
    return least | changes


def check_training(values, family=None, **options):
    settings = TrainSettings.model_validate(values)
    card = card_of(family, channel_names=[]) if family else None
    refuse_idle(settings, idle_in_training(settings, card), **options)


def test_the_table_has_every_setting_of_a_training():
    def names(kind, prefix=""):
        for name, field in kind.model_fields.items():
            inner = field.annotation
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                yield from names(inner, f"{prefix}{name}.")
            else:
                yield prefix + name

    assert set(leaves()) | {"model"} == set(names(TrainSettings))
    for family, form in FORMS.items():
        assert set(FORM[family]) | {"family"} == set(type(form).model_fields)


@pytest.mark.parametrize("family", FORMS)
@pytest.mark.parametrize("field", [*leaves()])
def test_a_setting_of_a_training_is_used_or_refused(family, field):
    group, _, inner = field.partition(".")
    value = TRAIN[group][inner] if inner else TRAIN[group]
    own = NEEDS.get(field) or {group: {inner: value} if inner else value}
    if group == "preprocess":
        own = {"preprocess": TRAIN["preprocess"]}
    if field == "replay_part":
        own["replay"] = ["c"]
    if field.startswith("unlabelled"):
        own["unlabelled"] = ["d"]
    is_new = field not in (
        "start",
        "keep",
        "compare",
        "unlabelled",
        "unlabelled_part",
        "unlabelled_score",
    )  # these need a start model, and others are decided by it
    values = base(family, **own) | ({"start": None} if is_new else {})
    given = [field]
    owner = OWN_GROUPS.get(group, family)
    if family != owner:
        reason = f"the model is a {TITLES[family]}, and only a {TITLES[owner]}"
        with pytest.raises(BadSettings, match=f"'{field}' has no effect: {reason}"):
            check_training(values, None if is_new else family)
        with pytest.raises(BadSettings, match=f"--{field.replace('_', '-')} has no effect"):
            check_training(values, None if is_new else family, flags=given)
    else:
        check_training(values, None if is_new else family, flags=given)


@pytest.mark.parametrize("family", FORMS)
def test_each_setting_of_a_form_is_used_by_a_new_network_and_refused_with_a_start_model(family):
    for name, value in FORM[family].items():
        own = NEEDS.get(f"model.{name}", {"model": {name: value}})
        check_training(base(family, **own) | {"start": None}, flags=[f"model.{name}"])
        if name != "categories":
            with pytest.raises(BadSettings, match=f"'model.{name}' has no effect: it follows the start model 'mine'"):
                check_training(base(family, model={name: value}), family)


def test_weights_of_categories_of_a_mask_rcnn_need_categories_that_are_trained():
    for values in ({"model": {"categories": ["cell"]}}, {"regions": {"classification": 0}}):
        values = base("maskrcnn", **values) | {"start": None}
        regions = values.get("regions", {}) | {"class_weights": "balanced"}
        with pytest.raises(BadSettings, match="'regions.class_weights' has no effect: "):
            check_training(values | {"regions": regions})


SWITCHED_OFF = {
    "keep": {"keep": 0.5},
    "compare": {"compare": True},
    "pretrained": {"pretrained": "other", "start": "mine"},
    "weights": {"weights": [2.0], "data": ["a"]},
    "replay_part": {"replay_part": 0.5},
    "unlabelled": {"unlabelled": ["d"]},
    "unlabelled_score": {"unlabelled_score": 0.9, "start": "mine"},
    "diameters": {"diameters": "per-category", "model": {"categories": ["cell"]}},
    "augment.photons": {"augment": {"photons": (1, 2)}},
    "augment.stain": {"augment": {"stain": 0.5}, "channel_names": ["a", "b", "c"]},
    "augment.paste_colour": {"augment": {"paste_colour": 0.5}, "model": {"in_channels": 2}},
    "augment.mixup": {"augment": {"mixup": 0.5}, "diameters": "per-category"},
    "oversample": {"oversample": 0.5, "model": {"categories": ["cell"]}},
    "augment.flip": {"augment": {"flip": False, "rotate": 10}},
    "augment.grey": {"augment": {"grey": 0.5}, "channel_names": ["a", "b", "c"]},
    "augment.drop_channel": {"augment": {"drop_channel": 0.5}, "model": {"in_channels": 1}},
    "preprocess.dark": {"preprocess": {"dark": 3}},
    "preprocess.denoise_size": {"preprocess": {"denoise_size": 3}},
    "losses.focal_gamma": {"losses": {"focal_gamma": 3}},
    "losses.tversky_alpha": {"losses": {"tversky_alpha": 0.1}},
    "losses.border": {"losses": {"border": 3}, "model": {"border": False}},
    "losses.distance": {"losses": {"distance": 3}, "model": {"distance": False}},
    "losses.class_weights": {"losses": {"cross_entropy": 0, "dice": 0, "boundary": 1, "class_weights": "balanced"}},
    "model.encoder": {"model": {"encoder": "resnet34"}},
    "model.norm": {"model": {"norm": "GN", "architecture": "fpn"}},
}


@pytest.mark.parametrize("field", SWITCHED_OFF)
def test_a_setting_that_another_one_switches_off_is_refused(field):
    with pytest.raises(BadSettings, match=f"'{field}' has no effect: "):
        check_training(base("unet", **{"start": None} | SWITCHED_OFF[field]))


@pytest.mark.parametrize(
    ("field", "model"),
    [
        ("model.ese", {"backbone": "R-50", "ese": False}),
        ("model.class_agnostic_mask", {"class_agnostic_mask": True, "categories": ["cell"]}),
        ("model.maskiou_fc", {"maskiou": False, "maskiou_fc": 64}),
    ],
)
def test_a_part_that_a_centermask_does_not_have_is_refused(field, model):
    with pytest.raises(BadSettings, match=f"'{field}' has no effect: "):
        check_training(base("centermask", model=model) | {"start": None})


def test_the_loss_of_a_quality_that_is_not_predicted_is_refused():
    values = base("centermask", model={"box_quality": "none"}, instance_losses={"box_quality": 2.0}) | {"start": None}
    with pytest.raises(BadSettings, match="'instance_losses.box_quality' has no effect: model.box_quality is none"):
        check_training(values)
    values["instance_losses"] = {"classification_loss": "quality"}
    check_training(values, flags=["instance_losses.classification_loss", "model.box_quality"])


@pytest.mark.parametrize("field", ["learning_rate", "warmup"])
def test_what_our_own_defaults_compute_is_refused_as_a_flag_alone(field):
    values = base("unet", find_rate=True, schedule="one-cycle", learning_rate=3e-4, warmup=10)
    check_training(values, "unet")
    with pytest.raises(BadSettings, match=f"--{field.replace('_', '-')} has no effect"):
        check_training(values, "unet", flags=[field])


@pytest.mark.parametrize("family", FORMS)
def test_a_run_file_that_holds_all_values_passes(family):
    """As every run folder keeps one: all defaults, and what the start model decides."""
    card = card_of(family, preprocess=PreprocessSettings(background="tophat"), normalisation="zscore")
    used = {
        "model": card.model,
        "preprocess": card.preprocess,
        "normalisation": "zscore",
        "channel_names": ["a", "b", "c"],
    }
    settings = TrainSettings(data=["a"], out="run", start="mine", **used)
    dumped = TrainSettings.model_validate_json(settings.model_dump_json())
    refuse_idle(dumped, idle_in_training(dumped, card))
    new = TrainSettings(data=["a"], out="run", model=FORMS[family])
    refuse_idle(new := TrainSettings.model_validate_json(new.model_dump_json()), idle_in_training(new))


def test_a_run_that_continues_keeps_what_its_file_says():
    settings = TrainSettings(data=["a"], out="run", losses=LossSettings(dice=50), resume=True)
    refuse_idle(settings, idle_in_training(settings), flags_only=True)
    with pytest.raises(BadSettings, match=r"--losses.dice"):
        refuse_idle(settings, idle_in_training(settings), flags=["losses.dice"], flags_only=True)


def test_the_only_category_of_a_start_model_may_get_another_name():
    card = card_of("unet", model=UNetSettings(), channel_names=[])
    settings = TrainSettings.model_validate(base("unet", model={"categories": ["nucleus"]}))
    refuse_idle(settings, idle_in_training(settings, card))
