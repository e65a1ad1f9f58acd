"""The plain U-Net against its paper, and as our maps."""

import pytest
import torch

from napari_centermask.models.families import family_of
from napari_centermask.models.nets.build import build_model
from napari_centermask.models.nets.unet import SCSE, AttentionGate, PlainUNet
from napari_centermask.models.store.card import ModelCard
from napari_centermask.models.store.checkpoint import load_model, save_model
from napari_centermask.settings import UNetSettings

PAPER = UNetSettings(in_channels=1, width=64, depth=4, norm="none", border=False, distance=False)
SMALL = {"in_channels": 2, "width": 4, "depth": 3}


def test_the_papers_network_has_the_papers_sizes():
    """Figure 1 of arXiv 1505.04597: 572 x 572 pixels become 388 x 388, by way of 28 x 28 at the bottom."""
    with torch.device("meta"):
        network = PlainUNet(PAPER, padding="valid")
        seen = {}
        for level, block in enumerate(network.down):
            block.register_forward_hook(lambda _m, _i, out, level=level: seen.update({level: tuple(out.shape[1:])}))
        maps = network(torch.zeros(1, 1, 572, 572))
    assert maps.shape == (1, 2, 388, 388)
    assert seen == {0: (64, 568, 568), 1: (128, 280, 280), 2: (256, 136, 136), 3: (512, 64, 64), 4: (1024, 28, 28)}


def test_the_papers_network_has_the_papers_parameters():
    """Counted from figure 1: 23 convolutions, four of them 2 x 2 and upwards, with biases; 31.03 million."""

    def convolution(a, b, k):
        return a * b * k * k + b

    widths = [64, 128, 256, 512, 1024]
    total = sum(convolution(a, b, 3) + convolution(b, b, 3) for a, b in zip([1, *widths], widths, strict=False))
    for w in widths[:-1]:
        total += convolution(2 * w, w, 2) + convolution(2 * w, w, 3) + convolution(w, w, 3)
    total += convolution(64, 2, 1)
    with torch.device("meta"):
        network = PlainUNet(PAPER, padding="valid")
    assert sum(p.numel() for p in network.parameters()) == total == 31_030_658
    convolutions = [m for m in network.modules() if isinstance(m, torch.nn.Conv2d | torch.nn.ConvTranspose2d)]
    assert len(convolutions) == 23


def test_deep_supervision_trains_each_level_and_leaves_the_maps_alone():
    settings = UNetSettings(**SMALL, deep_supervision=True)
    torch.manual_seed(0)
    model = build_model(settings).eval()
    x = torch.rand(1, 2, 32, 48)
    outputs = model.outputs(x)
    assert [tuple(o.shape[1:]) for o in outputs] == [(4, 32, 48), (4, 16, 24), (4, 8, 12)]
    assert torch.equal(outputs[0], model(x))
    assert len(build_model(UNetSettings(**SMALL)).outputs(x)) == 1


def test_dropout_acts_in_training_alone():
    model = build_model(UNetSettings(**SMALL, dropout=0.5, norm="none"))
    x = torch.rand(1, 2, 32, 32)
    assert not torch.equal(model.train()(x), model(x))
    assert torch.equal(model.eval()(x), model(x))


def test_scse_by_hand():
    """Zero weights leave both gates at one half: the sum is the input."""
    block = SCSE(4)
    for p in block.parameters():
        torch.nn.init.zeros_(p)
    x = torch.rand(1, 4, 3, 3)
    assert torch.allclose(block(x), x)
    torch.nn.init.constant_(block.channel[3].bias, 100.0)  # the channel gate opens
    assert torch.allclose(block(x), 1.5 * x)


def test_an_attention_gate_by_hand():
    gate = AttentionGate(2)
    torch.nn.init.zeros_(gate.skip.weight)
    torch.nn.init.ones_(gate.gate.weight)
    torch.nn.init.zeros_(gate.gate.bias)
    torch.nn.init.ones_(gate.weight.weight)
    torch.nn.init.zeros_(gate.weight.bias)
    skip, signal = torch.ones(1, 2, 1, 2), torch.tensor([-5.0, 1.0]).expand(1, 2, 1, 2)
    expected = torch.tensor([0.5, 1 / (1 + torch.e**-2)])  # sigmoid(0) and sigmoid(2)
    assert torch.allclose(gate(skip, signal)[0, 0, 0], expected)


@torch.no_grad()
@pytest.mark.parametrize("form", [{}, {"attention": "gate", "deep_supervision": True, "norm": "GN"}])
def test_a_unet_comes_back_bit_for_bit(tmp_path, form):
    settings = UNetSettings(**SMALL, **form)
    card = ModelCard(name="small", licence="BSD-3-Clause", model=settings, diameter=20.0)
    model = build_model(settings).eval()
    save_model(tmp_path / "a.safetensors", model, card, half=False)
    again, card_again = load_model(tmp_path / "a.safetensors")
    assert card_again == card
    x = torch.rand(1, 2, 32, 32)
    assert torch.equal(again(x), model(x))


def test_the_card_knows_the_shapes_without_building():
    settings = UNetSettings(**SMALL)
    state = build_model(settings).state_dict()
    expected = family_of(settings).shapes(settings)
    assert {k: tuple(state[k].shape) for k in expected} == expected
