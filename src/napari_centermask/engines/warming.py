"""The first, slow run of an engine."""

from __future__ import annotations

from typing import cast

import numpy as np

from napari_centermask.engines import AnyEngine, Engine, MapEngine

_SIDE = 64  # pixels: the smallest tile of the pipeline


def warm_up(engine: AnyEngine) -> None:
    """Run everything once on an empty tile, so that a device that does not work fails here, and kernels are loaded."""
    tiles = np.zeros((1, engine.card.model.in_channels, _SIDE, _SIDE), np.float32)
    if hasattr(engine, "maps"):
        cast(MapEngine, engine).maps(tiles)
        return
    if not hasattr(engine, "features"):  # of a family that this module does not know
        return
    found = cast(Engine, engine)
    found.masks(found.features(tiles), np.array([[8, 8, 40, 40]], np.float32), np.zeros(1, np.int64))
