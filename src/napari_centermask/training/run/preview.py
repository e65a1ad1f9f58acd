"""A picture of training tiles as the network gets them, with the outlines of their cells. Needs no torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from napari_centermask.core.compose import inner_edge
from napari_centermask.io.whole_file import whole_file
from napari_centermask.models.store.zoo import find_model
from napari_centermask.settings import TrainSettings
from napari_centermask.training.data.inputs import check_inputs, follow_card, network_of
from napari_centermask.training.data.loader import tiles_of
from napari_centermask.training.data.tile import TrainTile
from napari_centermask.training.run.folder import start_of

ACROSS, DOWN = 4, 4
"""Tiles in a picture: 16 of 256 pixels are as large as a screen."""
SMALL = 192
"""Tiles of a smaller side are drawn twice as large, so that outlines of one pixel do not hide the cells."""
_GAP = 4
_GAP_COLOUR = (90, 90, 90)
_COLOURS = ((255, 209, 102), (76, 201, 240), (242, 120, 159), (123, 211, 137), (183, 156, 255), (255, 159, 90))
"""Of outlines by category; the first six of those in napari."""
_IGNORED = (230, 45, 45)
_CHANNELS = np.array([(1, 0, 1), (0, 1, 0), (0, 0.4, 1), (1, 0.6, 0), (1, 0, 0), (0, 1, 1)], np.float32)
"""Colours of the channels of images that are neither grey nor RGB: magenta, green, blue, orange, red, cyan."""


def preview(settings: TrainSettings, *, n: int = ACROSS * DOWN) -> np.ndarray:
    """Draw the first tiles of a run; they are the same as in the run, for tile k depends on the seed and k alone.

    Parameters
    ----------
    settings
        Of the run; as in the run, network and inputs follow the start model.

    Returns
    -------
    numpy.ndarray
        (H, W, 3) uint8, see `contact_sheet`.

    Raises
    ------
    BadAnnotations, BadImage, BadModel, BadSettings
        As the run would, about data and start model.
    """
    sampler = tiles_of(_as_trained(settings))
    return contact_sheet([sampler[number] for number in range(n)])


def write_preview(path: Path, settings: TrainSettings) -> None:
    """Write `preview` as PNG."""
    picture = preview(settings)
    with whole_file(path) as part:
        Image.fromarray(picture).save(part, format="PNG")


def _as_trained(settings: TrainSettings) -> TrainSettings:
    start = start_of(settings)
    if start is not None:
        card = find_model(start).card
        settings = follow_card(settings.model_copy(update={"model": network_of(settings, card)}), card)
    check_inputs(settings)
    return settings


def contact_sheet(tiles: Sequence[TrainTile], *, across: int = ACROSS) -> np.ndarray:
    """Lay drawn tiles out in rows of `across`, with lines between them.

    Returns
    -------
    numpy.ndarray
        (H, W, 3) uint8.
    """
    drawn = [draw_tile(tile) for tile in tiles]
    factor = 2 if len(drawn[0]) < SMALL else 1
    drawn = [tile.repeat(factor, axis=0).repeat(factor, axis=1) for tile in drawn]
    side, down = len(drawn[0]) + _GAP, -(-len(drawn) // across)
    sheet = np.empty((down * side + _GAP, across * side + _GAP, 3), np.uint8)
    sheet[:] = _GAP_COLOUR
    for number, tile in enumerate(drawn):
        y, x = (side * at + _GAP for at in divmod(number, across))
        sheet[y : y + len(tile), x : x + len(tile)] = tile
    return sheet


def draw_tile(tile: TrainTile) -> np.ndarray:
    """Draw a tile with the outline of each cell in the colour of its category.

    Intensities from 0 to 1 of the network's input become black to white. Boxes in which background has no loss are red;
    what nobody reviewed has stripes.

    Returns
    -------
    numpy.ndarray
        (T, T, 3) uint8.
    """
    picture = _in_colour(tile.image)
    if tile.unreviewed is not None:
        y, x = np.ogrid[: len(picture), : len(picture)]
        picture[(tile.unreviewed > 0) & ((y + x) % 8 == 0)] = 128
    for kind, mask in zip(tile.classes, tile.masks, strict=True):
        picture[inner_edge(mask.astype(bool))] = _COLOURS[int(kind) % len(_COLOURS)]
    for box in tile.ignore:
        _frame(picture, box)
    return picture


def _in_colour(image: np.ndarray) -> np.ndarray:
    """(C, T, T) of a network's input -> (T, T, 3) uint8."""
    shown = np.clip(image, 0, 1)
    if len(shown) == 1:
        shown = shown.repeat(3, axis=0)
    elif len(shown) != 3:
        colours = _CHANNELS[np.arange(len(shown)) % len(_CHANNELS)]
        shown = np.clip(np.einsum("cyx,ck->kyx", shown, colours), 0, 1)
    return np.round(shown.transpose(1, 2, 0) * 255).astype(np.uint8)


def _frame(picture: np.ndarray, box: np.ndarray) -> None:
    """Draw a box, x0, y0, x1, y1."""
    x0, y0 = np.floor(box[:2]).astype(int)
    x1, y1 = np.ceil(box[2:]).astype(int)
    window = picture[y0:y1, x0:x1]
    for line in (window[:1], window[-1:], window[:, :1], window[:, -1:]):
        line[:] = _IGNORED
