"""Flags that have no effect on what was chosen are refused: one place for all commands."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from napari_centermask.core.errors import BadSettings
from napari_centermask.models.families import family_of
from napari_centermask.models.idle_settings import (
    Idle,
    Idles,
    idle_in_segmentation,
    idle_in_training,
    refuse_idle,
    set_fields,
)
from napari_centermask.models.store.card import ModelCard
from napari_centermask.models.store.zoo import find_model
from napari_centermask.settings import SegmentSettings, TrainSettings
from napari_centermask.training.run.folder import start_of


def check_segment_flags(
    settings: SegmentSettings, cards: Sequence[ModelCard] | None = None, *, also: Idles | None = None
) -> None:
    """Refuse flags that none of the models uses.

    Parameters
    ----------
    cards
        Of the models that segment; of the settings' own ones when not given.
    also
        Fields that the command itself does not use.

    Raises
    ------
    BadSettings, BadModel
        Naming the flags and why they have no effect.
    """
    each = [idle_in_segmentation(settings, card) for card in cards or ()]
    if cards is None:
        each = [
            idle_in_segmentation(settings, find_model(name).card) for name in (settings.model, *settings.more_models)
        ]
    idle = {name: why for name, why in each[0].items() if all(name in other for other in each)} if each else {}
    refuse_idle(settings, idle | (also or {}), flags=set_fields(settings))


def one_model(why: str) -> Idles:
    """Several models have no effect."""
    return {"more_models": Idle(why)}


def only_score(why: str) -> Idles:
    """All fields but the score have no effect."""
    return {name: Idle(why) for name in SegmentSettings.model_fields if name != "score"}


def check_class_maps(card: ModelCard, flag: str = "--maps", *, settings: SegmentSettings) -> None:
    """Refuse a flag for a model that does not tell the category of each pixel, or for several looks at an image."""
    from napari_centermask.pipeline.segmentation import refuse_class_maps_of_several

    refuse_class_maps_of_several(settings)
    if not (family := family_of(card)).has_class_maps:
        raise BadSettings(
            f"{flag} has no effect: '{card.name}' is a {family.title}, which finds cells one by one and has no class maps. "
            "Leave it out, or choose a U-Net."
        )


def check_train_flags(settings: TrainSettings, in_file: dict[str, Any] | None = None) -> None:
    """Refuse flags and keys of a run file that have no effect on a training.

    Parameters
    ----------
    in_file
        The run file. Values that come from it are refused only where they differ from the defaults, and not at all where a
        run goes on.

    Raises
    ------
    BadSettings, BadModel
        Naming the flags or keys and why they have no effect.
    """
    start = start_of(settings)
    card = None if start is None else find_model(start).card
    typed = [name for name in set_fields(settings) if not _is_of_file(settings, name, in_file or {})]
    idle = idle_in_training(settings, card, processes=_processes())
    refuse_idle(settings, idle, flags=typed, flags_only=settings.resume)


def _is_of_file(settings: TrainSettings, name: str, in_file: dict[str, Any]) -> bool:
    """Whether a field has the value that a run file gives it."""
    value: Any = settings.model_dump(mode="json")
    in_the_file: Any = in_file
    for part in name.split("."):
        if not isinstance(in_the_file, dict) or part not in in_the_file:
            return False
        value, in_the_file = value[part], in_the_file[part]
    return bool(value == in_the_file)


def _processes() -> int:
    """How many processes train together, as torchrun tells."""
    return int(os.environ.get("WORLD_SIZE", "1"))
