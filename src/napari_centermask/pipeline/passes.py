"""The scales at which an image is segmented: one, or one for each group of categories of very different sizes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from napari_centermask.models.store.card import ModelCard


@dataclass(frozen=True)
class Pass:
    """One look at an image.

    Attributes
    ----------
    diameter
        Of a typical cell that is looked for, in image pixels.
    classes
        Indices of the categories whose cells count; None for all.
    """

    diameter: float
    classes: frozenset[int] | None = None

    def counts(self, category: int) -> bool:
        """Whether cells of a category count; `category` is its id, from 1."""
        return self.classes is None or category - 1 in self.classes


def classes_of(card: ModelCard) -> list[frozenset[int] | None]:
    """The categories of each pass, smallest cells first; [None] if one pass suffices."""
    names = card.model.categories
    return [frozenset(names.index(name) for name in level.categories) for level in card.levels] or [None]


def passes(card: ModelCard, diameters: Sequence[float]) -> tuple[Pass, ...]:
    """A pass for each diameter of `classes_of`, smallest cells first."""
    return tuple(Pass(float(d), classes) for d, classes in zip(diameters, classes_of(card), strict=True))


def passes_for(card: ModelCard, diameter: float) -> tuple[Pass, ...]:
    """The passes for a given diameter, that of the largest cells; others are in the proportion of the training data."""
    if not card.levels:
        return (Pass(diameter),)
    return passes(card, [diameter * level.diameter / card.levels[-1].diameter for level in card.levels])


def completed(card: ModelCard, estimates: Sequence[float | None]) -> tuple[Pass, ...]:
    """The passes of estimated diameters, one for each level.

    A level without an estimate differs from the one with the nearest size as in the training data. Without any estimate, cells
    have the sizes of the training data.
    """
    usual = [level.diameter for level in card.levels]
    known = [n for n, estimate in enumerate(estimates) if estimate is not None]
    if not known:
        return passes(card, usual)
    filled = []
    for n in range(len(estimates)):
        nearest = min(known, key=lambda k: abs(k - n))
        filled.append(float(estimates[nearest] or 0.0) * usual[n] / usual[nearest])
    return passes(card, filled)


def largest(passes: Sequence[Pass]) -> float:
    """The diameter that stands for all: that of the largest cells, as `passes_for` takes it."""
    return passes[-1].diameter
