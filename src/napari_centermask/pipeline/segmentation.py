"""Segment the planes of an image; used by the command line, the docks, predictions and evaluation."""

from __future__ import annotations

from collections.abc import Collection, Generator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_centermask.core.array import Array
from napari_centermask.core.errors import BadImage, BadSettings
from napari_centermask.core.instances import Instances
from napari_centermask.core.regions import Region
from napari_centermask.core.result import Index
from napari_centermask.engines import AnyEngine
from napari_centermask.engines.ensemble import AnySegmenter, cards_of, engines_of, mean_score
from napari_centermask.models.idle_settings import idle_in_segmentation, refuse_idle
from napari_centermask.models.store.card import ModelCard
from napari_centermask.pipeline.class_maps import class_image, class_map_steps
from napari_centermask.pipeline.correction import own_preprocess
from napari_centermask.pipeline.looks import Member, look
from napari_centermask.pipeline.model_input import ModelInput
from napari_centermask.pipeline.passes import largest, passes_for
from napari_centermask.pipeline.plane_cells import Seams, batches_of, tiles_of
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
    engine: AnySegmenter,
    settings: SegmentSettings,
    *,
    only: Collection[Index] | None = None,
    min_score: float | None = None,
    check: bool = True,
    classes: bool = False,
) -> Generator[Progress | PlaneCells, None, None]:
    """Segment the planes of an image one after another; may be closed at every yield, between tiles.

    With several models or scales, each looks at a plane, and their cells are matched and averaged (`core.fusion`).

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
    members = yield from _members(planes, engine, settings, check=check)
    if classes:
        refuse_class_maps_of_several(settings)
    usual = score_of(settings, engine)
    score = usual if min_score is None else min(min_score, usual)
    chosen = [n for n, plane in enumerate(planes) if only is None or plane.index in only]
    for done, number in enumerate(chosen):
        steps = _segment(planes[number], number, members, score, classes=classes)
        title = f"Plane {done + 1} of {len(chosen)}: " if len(chosen) > 1 else ""
        yield (yield from scaled_to(steps, done, len(chosen), title))
        for member in members:
            member.inputs.close(number)


def _members(
    planes: Sequence[Plane], engine: AnySegmenter, settings: SegmentSettings, *, check: bool
) -> Generator[Progress, None, list[Member]]:
    """The models with their own settings, inputs and diameters; the first usable plane is checked.

    Models without levels of sizes share the estimate of the first of them.
    """
    if len(engines_of(engine)) <= len(settings.more_models):
        raise BadSettings("'more_models' works with the commands segment and evaluate only. Leave it out here.")
    members: list[Member] = []
    for one in engines_of(engine):
        own = with_card_defaults(_used(settings, one.card, engine), one.card)
        try:
            inputs = PlaneInputs(planes, one.card, own, check=check)
            yield from inputs.check()
        except BadImage as error:
            if one is engine:
                raise
            raise BadImage(f"{one.card.name}: {error}") from None
        known = next((m.passes for m in members if not m.engine.card.levels and not one.card.levels), None)
        passes = (yield from inputs.passes(one, own)) if known is None else known
        members.append(Member(one, own, inputs, passes))
    return members


def _used(settings: SegmentSettings, card: ModelCard, engine: AnySegmenter) -> SegmentSettings:
    """The settings without those that only other models of an ensemble use."""
    cards = [other for other in cards_of(engine) if other is not card]
    if not cards:
        return settings
    idle = idle_in_segmentation(settings, card)
    others = [idle_in_segmentation(settings, other) for other in cards]
    elsewhere = {name for name in idle if any(name not in of_other for of_other in others)}
    set_here = settings.model_fields_set - elsewhere
    return SegmentSettings.model_construct(_fields_set=set_here, **{n: getattr(settings, n) for n in set_here})


def score_of(settings: SegmentSettings, engine: AnySegmenter) -> float:
    """The lowest score of cells that count: the user's, or the model's; of an ensemble, the mean of its models'."""
    each = [with_card_defaults(_used(settings, card, engine), card).score for card in cards_of(engine)]
    return each[0] if len(each) == 1 else mean_score(each)


def refuse_class_maps_of_several(settings: SegmentSettings) -> None:
    """Class maps come from one look.

    Raises
    ------
    BadSettings
        If the settings have several.
    """
    for name in ("more_models", "scales"):
        if len(getattr(settings, name)) > (name == "scales"):
            raise BadSettings(
                f"Class maps are made from one look at the image, and '{name}' asks for several. Leave one of the two out."
            )


def _segment(
    plane: Plane, number: int, members: Sequence[Member], score: float, *, classes: bool
) -> Generator[Progress, None, PlaneCells]:
    """Segment one plane; no cells if it cannot be used."""
    first = members[0]
    engine, plane_input, diameter = first.engine, first.inputs[number], largest(first.passes)
    problem = next((str(p) for m in members if isinstance(p := m.inputs[number], BadImage)), "")
    if problem or isinstance(plane_input, BadImage):
        none = Instances(plane.shape, categories=dict(enumerate(engine.card.model.categories, start=1)))
        blank = np.zeros(plane.shape, np.uint8) if classes else None
        return PlaneCells(plane, none, diameter, problem=problem, classes=blank)
    image = None
    if classes:
        image = class_image((yield from class_map_steps(plane_input, engine, first.settings, first.passes)))
    cells, seams = yield from look(plane, number, members, score)
    return PlaneCells(plane, cells, diameter, seams, classes=image)


def segment_plane(
    image: Array,
    engine: AnySegmenter,
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


def segment(image: Array, engine: AnySegmenter, settings: SegmentSettings | None = None, **options: Any) -> Instances:
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


def most_at_once(image: Array, card: ModelCard, settings: SegmentSettings) -> int:
    """The largest number of tiles of an image (C, H, W) that can go through the network together, at a diameter that is given."""
    settings = with_card_defaults(settings, card)
    plane = ModelInput.of(image, card, settings)
    found = 1
    for one in passes_for(card, settings.diameter or card.diameter):
        tiles = tiles_of(plane.scaled(card.diameter / one.diameter), settings)
        found = max(found, *map(len, batches_of(tiles, len(tiles))))
    return found


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
