"""Weights of timm's VoVNets and MobileNetV2 under the names of ours. timm's ResNets have torchvision's names already."""

from __future__ import annotations

import re

from napari_centermask.models.store.checkpoint import State

GATE = ".ese.fc."
"""Part of the names of the channel gates of a VoVNet."""
_VOVNET = "stages.0.blocks.0.conv_concat.conv.weight"
_VOVNET_GATE = "stages.0.blocks.0.attn.fc.weight"  # only VoVNetV2 has it; VoVNetV1 also lacks the residual connections
_MOBILENET = "blocks.1.0.conv_pwl.weight"  # also EfficientNet's, whose shapes are others
_OPEN = 3.0  # the gate is relu6(x + 3) / 6, which is 1 there
_IN_LAYER = {"conv": "conv", "bn": "norm", "conv_dw": "dw_conv3x3", "conv_pw": "pw_conv1x1"}
# Part of a block of timm -> the index in our `conv`: of the first block, which does not expand, and of the others.
_FIRST_BLOCK = {"conv_dw": 0, "bn1": 1, "conv_pw": 3, "bn2": 4}
_BLOCK = {"conv_pw": 0, "bn1": 1, "conv_dw": 3, "bn2": 4, "conv_pwl": 6, "bn3": 7}


def is_timm(state: State) -> bool:
    """Whether these are weights under timm's own names: of a VoVNetV2, or of the kind of a MobileNetV2."""
    return {_VOVNET, _VOVNET_GATE} <= state.keys() or {"conv_stem.weight", _MOBILENET} <= state.keys()


def rename_timm(state: State) -> State:
    """The layers of a backbone of timm's under our names; its classifier is left out.

    timm gates only the last block of each stage of a VoVNet. The other gates are given open, which changes nothing.
    """
    if _VOVNET not in state:
        return _mobilenet(state)
    renamed = {name: value for key, value in state.items() if (name := _vovnet_name(key, state))}
    for key, value in list(renamed.items()):
        if key.endswith("_concat/conv.weight"):
            gate = key.partition(".concat.")[0] + GATE
            width = value.shape[0]
            renamed.setdefault(f"{gate}weight", value.new_zeros(width, width, 1, 1))
            renamed.setdefault(f"{gate}bias", value.new_full((width,), _OPEN))
    return renamed


def _vovnet_name(key: str, state: State) -> str | None:
    stem = re.match(r"stem\.(\d)\.(\w+)\.(\w+)$", key)
    if stem:
        name = f"stem_{int(stem[1]) + 1}"
        return f"stem.{name}/{_part(stem[2], f'stem.{stem[1]}.conv_dw.weight' in state)}.{stem[3]}"
    block = re.match(r"stages\.(\d)\.blocks\.(\d+)\.(.+)$", key)
    if not block:
        return None
    name = f"OSA{int(block[1]) + 2}_{int(block[2]) + 1}"
    place, rest = f"stage{int(block[1]) + 2}.{name}", block[3]
    if rest.startswith("attn.fc."):
        return place + rest.replace("attn.fc.", GATE)
    if layer := re.match(r"conv_mid\.(\d)\.(\w+)\.(\w+)$", rest):
        is_depthwise = key.replace(rest, f"conv_mid.{layer[1]}.conv_dw.weight") in state
        return f"{place}.layers.{layer[1]}.{name}_{layer[1]}/{_part(layer[2], is_depthwise)}.{layer[3]}"
    if layer := re.match(r"conv_(concat|reduction)\.(\w+)\.(\w+)$", rest):
        if layer[1] == "concat":
            return f"{place}.concat.{name}_concat/{_part(layer[2], False)}.{layer[3]}"
        return f"{place}.conv_reduction.{name}_reduction_0/{_part(layer[2], False)}.{layer[3]}"
    return None


def _part(name: str, is_depthwise: bool) -> str:
    return "pw_norm" if is_depthwise and name == "bn" else _IN_LAYER.get(name, name)


def _mobilenet(state: State) -> State:
    """timm numbers the blocks of each group, ours are numbered through, after the stem."""
    blocks = {key: m for key in state if (m := re.match(r"blocks\.(\d+)\.(\d+)\.(\w+)\.(.+)$", key))}
    places = sorted({(int(m[1]), int(m[2])) for m in blocks.values()})
    renamed = {}
    for key, value in state.items():
        if block := blocks.get(key):
            place = places.index((int(block[1]), int(block[2])))
            number = (_BLOCK if place else _FIRST_BLOCK).get(block[3], block[3])
            renamed[f"features.{place + 1}.conv.{number}.{block[4]}"] = value
        elif stem := re.match(r"(conv_stem|bn1)\.(\w+)$", key):
            renamed[f"features.0.{0 if stem[1] == 'conv_stem' else 1}.{stem[2]}"] = value
    return renamed
