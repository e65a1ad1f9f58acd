"""The correction of one image: what is selected, what is painted, and the one way in which cells change."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any
from weakref import ref

import numpy as np
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

if TYPE_CHECKING:
    from napari.layers import Image, Layer

    from napari_centermask.core.history import Change, Edit, History, RegionChange
    from napari_centermask.core.result import Index, Result
    from napari_centermask.widgets.viewer.planes import ImagePlanes
    from napari_centermask.widgets.viewer.session import Session, Shown


class NotInView(UserError):
    """The planes of the image are not shown as they are: in 3D, or with rolled axes."""


class EditSession:
    """Select cells of one image, paint the active one, and change them with tools, all through one history.

    It knows nothing of keys, mouse, review and model; they listen to its signals.

    Attributes
    ----------
    selection_changed
        Emitted with the ids of the selected cells.
    edited
        Emitted with every edit after it was applied and drawn; an undo comes as the inverse edit.
    plane_changed
        Emitted with the position of the plane that came into view.
    flat_changed
        Emitted with whether the planes are shown as they are (see `is_flat`), when that changes.
    mode_changed
        Emitted with the write mode.
    activated, deactivated
        Emitted when this became the image that is corrected in its viewer, and when it ended to be that.
    layers_changed
        Emitted when a layer was added to `layers` or left them.
    attached
        What listens and lives as long: keys and mouse.
    category
        Of new cells.
    amount
        Pixels by which cells grow, shrink and are smoothed.
    debris_area
        Separate parts of fewer pixels count as debris.
    """

    selection_changed = Signal(tuple)
    edited = Signal(object)
    plane_changed = Signal(tuple)
    flat_changed = Signal(bool)
    mode_changed = Signal(str)
    activated = Signal()
    deactivated = Signal()
    layers_changed = Signal()

    def __init__(self, session: Session, shown: Shown) -> None:
        self.session, self._shown = session, ref(shown)
        self.result: Result = shown.result
        self.history: History = shown.history
        self.planes: ImagePlanes = shown.planes
        self.attached: tuple[object, ...] = ()
        self.category = min(shown.result.categories, default=1)
        self.amount, self.debris_area = 1.0, 20
        self._mode = "overlap"
        self._selected: tuple[int, ...] = ()
        self._plane = current_index(session.viewer, shown.source(), shown.planes)
        self._flat = shows_planes(session.viewer, shown.source())
        self._more_layers: list[Layer] = []
        self.active = ActiveCell(shown.source(), shown.planes.shape)
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
    def layers(self) -> list[Layer]:
        """The image and the layers that show its cells."""
        shown = self.shown
        own = shown.source(), shown.layers.cells, shown.layers.outlines, self.active.layer
        return [*(layer for layer in own if layer), *self._more_layers]

    @property
    def selected(self) -> tuple[int, ...]:
        """Ids of the selected cells; the first is active: lifted into the layer in which it is painted."""
        return self._selected

    @property
    def current_plane(self) -> Index:
        """The plane in view."""
        return self._plane

    @property
    def is_flat(self) -> bool:
        """Whether the viewer shows planes as they are: in 2D, height down and width to the right."""
        return self.source is not None and shows_planes(self.session.viewer, self.source)

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
            self.finish()
            self._mode = mode
            self.mode_changed.emit(mode)

    def require_flat(self) -> None:
        """Check that a person sees the cells that a tool would change.

        Raises
        ------
        NotInView
            In 3D and with rolled axes.
        """
        if not self.is_flat:
            raise NotInView(NOT_FLAT)

    def activate(self) -> None:
        """Make this the image that is corrected in its viewer; shows the layer of the active cell."""
        before = self.session.editing
        if before is not None and before is not self:
            before.deactivate()
        self.session.editing = self
        self.follow_view()
        if before is not self or self.active.layer not in self.session.viewer.layers:
            self.session.show_above(self.shown, self.active.layer)
            self.activated.emit()

    def deactivate(self) -> None:
        """Commit what is painted and take the layer of the active cell out of the viewer."""
        self.select(())
        self.deactivated.emit()
        if self.session.editing is self:
            self.session.editing = None
        self.session.take_out(self.active.layer)

    def show_layer(self, layer: Layer) -> None:
        """Show a layer that belongs to the correction: keys and clicks work in it too."""
        self.session.show_above(self.shown, layer)
        self._more_layers.append(layer)
        self.layers_changed.emit()

    def remove_layer(self, layer: Layer) -> None:
        """Take such a layer out of the viewer."""
        self._more_layers = [own for own in self._more_layers if own is not layer]
        self.layers_changed.emit()
        if self.session.viewer is not None:
            self.session.take_out(layer)

    def select(self, ids: Iterable[int], *, centre: bool = False) -> None:
        """Select cells of one plane; the first is the active one. Goes to their plane if it is not in view.

        Parameters
        ----------
        centre
            Bring the active cell to the middle of the view.
        """
        self.finish()
        ids = tuple(dict.fromkeys(int(i) for i in ids))
        plane = self.plane_of(ids[0]) if ids else None
        if plane is not None:
            self._go_to(plane)
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
        self.shown.layers.lift(self._plane, ids[0] if ids else None, shown=self._plane if self.is_flat else None)
        self._show_active()
        if changed:
            self.selection_changed.emit(ids)

    def _show_active(self) -> None:
        others = (self.result.get(self._plane, i) for i in self._selected[1:])
        self.active.show(self.cell, [i for i in others if i is not None])

    def at(self, y: float, x: float) -> list[int]:
        """Ids of the cells shown at a point of the plane in view, top-most first; that one is lifted changes nothing."""
        ids = self.shown.layers.at(self._plane, round(float(y)), round(float(x)))
        return [i.id for i in reversed(stacked(self.result.get(self._plane, id) for id in ids))]

    def plane_of(self, id: int) -> Index | None:
        """The plane that has a cell; None if there is no such cell."""
        if self.result.get(self._plane, id) is not None:
            return self._plane
        return next((index for index, plane in self.result.planes.items() if id in plane), None)

    def _go_to(self, plane: Index) -> None:
        if plane != self._plane:
            go_to_plane(self.session.viewer, self.source, self.planes, plane)
            self.follow_view()

    def centre_on(self, id: int) -> None:
        """Bring a cell to the middle of the view, and its plane into view; closer if it is tiny there."""
        plane = self.plane_of(id)
        if plane is None:
            return
        go_to_plane(self.session.viewer, self.source, self.planes, plane)
        centre_view(self.session.viewer, self.source, self.planes, plane, self.result.get(plane, id).box)

    def do(self, name: str, changes: Sequence[Change] = (), regions: Sequence[RegionChange] = ()) -> Edit | None:
        """Apply changes as one edit; what was painted comes first. Call `finish` before you compute the changes.

        Raises
        ------
        ValueError
            If a change does not start from what is there.
        """
        self.finish()
        return self.history.do(name, changes, regions=regions)

    def undo(self) -> Edit | None:
        """Take the last edit back, and show where; returns what was applied, None if there was nothing."""
        self.finish()
        return self._look_at(self.history.undo())

    def redo(self) -> Edit | None:
        """Apply the edit undone last again, and show where; None if there was nothing."""
        self.finish()
        return self._look_at(self.history.redo())

    def _look_at(self, edit: Edit | None) -> Edit | None:
        planes = [] if edit is None else [c.plane for c in (*edit.changes, *edit.regions)]
        if planes and self._plane not in planes:
            self._go_to(planes[0])
        return edit

    def run_tool(
        self, name: str, ids: Iterable[int] | None = None, *, plane: Index | None = None, **arguments: Any
    ) -> Edit | None:
        """Run a tool of the table `core.tools.TOOLS`, as one edit; afterwards is selected what the table says.

        Parameters
        ----------
        name
            For instance "split_line", "merge", "grow".
        ids
            The cells; those selected if not given.
        plane
            Their plane; the one in view if not given.
        arguments
            Of the tool.

        Returns
        -------
        Edit or None
            None if it changes nothing.

        Raises
        ------
        NotInView
            If no plane is given, and the viewer shows none as it is.
        """
        if plane is None:
            self.require_flat()
        self.finish()
        tool, plane = TOOLS[name], self._plane if plane is None else plane
        ids = tool.targets(self._selected if ids is None else tuple(ids))
        changes = tool.changes(self.result, plane, ids, **arguments)
        made = tuple(c.id for c in changes if c.before is None)
        edit = self.history.do(tool.edit_name(ids or made), changes)
        if edit is not None and tool.selects != "same" and plane == self._plane:
            self.select(made if tool.selects == "new" else (*ids, *made))
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
        fields = {"category": self.category} | fields
        edit = self.run_tool("new_cell", mask=mask, origin=origin, mode=self._mode, **fields)
        return None if edit is None else self.cell

    def finish(self) -> Edit | None:
        """End what is drawn on the canvas where it began, and take it over; None if it changes nothing."""
        self.active.finish()
        return self.flush()

    def take_back(self) -> bool:
        """Take back what is under way: the last corner of a polygon, or a stroke; False if nothing is."""
        return self.active.drop_corner() or self.cancel()

    def cancel(self) -> bool:
        """Give up the polygon or the stroke that is under way; False if nothing is."""
        if not self.active.cancel():
            return False
        self._later.stop()
        self._show_active()
        return True

    def flush(self) -> Edit | None:
        """Take over what was painted since the last time; a stroke goes on. None if it changes nothing."""
        self._later.stop()
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
        except UserError as error:  # a project that is read-only: the stroke is taken off again
            show_warning(str(error))
            made = ()
        if made and not ids:
            self._set_selected(made)
        self._show_active()
        return edit

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
        """Follow the viewer's sliders and axes: what is drawn ends in its plane, and the selection with it."""
        source = self.source
        if source is None:
            return
        flat = shows_planes(self.session.viewer, source)
        plane = current_index(self.session.viewer, source, self.planes)
        if (flat, plane) != (self._flat, self._plane):
            self.finish()
        if self.active.layer.visible != flat:  # setting it puts the brush away
            self.active.layer.visible = flat
        if flat != self._flat:
            self._flat = flat
            self.flat_changed.emit(flat)
        if plane != self._plane:
            self._set_selected(())
            self._plane = plane
            self.plane_changed.emit(plane)
