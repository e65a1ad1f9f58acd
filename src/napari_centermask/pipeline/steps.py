"""What the pipeline's generators yield, and the settings they run with."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, TypeVar

from napari_centermask.settings import PreprocessSettings, SegmentSettings

T = TypeVar("T")
Seams = tuple[tuple[float, ...], tuple[float, ...]]

# What a model's card may set where the user did not.
_FROM_CARD = ("score", "nms", "mask_nms", "min_area", "overlap", "foreground", "seed", "smoothing")


@dataclass(frozen=True)
class Progress:
    """Yielded between tiles; whoever iterates may stop there.

    Attributes
    ----------
    done, total
        Tiles; total is 0 while their number is unknown.
    message
        What comes next, for a person.
    seams
        (y, x) positions of the tiles' seams in image pixels; known when all tiles are done.
    """

    done: int
    total: int
    message: str
    seams: Seams = ((), ())


def suited(settings: SegmentSettings, card: Any) -> SegmentSettings:
    """The settings with the model's own defaults, percentiles and preprocessing where the user set none."""
    own = {name: value for name, value in card.defaults.items() if name in _FROM_CARD}
    own["percentiles"] = tuple(card.percentiles)
    unset = {name: value for name, value in own.items() if name not in settings.model_fields_set}
    return settings.model_copy(update=unset | {"preprocess": own_preprocess(settings, card)})


def own_preprocess(settings: SegmentSettings, card: Any) -> PreprocessSettings:
    """What the model was trained with, but for what the user set."""
    wanted = settings.preprocess
    return card.preprocess.model_copy(update={name: getattr(wanted, name) for name in wanted.model_fields_set})


def run_through(steps: Generator[Progress, None, T]) -> T:
    """Exhaust a generator and return its value."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value
