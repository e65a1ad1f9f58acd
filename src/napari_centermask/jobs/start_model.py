"""The included model to start a fine-tuning from when nobody names one: by the cells' makers, then by a look at the images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from napari_centermask.core.counted import counted
from napari_centermask.core.image_kind import KINDS, listed
from napari_centermask.core.instances import ASKED
from napari_centermask.io.coco.image_record import ImageRecord
from napari_centermask.io.reviewed import truths_of
from napari_centermask.models.store.card import ModelCard
from napari_centermask.models.store.zoo import ModelFiles, list_models
from napari_centermask.pipeline.suitability import proposed, proposed_for_most
from napari_centermask.settings import SegmentSettings
from napari_centermask.training.data.dataset import records_to_train_on
from napari_centermask.training.data.facts import count_kinds


@dataclass(frozen=True)
class StartModel:
    """The name of a model to start from, and why."""

    name: str
    reason: str


def start_model(data: Path, split: str | None = None) -> StartModel:
    """The model that fits data best; `data` and `split` as of `prepare`.

    A model of the user's own stays if it made most of the cells that a model made. Else each of some images counts for the
    included model that is proposed for it (`pipeline.suitability.proposed`): the one that made the cells, the one with the
    several categories of the data, or the usual one, unless another was trained on such images and it was not.

    Raises
    ------
    BadAnnotations, BadImage
        If there is nothing to train on, or an image cannot be read.
    """
    records = records_to_train_on(Path(data).expanduser(), split)
    models = {m.name: m for m in list_models() if m.weights is not None}
    maker, n, n_all = _maker(records, models)
    if maker is not None and not maker.shipped:
        return StartModel(maker.name, f"your own model, which made {n:,} of {counted(n_all, 'cell')}")
    cards = {name: model.card for name, model in models.items() if model.shipped}
    used = maker.name if maker is not None else _of_categories(records, cards)
    return _by_images(records, used, cards)


def _maker(records: Sequence[ImageRecord], models: Mapping[str, ModelFiles]) -> tuple[ModelFiles | None, int, int]:
    """The model that made the most of the right cells, how many, and of how many; None if no model made any."""
    names = {m.card.name: m for m in models.values()} | dict(models)
    made, n_all = Counter[str](), 0
    for _, truth in truths_of(records):
        for cell in truth.instances:
            source = cell.source
            for ending in ASKED:
                source = source.removesuffix(ending)
            made.update([names[source].name] if source in names else [])
            n_all += 1
    (name, n), *_ = made.most_common(1) or [("", 0)]
    return models.get(name), n, n_all


def _of_categories(records: Sequence[ImageRecord], cards: Mapping[str, ModelCard]) -> str:
    """The included model with the several categories of the data; the usual one if there is none."""
    known = {name for record in records for name in record.instances.categories.values()}
    same = (name for name, card in cards.items() if len(known) > 1 and set(card.model.categories) == known)
    return next(same, SegmentSettings.model_fields["model"].default)


def _by_images(records: Sequence[ImageRecord], used: str, cards: Mapping[str, ModelCard]) -> StartModel:
    """The model that is proposed for most of some images; `used` if no other one is proposed for more."""
    kinds, n_seen = count_kinds(records)
    name = proposed_for_most(cards[used], kinds, cards) if used in cards else used
    seen = [kind for kind in KINDS if kinds[kind] and used in cards]
    known = [k for k in seen if name == (proposed(cards[used], k, cards) or used) and k in cards[name].images]
    if not known:
        return StartModel(name, "the images do not show which model fits them better")
    n = sum(kinds[kind] for kind in known)
    look = "looks" if n == 1 else "look"
    return StartModel(name, f"it was trained on {listed(known)}, which {n} of {counted(n_seen, 'image')} {look} like")
