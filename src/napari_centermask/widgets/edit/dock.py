"""The dock Correct: tools as buttons with their keys, the write mode, and undo by name."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from napari.layers import Image
from napari.utils.notifications import show_info
from qtpy.QtCore import QSize

from napari_centermask.core.errors import BadImage
from napari_centermask.widgets.edit.allowed import CorrectState
from napari_centermask.widgets.edit.correction import edit_session_of, perform
from napari_centermask.widgets.edit.keys import KEYS
from napari_centermask.widgets.edit.keys_window import show_keys
from napari_centermask.widgets.edit.large_parts import parts_of
from napari_centermask.widgets.edit.part_box import PartBox
from napari_centermask.widgets.edit.tool_buttons import ToolsBox
from napari_centermask.widgets.edit.tool_in_hand import tool_in_hand
from napari_centermask.widgets.edit.tools_box import ActiveBox, PaintBox
from napari_centermask.widgets.parts.layout import WIDTH, stack
from napari_centermask.widgets.parts.pickers import LayerCombo
from napari_centermask.widgets.viewer.dock import Dock
from napari_centermask.widgets.viewer.save_button import SaveButton
from napari_centermask.widgets.viewer.view import shows_planes
from napari_centermask.widgets.work.connections import Connections

if TYPE_CHECKING:
    from napari_centermask.widgets.edit.session import EditSession


class CorrectDock(Dock):
    """Correct the cells of an image layer.

    The dock is a view: the correction belongs to the viewer's session, which outlives it.
    """

    title = "Correct"
    hint = (
        "Click a cell to lift it out of its neighbours, then paint with napari's own tools: 2 brush, 1 "
        "eraser, 3 polygon. Right click: menu of a cell. F1: all keys. Every step can be undone."
    )

    def _set_up(self) -> None:
        self.session = self._state.session
        self.edits: EditSession | None = None
        self._edit_links = Connections()
        self.image = LayerCombo(self._viewer, kinds=(Image,), meant=self.session.image_of)
        self.active, self.painting, self.tools = ActiveBox(self.image), PaintBox(), ToolsBox()
        self.save = SaveButton(self.session, lambda: self.image.layer)
        self.part = PartBox(parts_of(self._viewer))
        stack(self, (self.part, self.active, self.painting, self.tools, self.save))
        self.part.refresh()
        self._connect()
        self._bind()

    def sizeHint(self) -> QSize:
        """Wide enough for three buttons in a row."""
        return QSize(WIDTH, 700)

    def _connect(self) -> None:
        self.links.add(self.image.picked, self._bind)
        self.links.add(self.active.wanted, self.perform)
        self.links.add(self.tools.wanted, self.perform)
        self.links.add(self.painting.wanted, self.perform)
        self.links.add(self.painting.mode_picked, self._on_mode_picked)
        self.links.add(self.active.category_picked, lambda c: self.perform(f"category_{c}"))
        self.links.add(self.tools.amount.valueChanged, self._on_amount)
        self.links.add(self.tools.debris.valueChanged, self._on_amount)
        self.links.add(self.painting.keeps.toggled, self._on_amount)
        self.links.add(self.session.changed, self._on_result_changed)
        self.links.add(KEYS.changed, self._on_keys_changed)
        self.links.on_end(self._edit_links.end)
        self.links.on_end(partial(self.session.canvas.drop, self._bind))

    def _bind(self) -> None:
        """Show the chosen image; correction of an image without cells starts with its first new cell."""
        self.session.canvas.drop(self._bind)
        source = self.image.layer
        has_cells = self.session.shown(source) is not None
        self._follow(edit_session_of(self.session, source) if has_cells else None)

    def _follow(self, edits: EditSession | None) -> None:
        if edits is not self.edits:
            self._edit_links.end()
            self.edits = edits
            if edits is not None:
                signals = (
                    edits.selection_changed,
                    edits.edited,
                    edits.mode_changed,
                    edits.plane_changed,
                    edits.flat_changed,
                    edits.tool_changed,
                )
                for signal in signals:
                    self._edit_links.add(signal, self._refresh)
        if edits is not None:
            edits.activate(soon=True)
            self._on_amount()
        self._refresh()

    def perform(self, name: str) -> None:
        """Run the action of a button on the chosen image."""
        if name == "keys":  # also without an image
            show_keys(self._viewer.window._qt_window)
            return
        if self.edits is None and self.image.layer is not None:
            try:
                self._follow(edit_session_of(self.session, self.image.layer))
            except BadImage as error:
                show_info(str(error))
                return
        if self.edits is None:
            show_info("There is no image to correct. Open one, or choose File > Open Sample.")
            return
        self.edits.activate()
        perform(self.edits, KEYS.actions[name])
        self._refresh()

    def _on_mode_picked(self, mode: str) -> None:
        if self.edits is not None:
            self.edits.mode = mode

    def _on_amount(self, *_: object) -> None:
        if self.edits is not None:
            self.edits.amount, self.edits.debris_area = self.tools.amount.value(), self.tools.debris.value()
            self.edits.keeps_tool = self.painting.keeps.isChecked()

    def _on_result_changed(self, source: Image) -> None:
        if source is not self.image.layer:
            return
        if self.edits is None and self.session.canvas.is_entering:
            self.session.canvas.soon(self._bind)
        else:
            self._bind()

    def _on_keys_changed(self, name: str) -> None:
        self.tools.build()
        self._refresh()

    @property
    def state(self) -> CorrectState:
        """What the buttons depend on."""
        edits, source = self.edits, self.image.layer
        if edits is None:
            is_flat = source is None or shows_planes(self._viewer, source)
            return CorrectState(source is not None, is_flat, has_cells=False)
        history = edits.history
        return CorrectState(
            True,
            edits.is_flat,
            len(edits.selected),
            history.undo_name,
            history.redo_name,
            history.closed,
            tool_in_hand(edits).action,
            any(map(edits.result.shows, edits.result)),
        )

    def on_left(self) -> None:
        """Leaving the dock puts the tool away: elsewhere, a click selects."""
        if self.edits is not None and self.edits is self.session.editing:
            self.edits.drop_tool()

    def _refresh(self, *_: object) -> None:
        state = self.state
        self.active.show_cell(self.edits, state)
        self.painting.show_state(self.edits, state)
        self.tools.show_state(state)
        self.save.refresh()
