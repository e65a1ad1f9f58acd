"""Several models that segment together, of any families."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from napari_centermask.core.errors import BadSettings
from napari_centermask.engines import AnyEngine
from napari_centermask.models.store.card import ModelCard


@dataclass(frozen=True)
class Ensemble:
    """Loaded models whose cells are matched and averaged (`core.fusion`).

    Attributes
    ----------
    engines
        Two or more, with the same categories in the same order, or each with a single one: then the names of the first
        count.

    Raises
    ------
    BadSettings
        If their categories differ.
    """

    engines: tuple[AnyEngine, ...]

    def __post_init__(self) -> None:
        first, *others = (engine.card for engine in self.engines)
        for other in others:
            if len(first.model.categories) == len(other.model.categories) == 1:
                continue  # all cells are of one category, whatever each calls it
            if other.model.categories != first.model.categories:
                raise BadSettings(
                    f"Models of an ensemble must have the same categories in the same order, but '{first.name}' finds "
                    f"{', '.join(first.model.categories)} and '{other.name}' {', '.join(other.model.categories)}. "
                    "Choose other models, or use each alone."
                )

    @property
    def name(self) -> str:
        """The runtimes."""
        return " + ".join(dict.fromkeys(engine.name for engine in self.engines))

    @property
    def device(self) -> str:
        """Where they run."""
        return " + ".join(dict.fromkeys(engine.device for engine in self.engines))

    @property
    def card(self) -> ModelCard:
        """The card of the first, which names the categories."""
        return self.engines[0].card


AnySegmenter = AnyEngine | Ensemble
"""What can segment an image: a model or several."""


def engines_of(engine: AnySegmenter) -> tuple[AnyEngine, ...]:
    """The engines of an ensemble, or the one."""
    return engine.engines if isinstance(engine, Ensemble) else (engine,)


def place_of(engine: AnySegmenter) -> str:
    """Where it runs, and in which precision if that is not float32: "cpu", "cpu, bfloat16"."""
    others = dict.fromkeys(one.precision for one in engines_of(engine) if one.precision != "float32")
    return ", ".join([engine.device, *others])


def cards_of(engine: AnySegmenter) -> list[ModelCard]:
    """The cards of all models."""
    return [one.card for one in engines_of(engine)]


def mean_score(scores: Sequence[float]) -> float:
    """The lowest score of an ensemble's cells: the mean of its models', as the scores of its cells are means."""
    return float(np.mean(scores))
