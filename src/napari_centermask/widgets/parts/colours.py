"""The colours of cells and categories."""

from __future__ import annotations

import colorsys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from napari_centermask.core.compose import HATCH
from napari_centermask.core.instances import Instance
from napari_centermask.core.result import Result

if TYPE_CHECKING:
    from napari.utils.colormaps import CyclicLabelColormap, DirectLabelColormap

MODES = ("cell", "category", "score", "track")
# Bright on dark and on H&E; neighbours differ for the colour-blind too (after Okabe and Ito, lightened).
CATEGORY_COLOURS = ("#ffd166", "#4cc9f0", "#f2789f", "#7bd389", "#b79cff", "#ff9f5a", "#59d8c9", "#d0d66b")
_HATCH_COLOUR = (1.0, 1.0, 1.0, 0.85)
_CLEAR = (0.0, 0.0, 0.0, 0.0)
GOLDEN_RATIO = 0.618033988749895
"""Of a turn of hues: numbers times this, so that neighbouring ones look unlike."""
_N_COLOURS = 61  # a choice: a prime, so that few cells side by side share one


def category_colour(category: int, chosen: Mapping[int, str] | None = None) -> np.ndarray:
    """(4,) RGBA in [0, 1]: the "#rrggbb" that a person chose for this category, else one of eight."""
    code = (chosen or {}).get(category) or CATEGORY_COLOURS[(category - 1) % len(CATEGORY_COLOURS)]
    return np.array([int(code[i : i + 2], 16) / 255 for i in (1, 3, 5)] + [1.0])


def score_colour(score: float) -> np.ndarray:
    """(4,) RGBA from red at 0 over yellow to green at 1."""
    return np.array([*colorsys.hsv_to_rgb(0.34 * float(np.clip(score, 0, 1)) ** 1.5, 0.75, 0.95), 1.0])


def track_colour(track: int) -> np.ndarray:
    """(4,) RGBA: the same in all frames and slices; grey for cells on no track."""
    if not track:
        return np.array([0.55, 0.55, 0.55, 1.0])
    return np.array([*colorsys.hsv_to_rgb((track * GOLDEN_RATIO) % 1, 0.62, 0.78 + 0.2 * (2 * track % 5) / 4), 1.0])


def cells_colormap(result: Result, mode: str) -> CyclicLabelColormap:
    """Colours of the layer of cells, by instance ("cell"), category, score or track.

    Except by instance it is cyclic in name only: a table with a colour for each id, that of id k in row k. napari makes its
    own table of that in 8 ms for 45,000 cells, and of a dict of colours in 500 ms.
    """
    from napari.utils.colormaps import CyclicLabelColormap

    if mode == "cell":
        hues = (np.arange(_N_COLOURS) * GOLDEN_RATIO) % 1
        light = 0.78 + 0.2 * ((np.arange(_N_COLOURS) * 2) % 5) / 4
        cyclic = [(*colorsys.hsv_to_rgb(h, 0.62, v), 1.0) for h, v in zip(hues, light, strict=True)]
        return CyclicLabelColormap(colors=np.array([_CLEAR, *cyclic]))
    colour, colours = cell_colour(result, mode), np.zeros((max(2, result.last_id + 1), 4))
    for cell in result:
        colours[cell.id] = colour(cell)
    return CyclicLabelColormap(colors=colours)


def cell_colour(result: Result, mode: str) -> Callable[[Instance], np.ndarray]:
    """The colour (4,) of a cell by "category", "score" or "track"."""
    if mode == "score":
        return lambda cell: score_colour(cell.score)
    if mode == "track":
        return lambda cell: track_colour(cell.track)
    kinds: dict[int, np.ndarray] = {}

    def by_category(cell: Instance) -> np.ndarray:
        if cell.category not in kinds:
            kinds[cell.category] = category_colour(cell.category, result.colours)
        return kinds[cell.category]

    return by_category


def outlines_colormap(result: Result) -> DirectLabelColormap:
    """Colours of the outlines by category, and of the hatch on overlaps."""
    from napari.utils.colormaps import DirectLabelColormap

    colours = {c: category_colour(c, result.colours) for c in result.categories}
    return DirectLabelColormap(
        color_dict={None: np.array(_CLEAR), 0: np.array(_CLEAR), HATCH: np.array(_HATCH_COLOUR), **colours}
    )
