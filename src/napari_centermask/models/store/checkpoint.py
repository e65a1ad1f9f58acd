"""Our models on disk: safetensors with the model card inside. `models.store.reference` reads published ones."""

from __future__ import annotations

import os
import re
from pathlib import Path

import safetensors
import torch
from safetensors.torch import save_file
from torch import nn

from napari_centermask.core.errors import BadModel
from napari_centermask.io.whole_file import whole_file
from napari_centermask.models.nets.build import build_model
from napari_centermask.models.nets.network import Network
from napari_centermask.models.store.card import ModelCard
from napari_centermask.settings import AnyModel

CARD_KEY = "card"
IGNORED = ("pixel_mean", "pixel_std", "num_batches_tracked")  # goldens README, item 8
State = dict[str, torch.Tensor]


def save_model(path: Path, model: nn.Module, card: ModelCard, *, half: bool = True) -> None:
    """Write weights and card; the file is written completely or not at all.

    Parameters
    ----------
    half
        Store convolutions and linear layers as float16, rounded to 11 bits: half the size. Biases and norms stay
        float32, because running variances may lie beyond float16.
    """
    path = Path(path)
    state = {
        key: value.detach().to(torch.float16 if half and value.dim() > 1 else value.dtype).cpu().contiguous().clone()
        for key, value in model.state_dict().items()
        if not key.endswith("num_batches_tracked")
    }
    with whole_file(path) as part:
        try:
            save_file(state, str(part), metadata={CARD_KEY: card.to_json(), "format": "pt"})
        except safetensors.SafetensorError as error:  # it reports a full disk by words alone
            number = re.search(r"os error (\d+)", str(error))
            if number is None:
                raise
            raise OSError(int(number[1]), os.strerror(int(number[1]))) from error


def load_model(path: Path) -> tuple[Network, ModelCard]:
    """Load one of our models in evaluation mode, float32, and its card; `card.kind` is its family.

    Raises
    ------
    MissingExtra
        If its architecture needs a package that is not installed.
    BadModel
        If the file is damaged, has no card, or does not fit its card.
    """
    path = Path(path)
    try:
        with safetensors.safe_open(str(path), framework="pt") as file:
            metadata = file.metadata() or {}
            state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a dict)
    except (OSError, safetensors.SafetensorError) as error:
        raise BadModel(f"{path.name} cannot be read as safetensors: {error}. Get it again.") from error
    if CARD_KEY not in metadata:
        raise BadModel(f"{path.name} has no model card, so it was not made by napari-centermask. Choose another file.")
    card = ModelCard.from_json(metadata[CARD_KEY], where=path.name)
    check_state(card.model, state, where=path.name)
    model = build_model(card.model)
    load_state(model, state, where=path.name)
    return model.eval(), card


def check_state(settings: AnyModel, state: State, *, where: str) -> None:
    """Compare weights with the network that `settings` describe, without building it in memory.

    Raises
    ------
    BadModel
        As `load_state`, or if the settings describe no network.
    """
    try:
        with torch.device("meta"):
            model = build_model(settings)
    except (ValueError, RuntimeError) as error:
        raise BadModel(f"The settings in {where} do not describe a network: {error}. Get the file again.") from error
    _compare(model.state_dict(), state, where=where)


def load_state(model: nn.Module, state: State, *, where: str) -> None:
    """Load weights into a model; keys and shapes must match exactly.

    Raises
    ------
    BadModel
        With the numbers and the first names of missing, unexpected and differently shaped keys.
    """
    own = model.state_dict()
    _compare(own, state, where=where)
    given = {k: v.to(own[k].dtype) for k, v in state.items() if not k.endswith(IGNORED)}
    model.load_state_dict(given, strict=False)


def _compare(own: State, state: State, *, where: str) -> None:
    own = {k: v for k, v in own.items() if not k.endswith(IGNORED)}
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
    if faults := [f for f in faults if f]:
        raise BadModel(
            f"The weights of {where} do not fit: {'; '.join(faults)}. Choose the file that belongs to this model."
        )


def _listed(kind: str, names: list[str]) -> str:
    if not names:
        return ""
    return f"{len(names)} {kind}: {', '.join(names[:3])}{', ...' if len(names) > 3 else ''}"
