"""Cells that the model segments from a box or a click, refined with points; and cells that it redraws."""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from weakref import ref

from napari.utils.notifications import show_info
from psygnal import Signal
from qtpy.QtCore import QTimer

from napari_centermask.core.columns import covered_part
from napari_centermask.core.counted import counted
from napari_centermask.core.errors import UserError
from napari_centermask.core.instances import Instance
from napari_centermask.core.tools import TOOLS
from napari_centermask.settings import SegmentSettings
from napari_centermask.widgets.edit.draft_points import DraftPoints
from napari_centermask.widgets.edit.drawing import draw, drawing_in
from napari_centermask.widgets.edit.keys import KEYS
from napari_centermask.widgets.edit.point_seeds import settings_for
from napari_centermask.widgets.edit.prompt_work import Answer, Kind, Request, answer_request, around
from napari_centermask.widgets.work.engine_cache import is_loaded
from napari_centermask.widgets.work.gate import guarded
from napari_centermask.widgets.work.tasks import Failed

if TYPE_CHECKING:
    import numpy as np

    from napari_centermask.pipeline.prompt import Prompter
    from napari_centermask.widgets.edit.session import EditSession

_SAME_PLACE = 0.5  # fraction of the last cell that a new answer covers if it is a redrawing of that cell
_AGAIN_MS = 100  # until an answer that comes in mid-stroke is looked at again: a choice
_REFINE = "Shift-click adds what is missing, right-click removes what is too much; {key} accepts it. Esc ends."
_HINTS = {
    "box": f"Drag a box around a cell; another one redraws it. {_REFINE}",
    "click": f"Click the middle of a cell; another click redraws it. {_REFINE}",
}


def prompts_of(edits: EditSession) -> Prompts:
    """The prompts of a correction, made on first use."""
    return edits.shown.part(Prompts, lambda: Prompts(edits))


def redraw_selected(edits: EditSession) -> None:
    """Redraw the selected cell in a box that you draw; several are redrawn at once, each where it is, as one edit."""
    if len(edits.selected) == 1:
        prompts_of(edits).draw("box", replace_id=edits.selected[0])
    else:
        prompts_of(edits).ask(Request("boxes", (), edits.current_plane, ids=edits.selected))


