"""Cells from points: what the model draws where a person put a point."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_centermask.core.columns import covered_part
from napari_centermask.core.instances import Instance
from napari_centermask.core.missed import is_candidate
from napari_centermask.core.result import Result
from napari_centermask.pipeline.progress import Progress
from napari_centermask.widgets.viewer.state import state_of
from napari_centermask.widgets.work.engine_cache import cached_engine
from napari_centermask.widgets.work.tasks import ENGINE_LOCK

if TYPE_CHECKING:
    from napari_centermask.core.result import Index
    from napari_centermask.settings import SegmentSettings
    from napari_centermask.widgets.edit.session import EditSession
    from napari_centermask.widgets.viewer.planes import ImagePlanes

_SAME = 0.5  # fraction of both cells that is common if two points lie in one cell, as for a prompt that is drawn again
BY_CLICK = " by click"


@dataclass
class Seeds:
    """The points of a layer, by what becomes of them; all numbers are positions in the layer.

    Attributes
    ----------
    in_cell
        In a cell that is shown already.
    candidates
        In a detection below the score threshold, which becomes a draft.
    asked
        Where the model is asked, with plane, y and x.
    drawn
        What the model drew.
    nothing
        Where there is no cell.
    """

    in_cell: list[int] = field(default_factory=list)
    candidates: list[tuple[int, Index, Instance]] = field(default_factory=list)
    asked: list[tuple[int, Index, float, float]] = field(default_factory=list)
    drawn: list[tuple[int, Index, Instance]] = field(default_factory=list)
    nothing: list[int] = field(default_factory=list)


def sort_points(result: Result, points: list[tuple[Index | None, float, float]]) -> Seeds:
    """What can be said of points without the model."""
    seeds, taken = Seeds(), set()
    for n, (index, y, x) in enumerate(points):
        if index is None:
            seeds.nothing.append(n)
            continue
        under = _under(result, index, round(y), round(x))
        waiting = [c for c in under if is_candidate(result, c)]
        best = max(waiting, key=lambda c: c.score * c.mask_quality, default=None)
        if any(result.shows(c) for c in under) or (best is not None and (index, best.id) in taken):
            seeds.in_cell.append(n)
        elif best is not None:
            taken.add((index, best.id))
            seeds.candidates.append((n, index, best))
        else:
            seeds.asked.append((n, index, y, x))
    return seeds


def _under(result: Result, index: Index, y: int, x: int) -> list[Instance]:
    near = result.plane(index).meeting((y, x, y + 1, x + 1))
    return [c for c in near if c.mask[y - c.y0, x - c.x0]]


def ask_model(seeds: Seeds, planes: ImagePlanes, settings: SegmentSettings) -> Generator[Progress, None, Seeds]:
    """Ask the model at each point that needs it; for the worker thread."""
    from napari_centermask.pipeline.prompt import Prompter

    if seeds.asked:
        yield Progress(0, 0, "Loading the model")
        with ENGINE_LOCK:
            engine = cached_engine(settings)
    prompters: dict[Index, Any] = {}
    for k, (n, index, y, x) in enumerate(sorted(seeds.asked, key=lambda s: s[1])):
        yield Progress(k, len(seeds.asked), f"Point {k + 1} of {len(seeds.asked)}")
        with ENGINE_LOCK:
            if index not in prompters:
                prompters = {index: Prompter(engine, planes.plane(index), settings)}
            cell = prompters[index].click(y, x)
        if cell is None:
            seeds.nothing.append(n)
        else:
            seeds.drawn.append((n, index, cell))
    return seeds


def once_each(result: Result, seeds: Seeds) -> list[tuple[Index, Instance]]:
    """What the model drew, without cells that are there already; points of these are noted as such."""
    kept: list[tuple[Index, Instance]] = []
    for n, index, cell in sorted(seeds.drawn, key=lambda s: s[0]):
        near = [c for c in result.plane(index).meeting(cell.box) if result.shows(c)]
        near += [c for at, c in kept if at == index]
        near += [c for _, at, c in seeds.candidates if at == index]
        if any(_is_same(cell, other) for other in near):
            seeds.in_cell.append(n)
        else:
            kept.append((index, cell))
    return kept


def _is_same(a: Instance, b: Instance) -> bool:
    return min(covered_part(a, [b]), covered_part(b, [a])) >= _SAME


def as_draft(candidate: Instance) -> Instance:
    """A detection as a draft, which is shown and waits for a person's judgement."""
    return replace(candidate, source=candidate.source + BY_CLICK)


def settings_for(edits: EditSession) -> SegmentSettings:
    """The settings of the last run on the image, with the diameter that it found; those of the model in use before one."""
    from napari_centermask.settings import SegmentSettings

    in_use = state_of(edits.session.viewer).in_use.name
    settings = edits.shown.settings or (SegmentSettings(model=in_use) if in_use else SegmentSettings())
    return settings.model_copy(update={"diameter": settings.diameter or edits.shown.diameter})


def points_in(image: np.ndarray, index_of: Any) -> list[tuple[Index | None, float, float]]:
    """Plane, y and x of positions in the image, (n, axes); the plane is None where the image has none."""
    return [(index_of(row), float(row[-2]), float(row[-1])) for row in image]
