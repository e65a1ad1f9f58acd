"""The settings of a run, completed from the model's card."""

from __future__ import annotations

from napari_centermask.models.idle_settings import idle_in_segmentation, refuse_idle
from napari_centermask.models.store.card import ModelCard
from napari_centermask.settings import PreprocessSettings, SegmentSettings

# Settings that a model's card may set if the user did not.
_FROM_CARD = ("score", "nms", "mask_nms", "min_area", "overlap", "foreground", "seed", "smoothing")


def with_card_defaults(settings: SegmentSettings, card: ModelCard) -> SegmentSettings:
    """The settings with the model's own defaults, percentiles and preprocessing where the user set none.

    Raises
    ------
    BadSettings
        If the user set what the model does not use.
    """
    idle = idle_in_segmentation(settings, card)
    refuse_idle(settings, idle)
    own = {name: value for name, value in card.defaults.items() if name in _FROM_CARD and name not in idle}
    own["percentiles"] = tuple(card.percentiles)
    unset = {name: value for name, value in own.items() if name not in settings.model_fields_set}
    return settings.model_copy(update=unset | {"preprocess": own_preprocess(settings, card)})


def own_preprocess(settings: SegmentSettings, card: ModelCard) -> PreprocessSettings:
    """The preprocessing that the model was trained with, overridden by what the user set."""
    wanted = settings.preprocess
    return card.preprocess.model_copy(update={name: getattr(wanted, name) for name in wanted.model_fields_set})
