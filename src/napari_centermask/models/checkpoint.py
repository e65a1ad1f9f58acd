"""Weights on disk: ours as safetensors with the card inside, and the published CenterMask2 checkpoints.

A pickle is never unpickled freely: PyTorch files with `weights_only=True`, detectron2's .pkl through an unpickler that
admits numpy arrays and plain containers alone.
"""

from __future__ import annotations

import io
import pickle
import re
from pathlib import Path

import numpy as np
import safetensors
import torch
from safetensors.torch import save_file

from ..core.errors import BadModel
from ..settings import ModelSettings
from .card import ModelCard
from .centermask import CenterMask
from .vovnet import SPECS

CARD_KEY = "card"
IGNORED = ("pixel_mean", "pixel_std", "num_batches_tracked")
LICENCE = "CC BY-NC 4.0"
NOTICE = (
    "Published CenterMask2 weights are treated as CC BY-NC 4.0: they may not be used commercially, "
    "and models fine-tuned from them keep that condition."
)
State = dict[str, torch.Tensor]


def save_model(path: Path, model: CenterMask, card: ModelCard, *, half: bool = True) -> None:
    """Write weights and card.

    Parameters
    ----------
    half
        Store floats as float16: half the size; the weights are rounded to 11 bits.
    """
    dtype = torch.float16 if half else torch.float32
    state = {
        key: (value.to(dtype) if value.dtype.is_floating_point else value).cpu().contiguous().clone()
        for key, value in model.state_dict().items()
        if not key.endswith("num_batches_tracked")
    }
    save_file(state, str(path), metadata={CARD_KEY: card.to_json(), "format": "pt"})


def load_model(path: Path) -> tuple[CenterMask, ModelCard]:
    """A model of ours in evaluation mode, float32, and its card.

    Raises
    ------
    BadModel
        If the file is damaged, has no card, or does not fit its card.
    """
    path = Path(path)
    try:
        with safetensors.safe_open(str(path), framework="pt") as file:
            metadata = file.metadata() or {}
            state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a dict)
    except (OSError, safetensors.SafetensorError) as error:
        raise BadModel(f"Expected a safetensors model, {path.name} cannot be read: {error}. Get it again.") from error
    if CARD_KEY not in metadata:
        raise BadModel(f"Expected a model card in {path.name}, there is none. It was not made by napari-centermask.")
    card = ModelCard.from_json(metadata[CARD_KEY], where=path.name)
    model = CenterMask(card.model)
    load_state(model, state, where=path.name)
    return model.eval(), card


def load_state(model: CenterMask, state: State, *, where: str) -> None:
    """Fill a model; every key must be there, no other, each in its shape.

    Raises
    ------
    BadModel
        With the numbers and the first names of missing, unexpected and other-shaped keys.
    """
    own = {k: v for k, v in model.state_dict().items() if not k.endswith("num_batches_tracked")}
    given = {k: v for k, v in state.items() if not k.endswith(IGNORED)}
    faults = [
        _listed("missing", sorted(set(own) - set(given))),
        _listed("unexpected", sorted(set(given) - set(own))),
        _listed(
            "of another shape",
            [
                f"{k} ({tuple(given[k].shape)} instead of {tuple(own[k].shape)})"
                for k in sorted(set(own) & set(given))
                if own[k].shape != given[k].shape
            ],
        ),
    ]
    faults = [f for f in faults if f]
    if faults:
        raise BadModel(
            f"The weights of {where} do not fit: {'; '.join(faults)}. Choose the file that belongs to this model."
        )
    model.load_state_dict({k: v.to(own[k].dtype) for k, v in given.items()}, strict=False)


def _listed(kind: str, names: list[str]) -> str:
    if not names:
        return ""
    return f"{len(names)} {kind}: {', '.join(names[:3])}{', ...' if len(names) > 3 else ''}"


def convert_reference(path: Path) -> tuple[State, ModelCard]:
    """Read a published CenterMask2 checkpoint (.pth, .pt, .pkl) and make its card.

    Returns
    -------
    state
        Fits `CenterMask(card.model)`.
    card
        With the licence of the published weights.

    Raises
    ------
    BadModel
        If the file holds anything but tensors, or is no CenterMask2 that is known here.
    """
    path = Path(path)
    state = read_state(path)
    settings = guess_settings(state, where=path.name)
    load_state(CenterMask(settings), state, where=path.name)
    card = ModelCard(
        name=re.sub(r"[^A-Za-z0-9._-]+", "-", path.stem).strip("-.") or "centermask2",
        licence=LICENCE,
        model=settings,
        diameter=96.0,  # COCO's border between medium and large objects
        normalisation="reference",
        mean=[103.53, 116.28, 123.675],
        std=[1.0, 1.0, 1.0],
        description=f"Converted from {path.name}. {NOTICE}",
        limits=["Trained on photographs, not on microscopy.", NOTICE],
    )
    return {k: v.float() for k, v in state.items()}, card


def read_state(path: Path) -> State:
    """The tensors of a checkpoint file; nothing in it is executed.

    Raises
    ------
    BadModel
        If it cannot be read or holds other objects.
    """
    path = Path(path)
    if path.suffix.lower() == ".pkl":
        content = _read_pickle(path)
    else:
        try:
            content = torch.load(path, map_location="cpu", weights_only=True)
        except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, KeyError, AttributeError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise BadModel(
                f"Expected a PyTorch file of weights alone, {path.name} was refused: {reason} "
                "Files that would run code are never opened; get the weights from their publisher."
            ) from error
    for key in ("model", "state_dict"):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict):
        raise BadModel(f"Expected a dictionary of weights in {path.name}, found {type(content).__name__}.")
    state = {
        k: torch.from_numpy(np.ascontiguousarray(v)) if isinstance(v, np.ndarray) else v for k, v in content.items()
    }
    state = {k: v for k, v in state.items() if isinstance(k, str) and not k.endswith(IGNORED)}
    if not state or not all(isinstance(v, torch.Tensor) for v in state.values()):
        raise BadModel(
            f"Expected a dictionary of weights in {path.name}, it holds other things. Get the weights alone."
        )
    return state


