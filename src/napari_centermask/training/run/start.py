"""The network a run starts from: a new one, or a model to fine-tune, perhaps for other categories."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import torch

from napari_centermask.core.errors import BadModel, BadSettings
from napari_centermask.io.trained_on import TrainedOn
from napari_centermask.models.families import family_of
from napari_centermask.models.nets.build import build_model
from napari_centermask.models.nets.network import Network
from napari_centermask.models.store.card import ModelCard
from napari_centermask.models.store.card_change import first_hash
from napari_centermask.models.store.other_weights import fitting
from napari_centermask.models.store.pickles import read_state
from napari_centermask.models.store.zoo import is_of_others
from napari_centermask.settings import TrainSettings
from napari_centermask.training.data.inputs import network_of
from napari_centermask.training.run.folder import start_of


@dataclass(frozen=True)
class Start:
    """A network, and the model that it was fine-tuned from.

    Attributes
    ----------
    parent, parent_sha256
        Name of that model and hash of its weights; None for a new network.
    card
        Card of that model.
    trained_on
        What the weights were trained on before, as in `ModelCard.trained_on`.
    """

    model: Network
    parent: str | None = None
    parent_sha256: str | None = None
    card: ModelCard | None = None
    trained_on: TrainedOn = field(default_factory=dict)


def make_start(settings: TrainSettings) -> Start:
    """Build a new network, or load the start model; a resumed run has its weights in its folder.

    Raises
    ------
    BadSettings, BadModel
        If the start model cannot be trained.
    """
    start = start_of(settings)
    if start is None:
        try:
            model = build_model(settings.model)
        except ValueError as error:
            raise BadSettings(str(error)) from error
        return Start(model) if settings.pretrained is None else _pretrained(model, settings.pretrained)
    from napari_centermask.models.store.checkpoint import load_model
    from napari_centermask.models.store.zoo import find_model

    files = find_model(start)
    if files.weights is None:
        raise BadSettings(f"{files.name} has only ONNX graphs and cannot be trained. Start from a model with weights.")
    model, card = load_model(files.weights)
    wanted, family = family_of(settings.model), family_of(card)
    if "family" in settings.model.model_fields_set and wanted is not family:
        raise BadSettings(
            f"The settings are for a {wanted.title}, but the start model {files.name} is a {family.title}. "
            "Choose another one, or leave model.family out."
        )
    if (form := network_of(settings, card)) != card.model:
        model = for_categories(model, form.categories)
    return Start(model, card.name, first_hash(files.weights), card, card.trained_on)


def _pretrained(model: Network, name: str) -> Start:
    """Copy another model's weights into the new network wherever names and shapes agree."""
    path = Path(name).expanduser()
    if is_of_others(path):
        return _from_file(model, path)
    from napari_centermask.models.store.checkpoint import load_model
    from napari_centermask.models.store.zoo import find_model

    files = find_model(name)
    if files.weights is None:
        raise BadSettings(f"{files.name} has only ONNX graphs. Choose a model with weights as 'pretrained'.")
    other, card = load_model(files.weights)
    state = model.state_dict()
    same = {key: value for key, value in other.state_dict().items() if key in state and state[key].shape == value.shape}
    if not any(value.dim() > 1 for value in same.values()):
        raise BadSettings(
            f"{files.name}, given as 'pretrained', has no layers in common with this network. "
            f"It is a {card.model.summary}; choose another one, or another backbone."
        )
    model.load_state_dict(state | same)
    return Start(model, trained_on=card.trained_on)


def _from_file(model: Network, path: Path) -> Start:
    """Copy the weights of another program's file, a backbone alone among them."""
    state, given = model.state_dict(), read_state(path)
    try:
        same = fitting(state, given)
    except BadModel as error:
        raise BadSettings(
            f"{path.name}, given as 'pretrained', does not fit {model.settings.summary}. {error}"
        ) from error
    if not any(value.dim() > 1 for value in same.values()):
        raise BadSettings(
            f"{path.name}, given as 'pretrained', has no layers in common with this network, a {model.settings.summary}. "
            "Choose another file, or another backbone."
        )
    model.load_state_dict(state | same)
    return Start(model)


def for_categories(model: Network, categories: list[str]) -> Network:
    """The network for other categories: each starts as the old category of the same name, or else as the mean of all.

    So it finds the same cells as before, and training only has to distinguish them.
    """
    settings, old = model.settings, model.settings.categories
    new = build_model(settings.model_copy(update={"categories": list(categories)}))
    with torch.device("meta"):  # tensors with a part for each category are those that grow with one more category
        larger = build_model(settings.model_copy(update={"categories": [*old, "one more"]})).state_dict()
    n_before = family_of(settings).first_category  # the background's map stays the first
    state = model.state_dict()
    for key, given in state.items():
        if given.shape != larger[key].shape:
            each = given.unflatten(0, (-1, len(larger[key]) - len(given)))  # a box of each category has four rows
            before, of_old, after = each.split([n_before, len(old), len(each) - n_before - len(old)])
            mean = of_old.mean(dim=0)
            kept = [of_old[old.index(name)] if name in old else mean for name in categories]
            state[key] = torch.cat([before, torch.stack(kept), after]).flatten(0, 1)
    new.load_state_dict(state)
    return new
