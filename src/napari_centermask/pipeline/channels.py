"""Match the channels of an image with those of the model: by name if both have names, else by position."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Protocol

from napari_centermask.core.errors import BadImage, BadSettings
from napari_centermask.models.store.card import ModelCard
from napari_centermask.settings import NetworkSettings, SegmentSettings

MISSING = -1
"""Stands for a channel that the image lacks; the model gets an empty one."""

_NUCLEUS = re.compile(r"nucle(us|i)\b", re.IGNORECASE)
_NUCLEAR_STAIN = re.compile(
    r"dapi|hoechst|draq|sytox|h2b|h3k|histone|propidium|7-?aad|(?<![a-z])(nuc|nucle(i|us|ar)|dna|pi)(?![a-z])",
    re.IGNORECASE,
)


class WantsChannels(Protocol):
    """What is asked of a model's card, or of the settings of a training."""

    @property
    def model(self) -> NetworkSettings: ...

    @property
    def channel_names(self) -> Sequence[str]: ...

    @property
    def bears_missing(self) -> bool: ...


def choose_channels(available: int, card: WantsChannels, settings: SegmentSettings) -> tuple[int, ...]:
    """The image's channel for each of the model's.

    Parameters
    ----------
    available
        Channels of the image.
    card
        The model's card; with `channel_names`, the image's channels are found by name, if it has names.

    Returns
    -------
    tuple of int
        Indices into the image's channels, or `MISSING`.

    Raises
    ------
    BadImage, BadSettings
        If they do not fit: the message lists the channels that the model needs and those of the image.
    """
    needed, names = card.model.in_channels, settings.channel_names
    chosen = _chosen(available, settings.channels)
    if names is not None:
        _check_names(names, available)
        if card.channel_names and not (needed == 1 == len(chosen)):
            return _by_name({_plain(names[c]): c for c in chosen}, [names[c] for c in chosen], card)
    if len(chosen) == needed:
        return tuple(chosen)
    if card.channel_names:
        raise BadImage(
            f"The model needs the channels {_list(card.channel_names)}, but the image's channels have no names. "
            f"Name them in order: 'Names' in napari, --channel-names {' '.join(card.channel_names)} on the command line."
        )
    if len(chosen) == 1:
        return tuple(chosen * needed)
    what = f"the image has {available}" if settings.channels is None else f"{len(chosen)} were chosen"
    some = "1 channel" if needed == 1 else f"1 or {needed} channels"
    raise BadImage(
        f"This model needs {some}, but {what}. Choose channels: 'Channels' in napari, --channels on the command "
        "line. Axes are (channels, height, width)."
    )


def stained_channel(names: Sequence[str], card: ModelCard) -> int | None:
    """The only channel whose name says that it shows nuclei, for a model that finds nuclei and was not fine-tuned.

    A model that was fine-tuned may need all channels, in the order of its images.

    Returns
    -------
    int or None
        None if several channels or none are named so, or for other models.
    """
    stained = [c for c, name in enumerate(names) if _NUCLEAR_STAIN.search(name)]
    if len(stained) != 1 or len(names) == 1 or card.channel_names or card.parent is not None:
        return None
    return stained[0] if all(map(_NUCLEUS.match, card.model.categories)) else None


def default_channels(names: Sequence[str], card: ModelCard) -> list[int] | None:
    """The channels to offer for a model before anybody chooses; None for all.

    The one with nuclei for a model of nuclei; all where the model takes as many, or finds them by name; else the first.
    """
    stained = stained_channel(names, card)
    if stained is not None:
        return [stained]
    fits = len(names) in (1, card.model.in_channels) or bool(card.channel_names)
    return None if fits else [0]


def with_stained_channel(settings: SegmentSettings, card: ModelCard) -> SegmentSettings:
    """The settings with the channel that shows nuclei, where the image's channels have names and nobody chose any."""
    if settings.channels is not None or settings.channel_names is None:
        return settings
    stained = stained_channel(settings.channel_names, card)
    return settings if stained is None else settings.model_copy(update={"channels": [stained]})


def named(settings: SegmentSettings, names: Sequence[str] | None) -> SegmentSettings:
    """The settings with the channel names of an image's file, unless the user gave some."""
    if settings.channel_names is not None or not names:
        return settings
    return settings.model_copy(update={"channel_names": list(names)})


def missing_channels(available: int, card: WantsChannels, settings: SegmentSettings) -> list[str]:
    """Names of the model's channels that an image lacks and that will be empty; raises as `choose_channels`."""
    if not card.channel_names:
        return []
    chosen = choose_channels(available, card, settings)
    return [name for name, c in zip(card.channel_names, chosen, strict=True) if c == MISSING]


def _by_name(places: dict[str, int], names: Sequence[str], card: WantsChannels) -> tuple[int, ...]:
    channels = tuple(places.get(_plain(name), MISSING) for name in card.channel_names)
    absent = [name for name, c in zip(card.channel_names, channels, strict=True) if c == MISSING]
    if len(absent) == len(channels):
        raise BadImage(
            f"The model needs the channels {_list(card.channel_names)}, but the image has {_list(names)}. "
            "Name its channels like the model's: 'Names' in the napari dock, --channel-names on the command line."
        )
    if absent and not card.bears_missing:
        raise BadImage(
            f"The model needs the channels {_list(card.channel_names)}, but the image has {_list(names)}: "
            f"{_list(absent)} is missing, and the model was not trained for that. Add it, or train with augment.drop_channel."
        )
    return channels


def _chosen(available: int, wanted: list[int] | None) -> list[int]:
    chosen = list(range(available)) if wanted is None else list(wanted)
    if any(not 0 <= c < available for c in chosen):
        raise BadImage(f"Channels must be between 0 and {available - 1}, not {chosen}. Choose others.")
    return chosen


def _check_names(names: Sequence[str], available: int) -> None:
    if len(names) != available:
        raise BadSettings(
            f"The image has {available} channels, but there are {len(names)} names: {_list(names)}. "
            "Give one name for each, in the image's order."
        )
    if len({_plain(name) for name in names}) < len(names):
        raise BadSettings(f"Channel names must differ: {_list(names)}. Rename one.")


def _plain(name: str) -> str:
    return name.strip().casefold()


def _list(names: Sequence[str]) -> str:
    return ", ".join(names) or "none"
