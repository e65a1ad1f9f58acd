"""Whether a model was trained on images like this one, by its card and a look at the image, and which other model was."""

from __future__ import annotations

from collections import Counter
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


def proposed_for_most(used: ModelCard, kinds: Mapping[Kind, int], cards: Mapping[str, ModelCard]) -> str:
    """The name of the model that is proposed for the most of several images; `used` if no other one is proposed for more.

    Parameters
    ----------
    kinds
        How many images are of each kind.
    cards
        Of the models to choose from, by name.
    """
    votes = Counter[str]()
    for kind, n in kinds.items():
        votes[proposed(used, kind, cards) or used.name] += n
    return max(votes, key=lambda name: (votes[name], name == used.name), default=used.name)


def better_start(used: ModelCard, kinds: Mapping[Kind, int], cards: Mapping[str, ModelCard]) -> tuple[str, str]:
    """The model that fits most of the data better than the one to be fine-tuned, and that in a sentence; empty if there is none.

    Parameters
    ----------
    kinds, cards
        As of `proposed_for_most`.
    """
    other = proposed_for_most(used, kinds, cards)
    if other == used.name:
        return "", ""
    kind = max((k for k in kinds if proposed(used, k, cards) == other), key=lambda k: kinds[k])
    doubt = unsuited(used, kind, image="The data" if len(kinds) == 1 else "Most of the data")
    return (other, f"{doubt} '{other}' was trained on such images.") if doubt else ("", "")
