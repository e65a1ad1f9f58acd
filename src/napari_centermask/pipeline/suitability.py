"""Whether a model was trained on images like this one, by its card and a look at the image, and which other model was."""

from __future__ import annotations

from collections.abc import Mapping

from napari_centermask.core.image_kind import WORDS, Kind, listed
from napari_centermask.models.store.card import ModelCard
from napari_centermask.settings import SegmentSettings


def unsuited(card: ModelCard, kind: Kind | None, *, image: str = "This image") -> str:
    """That a model was trained on other kinds of images, in a sentence; empty if it was not, or nobody knows.

    Parameters
    ----------
    kind
        Of the image, from `core.image_kind`.
    image
        What the sentence calls it.
    """
    if kind is None or not card.images or kind in card.images:
        return ""
    return f"{image} looks like {WORDS[kind]}; '{card.name}' was trained on {listed(card.images)}."


def suited(card: ModelCard, kind: Kind | None) -> str:
    """That a model was trained on images like this one, in a sentence; empty if nobody knows."""
    if kind is None or kind not in card.images:
        return ""
    return f"Looks like {WORDS[kind]}, which this model was trained on."


def proposed(used: ModelCard, kind: Kind | None, cards: Mapping[str, ModelCard]) -> str:
    """The name of an installed model that was trained on this kind of image; empty if there is none, or no need of one.

    Only models of a single category count: those of several are made for one assay. One that finds the same cells comes first,
    then the usual model.

    Parameters
    ----------
    cards
        Of the installed models, by name.
    """
    if kind is None or kind in used.images:
        return ""
    names = [n for n, c in cards.items() if n != used.name and kind in c.images and len(c.model.categories) == 1]
    usual = SegmentSettings.model_fields["model"].default
    same = used.model.categories
    return min(names, key=lambda n: (cards[n].model.categories != same, n != usual), default="")
