"""What is asked of the model about cells, and the answers, in a worker thread."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from napari_centermask.core.errors import UserError
from napari_centermask.core.instances import Instance
from napari_centermask.settings import SegmentSettings
from napari_centermask.widgets.edit.draft_points import NONE, Points
from napari_centermask.widgets.work.engine_cache import cached_engine
from napari_centermask.widgets.work.tasks import ENGINE_LOCK, Failed

if TYPE_CHECKING:
    from napari_centermask.core.result import Index
    from napari_centermask.pipeline.prompt import Prompter

Kind = Literal["box", "click", "point", "boxes", "prepare"]
_KEPT_PLANES = 4  # whose tiles stay in memory: a choice, some 50 MB each
_AROUND = 0.1  # of a cell's longer side: how far a box for redrawing it reaches beyond it: a choice


@dataclass(frozen=True)
class Request:
    """A prompt for the model.

    Attributes
    ----------
    where
        A box (y0, x0, y1, x1) or a point (y, x).
    plane
        The plane of the image.
    id, ids
        The cell that the answer replaces (0 for a new one); for "boxes", those to redraw.
    adds
        Whether a "point" is missing in the cell; otherwise, it is too much.
    points
        Those that the answer must agree with.
    start
        The cell that points change.
    statuses
        Of the cells that the answer may change, by id, as they were when you asked.
    """

    kind: Kind
    where: tuple[float, ...]
    plane: Index
    id: int = 0
    ids: tuple[int, ...] = ()
    adds: bool = True
    points: Points = NONE
    start: Instance | None = None
    statuses: tuple[tuple[int, str], ...] = ()


Answer = Instance | tuple[Instance | None, ...] | Failed | None


def answer_request(
    prompters: dict[tuple[object, ...], Prompter], request: Request, image: Any, settings: SegmentSettings
) -> Answer:
    """Run the model in a worker thread, one prompt at a time."""
    from napari_centermask.pipeline.prompt import Prompter

    try:
        with ENGINE_LOCK:
            engine = cached_engine(settings)
            key = request.plane, settings.model_dump_json(), id(engine)
            if key not in prompters:
                while len(prompters) >= _KEPT_PLANES:
                    del prompters[next(iter(prompters))]
                prompters[key] = Prompter(engine, image, settings)
            return _ask(prompters[key], request)
    except UserError as error:
        return Failed.of(error)
    except (RuntimeError, MemoryError) as error:
        return Failed(f"The model could not run: {error}. Choose another engine under 'Advanced'.")


def _ask(prompter: Prompter, request: Request) -> Instance | tuple[Instance | None, ...] | None:
    points = request.points
    if request.kind == "point":
        return None if request.start is None else prompter.refine(request.start, points.inside, points.outside)
    if request.kind == "boxes":
        where = request.where
        return tuple(prompter.box(*where[k : k + 4]) for k in range(0, len(where), 4))
    ask: Callable[..., Instance | None] = getattr(prompter, request.kind)
    cell = ask(*request.where)
    return prompter.refine(cell, points.inside, points.outside) if cell is not None and points else cell


def around(cell: Instance | None) -> tuple[float, ...]:
    """A box a little larger than a cell; an empty one for a cell that is gone."""
    if cell is None:
        return (0.0, 0.0, 0.0, 0.0)
    y0, x0, y1, x1 = cell.box
    margin = max(1.0, _AROUND * max(y1 - y0, x1 - x0))
    return y0 - margin, x0 - margin, y1 + margin, x1 + margin
