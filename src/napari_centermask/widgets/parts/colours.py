"""The colours of cells and categories."""

from __future__ import annotations

import colorsys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from napari_centermask.core.compose import HATCH, category_rim
from napari_centermask.core.instances import Instance
from napari_centermask.core.result import Result

if TYPE_CHECKING:
    from napari.utils.colormaps import CyclicLabelColormap, DirectLabelColormap

MODES = ("cell", "category", "score", "track")
# Found by search: any two, and each and `SELECTED`, differ by at least 11 (CIEDE2000) for people with normal sight, protanopia,
# deuteranopia and tritanopia (Machado et al., 2009), and all are bright enough for a dark image (L* above 53).
CATEGORY_COLOURS = ("#ffd166", "#6292b2", "#ff0099", "#9466ff", "#92b262", "#ff8ca3", "#997d54", "#ff1900")
SELECTED = (0.0, 0.9, 1.0)
"""RGB of the selected cells; no other cell has a hue near it unless a person chose that colour for its category."""
_FREE = (
    0.62,
    0.78,
)  # hues of other cells begin here and cover this part of the circle, which leaves out those around cyan, 0.51
_HATCH_COLOUR = (1.0, 1.0, 1.0, 0.85)
_CLEAR = (0.0, 0.0, 0.0, 0.0)
GOLDEN_RATIO = 0.618033988749895
"""Of a turn of hues: numbers times this, so that neighbouring ones look unlike."""
_SCORES = 100  # steps of scores that outlines show
_TRACKS = 180  # tracks whose outlines differ, below `HATCH`
_N_COLOURS = 61  # a choice: a prime, so that few cells side by side share one


def rim_of(mode: str) -> Callable[[Instance], int]:
    """The value from 1 to `core.compose.HATCH` - 1 with which a cell is outlined, if outlines have the colours of the cells."""
    if mode == "cell":
        return lambda cell: (cell.id - 1) % _N_COLOURS + 1
    if mode == "score":
        return lambda cell: 1 + round(float(np.clip(cell.score, 0, 1)) * _SCORES)
    if mode == "track":
        return lambda cell: 1 + (cell.track - 1) % _TRACKS + 1 if cell.track else 1
    return category_rim


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
    return np.array([*_spread(track), 1.0])


def _spread(number: int) -> tuple[float, float, float]:
    """RGB in which neighbouring numbers look unlike each other, and all look unlike `SELECTED`."""
    start, part = _FREE
    hue = (start + part * ((number * GOLDEN_RATIO) % 1)) % 1
    return colorsys.hsv_to_rgb(hue, 0.62, 0.78 + 0.2 * ((number * 2) % 5) / 4)


_CYCLE = [(*_spread(k), 1.0) for k in range(_N_COLOURS)]


def cells_colormap(result: Result, mode: str) -> CyclicLabelColormap:
    """Colours of the layer of cells, by instance ("cell"), category, score or track.

    Except by instance it is cyclic in name only: a table with a colour for each id, that of id k in row k. napari makes its
    own table of that in 8 ms for 45,000 cells, and of a dict of colours in 500 ms.
    """
    from napari.utils.colormaps import CyclicLabelColormap

    if mode == "cell":
        return CyclicLabelColormap(colors=np.array([_CLEAR, *_CYCLE]))
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


def outlines_colormap(result: Result, mode: str = "category") -> DirectLabelColormap:
    """Colours of the outlines, whose values are those of `rim_of`, and of the hatch on overlaps."""
    from napari.utils.colormaps import DirectLabelColormap

    if mode == "cell":
        colours = {k + 1: np.array(colour) for k, colour in enumerate(_CYCLE)}
    elif mode == "score":
        colours = {k + 1: score_colour(k / _SCORES) for k in range(_SCORES + 1)}
    elif mode == "track":
        colours = {k + 1: track_colour(k) for k in range(_TRACKS + 1)}
    else:
        colours = {c: category_colour(c, result.colours) for c in result.categories}
    return DirectLabelColormap(
        color_dict={None: np.array(_CLEAR), 0: np.array(_CLEAR), HATCH: np.array(_HATCH_COLOUR), **colours}
    )
