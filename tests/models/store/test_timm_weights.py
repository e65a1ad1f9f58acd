"""timm's backbones start a training, and compute in our network what they compute in timm's."""

import pytest
import torch
from safetensors.torch import save_file

from napari_centermask.core.errors import BadModel, BadSettings
from napari_centermask.models.nets.build import build_model
from napari_centermask.models.nets.mask_rcnn import MaskRCNN
from napari_centermask.models.store.card import ModelCard
from napari_centermask.models.store.checkpoint import save_model
from napari_centermask.settings import MaskRCNNSettings, ModelSettings, TrainSettings
from napari_centermask.training.run.start import make_start

timm = pytest.importorskip("timm", reason="the extra unet is not installed")

SMALL = {"pyramid_channels": 16, "box_fc": 16, "mask_head_convs": 1, "mask_head_channels": 16}
STD = sum((0.229, 0.224, 0.225)) / 3  # of ImageNet: timm's networks see images divided by it, ours do not
SAME = [
    ("ese_vovnet19b_slim_dw", "V-19-slim-dw-eSE"),
    ("ese_vovnet19b_slim", "V-19-slim-eSE"),
    ("ese_vovnet19b_dw", "V-19-dw-eSE"),
    ("ese_vovnet39b", "V-39-eSE"),
    ("ese_vovnet57b", "V-57-eSE"),
    ("resnext101_32x8d", "X-101"),
    ("mobilenetv2_100", "MobileNetV2"),
]


def network(name, seed=0):
    """A network of timm's whose weights, and the statistics of whose norms, are random."""
    torch.manual_seed(seed)
    model = timm.create_model(name, pretrained=False, num_classes=7)
    with torch.no_grad():
        for layer in model.modules():
            if isinstance(layer, torch.nn.BatchNorm2d):
                layer.running_mean.normal_(std=0.1)
                layer.running_var.uniform_(0.5, 1.5)
                layer.weight.uniform_(0.5, 1.0)
                layer.bias.normal_(std=0.1)
            elif isinstance(layer, torch.nn.Conv2d) and layer.bias is not None:
                layer.bias.normal_()
    return model.eval()


def started(path, form):
    return make_start(TrainSettings(data=["d"], out="o", model=form, pretrained=str(path))).model.eval()


