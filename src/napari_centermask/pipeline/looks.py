"""How often an image is looked at: with one model or several, at one size or several."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace

from napari_centermask.core.covered import drop_covered, without_overlaps
from napari_centermask.core.errors import BadImage
from napari_centermask.core.fusion import fuse
from napari_centermask.core.instances import Instance, Instances
from napari_centermask.engines import AnyEngine
from napari_centermask.models.families import family_of
from napari_centermask.pipeline.passes import Pass
from napari_centermask.pipeline.plane_cells import Seams, find_cells
from napari_centermask.pipeline.planes import Plane, PlaneInputs
from napari_centermask.pipeline.progress import Progress, scaled_to
from napari_centermask.settings import LOWEST_SCORE, SegmentSettings


@dataclass(frozen=True)
class Member:
    """A model that looks at the planes of an image.

    Attributes
    ----------
    settings
        With the model's own defaults.
    inputs
        The planes as this model sees them.
    passes
        See `Pass`; scales of the settings divide their diameters.
    """

    engine: AnyEngine
    settings: SegmentSettings
    inputs: PlaneInputs
    passes: tuple[Pass, ...]


def look(
    plane: Plane, number: int, members: Sequence[Member], min_score: float
) -> Generator[Progress, None, tuple[Instances, Seams]]:
    """The cells of a plane by all looks of all members, from a score on; yields between tiles.

    Raises
    ------
    BadImage
        If the plane cannot be used.
    """
    looks = [(m, scale) for m in members for scale in m.settings.scales]
    if len(looks) == 1:
        return (yield from _one(plane, number, members[0], looks[0][1], min_score))
    found: list[Instances] = []
    ys: set[float] = set()
    xs: set[float] = set()
    for n, (member, scale) in enumerate(looks):
        # A cell of which one look is sure counts even where another is not: so they all look for low-confidence cells.
        steps = _one(plane, number, member, scale, min(min_score, LOWEST_SCORE))
        cells, seams = yield from scaled_to(steps, n, len(looks), f"Look {n + 1} of {len(looks)}: ")
        found.append(cells)
        ys, xs = ys | set(seams[0]), xs | set(seams[1])
    yield Progress(len(looks), len(looks), "Matching the cells")
    return _joined(found, members, min_score), (tuple(sorted(ys)), tuple(sorted(xs)))


def _one(
    plane: Plane, number: int, member: Member, scale: float, min_score: float
) -> Generator[Progress, None, tuple[Instances, Seams]]:
    plane_input = member.inputs[number]
    if isinstance(plane_input, BadImage):
        raise plane_input
    passes = tuple(replace(one, diameter=one.diameter / scale) for one in member.passes)
    return (
        yield from find_cells(
            plane_input, member.engine, member.settings, passes, region=plane.region, min_score=min_score
        )
    )


def _joined(found: Sequence[Instances], members: Sequence[Member], min_score: float) -> Instances:
    """One cell for each that was found, from a score on."""
    first, settings = found[0], members[0].settings
    cells = [cell for cell in fuse([list(look) for look in found], first.shape) if cell.score >= min_score]
    kept: list[Instance] = drop_covered(cells, settings.mask_nms)
    if not any(family_of(member.engine.card).overlaps for member in members) and len(members[0].passes) == 1:
        kept = without_overlaps(kept)
    kept = sorted((cell for cell in kept if cell.area >= settings.min_area), key=lambda c: (c.y0, c.x0))
    return Instances(first.shape, (replace(c, id=n) for n, c in enumerate(kept, start=1)), categories=first.categories)
