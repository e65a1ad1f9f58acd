"""The network a run begins with: new, or a model that is trained further, perhaps for other categories."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from ..core.errors import BadSettings
from ..models.build import build_model
from ..models.card import ModelCard
from ..settings import TrainSettings


@dataclass(frozen=True)
class Start:
    """A network, and the model it comes from.

    Attributes
    ----------
    parent, parent_sha256
        Name and hash of the weights of the model it comes from; None for a new one.
    card
        Of that model.
    """

    model: nn.Module
    parent: str | None = None
    parent_sha256: str | None = None
    card: ModelCard | None = None


def make_start(settings: TrainSettings) -> Start:
    """Build a new network, or load the start model.

    Raises
    ------
    BadSettings, BadModel
        If the start model cannot be trained.
    """
    if settings.start is None:
        try:
            return Start(build_model(settings.model))
        except ValueError as error:
            raise BadSettings(str(error)) from error
    from ..models.checkpoint import load_model
    from ..models.zoo import find_model

    files = find_model(settings.start)
    if files.weights is None:
        raise BadSettings(f"Expected a model with weights to start from, {files.name} has only ONNX graphs.")
    model, card = load_model(files.weights)
    if "family" in settings.model.model_fields_set and settings.model.family != card.kind:
        raise BadSettings(
            f"Expected a start model that is a {settings.model.family}, {files.name} is a {card.kind}. "
            "Choose another one, or leave model.family out."
        )
    wanted = settings.model.categories
    if "model" in settings.model_fields_set and len(wanted) > 1 and wanted != card.model.categories:
        model = for_categories(model, wanted)
    return Start(model, card.name, sha256(files.weights), card)


def for_categories(model: nn.Module, categories: list[str]) -> nn.Module:
    """The network for other categories: a new one begins as the old one of its name, else as the mean of all.

    So it finds what it found before, and learns which is which.
    """
    settings, old = model.settings, model.settings.categories
    new = build_model(settings.model_copy(update={"categories": list(categories)}))
    with torch.device("meta"):  # the tensors that have a part for each category are those that one more makes larger
        larger = build_model(settings.model_copy(update={"categories": [*old, "one more"]})).state_dict()
    n_before = 1 if settings.family == "unet" else 0  # the background's map stays the first
    state = model.state_dict()
    for key, given in state.items():
        if given.shape != larger[key].shape:
            before, of_old, after = given.split([n_before, len(old), len(given) - n_before - len(old)])
            mean = of_old.mean(dim=0)
            kept = [of_old[old.index(name)] if name in old else mean for name in categories]
            state[key] = torch.cat([before, torch.stack(kept), after])
    new.load_state_dict(state)
    return new


def sha256(path: Path) -> str:
    """Hash of a file, hex."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
