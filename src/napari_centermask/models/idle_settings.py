"""Find, explain and refuse settings that have no effect on what was chosen, for all entry points.

Forms and run files hold many values that nobody chose. So an idle value is only refused if it was set and would make a
difference if it were used; flags, which were typed, are always refused (`flags`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from napari_centermask.core.errors import BadSettings
from napari_centermask.models.families import FAMILIES, family_of
from napari_centermask.models.store.card import ModelCard
from napari_centermask.settings import PreprocessSettings, SegmentSettings, Settings, TrainSettings


@dataclass(frozen=True)
class Idle:
    """Why a field has no effect.

    Attributes
    ----------
    why
        A clause without a full stop.
    used
        The value that is used instead, if it is not the field's default; setting the same value is not an error.
    is_computed
        Whether our computed defaults set it, so that a file may have any value.
    """

    why: str
    used: Any = None
    is_computed: bool = False


Idles = dict[str, Idle]
"""Dotted name of a field, such as "losses.dice", or of a group of fields -> why it has no effect."""


def idle_in_segmentation(settings: SegmentSettings, card: ModelCard) -> Idles:
    """Fields that have no effect on how a model segments."""
    family = family_of(card)
    idle = {
        name: Idle(f"'{card.name}' is a {family.title}, and only a {_titles_with(name)} uses it")
        for name in specific_fields()
        if name not in family.segments_with
    }
    if card.normalisation == "zscore":
        why = f"'{card.name}' scales intensities by their mean and spread"
        idle["percentiles"] = Idle(why, tuple(card.percentiles))
    if settings.soft_nms and "soft_nms" not in idle:
        idle["nms"] = Idle("soft_nms lowers scores in its place", is_computed=True)
    if not card.channel_names:
        idle["channel_names"] = Idle(f"the channels of '{card.name}' have no names", is_computed=True)
    explicit = {name: getattr(settings.preprocess, name) for name in settings.preprocess.model_fields_set}
    effective = card.preprocess.model_copy(update=explicit)
    return idle | _idle_corrections(effective, card.preprocess)


def specific_fields() -> list[str]:
    """Fields of `SegmentSettings` that not all families use, in the order of the records."""
    return list(dict.fromkeys(name for family in FAMILIES.values() for name in family.segments_with))


def _titles_with(field: str) -> str:
    return " or a ".join(family.title for family in FAMILIES.values() if field in family.segments_with)


def _idle_corrections(settings: PreprocessSettings, own: PreprocessSettings) -> Idles:
    """Idle fields of the corrections in effect; `own` are those of the model, which may have idle values too."""
    reasons = {}
    if settings.flat_field is None:
        reasons["dark"] = "it only matters with a flat field, and preprocess.flat_field is not set"
    for name in ("background", "denoise"):
        if getattr(settings, name) == "none":
            reasons[f"{name}_size"] = f"preprocess.{name} is none"
    return {f"preprocess.{name}": Idle(why, getattr(own, name)) for name, why in reasons.items()}


def idle_in_training(settings: TrainSettings, card: ModelCard | None = None, *, processes: int = 1) -> Idles:
    """Fields that have no effect on a training.

    Parameters
    ----------
    card
        Card of the start model; None for a new network.
    processes
        Number of processes that train together.
    """
    idle = {} if card is None else _follows_start(settings, card)
    if card is not None:
        wanted, known = settings.model.categories, card.model.categories
        own = card.model.model_copy(update={"categories": wanted if len(wanted) > 1 else known})
        settings = settings.model_copy(update={"model": own})
    family = family_of(settings.model)
    for other in FAMILIES.values():
        for group in set(other.trains_with) - set(family.trains_with):
            idle[group] = Idle(f"the model is a {family.title}, and only a {other.title} uses it")
    for name, why in (family.idle(settings) | _idle_choices(settings)).items():
        idle.setdefault(name, Idle(why))
    corrections = settings.preprocess if card is None else _corrections(settings, card)
    idle = _idle_corrections(corrections, PreprocessSettings() if card is None else card.preprocess) | idle
    if not settings.replay:
        idle["replay_part"] = Idle("'replay' names no folder", 0.0)
    if settings.find_rate and processes == 1:
        idle["learning_rate"] = Idle("find_rate searches it", is_computed=True)
    if settings.schedule == "one-cycle":
        idle["warmup"] = Idle("the schedule one-cycle begins with its own", is_computed=True)
    return idle


def _follows_start(settings: TrainSettings, card: ModelCard) -> Idles:
    """Fields that follow the start model."""
    why = f"it follows the start model '{card.name}'"
    idle = {
        f"model.{name}": Idle(why, getattr(card.model, name, None))
        for name in type(settings.model).model_fields
        if name not in ("family", "categories")
    }
    own = {name: value for name, value in card.preprocess if name not in ("flat_field", "dark")}
    idle |= {f"preprocess.{name}": Idle(why, value) for name, value in own.items()}
    idle["normalisation"] = Idle(why, "zscore" if card.normalisation == "zscore" else "percentile")
    if card.channel_names:
        idle["channel_names"] = Idle(why, list(card.channel_names))
    return idle


def _corrections(settings: TrainSettings, card: ModelCard) -> PreprocessSettings:
    """The start model's corrections, with the flat field of the new images."""
    own = {"flat_field": settings.preprocess.flat_field, "dark": settings.preprocess.dark}
    return card.preprocess.model_copy(update=own)