class _ArraysOnly(pickle.Unpickler):
    """Admits numpy arrays, scalars and plain containers."""

    ADMITTED = {
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
        ("collections", "OrderedDict"): dict,
    }

    def find_class(self, module: str, name: str):
        if (module, name) in self.ADMITTED:
            return self.ADMITTED[module, name]
        if module in ("numpy.core.multiarray", "numpy._core.multiarray") and name in ("_reconstruct", "scalar"):
            return getattr(np._core.multiarray, name)
        raise pickle.UnpicklingError(f"{module}.{name} is not admitted")


def _read_pickle(path: Path):
    try:
        return _ArraysOnly(io.BytesIO(path.read_bytes()), encoding="latin1").load()
    except (
        pickle.UnpicklingError,
        EOFError,
        OSError,
        ValueError,
        TypeError,
        IndexError,
        AttributeError,
        KeyError,
    ) as error:
        raise BadModel(
            f"Expected a detectron2 file of arrays alone, {path.name} was refused: {error}. "
            "Files that would run code are never opened; get the weights from their publisher."
        ) from error


def guess_settings(state: State, *, where: str) -> ModelSettings:
    """A reference model's form from its names and shapes.

    Raises
    ------
    BadModel
        If the names are not those of CenterMask2, or use parts that are not supported.
    """
    shapes = {k: tuple(v.shape) for k, v in state.items()}
    head = "proposal_generator.fcos_head."
    if head + "cls_logits.weight" not in shapes or "roi_heads.mask_head.predictor.weight" not in shapes:
        first = ", ".join(list(shapes)[:3])
        raise BadModel(
            f"Expected the weights of a CenterMask2, {where} has other names ({first}). Choose a CenterMask2 file."
        )
    if any("conv_offset" in k for k in shapes):
        raise BadModel(f"{where} uses deformable convolutions, which are not supported. Choose the model without DCN.")
    classes, width = shapes[head + "cls_logits.weight"][:2]
    iou = "roi_heads.maskiou_head."
    backbone, first = _guess_backbone(shapes, where)
    return ModelSettings(
        backbone=backbone,
        in_channels=shapes[first][1],
        categories=[f"class {i + 1}" for i in range(classes)],
        backbone_norm="FrozenBN",
        fpn_channels=width,
        top_levels=sum(f"backbone.top_block.p{level}.weight" in shapes for level in (6, 7)),
        head_convs=sum(
            len(s) == 4 for k, s in shapes.items() if k.startswith(head + "cls_tower.") and k.endswith("weight")
        ),
        head_norm="GN" if head + "cls_tower.1.weight" in shapes else "none",
        mask_convs=_count(shapes, "roi_heads.mask_head.mask_fcn"),
        mask_channels=shapes["roi_heads.mask_head.mask_fcn1.weight"][0],
        class_agnostic_mask=shapes["roi_heads.mask_head.predictor.weight"][0] == 1 < classes,
        maskiou=iou + "maskiou.weight" in shapes,
        maskiou_convs=max(1, _count(shapes, iou + "maskiou_fcn")),
        maskiou_channels=shapes.get(iou + "maskiou_fcn1.weight", (128,))[0],
        maskiou_fc=shapes.get(iou + "maskiou_fc1.weight", (1024,))[0],
    )


def _count(shapes: dict[str, tuple[int, ...]], prefix: str) -> int:
    return sum(k.startswith(prefix) and k.endswith(".weight") for k in shapes)


def _guess_backbone(shapes: dict[str, tuple[int, ...]], where: str) -> tuple[str, str]:
    """Name of the backbone and of its first layer's weights."""
    bottom = "backbone.bottom_up."
    if bottom + "stem.stem_1/conv.weight" in shapes:
        blocks = tuple(
            len({k.split(".")[3] for k in shapes if k.startswith(f"{bottom}stage{s}.OSA")}) for s in (2, 3, 4, 5)
        )
        layers = len({k.split(".")[5] for k in shapes if k.startswith(bottom + "stage2.OSA2_1.layers.")})
        depthwise = any("dw_conv3x3" in k for k in shapes)
        outputs = shapes.get(bottom + "stage3.OSA3_1.concat.OSA3_1_concat/conv.weight", (0,))[0]
        for name, spec in SPECS.items():
            if (spec.blocks, spec.layers, spec.depthwise, spec.out_channels[1]) == (blocks, layers, depthwise, outputs):
                return name, bottom + "stem.stem_1/conv.weight"
    if bottom + "stem.conv1.weight" in shapes:
        deep = len({k.split(".")[3] for k in shapes if k.startswith(bottom + "res4.")})
        name = {6: "R-50", 23: "R-101"}.get(deep)
        if name and shapes[bottom + "stem.conv1.weight"][0] == 64 and shapes[bottom + "res2.0.conv1.weight"][0] == 64:
            return name, bottom + "stem.conv1.weight"
    for k in shapes:
        if k.startswith(bottom + "features.0.") and len(shapes[k]) == 4:
            return "MobileNetV2", k
    raise BadModel(
        f"Expected a backbone of {', '.join([*SPECS, 'R-50', 'R-101', 'MobileNetV2'])}; the one of {where} is another. "
        "Choose one of these models."
    )
