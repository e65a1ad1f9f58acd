"""Prompts for a U-Net: the foreground in the box, or the cell under a click."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from napari_centermask.core.instances import Box, Instance
from napari_centermask.engines import MapEngine
from napari_centermask.pipeline.map_cells import label_cells, regions_of, tile_maps, to_instance
from napari_centermask.pipeline.model_input import ScaledInput
from napari_centermask.settings import SegmentSettings

_WEAK = 0.4  # fraction of the usual threshold to apply where the user says that there is a cell; a choice


class MapTile:
    """A window (network pixels) of an image at one scale, its maps kept.

    Parameters
    ----------
    scaled, window
        The image at that scale, and (y0, x0, y1, x1) in it.
    """

    def __init__(self, engine: MapEngine, settings: SegmentSettings, scaled: ScaledInput, window: Box) -> None:
        self._card, self._scaled, self._window = engine.card, scaled, window
        self._maps = tile_maps(engine, scaled, window, flips=settings.flips)
        self._settings = settings
        self._labels = label_cells(self._maps, engine.card, settings)

    def fill(self, box: np.ndarray) -> Instance | None:
        """The cell that fills a box (x0, y0, x1, y1 in image pixels); None without foreground.

        All parts that lie mostly in the box form one cell, whatever the watershed found, cropped to the box.
        """
        height, width = self._labels.shape
        x0, y0, x1, y1 = self._scaled.to_network(box[None], self._window)[0]
        rows = slice(max(0, int(np.floor(y0 + 0.5))), min(height, int(np.ceil(y1 - 0.5))))
        columns = slice(max(0, int(np.floor(x0 + 0.5))), min(width, int(np.ceil(x1 - 0.5))))
        labels = self._labels if self._labels[rows, columns].any() else self._weak()
        inside = labels[rows, columns]
        if not inside.any():
            return None
        mask = np.zeros((height, width), bool)
        mask[rows, columns] = _largest(np.isin(inside, _meant(labels, inside)))
        return self._cell(mask)

    def at(self, y: float, x: float) -> Instance | None:
        """The cell at a pixel."""
        column, row = self._scaled.to_network(np.array([[x, y, x, y]]) + 0.5, self._window)[0, :2]
        place = min(int(row), self._labels.shape[0] - 1), min(int(column), self._labels.shape[1] - 1)
        labels = self._labels if self._labels[place] else self._weak()
        return self._cell(labels == labels[place]) if labels[place] else None

    def _weak(self) -> np.ndarray:
        """Labels at a lower foreground threshold."""
        settings = self._settings.model_copy(update={"foreground": _WEAK * self._settings.foreground})
        return label_cells(self._maps, self._card, settings)

    def _cell(self, mask: np.ndarray) -> Instance | None:
        (region,) = regions_of(mask.astype(np.int32), self._maps, self._card)
        fields = {"mask_quality": region.score, "source": self._card.name}
        return to_instance(region, self._scaled, self._window, **fields)


def _meant(labels: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """The labels with at least half of their area in a box; if there are none, the largest in the box."""
    shared, sizes = np.bincount(inside.ravel()), np.bincount(labels.ravel())
    shared[0] = 0
    mostly = np.flatnonzero((shared > 0) & (2 * shared >= sizes[: len(shared)]))
    return mostly if len(mostly) else np.array([shared.argmax()])


def _largest(mask: np.ndarray) -> np.ndarray:
    """The largest connected part."""
    parts, n = ndimage.label(mask, structure=np.ones((3, 3)))
    return mask if n < 2 else parts == 1 + np.bincount(parts[mask])[1:].argmax()
