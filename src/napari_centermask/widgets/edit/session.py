"""The correction of one image: what is selected, what is painted, and the one way in which cells change."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any
from weakref import ref

import numpy as np
from psygnal import Signal
from qtpy.QtCore import QTimer

from napari_centermask.core import tools
from napari_centermask.core.compose import stacked
from napari_centermask.core.errors import UserError
from napari_centermask.core.instances import Instance
from napari_centermask.core.result import Result
from napari_centermask.core.tools.region import MODES
from napari_centermask.widgets.edit import actions, candidates, prompt  # noqa: F401 - fill the table of keys
from napari_centermask.widgets.edit.active_cell import ActiveCell
from napari_centermask.widgets.edit.keys import KeyBinder
from napari_centermask.widgets.edit.mouse import ClickSelect
from napari_centermask.widgets.edit.names import edit_name
from napari_centermask.widgets.viewer.planes import ImagePlanes, guess_channel_axis
from napari_centermask.widgets.viewer.view import centre_view, current_index, go_to_plane, shows_planes

if TYPE_CHECKING:
    from napari.layers import Image, Layer

    from napari_centermask.core.history import Change, Edit, History, RegionChange
    from napari_centermask.core.result import Index
    from napari_centermask.widgets.viewer.session import Session, Shown

_MOST_FILLED = 0.05  # of the plane: a bucket that fills more has been emptied beside the cell


def edit_session_of(session: Session, source: Image) -> EditSession:
    """The correction of an image, made on first use; an image without cells gets an empty result.

    Raises
    ------
    BadImage
        If the layer is no image with height and width.
    """
    shown = session.shown(source)
    if shown is None:
        planes = ImagePlanes.of(source, channel_axis=guess_channel_axis(source))
        shown = session.attach(source, planes, Result(planes.shape, leading=planes.leading, name=source.name))
    if shown.edits is None:
        shown.edits = EditSession(session, shown)
    return shown.edits


class EditSession:
    """Select cells of one image, paint the active one, and change them with tools, all through one history.

    Attributes
    ----------
    selection_changed
        Emitted with the ids of the selected cells.
    edited
        Emitted with every edit after it was applied and drawn; an undo comes as the inverse edit.
    plane_changed
        Emitted with the position of the plane that came into view.
    mode_changed
        Emitted with the write mode.
    queue
        Gives the ids that `select_next` visits, in order: most doubtful first once it is used (see `review.Review`); in
        stacks only with the review dock. All cells shown in the plane when nothing is left in it.
    category
        Of new cells.
    amount
        Pixels by which cells grow, shrink and are smoothed.
    crumb_area
        Parts of fewer pixels are crumbs.
    """

    selection_changed = Signal(tuple)
    edited = Signal(object)
    plane_changed = Signal(tuple)
    mode_changed = Signal(str)

    def __init__(self, session: Session, shown: Shown) -> None:
        self.session, self._shown = session, ref(shown)
        self.result: Result = shown.result
        self.history: History = shown.history
        self.planes: ImagePlanes = shown.planes
        self.queue: Callable[[], Sequence[int]] | None = None
        self.category = min(shown.result.categories, default=1)
        self.amount, self.crumb_area = 1.0, 20
        self._mode = "overlap"
        self._selected: tuple[int, ...] = ()
        self._plane = current_index(session.viewer, shown.source(), shown.planes)
        self.active = ActiveCell(shown.source(), shown.planes.shape)
        self.active.painted.connect(self._on_painted)
        self.keys, self.clicks = KeyBinder(self), ClickSelect(self)
        self._later = QTimer()
        self._later.setSingleShot(True)
        self._later.setInterval(0)
        self._later.timeout.connect(self.flush)
        shown.edited.connect(self._on_edited)

    @property
    def shown(self) -> Shown:
        """The result with its layers."""
        return self._shown()

    @property
    def source(self) -> Image | None:
        """The image layer."""
        return self.shown.source()

    @property
    def layers(self) -> list[Layer]:
        """The image and the layers that show its cells."""
        shown = self.shown
        return [
            layer for layer in (shown.source(), shown.layers.cells, shown.layers.outlines, self.active.layer) if layer
        ]

    @property
    def selected(self) -> tuple[int, ...]:
        """Ids of the selected cells; the first is active: lifted into the layer in which it is painted."""
        return self._selected

    @property
    def current_plane(self) -> Index:
        """The plane in view."""
        return self._plane

    @property
    def cell(self) -> Instance | None:
        """The active cell."""
        return self.result.get(self._plane, self._selected[0]) if self._selected else None

    @property
    def mode(self) -> str:
        """What painting does where other cells are: "overlap", "take over" or "keep out"."""
        return self._mode

    @mode.setter
    def mode(self, mode: str) -> None:
        if mode not in MODES:
            raise ValueError(f"Expected a write mode of {MODES}, got {mode!r}.")
        if mode != self._mode:
            self.flush()
            self._mode = mode
            self.mode_changed.emit(mode)

    def activate(self) -> None:
        """Make this the image that is corrected in its viewer; shows the layer of the active cell."""
        before = self.session.editing
        if before is not None and before is not self:
            before.deactivate()
        self.session.editing = self
        self.follow_view()
        if before is not self or self.active.layer not in self.session.viewer.layers:
            self.session.show_above(self.shown, self.active.layer)
            self.keys.bind(self.layers)
            self.clicks.start()

    def deactivate(self) -> None:
        """Commit what is painted and take the layer of the active cell out of the viewer."""
        self.select(())
        self.keys.release()
        self.clicks.stop()
        if self.session.editing is self:
            self.session.editing = None
        self.session.take_out(self.active.layer)

    def select(self, ids: Iterable[int], *, centre: bool = False) -> None:
        """Select cells of one plane; the first is the active one. Goes to their plane if it is not in view.

        Parameters
        ----------
        centre
            Bring the active cell to the middle of the view.
        """
        self.flush()
        ids = tuple(dict.fromkeys(int(i) for i in ids))
        plane = self.plane_of(ids[0]) if ids else None
        if plane is not None and plane != self._plane:
            go_to_plane(self.session.viewer, self.source, self.planes, plane)
            self.follow_view()
        ids = tuple(i for i in ids if self.result.get(self._plane, i) is not None)
        if ids:
            self.activate()
        self._set_selected(ids)
        if ids:
            self.session.viewer.layers.selection.active = self.active.layer
            if centre:
                self.centre_on(ids[0])

    def _set_selected(self, ids: tuple[int, ...]) -> None:
        changed = ids != self._selected
        self._selected = ids
        flat = shows_planes(self.session.viewer, self.source)
        self.shown.layers.lift(self._plane, ids[0] if ids else None, shown=self._plane if flat else None)
        self._show_active()
        if changed:
            self.selection_changed.emit(ids)

    def _show_active(self) -> None:
        others = (self.result.get(self._plane, i) for i in self._selected[1:])
        self.active.show(self.cell, [i for i in others if i is not None])

    def select_next(self) -> None:
        """Select the next cell of the queue and bring it to the middle; after the last comes the first."""
        self._step(1)

    def select_previous(self) -> None:
        """Select the cell before this one in the queue and bring it to the middle."""
        self._step(-1)

    def _step(self, by: int) -> None:
        self.flush()
        if self.queue is None and not self.result.leading:  # in a stack it would leave the plane
            from napari_centermask.widgets.edit.review import review_of

            review_of(self)  # becomes the queue
        ids = (list(self.queue()) if self.queue is not None else []) or sorted(self.result.visible(self._plane).ids)
        if not ids:
            return
        if self._selected and self._selected[0] in ids:
            self.select((ids[(ids.index(self._selected[0]) + by) % len(ids)],), centre=True)
        else:
            self.select((ids[0 if by > 0 else -1],), centre=True)

    def at(self, y: float, x: float) -> list[int]:
        """Ids of the cells shown at a point of the plane in view, top-most first; that one is lifted changes nothing."""
        ids = self.shown.layers.at(self._plane, round(float(y)), round(float(x)))
        return [i.id for i in reversed(stacked(self.result.get(self._plane, id) for id in ids))]

    def plane_of(self, id: int) -> Index | None:
        """The plane that has a cell; None if there is no such cell."""
        if self.result.get(self._plane, id) is not None:
            return self._plane
        return next((index for index, plane in self.result.planes.items() if id in plane), None)

    def centre_on(self, id: int) -> None:
        """Bring a cell to the middle of the view, and its plane into view; closer if it is tiny there."""
        plane = self.plane_of(id)
        if plane is None:
            return
        go_to_plane(self.session.viewer, self.source, self.planes, plane)
        centre_view(self.session.viewer, self.source, self.planes, plane, self.result.get(plane, id).box)

    def do(self, name: str, changes: Sequence[Change] = (), regions: Sequence[RegionChange] = ()) -> Edit | None:
        """Apply changes as one edit; what was painted comes first. Flush before you compute the changes.

        Raises
        ------
        ValueError
            If a change does not start from what is there.
        """
        self.flush()
        return self.history.do(name, changes, regions=regions)

    def undo(self) -> Edit | None:
        """Take the last edit back, and show where; returns what was applied, None if there was nothing."""
        self.flush()
        return self._look_at(self.history.undo())

    def redo(self) -> Edit | None:
        """Apply the edit undone last again, and show where; None if there was nothing."""
        self.flush()
        return self._look_at(self.history.redo())

    def _look_at(self, edit: Edit | None) -> Edit | None:
        planes = [] if edit is None else [c.plane for c in (*edit.changes, *edit.regions)]
        if planes and self._plane not in planes:
            go_to_plane(self.session.viewer, self.source, self.planes, planes[0])
            self.follow_view()
        return edit

    def run_tool(self, name: str, **arguments: Any) -> Edit | None:
        """Run a tool of `core.tools` on cells of the plane in view, as one edit.

        Parameters
        ----------
        name
            For instance "split_line", "merge", "grow".
        arguments
            Of the tool. `ids` (or `id`) are the selected cells if not given.

        Returns
        -------
        Edit or None
            None if it changes nothing.
        """
        self.flush()
        tool = getattr(tools, name)
        code = tool.__code__
        takes = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        if "ids" in takes:
            arguments.setdefault("ids", self._selected)
        elif "id" in takes:
            arguments.setdefault("id", self._selected[0] if self._selected else 0)
        if "shows" in takes:
            arguments.setdefault("shows", self.result.shows)
        ids = tuple(arguments.get("ids", (arguments["id"],) if "id" in arguments else ()))
        cells = self.result.plane(self._plane)
        if ("ids" in takes or "id" in takes) and not (ids and all(i in cells for i in ids)):
            return None
        changes = tools.to_changes(tool(cells, **arguments), self._plane, self.result)
        named = ids or tuple(c.id for c in changes if c.before is None)
        edit = self.history.do(edit_name(name, named, arguments), changes)
        if edit is not None and name.startswith("split"):
            self.select((*ids, *(c.id for c in edit.changes if c.before is None)))
        return edit

    def copy_to_next(self) -> Edit | None:
        """Copy the selected cells to the next frame, and select the copies there.

        Frames are along the first of the image's leading axes.

        Raises
        ------
        UserError
            If the image has no frames, or this is the last one.
        """
        self.flush()
        if not self._plane:
            raise UserError("Expected a stack; this image has one plane, so there is no next frame.")
        following = (self._plane[0] + 1, *self._plane[1:])
        if following[0] >= self.result.leading[0]:
            raise UserError("This is the last frame.")
        cells = [self.result.get(self._plane, i) for i in self._selected]
        changes = tools.to_changes(tools.copy_to(self.result.plane(following), cells), following, self.result)
        edit = self.history.do(edit_name("copy_to", self._selected, {}), changes)
        if edit is not None:
            self.select(c.id for c in edit.changes)
        return edit

    def add(self, mask: np.ndarray, origin: tuple[int, int] = (0, 0), **fields: Any) -> Instance | None:
        """Add a cell to the plane in view and select it; None if nothing of it is left.

        Parameters
        ----------
        mask
            (h, w) bool, a window of the plane.
        origin
            (y, x) of the window's first pixel.
        fields
            As of `core.tools.new_cell`.
        """
        self.flush()
        fields = {"category": self.category} | fields
        edit = self.run_tool("new_cell", mask=mask, origin=origin, mode=self._mode, **fields)
        return self._select_new(edit)

    def _select_new(self, edit: Edit | None) -> Instance | None:
        made = [c.after for c in edit.changes if c.before is None] if edit is not None else []
        if not made:
            return None
        self.select((made[0].id,))
        return self.result.get(self._plane, made[0].id)

    def flush(self) -> Edit | None:
        """Take over what was painted since the last time; None if it changes nothing."""
        self._later.stop()
        painted = self.active.take()
        if painted is None:
            return None
        from napari.utils.notifications import show_warning

        mask, origin = painted
        id = self._selected[0] if self._selected else 0
        edit = None
        if not self._filled_too_much(mask, id):
            fields = {} if id else {"category": self.category}
            cells = self.result.plane(self._plane)
            pairs = tools.commit(cells, id, mask, origin, self._mode, shows=self.result.shows, **fields)
            changes = tools.to_changes(pairs, self._plane, self.result)
            new = next((c.id for c in changes if c.before is None), 0)
            try:
                edit = self.history.do(edit_name("commit" if id else "new_cell", (id or new,), {}), changes)
            except UserError as error:  # a project that is read-only: the stroke is taken off again
                show_warning(str(error))
                new = 0
            if new:
                self._set_selected((new,))
        self._show_active()
        return edit

    def _filled_too_much(self, mask: np.ndarray, id: int) -> bool:
        if not self.active.fills:
            return False
        before = self.result.get(self._plane, id)
        added = np.count_nonzero(mask) - (before.area if before is not None else 0)
        if added <= _MOST_FILLED * self.result.shape[0] * self.result.shape[1]:
            return False
        from napari.utils.notifications import show_info

        show_info("The bucket would have filled the background. Fill inside a closed outline of the active cell.")
        return True

    def _on_painted(self) -> None:
        self._later.start()

    def _on_edited(self, edit: Edit) -> None:
        """The history changed cells, and the layers have followed."""
        left = tuple(i for i in self._selected if self.result.get(self._plane, i) is not None)
        if left != self._selected:
            self._set_selected(left)
        elif any(c.id in left for c in edit.changes):
            self._show_active()
        self.edited.emit(edit)

    def follow_view(self) -> None:
        """Follow the viewer's sliders: what was painted is kept in its plane, and the selection ends with it."""
        source = self.source
        if source is None:
            return
        flat = shows_planes(self.session.viewer, source)
        if self.active.layer.visible != flat:  # setting it puts the brush away
            self.active.layer.visible = flat
        plane = current_index(self.session.viewer, source, self.planes)
        if plane == self._plane:
            return
        self.flush()
        self._set_selected(())
        self._plane = plane
        self.plane_changed.emit(plane)