def _idle_choices(settings: TrainSettings) -> dict[str, str]:
    """Fields that another choice switches off, whatever the family."""
    reasons: dict[str, str] = {}
    if settings.start is None:
        needed = ("keep", "compare", "unlabelled", "unlabelled_part", "unlabelled_score")
        reasons |= dict.fromkeys(needed, "there is no start model; give one with 'start'")
    else:
        reasons["pretrained"] = "all weights are the start model's"
    if settings.start is not None and not settings.unlabelled:
        reasons |= dict.fromkeys(("unlabelled_part", "unlabelled_score"), "'unlabelled' names no folder")
    if len(settings.data) == 1:
        reasons["weights"] = "there is one data folder"
    if len(settings.model.categories) == 1:
        reasons |= dict.fromkeys(("oversample", "diameters"), "there is one category")
    if settings.augment.rotate:
        reasons["augment.flip"] = "free rotation, augment.rotate, takes the place of flips and quarter turns"
    if settings.model.in_channels == 1:
        reasons |= dict.fromkeys(("augment.grey", "augment.drop_channel"), "the model has one channel")
    elif settings.channel_names:
        reasons |= dict.fromkeys(("augment.grey", "augment.stain"), "channels with names are never mixed")
    if settings.model.in_channels != 3:
        why = "it is for images with three channels, and the model takes another number"
        reasons |= dict.fromkeys(("augment.stain", "augment.paste_colour"), why)
    if settings.diameters == "per-category":
        reasons["augment.mixup"] = "another tile may show cells of another size, with diameters per-category"
    return reasons | _idle_ranges(settings)


_RANGES = {
    "dim_light": ("dim",),
    "photons": ("photon_noise",),
    "stain_strength": ("stain",),
    "clahe_limit": ("clahe",),
    "paste_light": ("copy_paste", "paste_colour"),
    "mixup_light": ("mixup",),
    "defocus_blur": ("defocus",),
}
"""Range of an augmentation -> the probabilities of which one must be above 0."""


def _idle_ranges(settings: TrainSettings) -> dict[str, str]:
    """Ranges of augmentations that are off."""
    return {
        f"augment.{name}": f"augment.{' and augment.'.join(needed)} {'is' if len(needed) == 1 else 'are'} 0"
        for name, needed in _RANGES.items()
        if not any(getattr(settings.augment, other) for other in needed)
    }


def refuse_idle(settings: Settings, idle: Idles, *, flags: Iterable[str] = (), flags_only: bool = False) -> None:
    """Refuse settings that were set and have no effect.

    Parameters
    ----------
    flags
        Dotted names of fields that were typed as flags; they are refused whatever their value.
    flags_only
        Accept all others.

    Raises
    ------
    BadSettings
        With each field, why it has no effect, and what to do.
    """
    typed = set(flags)
    faults = []
    for name, value, default in _set_fields(settings):
        key = next((k for k in (name, *_groups(name)) if k in idle), None)
        if key is None:
            continue
        used = _within(idle[key].used, name, key)
        if name in typed:
            is_fault = used is None or value != used
        else:
            is_fault = not (flags_only or idle[key].is_computed or value in (default, used))
        if is_fault:
            shown = "--" + name.replace("_", "-") if name in typed else f"'{name}'"
            faults.append(f"{shown} has no effect: {idle[key].why}.")
    if faults:
        remedy = "Leave it out, or change what it depends on."
        raise BadSettings(" ".join([*faults, remedy if len(faults) == 1 else "Leave these out."]))


def set_fields(settings: Settings) -> list[str]:
    """Dotted names of the fields that were set, groups by their fields."""
    return [name for name, _, _ in _set_fields(settings)]


def _set_fields(settings: BaseModel, prefix: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Name, value and default of each field that was set."""
    for name, field in type(settings).model_fields.items():
        if name in settings.model_fields_set:
            value = getattr(settings, name)
            if isinstance(value, BaseModel):
                yield from _set_fields(value, f"{prefix}{name}.")
            else:
                yield f"{prefix}{name}", value, field.get_default(call_default_factory=True)


def _groups(name: str) -> list[str]:
    """The groups that a field is in: "losses" of "losses.dice"."""
    parts = name.split(".")[:-1]
    return [".".join(parts[: n + 1]) for n in range(len(parts))]


def _within(used: object, name: str, key: str) -> Any:
    """The value that is used instead of a field of a group."""
    for part in name.removeprefix(key).split("."):
        used = getattr(used, part, None) if part else used
    return used
