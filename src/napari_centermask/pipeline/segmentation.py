"""Segment the planes of an image; used by the command line, the docks, predictions and evaluation."""

from __future__ import annotations

from collections.abc import Collection, Generator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_centermask.core.array import Array
from napari_centermask.core.errors import BadImage
from napari_centermask.core.instances import Instances
from napari_centermask.core.regions import Region
from napari_centermask.core.result import Index
from napari_centermask.engines import AnyEngine
from napari_centermask.models.idle_settings import idle_in_segmentation, refuse_idle
from napari_centermask.models.store.card import ModelCard
from napari_centermask.pipeline.class_maps import class_image, class_map_steps
from napari_centermask.pipeline.correction import own_preprocess
from napari_centermask.pipeline.model_input import ModelInput
from napari_centermask.pipeline.passes import Pass, largest
from napari_centermask.pipeline.plane_cells import Seams, find_cells
from napari_centermask.pipeline.planes import Plane, PlaneInputs
from napari_centermask.pipeline.progress import Progress, run_through, scaled_to
from napari_centermask.settings import SegmentSettings

# Settings that a model's card may set if the user did not.
_FROM_CARD = ("score", "nms", "mask_nms", "min_area", "overlap", "foreground", "seed", "smoothing")


@dataclass(frozen=True)
class PlaneCells:
    """The cells of a plane.

    Attributes
    ----------
    plane
        The plane that was segmented.
    cells
        In pixels of the whole plane.
    diameter
        Diameter of a typical cell, in pixels: given, or estimated for the whole image. Of the largest ones, if the model finds
        its categories at a diameter each.
    seams
        Where tiles meet.
    problem
        Why this plane was not segmented; empty if it was.
    classes
        (H, W) uint8, see `class_image`; None if it was not requested.
    """

    plane: Plane
    cells: Instances
    diameter: float
    seams: Seams = ((), ())
    problem: str = ""
    classes: np.ndarray | None = None


def segment_planes(
    planes: Sequence[Plane],
    engine: AnyEngine,
    settings: SegmentSettings,
    *,
    only: Collection[Index] | None = None,
    min_score: float | None = None,
    check: bool = True,
    classes: bool = False,
) -> Generator[Progress | PlaneCells, None, None]:
    """Segment the planes of an image one after another; may be closed at every yield, between tiles.

    All planes are segmented at one diameter: that of the settings, or the median of the estimates on up to five planes
    (see `PlaneInputs.estimate`); a model whose categories differ in size has several (`ModelCard.levels`).
    A plane that cannot be used has no cells, and its `problem` says why.

    Parameters
    ----------
    planes
        Planes of one image.
    only
        Indices of the planes to segment; by default all. The diameter is that of the whole image in any case.
    min_score
        Keep candidates down to this score if it is below `settings.score`, to filter them later without running again.
    check
        Reject planes with NaN or without contrast. Otherwise NaN is ignored, and a constant plane has no cells.
    classes
        Also find the category of each pixel.

    Yields
    ------
    Progress or PlaneCells
        The cells of each plane as soon as they are found, and progress in between.

    Raises
    ------
    BadImage
        If no plane can be used, see `ModelInput.of`.
    BadSettings
        If diameter, overlap or channels do not fit, or classes are requested from a model that has none.
    """
    settings = with_card_defaults(settings, engine.card)
    inputs = PlaneInputs(planes, engine.card, settings, check=check)
    yield from inputs.check()
    passes = yield from inputs.passes(engine, settings)
    score = settings.score if min_score is None else min(min_score, settings.score)
    chosen = [n for n, plane in enumerate(planes) if only is None or plane.index in only]
    for done, number in enumerate(chosen):
        steps = _segment(planes[number], inputs[number], engine, settings, passes, score, classes=classes)
        title = f"Plane {done + 1} of {len(chosen)}: " if len(chosen) > 1 else ""
        yield (yield from scaled_to(steps, done, len(chosen), title))
        inputs.close(number)


