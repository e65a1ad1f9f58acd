"""Segment a single cell in a drawn box, or under a click."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import Literal

import numpy as np

from napari_centermask.core.array import Array
from napari_centermask.core.errors import BadSettings
from napari_centermask.core.instances import Instance
from napari_centermask.engines import AnyEngine
from napari_centermask.pipeline.detector import PromptTile, make_detector
from napari_centermask.pipeline.diameter import estimated, plane_diameter
from napari_centermask.pipeline.model_input import ALIGN, ModelInput, ScaledInput
from napari_centermask.pipeline.passes import Pass, largest, passes_for
from napari_centermask.pipeline.progress import run_through
from napari_centermask.pipeline.refine import Point, Refiner
from napari_centermask.pipeline.segmentation import with_card_defaults
from napari_centermask.settings import SegmentSettings

_TILE = 512  # network pixels; takes a third of a second on one core, and usually includes the next cell
_STEP = _TILE // 2  # so that no prompt lies nearer to a tile's edge than a quarter of its side
_KEPT_TILES = 16  # about 3 MB each; a choice
_NO_RESCALING = 0.4, 3.5  # sides of a box, in diameters of the model, for which the scale is kept; a choice

Place = tuple[float, int, int]  # network pixels per image pixel, y0, x0 of the tile


class Prompter:
    """Segments single cells from boxes and clicks on one image plane; to be used by one thread at a time.

    The network runs once for the tile around a prompt. Its output is kept, so that the next prompt nearby only needs the mask
    head of a CenterMask, and almost no time with a U-Net.

    Parameters
    ----------
    image
        (C, H, W) or (H, W) array-like.
    settings
        As in `segment`; without a diameter, it is estimated at the first prompt.

    Raises
    ------
    BadImage, BadSettings
        At the first prompt, as in `segment`.
    """

    def __init__(self, engine: AnyEngine, image: Array, settings: SegmentSettings | None = None) -> None:
        self.engine, self._image = engine, image
        self.settings = with_card_defaults(settings or SegmentSettings(), engine.card)
        self._detector = make_detector(engine, self.settings)
        self._tiles: OrderedDict[Place, PromptTile] = OrderedDict()
        self._scales: dict[float, ScaledInput] = {}

    def box(self, y0: float, x0: float, y1: float, x1: float) -> Instance | None:
        """The cell that fills a box (image pixels, edges); None if there is none.

        Returns
        -------
        Instance or None
            A draft (`Instance.is_draft`) with id 0, the model's category and probabilities, and as score and mask quality the
            quality that the model expects (for a U-Net, the mean probability of the foreground).
        """
        height, width = self._input.shape
        y0, y1 = np.clip(sorted((y0, y1)), 0, height)
        x0, x1 = np.clip(sorted((x0, x1)), 0, width)
        if min(y1 - y0, x1 - x0) < 1 or self._input.is_blank:
            return None
        drawn = np.array([x0, y0, x1, y1], float)
        tile = self._tile((y0 + y1) / 2, (x0 + x1) / 2, self._scaled_for(max(y1 - y0, x1 - x0)))
        return _draft(tile.fill(drawn), "box")

    def click(self, y: float, x: float) -> Instance | None:
        """The cell at a pixel (centres are whole numbers); None if the model finds none there.

        Of several cells, the one that is best centred on the click wins.

        Returns
        -------
        Instance or None
            As in `box`.
        """
        height, width = self._input.shape
        if not (-0.5 <= y < height - 0.5 and -0.5 <= x < width - 0.5) or self._input.is_blank:
            return None
        for one in self._passes:  # smallest cells first: a nucleus before its cell
            cell = self._tile(y, x, self._scaled(self.engine.card.diameter / one.diameter)).at(y, x)
            if cell is not None and one.counts(cell.category):
                return _draft(cell, "click")
        return None

    def refine(self, cell: Instance, inside: Sequence[Point], outside: Sequence[Point]) -> Instance | None:
        """A cell changed so that it has the points `inside` (y, x), and not those `outside`; None if nothing is left of it.

        Returns
        -------
        Instance or None
            A draft as of `box`, with the id and the other fields of the cell.
        """
        height, width = self._input.shape
        found = Refiner((height, width), box=self.box, click=self.click).refined(cell, inside, outside)
        if found is None:
            return None
        source = cell.source if cell.is_draft else f"{self.engine.card.name} by click"
        return replace(found, status="predicted", score=found.mask_quality, source=source)

    def prepare(self, y: float, x: float) -> None:
        """Compute the features around a pixel in advance, so that the next prompt there is fast."""
        if not self._input.is_blank:
            self._tile(y, x, self._scaled(self.engine.card.diameter / self._passes[0].diameter))

    @cached_property
    def _input(self) -> ModelInput:
        return ModelInput.of(self._image, self.engine.card, self.settings)

    @cached_property
    def _passes(self) -> tuple[Pass, ...]:
        """At the settings' diameter, or at the estimated ones."""
        card = self.engine.card
        if self.settings.diameter is not None:
            return passes_for(card, self.settings.diameter)
        return estimated(card, run_through(plane_diameter(self._input, self.engine, self.settings)))

    @property
    def diameter(self) -> float:
        """Typical cell diameter in image pixels: the settings', or estimated."""
        return largest(self._passes)

    def _scaled_for(self, side: float) -> ScaledInput:
        """The image at the scale of the cells of about this size (image pixels); other boxes are doubled or halved to fit."""
        diameter = min((one.diameter for one in self._passes), key=lambda d: abs(np.log(side / d)))
        part, base = side / diameter, self.engine.card.diameter / diameter
        if _NO_RESCALING[0] <= part <= _NO_RESCALING[1]:
            return self._scaled(base)
        try:
            return self._scaled(base * 2.0 ** -round(float(np.log2(part))))
        except BadSettings:  # a box of a few pixels: enlarged by less than the optimum
            return self._scaled(base)

    def _scaled(self, scale: float) -> ScaledInput:
        if scale not in self._scales:
            self._scales[scale] = self._input.scaled(scale)
        return self._scales[scale]

    def _tile(self, y: float, x: float, scaled: ScaledInput) -> PromptTile:
        """The tile around a pixel."""
        (fy, fx), (height, width) = scaled.factors, scaled.shape
        top, left = _start(y * fy, height), _start(x * fx, width)
        place = fy, top, left
        if place not in self._tiles:
            window = top, left, min(top + _TILE, height), min(left + _TILE, width)
            self._tiles[place] = self._detector.prompts(scaled, window)
        self._tiles.move_to_end(place)
        while len(self._tiles) > _KEPT_TILES:
            self._tiles.popitem(last=False)
        return self._tiles[place]


def _draft(cell: Instance | None, asked: Literal["box", "click"]) -> Instance | None:
    """A cell as it waits for the person who asked for it."""
    if cell is None:
        return None
    return replace(cell, status="predicted", score=cell.mask_quality, source=f"{cell.source} by {asked}")


def _start(centre: float, length: int) -> int:
    """Start of a tile on a grid that has `centre` in its middle half, inside the image if that is larger."""
    last = max(0, -(-(length - _TILE) // ALIGN) * ALIGN)
    return int(np.clip(round((centre - _TILE / 2) / _STEP) * _STEP, 0, last))
