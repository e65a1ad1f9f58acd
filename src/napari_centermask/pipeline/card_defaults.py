"""The settings of a run, completed by what the model's card says."""

from __future__ import annotations

from napari_centermask.models.store.card import ModelCard
from napari_centermask.settings import PreprocessSettings, SegmentSettings

# What a model's card may set where the user did not.
_FROM_CARD = ("score", "nms", "mask_nms", "min_area", "overlap", "foreground", "seed", "smoothing")


def with_card_defaults(settings: SegmentSettings, card: ModelCard) -> SegmentSettings:
    """The settings with the model's own defaults, percentiles and preprocessing where the user set none."""
    own = {name: value for name, value in card.defaults.items() if name in _FROM_CARD}
    own["percentiles"] = tuple(card.percentiles)
    unset = {name: value for name, value in own.items() if name not in settings.model_fields_set}
    return settings.model_copy(update=unset | {"preprocess": own_preprocess(settings, card)})


def own_preprocess(settings: SegmentSettings, card: ModelCard) -> PreprocessSettings:
    """What the model was trained with, but for what the user set."""
    wanted = settings.preprocess
    return card.preprocess.model_copy(update={name: getattr(wanted, name) for name in wanted.model_fields_set})