def stages(model, x):
    """Maps at the strides 4, 8, 16 and 32."""
    with torch.no_grad():
        maps = model.forward_intermediates(x, intermediates_only=True)
    return {x.shape[-1] // m.shape[-1]: m for m in maps if x.shape[-1] // m.shape[-1] >= 4}


@pytest.mark.parametrize(("theirs", "ours"), SAME)
def test_a_backbone_of_timm_computes_the_same_in_ours(theirs, ours, tmp_path):
    model = network(theirs)
    save_file(model.state_dict(), tmp_path / "model.safetensors", metadata={"format": "pt"})
    backbone = started(tmp_path / "model.safetensors", ModelSettings(backbone=ours, in_channels=3)).backbone.bottom_up
    x = torch.rand(1, 3, 96, 64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        found = list(backbone(x).values())
    wanted = list(stages(model, x / STD).values())
    assert len(wanted) == len(found) == 4
    for ours_map, their_map in zip(found, wanted, strict=True):
        assert ours_map.shape == their_map.shape
        scale = float(their_map.abs().max())
        assert scale > 0
        torch.testing.assert_close(ours_map, their_map, rtol=1e-4, atol=1e-5 * scale)


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_a_resnet_of_timm_computes_the_same_in_a_mask_rcnn(name, tmp_path):
    model = network(name)
    torch.save(model.state_dict(), tmp_path / "pytorch_model.bin")
    form = MaskRCNNSettings(resnet=f"R-{name[6:]}", in_channels=3, **SMALL)
    ours = started(tmp_path / "pytorch_model.bin", form)
    assert isinstance(ours, MaskRCNN)
    x = torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        found = list(ours.backbone.body(x).values())
    for ours_map, their_map in zip(found, stages(model, x / STD).values(), strict=True):
        torch.testing.assert_close(ours_map, their_map, rtol=1e-4, atol=1e-5 * float(their_map.abs().max()))


def test_a_resnet_of_timm_fits_a_centermask_up_to_the_first_stage_that_halves(tmp_path):
    """Ours halve the image in the first convolution of a block, as MSRA's do; docs/models.md says so."""
    model = network("resnet50")
    save_file(model.state_dict(), tmp_path / "model.safetensors")
    backbone = started(tmp_path / "model.safetensors", ModelSettings(backbone="R-50", in_channels=3)).backbone.bottom_up
    x = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        found = backbone(x)["res2"]
    wanted = stages(model, x / STD)[4]
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5 * float(wanted.abs().max()))
    assert torch.equal(backbone.res5[2].conv3.weight, model.layer4[2].conv3.weight)


@pytest.mark.parametrize(
    ("theirs", "ours"), [("ese_vovnet19b_slim_dw", "V-19-slim-dw-eSE"), ("mobilenetv2_100", "MobileNetV2")]
)
def test_a_first_layer_for_one_channel_sees_a_grey_image_as_timm_does(theirs, ours, tmp_path):
    model = network(theirs)
    save_file(model.state_dict(), tmp_path / "model.safetensors")
    backbone = started(tmp_path / "model.safetensors", ModelSettings(backbone=ours, in_channels=1)).backbone.bottom_up
    grey = torch.rand(1, 1, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        found = next(iter(backbone(grey).values()))
    wanted = stages(model, grey.expand(-1, 3, -1, -1) / STD)[4]
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5 * float(wanted.abs().max()))


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("ese_vovnet19b_slim_dw", "V-19-slim-eSE"),  # these share some shapes with the one asked for
        ("ese_vovnet19b_slim", "V-19-eSE"),
        ("mobilenetv2_050", "MobileNetV2"),
        ("efficientnet_b0", "MobileNetV2"),
    ],
)
def test_another_size_of_the_same_kind_is_a_message_instead_of_a_mixture(theirs, ours, tmp_path):
    save_file(network(theirs).state_dict(), tmp_path / "model.safetensors")
    with pytest.raises(BadSettings, match=r"model\.safetensors.* (timm's for another backbone|no layers in common)"):
        started(tmp_path / "model.safetensors", ModelSettings(backbone=ours, in_channels=3))


def test_a_vovnet_without_gates_and_shortcuts_is_not_taken_for_ours(tmp_path):
    """VoVNetV1 has the names of V2, but computes something else."""
    save_file(network("vovnet39a").state_dict(), tmp_path / "model.safetensors")
    with pytest.raises(BadSettings, match="no layers in common"):
        started(tmp_path / "model.safetensors", ModelSettings(backbone="V-39-eSE", in_channels=3))


def test_a_safetensors_file_of_something_else_is_a_clear_message(tmp_path):
    save_file({"encoder.layer.0.attention.weight": torch.ones(4, 4)}, tmp_path / "bert.safetensors")
    with pytest.raises(BadSettings, match=r"bert\.safetensors, given as 'pretrained', has no layers in common"):
        started(tmp_path / "bert.safetensors", ModelSettings(in_channels=3))


def test_a_damaged_safetensors_file_is_a_clear_message(tmp_path):
    save_file({"conv1.weight": torch.ones(4, 4)}, tmp_path / "whole.safetensors")
    (tmp_path / "cut.safetensors").write_bytes((tmp_path / "whole.safetensors").read_bytes()[:-8])
    with pytest.raises(BadModel, match="not a complete safetensors file"):
        started(tmp_path / "cut.safetensors", ModelSettings(in_channels=3))


def test_our_own_safetensors_file_is_still_one_of_our_models(tmp_path):
    form = ModelSettings(backbone="V-19-slim-dw-eSE", in_channels=1, maskiou=False)
    before = build_model(form)
    card = ModelCard(name="a", licence="CC0-1.0", model=form, diameter=40.0)
    save_model(tmp_path / "a.safetensors", before, card, half=False)
    stem = "backbone.bottom_up.stem.stem_1/conv.weight"
    assert torch.equal(started(tmp_path / "a.safetensors", form).state_dict()[stem], before.state_dict()[stem])