def _segment(
    plane: Plane,
    plane_input: ModelInput | BadImage,
    engine: AnyEngine,
    settings: SegmentSettings,
    passes: tuple[Pass, ...],
    score: float,
    *,
    classes: bool,
) -> Generator[Progress, None, PlaneCells]:
    """Segment one plane; no cells if it cannot be used."""
    if isinstance(plane_input, BadImage):
        none = Instances(plane.shape, categories=dict(enumerate(engine.card.model.categories, start=1)))
        blank = np.zeros(plane.shape, np.uint8) if classes else None
        return PlaneCells(plane, none, largest(passes), problem=str(plane_input), classes=blank)
    image = None
    if classes:
        image = class_image((yield from class_map_steps(plane_input, engine, settings, passes)))
    steps = find_cells(plane_input, engine, settings, passes, region=plane.region, min_score=score)
    cells, seams = yield from steps
    return PlaneCells(plane, cells, largest(passes), seams, classes=image)


def segment_plane(
    image: Array,
    engine: AnyEngine,
    settings: SegmentSettings,
    *,
    region: Region | None = None,
    min_score: float | None = None,
    check: bool = False,
) -> Generator[Progress, None, PlaneCells]:
    """Segment an image of one plane, (C, H, W) or (H, W); otherwise as `segment_planes`."""
    plane = Plane((), image if hasattr(image, "shape") else np.asarray(image), region)
    steps = segment_planes([plane], engine, settings, min_score=min_score, check=check)
    while not isinstance(step := next(steps), PlaneCells):
        yield step
    return step


def segment(image: Array, engine: AnyEngine, settings: SegmentSettings | None = None, **options: Any) -> Instances:
    """The cells of an image of one plane; see `segment_plane`."""
    return run_through(segment_plane(image, engine, settings or SegmentSettings(), **options)).cells


def diameter_steps(
    planes: Sequence[Plane], engine: AnyEngine, settings: SegmentSettings, *, check: bool = True
) -> Generator[Progress, None, float]:
    """The diameter that `segment_planes` would estimate for an image, whatever the settings say.

    Raises
    ------
    BadImage, BadSettings
        As `segment_planes`.
    """
    settings = with_card_defaults(settings, engine.card)
    inputs = PlaneInputs(planes, engine.card, settings, check=check)
    yield from inputs.check()
    return largest((yield from inputs.estimate(engine, settings)))


def estimate_diameter(image: Array, engine: AnyEngine, settings: SegmentSettings | None = None) -> float:
    """Typical cell diameter in pixels of an image of one plane, (C, H, W) or (H, W); see `diameter_steps`."""
    return run_through(diameter_steps([Plane((), image)], engine, settings or SegmentSettings(), check=False))


def map_classes(
    plane: Plane, engine: AnyEngine, settings: SegmentSettings, *, check: bool = True
) -> Generator[Progress, None, np.ndarray]:
    """The probability of each category in each pixel of a plane; see `class_map_steps` and `segment_planes`."""
    settings = with_card_defaults(settings, engine.card)
    inputs = PlaneInputs([plane], engine.card, settings, check=check)
    yield from inputs.check()
    passes = yield from inputs.passes(engine, settings)
    return (yield from class_map_steps(inputs.usable(0), engine, settings, passes))


def with_card_defaults(settings: SegmentSettings, card: ModelCard) -> SegmentSettings:
    """The settings with the model's own defaults, percentiles and preprocessing where the user set none.

    Raises
    ------
    BadSettings
        If the user set what the model does not use.
    """
    idle = idle_in_segmentation(settings, card)
    refuse_idle(settings, idle)
    own = {name: value for name, value in card.defaults.items() if name in _FROM_CARD and name not in idle}
    own["percentiles"] = tuple(card.percentiles)
    unset = {name: value for name, value in own.items() if name not in settings.model_fields_set}
    return settings.model_copy(update=unset | {"preprocess": own_preprocess(settings, card)})
