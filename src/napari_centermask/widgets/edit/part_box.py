"""The part of the Correct dock that takes out what is in view of a large image, and puts it back."""

from __future__ import annotations

from qtpy.QtWidgets import QMessageBox, QPushButton, QWidget

from napari_centermask.widgets.edit.allowed import part_controls
from napari_centermask.widgets.edit.large_parts import LargeParts
from napari_centermask.widgets.parts.layout import row, titled_form
from napari_centermask.widgets.parts.pickers import show_control
from napari_centermask.widgets.work.connections import Connections


class PartBox(QWidget):
    """Three buttons, which are only there with the cells of a large image."""

    def __init__(self, parts: LargeParts) -> None:
        super().__init__()
        self._parts = parts
        self.take, self.put, self.discard = map(QPushButton, ("Correct what is in view", "Put back", "Discard…"))
        self.put.setObjectName("primary")
        form = titled_form(self, "Large image")
        form.addRow(self.take)
        form.addRow(row(self.put, self.discard, stretch=1))
        links = Connections(self)
        links.add(self.take.clicked, lambda: parts.start())
        links.add(self.put.clicked, lambda: parts.put_back())
        links.add(self.discard.clicked, self._on_discard)
        links.add(parts.changed, self.refresh)

    def refresh(self) -> None:
        """Show what can be done now."""
        state = self._parts.state
        for name, control in part_controls(state).items():
            show_control(getattr(self, name), control)
        self.take.setVisible(not state.is_out)
        for button in (self.put, self.discard):
            button.setVisible(state.is_out)
        self.setVisible(bool(state.large) or state.is_out)

    def _on_discard(self) -> None:
        yes, no = QMessageBox.StandardButton.Discard, QMessageBox.StandardButton.Cancel
        question = "Discard what you changed in this part? The large image keeps its cells as they were."
        if not self._parts.state.has_edits or QMessageBox.question(self, "CenterMask", question, yes | no, no) == yes:
            self._parts.discard()
