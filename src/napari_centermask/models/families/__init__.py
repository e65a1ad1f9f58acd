"""The families of networks: one record each, which all layers use instead of comparing names. Needs no torch.

Another family is a record in a separate file here, added to `FAMILIES`, and its network; see docs/architecture.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from napari_centermask.core.errors import BadSettings
from napari_centermask.models.families.centermask import CENTERMASK
from napari_centermask.models.families.detectron2 import DETECTRON2
from napari_centermask.models.families.family import Family, Shapes
from napari_centermask.models.families.mask_rcnn import MASK_RCNN
from napari_centermask.models.families.unet import UNET
from napari_centermask.settings import NetworkSettings, TrainSettings

__all__ = [
    "FAMILIES",
    "Family",
    "Shapes",
    "check_exports",
    "check_new",
    "compression_of",
    "family_of",
    "graph_names",
    "needs_torch",
    "new_families",
    "new_network",
    "why_torch",
]

FAMILIES: dict[str, Family] = {family.name: family for family in (CENTERMASK, UNET, MASK_RCNN, DETECTRON2)}
"""The record of each family by its name, which cards have as `kind` and settings as `family`."""


class HasKind(Protocol):
    """A model's card."""

    @property
    def kind(self) -> str:
        """The name of its family."""


def family_of(owner: HasKind | NetworkSettings) -> Family:
    """The family of a model's card, or of the settings of a network."""
    return FAMILIES[owner.family if isinstance(owner, NetworkSettings) else owner.kind]


def new_families() -> dict[str, Family]:
    """The families of which new networks can be made here, by name; the first is the default."""
    return {name: family for name, family in FAMILIES.items() if family.new is not None}


def new_network(name: str, *, channels: int, categories: Sequence[str], diameter: float) -> NetworkSettings:
    """The form of a new network for data.

    Parameters
    ----------
    diameter
        Of the cells, in pixels of the network.

    Raises
    ------
    BadSettings
        If no networks of this family are made here.
    """
    family = FAMILIES.get(name)
    if family is None or family.new is None:
        raise BadSettings(f"There is no network '{name}' to train from scratch. Choose {' or '.join(new_families())}.")
    return family.new(channels, categories, diameter)


def check_new(settings: TrainSettings) -> None:
    """Raise `BadSettings` if a new network does not suit its training; one that goes on, or has a start model, is as it is."""
    if settings.start is None and not settings.resume:
        family_of(settings.model).check_new(settings)


def compression_of(form: NetworkSettings) -> Any:
    """The module with what pruning and distillation of a network of this form need.

    Raises
    ------
    BadSettings
        If its family has none.
    """
    family = family_of(form)
    if not family.compression:
        raise BadSettings(f"A {family.title} cannot be pruned or distilled. Quantise it instead.")
    return family.load(family.compression)


def graph_names() -> list[str]:
    """Names of the ONNX graphs of all families."""
    return list(dict.fromkeys(name for family in FAMILIES.values() for name in family.graphs))


def needs_torch(card: HasKind) -> bool:
    """Whether models of the family have no graphs, so that PyTorch alone runs them."""
    return not family_of(card).graphs


def why_torch(card: HasKind) -> str:
    """The sentence that says so."""
    return f"A {family_of(card).title} has no ONNX graphs and runs with PyTorch alone."


def check_exports(card: HasKind) -> None:
    """Raise `BadSettings` if models of the family have no graphs."""
    if needs_torch(card):
        raise BadSettings(f"{why_torch(card)} It cannot be exported or quantised. Use it as it is, in napari too.")
