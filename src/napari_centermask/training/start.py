"""The network a run begins with: new, or a model that is trained further, perhaps for other categories."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import torch

from ..core.errors import BadSettings
from ..models.centermask import CenterMask
from ..settings import TrainSettings


@dataclass(frozen=True)
class Start:
    """A network, and the model it comes from.

    Attributes
    ----------
    parent, parent_sha256
        Name and hash of the weights of the model it comes from; None for a new one.
    """

    model: CenterMask
    parent: str | None = None
    parent_sha256: str | None = None


def make_start(settings: TrainSettings) -> Start:
    """Build a new network, or load the start model.

    Raises
    ------
    BadSettings, BadModel
        If the start model cannot be trained.
    """
    if settings.start is None:
        return Start(CenterMask(settings.model))
    from ..models.checkpoint import load_model
    from ..models.zoo import find_model

    files = find_model(settings.start)
    if files.weights is None:
        raise BadSettings(f"Expected a model with weights to start from, {files.name} has only ONNX graphs.")
    model, card = load_model(files.weights)
    wanted = settings.model.categories
    if "model" in settings.model_fields_set and len(wanted) > 1 and wanted != card.model.categories:
        model = for_categories(model, wanted)
    return Start(model, card.name, sha256(files.weights))


def for_categories(model: CenterMask, categories: list[str]) -> CenterMask:
    """The network for other categories: a new one begins as the old one of its name, else as the mean of all.

    So it finds what it found before, and learns which is which.
    """
    old = model.settings.categories
    new = CenterMask(model.settings.model_copy(update={"categories": list(categories)}))
    state = model.state_dict()
    for key, wanted in new.state_dict().items():
        given = state[key]
        if given.shape != wanted.shape:
            mean = given.mean(dim=0)
            state[key] = torch.stack([given[old.index(name)] if name in old else mean for name in categories])
    new.load_state_dict(state)
    return new


def sha256(path: Path) -> str:
    """Hash of a file, hex."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
