"""The current plane of an image, its selected cells, and painting the active one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING
from weakref import ref

from napari.utils.notifications import show_warning
from psygnal import Signal
from qtpy.QtCore import QTimer

from napari_centermask.core.compose import stacked
from napari_centermask.core.errors import UserError
from napari_centermask.core.instances import Instance
from napari_centermask.core.tools import TOOLS
from napari_centermask.core.tools.region import MODES
from napari_centermask.widgets.edit.active_cell import ActiveCell
from napari_centermask.widgets.edit.allowed import NOT_FLAT
from napari_centermask.widgets.viewer.view import centre_view, current_index, go_to_plane, shows_planes
from napari_centermask.widgets.work.connections import stop_timer

if TYPE_CHECKING:
    from napari.layers import Image, Layer

    from napari_centermask.core.history import Edit, History
    from napari_centermask.core.result import Index, Result
    from napari_centermask.widgets.viewer.planes import ImagePlanes
    from napari_centermask.widgets.viewer.session import Session
    from napari_centermask.widgets.viewer.shown import Shown


class NotInView(UserError):
    """The planes of the image are not visible, in 3D or with rolled axes."""


class CellsInView:
    """The current plane and the selected cells; painting becomes an edit. `EditSession` adds the tools.

    Attributes
    ----------
    selection_changed
        Emitted with the ids of the selected cells.
    edited
        Emitted with every edit after it was applied and drawn; an undo is emitted as the inverse edit.
    plane_changed
        Emitted with the position of the new current plane.
    flat_changed
        Emitted with the new value of `is_flat` when it changes.
    mode_changed
        Emitted with the write mode.
    active
        The layer in which the active cell is painted.
    """

    selection_changed = Signal(tuple)
    edited = Signal(object)
    plane_changed = Signal(tuple)
    flat_changed = Signal(bool)
    mode_changed = Signal(str)

    def __init__(self, session: Session, shown: Shown) -> None:
        self.session, self._shown = session, ref(shown)
        self.result: Result = shown.result
        self.history: History = shown.history
        self.planes: ImagePlanes = shown.planes
        self._mode = "overlap"
        self._selected: tuple[int, ...] = ()
        self._plane = current_index(session.viewer, shown.source(), shown.planes)
        self._flat = shows_planes(session.viewer, shown.source())
        history = shown.history
        self.active = ActiveCell(shown.source(), shown.planes.shape, refusal=lambda: history.closed)
        self.active.pressed.connect(self.flush)
        self.active.painted.connect(self._on_painted)
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
    def layer(self) -> Layer:
        """The layer in which the active cell is painted."""
        return self.active.layer

    @property
    def selected(self) -> tuple[int, ...]:
        """Ids of the selected cells; the first one is active, in the layer in which it is painted."""
        return self._selected

    @property
    def current_plane(self) -> Index:
        """The plane in view."""
        return self._plane

    @property
    def is_flat(self) -> bool:
        """Whether the viewer shows planes in 2D, with height down and width to the right."""
        return self.source is not None and shows_planes(self.session.viewer, self.source)

    @property
    def cell(self) -> Instance | None:
        """The active cell."""
        return self.result.get(self._plane, self._selected[0]) if self._selected else None

    @property
    def mode(self) -> str:
        """What painting does to the pixels of other cells: "overlap", "take over" or "keep out"."""
        return self._mode

    @mode.setter
    def mode(self, mode: str) -> None:
        if mode not in MODES:
            raise ValueError(f"Expected a write mode of {MODES}, got {mode!r}.")
        if mode != self._mode:
            self.finish()
            self._mode = mode
            self.mode_changed.emit(mode)

    @property
    def category(self) -> int:
        """The category of new cells: the one chosen last in this viewer, if the image has it."""
        chosen = self.session.new_category
        return chosen if chosen in self.result.categories else min(self.result.categories, default=1)

    @category.setter
    def category(self, category: int) -> None:
        self.session.new_category = category

    def require_flat(self) -> None:
        """Check that the cells that a tool would change are visible.

        Raises
        ------
        NotInView
            In 3D and with rolled axes.
        """
        if not self.is_flat:
            raise NotInView(NOT_FLAT)

    def _set_selected(self, ids: tuple[int, ...]) -> None:
        changed = ids != self._selected
        self._selected = ids
        self.shown.layers.lift(self._plane, ids[0] if ids else None, shown=self._plane if self.is_flat else None)
        self._show_active()
        if changed:
            self.selection_changed.emit(ids)

    def _show_active(self) -> None:
        others = (self.result.get(self._plane, i) for i in self._selected[1:])
        self.active.show(self.cell, [i for i in others if i is not None])

    def at(self, y: float, x: float) -> list[int]:
        """Ids of the cells shown at a point of the current plane, top-most first, including the active one."""
        ids = self.shown.layers.at(self._plane, round(float(y)), round(float(x)))
        return [i.id for i in reversed(stacked(self.result.get(self._plane, id) for id in ids))]

    @property
    def hidden(self) -> tuple[int, ...]:
        """Ids of the cells that are left out of the view."""
        return tuple(self.shown.layers.hidden)

    def hide(self, ids: Iterable[int]) -> None:
        """Leave cells of the current plane out of the view; they stay as they are."""
        self.shown.layers.hide(ids, self._plane, shown=self._plane if self.is_flat else None)

    def show_hidden(self, ids: Iterable[int] | None = None) -> None:
        """Show hidden cells again, by default all."""
        self.shown.layers.show_hidden(ids, shown=self._plane if self.is_flat else None)

    def plane_of(self, id: int) -> Index | None:
        """The plane that has a cell; None if there is no such cell."""
        if self.result.get(self._plane, id) is not None:
            return self._plane
        return next((index for index, plane in self.result.planes.items() if id in plane), None)

    def go_to(self, plane: Index) -> None:
        """Move the sliders to a plane; the selection is cleared where it is another one."""
        if plane != self._plane:
            go_to_plane(self.session.viewer, self.source, self.planes, plane)
            self.follow_view()

    def centre_on(self, id: int) -> None:
        """Centre a cell and go to its plane; zoom in if it is tiny."""
        plane = self.plane_of(id)
        if plane is None:
            return
        go_to_plane(self.session.viewer, self.source, self.planes, plane)
        centre_view(self.session.viewer, self.source, self.planes, plane, self.result.get(plane, id).box)

    def finish(self) -> Edit | None:
        """Finish a drawing on the canvas in its plane, and apply it as an edit; None if it changes nothing."""
        self.active.finish()
        return self.flush()

    def take_back(self) -> bool:
        """Undo what is being drawn: the last corner of a polygon, or a stroke; False if nothing is."""
        return self.active.drop_corner() or self.cancel()

    def cancel(self) -> bool:
        """Cancel the polygon or stroke being drawn; False if there is none."""
        if not self.active.cancel():
            return False
        stop_timer(self._later)
        self._show_active()
        return True

    def flush(self) -> Edit | None:
        """Apply what was painted since the last time; a stroke continues. None if it changes nothing."""
        stop_timer(self._later)
        if not self.active.is_painted:
            return None
        painted = self.active.take()
        if painted is None:
            self._show_active()
            return None
        mask, origin = painted
        ids, fields = self._selected[:1], {}
        tool = TOOLS["paint" if ids else "new_cell"]
        if not ids:
            fields = {"category": self.category}
        changes = tool.changes(self.result, self._plane, ids, mask=mask, origin=origin, mode=self._mode, **fields)
        made = tuple(c.id for c in changes if c.before is None)
        edit = None
        try:
            edit = self.history.do(tool.edit_name(ids or made), changes)
        except UserError as error:  # in a read-only project, the stroke is removed again
            show_warning(str(error))
            made = ()
        if made and not ids:
            self._set_selected(made)
        self._show_active()
        return edit

    def _on_painted(self) -> None:
        self._later.start()

    def _on_edited(self, edit: Edit) -> None:
        """Cells have changed, and the layers have been updated."""
        left = tuple(i for i in self._selected if self.result.get(self._plane, i) is not None)
        if left != self._selected:
            self._set_selected(left)
        elif any(c.id in left for c in edit.changes):
            self._show_active()
        self.edited.emit(edit)

    def _on_cells_left(self) -> None:
        """The selected cells are about to be left, for another plane."""

    def follow_view(self) -> None:
        """Follow the viewer's sliders and axes: a drawing ends in its plane, and the selection is cleared."""
        source = self.source
        if source is None:
            return
        flat = shows_planes(self.session.viewer, source)
        plane = current_index(self.session.viewer, source, self.planes)
        if (flat, plane) != (self._flat, self._plane):
            self.finish()
        if self.active.layer.visible != flat:  # setting it deactivates the brush
            self.active.layer.visible = flat
        if flat != self._flat:
            self._flat = flat
            self.flat_changed.emit(flat)
        if plane != self._plane:
            self._on_cells_left()
            self._set_selected(())
            self._plane = plane
            self.plane_changed.emit(plane)
