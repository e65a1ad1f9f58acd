"""The correction of an image: select cells and change them with tools."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from psygnal import Signal

from napari_centermask.core.instances import Instance
from napari_centermask.core.tools import TOOLS
from napari_centermask.widgets.edit.in_view import CellsInView

if TYPE_CHECKING:
    from napari.layers import Layer

    from napari_centermask.core.history import Change, Edit, RegionChange
    from napari_centermask.core.result import Index
    from napari_centermask.widgets.viewer.session import Session
    from napari_centermask.widgets.viewer.shown import Shown


@dataclass(frozen=True)
class ClickTool:
    """A tool that clicks on cells go to.

    Attributes
    ----------
    label
        Its name in a word or two, shown beside the pointer.
    take
        Called with the ids of the cells under a click, top-most first; none beside all cells.
    """

    label: str
    take: Callable[[list[int]], object]


class EditSession(CellsInView):
    """Select cells of an image, paint the active one, and change them with tools, all through one history.

    It does not depend on keys, mouse, review and model, which listen to its signals.

    Attributes
    ----------
    activated, deactivated
        Emitted when this image starts and stops being the one that is corrected in its viewer.
    layers_changed
        Emitted when a layer was added to `layers` or removed from them.
    attached
        Listeners that live as long as the session: keys and mouse.
    tool_dropped
        Emitted when the tool in hand is put away: the brush and napari's other modes, or a drawing.
    tool_changed
        Emitted when a tool was taken in hand or put away.
    click_tool
        The tool that clicks on cells go to instead of selecting them; None if there is none.
    keeps_tool
        Whether the tool stays in hand when you go on to another cell.
    makes_new
        Whether each polygon becomes a new cell, instead of being added to the active one; until another tool is taken, or a
        cell is selected.
    amount
        Pixels by which cells grow, shrink and are smoothed.
    debris_area
        Separate parts of fewer pixels count as debris.
    """

    activated = Signal()
    deactivated = Signal()
    layers_changed = Signal()
    tool_dropped = Signal()
    tool_changed = Signal()

    def __init__(self, session: Session, shown: Shown) -> None:
        super().__init__(session, shown)
        self.attached: tuple[object, ...] = ()
        self.click_tool: ClickTool | None = None
        self.makes_new = False
        self.amount, self.debris_area, self.keeps_tool = 1.0, 20, False
        self._more_layers: list[Layer] = []
        self.active.layer.events.mode.connect(self._on_mode)
        self.active.outline_begun.connect(self._on_outline_begun)

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

    def activate(self, *, soon: bool = False) -> None:
        """Start correcting this image in its viewer; shows the layer of the active cell.

        Parameters
        ----------
        soon
            Whether the layer may come in a turn of the event loop of its own; whoever needs it first shows it.
        """
        before = self.session.editing
        if before is not None and before is not self:
            before.deactivate()
        self.session.editing = self
        self.follow_view()
        self.session.show_again(self.shown)
        if before is not self or self.active.layer not in self.session.viewer.layers:
            self.session.show_above(self.shown, self.active.layer, soon=soon)
            self.activated.emit()

    def deactivate(self) -> None:
        """Apply what is painted and remove the layer of the active cell from the viewer."""
        self._put_away()
        self.session.canvas.take_out(self.active.layer)

    def end(self) -> None:
        """Apply what is painted; the layer of the active cell is removed in a turn of its own."""
        self._put_away()
        self.active.end()
        self.session.canvas.take_out_soon(self.active.layer)

    def _on_mode(self, event: object) -> None:
        if str(self.active.layer.mode) != "pan_zoom":
            self.click_tool = None
        self.makes_new = False
        self.tool_changed.emit()

    def _on_outline_begun(self) -> None:
        if self.makes_new and self._selected:
            self._set_selected(())  # the polygon stays in hand

    def take_clicks(self, tool: ClickTool) -> None:
        """Take a tool in hand that clicks on cells go to, until `drop_tool`.

        Raises
        ------
        NotInView
            In 3D and with rolled axes.
        """
        self.require_flat()
        self.activate()
        self.drop_tool()
        self.click_tool = tool
        self.session.viewer.layers.selection.active = self.active.layer
        self.tool_changed.emit()

    def drop_tool(self) -> None:
        """Put the tool in hand away: from now on, a click selects."""
        self.finish()
        had_tool, self.click_tool = self.click_tool is not None, None
        if str(self.active.layer.mode) != "pan_zoom":
            self.active.layer.mode = "pan_zoom"
        self.tool_dropped.emit()
        if had_tool:
            self.tool_changed.emit()

    def _on_cells_left(self) -> None:
        if self._selected and not self.keeps_tool and str(self.active.layer.mode) != "pan_zoom":
            self.active.layer.mode = "pan_zoom"  # a drawing that repeats goes on in the new plane

    def _put_away(self) -> None:
        self.drop_tool()
        self.select(())
        self.deactivated.emit()
        if self.session.editing is self:
            self.session.editing = None

    def show_layer(self, layer: Layer) -> None:
        """Show a layer that belongs to the correction: keys and clicks work in it too."""
        self.session.show_above(self.shown, layer)
        self._more_layers.append(layer)
        self.layers_changed.emit()

    def remove_layer(self, layer: Layer) -> None:
        """Remove such a layer from the viewer."""
        self._more_layers = [own for own in self._more_layers if own is not layer]
        self.layers_changed.emit()
        if self.session.viewer is not None:
            self.session.canvas.take_out(layer)

    def select(self, ids: Iterable[int], *, centre: bool = False, keep_tool: bool = False) -> None:
        """Select cells of one plane; the first one is active. Goes to their plane if it is not visible.

        Leaving the active cell puts the tool away, so that the next click selects, unless `keeps_tool` is set.

        Parameters
        ----------
        centre
            Centre the active cell.
        keep_tool
            Keep the tool in hand, because it is what selects.
        """
        self.finish()
        ids = tuple(dict.fromkeys(int(i) for i in ids))
        if not (keep_tool or self.keeps_tool) and ids[:1] != self._selected[:1]:
            self.drop_tool()
        plane = self.plane_of(ids[0]) if ids else None
        if plane is not None:
            self.go_to(plane)
        ids = tuple(i for i in ids if self.result.get(self._plane, i) is not None)
        if ids:
            self.activate()
            self.show_hidden(ids)  # chosen in a table
            self.makes_new = False
        self._set_selected(ids)
        if ids:
            self.session.viewer.layers.selection.active = self.active.layer
            if centre:
                self.centre_on(ids[0])

    def do(self, name: str, changes: Sequence[Change] = (), regions: Sequence[RegionChange] = ()) -> Edit | None:
        """Apply changes as one edit, after what was painted. Call `finish` before you compute the changes.

        Raises
        ------
        ValueError
            If a change does not start from the current state.
        """
        self.finish()
        return self.history.do(name, changes, regions=regions)

    def undo(self) -> Edit | None:
        """Undo the last edit and go there; returns the applied edit, None if there was nothing to undo."""
        self.finish()
        return self._look_at(self.history.undo())

    def redo(self) -> Edit | None:
        """Redo the edit undone last and go there; None if there was nothing to redo."""
        self.finish()
        return self._look_at(self.history.redo())

    def _look_at(self, edit: Edit | None) -> Edit | None:
        planes = [] if edit is None else [*(c.plane for c in edit.changes), *(r.plane for r in edit.regions)]
        if planes and self._plane not in planes:
            self.go_to(planes[0])
        return edit

    def run_tool(
        self,
        name: str,
        ids: Iterable[int] | None = None,
        *,
        plane: Index | None = None,
        keep_tool: bool = False,
        **arguments: Any,
    ) -> Edit | None:
        """Run a tool of the table `core.tools.TOOLS` as one edit; the table says what is selected afterwards.

        Parameters
        ----------
        name
            For instance "split_line", "merge", "grow".
        ids
            The cells; by default the selected ones.
        plane
            Their plane; by default the current one.
        keep_tool
            As in `select`.
        arguments
            Arguments of the tool.

        Returns
        -------
        Edit or None
            None if it changes nothing.

        Raises
        ------
        NotInView
            If no plane is given, and the viewer shows none.
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
            self.select(made if tool.selects == "new" else (*ids, *made), keep_tool=keep_tool)
        return edit

    def add(self, mask: np.ndarray, origin: tuple[int, int] = (0, 0), **fields: Any) -> Instance | None:
        """Add a cell to the current plane and select it; None if nothing of it is left.

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
