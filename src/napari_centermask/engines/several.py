"""One model on several devices, which share the tiles of an image and the images of a folder."""

from __future__ import annotations

from typing import cast

import numpy as np

from napari_centermask.engines import AnyEngine, Engine, Features, MapEngine
from napari_centermask.engines.ensemble import AnySegmenter, Ensemble
from napari_centermask.engines.runtime import Precision
from napari_centermask.models.store.card import ModelCard


class Several:
    """Engines of one model, each with a copy of the network.

    A call of its own goes to the first; `workers_of` gives all of them to what shares work among them.

    Parameters
    ----------
    engines
        Two or more.
    """

    def __init__(self, engines: tuple[AnyEngine, ...]) -> None:
        first = engines[0]
        self.engines = engines
        self.card: ModelCard = first.card
        self.precision: Precision = first.precision
        self.batch = first.batch
        self.name = " + ".join(dict.fromkeys(engine.name for engine in engines))
        self.device = ",".join(engine.device for engine in engines)

    def features(self, tiles: np.ndarray) -> Features:
        """See `Engine.features`."""
        return cast(Engine, self.engines[0]).features(tiles)

    def masks(
        self, features: Features, boxes: np.ndarray, classes: np.ndarray, *, index: int = 0
    ) -> tuple[np.ndarray, np.ndarray]:
        """See `Engine.masks`."""
        return cast(Engine, self.engines[0]).masks(features, boxes, classes, index=index)

    def maps(self, tiles: np.ndarray) -> np.ndarray:
        """See `MapEngine.maps`."""
        return cast(MapEngine, self.engines[0]).maps(tiles)


def workers_of(engine: AnyEngine) -> tuple[AnyEngine, ...]:
    """The engines that can work at the same time: those of several devices, or the one."""
    return engine.engines if isinstance(engine, Several) else (engine,)


def segmenters_of(engine: AnySegmenter) -> tuple[AnySegmenter, ...]:
    """What can segment images at the same time: for each device the model, or the models of an ensemble."""
    if not isinstance(engine, Ensemble):
        return workers_of(engine)
    columns = [workers_of(one) for one in engine.engines]
    return tuple(Ensemble(row) for row in zip(*columns, strict=True))
