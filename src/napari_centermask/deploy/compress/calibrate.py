"""What the graphs of a model are fed with when it segments real images: the data that its ranges are measured on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np

from napari_centermask.core.counted import counted
from napari_centermask.core.errors import BadSettings
from napari_centermask.core.progress import silent
from napari_centermask.engines import AnyEngine, Engine, Features, MapEngine
from napari_centermask.engines.graphs import DENSE_INPUT, roi_feed
from napari_centermask.io.images import read_plane
from napari_centermask.models.families import family_of
from napari_centermask.pipeline import segment
from napari_centermask.pipeline.segmentation import estimate_diameter
from napari_centermask.settings import SegmentSettings

Feed = dict[str, np.ndarray]
"""The inputs of one call of a graph, by name."""
LEAST_IMAGES = 10
"""Images below which a notice says that the ranges are uncertain; a choice."""
_LONGEST = 512  # pixels of a tile that are kept: ranges do not depend on its size, memory does; a choice
_MOST_BOXES = 64  # cells of a tile that are kept; a choice


@dataclass
class Calibration:
    """Inputs of each graph, as the pipeline makes them.

    Attributes
    ----------
    feeds
        Name of the graph -> the inputs of several calls.
    n_images
        Images that they come from.
    """

    feeds: dict[str, list[Feed]] = field(default_factory=dict)
    n_images: int = 0


class _Recorder:
    """An engine of any family that keeps a sample of what it is given while `is_on`."""

    def __init__(self, engine: AnyEngine, most: int) -> None:
        self._engine = engine
        self.name, self.device, self.card = engine.name, engine.device, engine.card
        self.batch, self.precision = engine.batch, engine.precision
        self.is_on = False
        self.feeds: dict[str, list[Feed]] = {}
        self._most, self._seen = most, dict[str, int]()
        self._rng = np.random.default_rng(0)

    def features(self, tiles: np.ndarray) -> Features:
        self._keep_tiles("dense", tiles)
        return cast(Engine, self._engine).features(tiles)

    def maps(self, tiles: np.ndarray) -> np.ndarray:
        self._keep_tiles("maps", tiles)
        return cast(MapEngine, self._engine).maps(tiles)

    def masks(
        self, features: Features, boxes: np.ndarray, classes: np.ndarray, *, index: int = 0
    ) -> tuple[np.ndarray, np.ndarray]:
        if self.is_on and len(boxes):
            pyramid = tuple(_array(level)[index : index + 1] for level in features.pyramid)
            area = float(np.prod(features.tile_shape))
            self._keep("roi", roi_feed(pyramid, boxes[:_MOST_BOXES], classes[:_MOST_BOXES], 0, area))
        return cast(Engine, self._engine).masks(features, boxes, classes, index=index)

    def _keep_tiles(self, graph: str, tiles: np.ndarray) -> None:
        for tile in tiles if self.is_on else ():
            self._keep(graph, {DENSE_INPUT: tile[None, :, :_LONGEST, :_LONGEST].copy()})

    def _keep(self, graph: str, feed: Feed) -> None:
        """Keep a random sample: each feed so far with the same probability (reservoir sampling)."""
        kept, seen = self.feeds.setdefault(graph, []), self._seen.get(graph, 0)
        self._seen[graph] = seen + 1
        if seen < self._most:
            kept.append(feed)
        elif (place := int(self._rng.integers(seen + 1))) < self._most:
            kept[place] = feed


def _array(level: Any) -> np.ndarray:
    """A level of a pyramid, which each engine keeps in its own type."""
    return np.asarray(level.numpy() if hasattr(level, "numpy") else level)


def feeds_of(engine: AnyEngine, image: np.ndarray, settings: SegmentSettings) -> dict[str, Feed]:
    """The largest input that each graph gets when an image (C, H, W) is segmented; none of a graph that is not called."""
    recorder = _Recorder(engine, most=1_000)
    recorder.is_on = True
    segment(image, recorder, settings)
    return {name: max(feeds, key=_size) for name, feeds in recorder.feeds.items()}


def _size(feed: Feed) -> int:
    return sum(value.size for value in feed.values())


def calibrate(
    engine: AnyEngine,
    images: Sequence[Path],
    settings: SegmentSettings,
    *,
    most: int = 48,
    say: Callable[[str], None] = silent,
) -> Calibration:
    """Segment images, and keep a sample of what each graph of the model is fed with.

    Parameters
    ----------
    images
        Files like those that the model will segment.
    settings
        Of the segmentation, such as the diameter.
    most
        Calls of each graph to keep. A choice: more did not change what was measured on `nuclei`.
    say
        Called with a warning if there are few images.

    Raises
    ------
    BadSettings
        If there are no images, or no cell is found in any of them.
    """
    if not images:
        raise BadSettings(
            "Calibration needs images like those that you segment, but there are none. Choose a folder with some."
        )
    if len(images) < LEAST_IMAGES:
        found = "one image" if len(images) == 1 else f"{len(images)} images"
        say(
            f"Calibrating on {found} only: on images that look different, the model may lose cells. Give {LEAST_IMAGES} or more."
        )
    recorder = _Recorder(engine, most)
    for path in images:
        image = read_plane(path)
        recorder.is_on = False
        own = settings
        if settings.diameter is None and not engine.card.levels:  # the tiles of the estimate are at other scales
            own = settings.model_copy(update={"diameter": estimate_diameter(image, recorder, settings)})
        recorder.is_on = True
        segment(image, recorder, own)
    missing = [name for name in family_of(engine.card).graphs if not recorder.feeds.get(name)]
    if missing:
        raise BadSettings(
            f"Found no cells in {counted(len(images), 'image')} to calibrate on. Choose images that {engine.card.name} works on."
        )
    return Calibration(recorder.feeds, len(images))