class Prompts:
    """Runs the model off the GUI thread, one prompt after another, and adds the cells that it returns.

    Attributes
    ----------
    answered
        Emitted with the new or changed cell; None if the model found none.
    """

    answered = Signal(object)

    def __init__(self, edits: EditSession) -> None:
        self._edits = ref(edits)
        self._waiting: deque[Request] = deque()
        self._worker: Any = None
        self._last = 0
        self._prompters: dict[tuple[object, ...], Prompter] = {}
        self.points = DraftPoints()
        edits.selection_changed.connect(self._show_points)
        edits.edited.connect(self._show_points)

    @property
    def is_busy(self) -> bool:
        """Whether a prompt is waiting for its answer."""
        return self._worker is not None

    def end(self) -> None:
        """The image's result is no longer shown: stop."""
        self._waiting.clear()

    def draw(self, kind: Literal["box", "click"], *, replace_id: int = 0) -> None:
        """Start drawing; each box or click becomes a cell, until Esc, or until one replaces a cell."""
        edits = self._edits()
        done = partial(self._on_drawn, kind, replace_id)
        key = KEYS.key("accept")
        drawing = draw(edits, kind, done, hint=_HINTS[kind].format(key=key or "Review"), repeat=not replace_id)
        drawing.on_mark = self._on_marked
        if key:
            drawing.layer.bind_key(key, lambda _: self._accept_last(), overwrite=True)
        self._show_points()
        self._prepare(edits)

    def _on_marked(self, point: np.ndarray, adds: bool) -> None:
        """Refine the selected cell with a point; without one, a point that belongs to a cell begins one."""
        edits = self._edits()
        where = float(point[0]), float(point[1])
        if edits.cell is not None:
            self.ask(Request("point", where, edits.current_plane, edits.cell.id, adds=adds))
        elif adds:
            self.ask(Request("click", where, edits.current_plane))
        else:
            show_info("Draw a box around a cell, click one or select one first; then right-click what is too much.")

    def _show_points(self, *_: object) -> None:
        """Show the points of the selected cell beside the box or click in hand."""
        edits = self._edits()
        drawing = None if edits is None or edits.session.viewer is None else drawing_in(edits.session.viewer)
        if drawing is not None and drawing.on_mark is not None:
            points = self.points.of(edits.cell)
            drawing.show_marks(points.inside, points.outside)

    def _accept_last(self) -> None:
        """Accept the last draft, without putting the box or click away."""
        edits = self._edits()
        cell = None if edits is None else edits.result.get(edits.current_plane, self._last)
        if edits is not None and cell is not None and cell.id in edits.selected:  # not an earlier one, out of view
            edits.run_tool("accept", (cell.id,))

    def _prepare(self, edits: EditSession) -> None:
        """Compute the features at the centre of the view while the prompt is drawn."""
        camera = getattr(edits.session.viewer, "scene", edits.session.viewer).camera
        point = edits.active.layer.world_to_data(camera.center[-2:])
        height, width = edits.result.shape
        middle = float(min(max(point[0], 0), height - 1)), float(min(max(point[1], 0), width - 1))
        self.ask(Request("prepare", middle, edits.current_plane))

    def _on_drawn(self, kind: Kind, replace_id: int, points: np.ndarray) -> None:
        plane = self._edits().current_plane
        if kind == "box":
            (y0, y1), (x0, x1) = sorted(map(float, points[:, 0] + 0.5)), sorted(map(float, points[:, 1] + 0.5))
            cell = self._edits().cell
            kept = self.points.kept_in(cell, (y0, x0, y1, x1))
            id = cell.id if cell is not None and kept and not replace_id else replace_id
            self.ask(Request("box", (y0, x0, y1, x1), plane, id, points=kept))
        else:
            self.ask(Request("click", tuple(map(float, points[0])), plane, replace_id))

    def ask(self, request: Request) -> None:
        """Send a prompt; its answer becomes an edit."""
        result = self._edits().result
        cells = (result.get(request.plane, id) for id in (request.id, *request.ids, self._last))
        self._send(replace(request, statuses=tuple((cell.id, cell.status) for cell in cells if cell is not None)))

    def _send(self, request: Request) -> None:
        self._waiting.append(request)
        if self._worker is None:
            self._next()

    def _next(self) -> None:
        from napari.qt.threading import create_worker

        edits = self._edits()
        if not self._waiting or not _is_open(edits):
            self._waiting.clear()
            return
        request = self._begun(edits, self._waiting.popleft())
        settings = settings_for(edits)
        _tell_of_loading(settings)
        image = edits.planes.plane(request.plane)
        worker = create_worker(answer_request, self._prompters, request, image, settings, _start_thread=False)
        worker.returned.connect(guarded(partial(self._on_answer, request)))
        worker.finished.connect(self._on_finished)
        self._worker = worker
        worker.start()

    def _begun(self, edits: EditSession, request: Request) -> Request:
        """The request with the present shapes of the cells that it changes."""
        if request.kind == "point":
            cell = edits.result.get(request.plane, request.id)
            where = request.where[0], request.where[1]
            return replace(request, start=cell, points=self.points.of(cell).and_point(where, adds=request.adds))
        if request.kind == "boxes":
            cells = (edits.result.get(request.plane, id) for id in request.ids)
            boxes = [value for cell in cells for value in around(cell)]
            return replace(request, where=tuple(boxes))
        return request

    def _on_finished(self) -> None:
        self._worker = None
        self._next()

    def _on_answer(self, request: Request, answer: Answer) -> None:
        edits = self._edits()
        if not _is_open(edits):
            return
        if edits.active.is_drawing:  # a stroke or polygon is not ended by what comes from a thread
            QTimer.singleShot(_AGAIN_MS, guarded(partial(self._on_answer, request, answer)))
            return
        edits.finish()  # what was painted meanwhile counts
        if isinstance(answer, Failed):
            self._waiting.clear()
            show_info(answer.message)
        elif isinstance(answer, tuple):
            self._take_several(edits, request, answer)
        elif request.id and edits.result.get(request.plane, request.id) is None:
            show_info(f"Cell {request.id} is gone, and the model's answer with it. Select another cell.")
        elif request.kind == "point" and edits.result.get(request.plane, request.id) is not request.start:
            self._send(request)  # the cell was changed meanwhile, which the answer does not know
        elif request.kind != "prepare":
            if answer is None:
                show_info("The model found no cell there. Draw a box around it, or paint it.")
            made = None if answer is None else self._take(edits, request, answer)
            self.answered.emit(made)

    def _take(self, edits: EditSession, request: Request, answer: Instance) -> Instance | None:
        """Add the cell, or give its shape to the one that it replaces, without ending the next drawing."""
        drawing, before = drawing_in(edits.session.viewer), edits.selected
        is_painting = drawing is None and str(edits.active.layer.mode) != "pan_zoom"
        id = request.id or self._redrawn(edits, request, answer)
        shape: dict[str, Any] = {"mask": answer.mask, "origin": answer.box[:2], "mode": edits.mode}
        old = edits.result.get(request.plane, id)
        if old is not None:
            edits.run_tool("redraw", (id,), plane=request.plane, **shape, **_redraft(request, old, answer))
        else:
            edit = edits.run_tool(
                "new_cell", plane=request.plane, keep_tool=True, **shape, **self._fields(edits, answer)
            )
            id = 0 if edit is None else next((c.id for c in edit.changes if c.before is None), 0)
        self._last = id
        cell = edits.result.get(request.plane, id)
        self.points.note(cell, request.points)
        self._show_points()
        if is_painting:  # or the next stroke would change this cell
            edits.select(before, keep_tool=True)
        elif cell is not None and request.plane == edits.current_plane:
            edits.select((id,), keep_tool=True)
        if drawing is not None and drawing is drawing_in(edits.session.viewer):
            edits.session.viewer.layers.selection.active = drawing.layer
        return cell

    def _take_several(self, edits: EditSession, request: Request, answers: tuple[Instance | None, ...]) -> None:
        """Give cells the shapes that the model found where they are, as one edit; pixels of others stay theirs, too."""
        tool, changes = TOOLS["redraw"], []
        for id, answer in zip(request.ids, answers, strict=True):
            old = edits.result.get(request.plane, id)
            if answer is not None and old is not None:
                fields = {"mask": answer.mask, "origin": answer.box[:2], **_redraft(request, old, answer)}
                changes += tool.changes(edits.result, request.plane, (id,), **fields)
        edits.do(tool.edit_name([change.id for change in changes]), changes)
        here = edits.result.plane(request.plane)
        missing = sum(answer is None and id in here for id, answer in zip(request.ids, answers, strict=True))
        if missing:
            stay = "stays as it was" if missing == 1 else "stay as they were"
            show_info(f"The model found nothing in {counted(missing, 'cell')}, which {stay}.")

    @staticmethod
    def _fields(edits: EditSession, answer: Instance) -> dict[str, Any]:
        """Fields of a new cell from the model's answer: its category, if the image has several."""
        categories = edits.result.categories
        several = len(categories) > 1 and answer.category in categories
        fields: dict[str, Any] = {
            "category": answer.category if several else edits.category,
            **_draft(answer),
        }
        if several and len(answer.probabilities) == len(categories):
            fields["probabilities"] = answer.probabilities
        return fields

    def _redrawn(self, edits: EditSession, request: Request, answer: Instance) -> int:
        """The last new cell, if the new prompt is at the same place."""
        last = edits.result.get(request.plane, self._last)
        if last is None or covered_part(last, [answer]) < _SAME_PLACE or covered_part(answer, [last]) < _SAME_PLACE:
            return 0
        return last.id


def _draft(answer: Instance) -> dict[str, Any]:
    """Fields that wait for a person's judgement."""
    return {name: getattr(answer, name) for name in ("score", "mask_quality", "source", "status")}


def _redraft(request: Request, cell: Instance, answer: Instance) -> dict[str, Any]:
    """The same for a cell that is redrawn; if you accepted or rejected it after you asked, that stands."""
    is_judged = cell.status in ("accepted", "rejected") and cell.status != dict(request.statuses).get(cell.id)
    return _draft(answer) | ({"status": cell.status} if is_judged else {})


def _tell_of_loading(settings: SegmentSettings) -> None:
    """Say that the first answer waits for the model."""
    with suppress(UserError):  # the answer says what is wrong
        if not is_loaded(settings):
            show_info(f"Loading {Path(settings.model).stem}. The first box or click takes a moment.")


def _is_open(edits: EditSession | None) -> bool:
    """Whether the image is still in the viewer."""
    return edits is not None and edits.source is not None and edits.source in edits.session.viewer.layers
