"""The button "Save cells…" of several docks: it asks for a file, and saves the cells of an image off the GUI thread."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from napari.utils.notifications import show_info, show_warning
from qtpy.QtWidgets import QFileDialog, QPushButton

from napari_centermask.core.counted import counted
from napari_centermask.core.errors import UserError
from napari_centermask.io.files import check_path
from napari_centermask.widgets.parts.pickers import show_control
from napari_centermask.widgets.viewer.measured import measured_layer
from napari_centermask.widgets.viewer.saving import Saved, chosen, filters, save, save_control
from napari_centermask.widgets.viewer.state import note_saved
from napari_centermask.widgets.work.connections import Connections
from napari_centermask.widgets.work.gate import guarded, notify
from napari_centermask.widgets.work.runner import Runner
from napari_centermask.widgets.work.tasks import Failed

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_centermask.core.history import Edit
    from napari_centermask.widgets.viewer.session import Session
    from napari_centermask.widgets.viewer.shown import Shown


class _Saving:
    """The cells of an image as they are now, and whether they were changed since.

    Attributes
    ----------
    is_current
        Whether the cells are still those that are saved.
    """

    def __init__(self, shown: Shown) -> None:
        self.cells, self.result, self.is_current = measured_layer(shown, None), shown.result, True
        self._history = shown.history
        self._history.listen(self._on_edit)

    def _on_edit(self, edit: Edit) -> None:
        self.is_current = False

    def end(self) -> None:
        """Stop following the edits."""
        self._history.ignore(self._on_edit)


class SaveButton(QPushButton):
    """Saves the cells of the image that a dock shows.

    Parameters
    ----------
    source
        Returns that image.

    Attributes
    ----------
    runner
        Writes the file off the GUI thread.
    """

    def __init__(self, session: Session, source: Callable[[], Image | None]) -> None:
        super().__init__("Save cells…")
        self._session, self._source = session, source
        self._saving: _Saving | None = None
        self.runner = Runner()
        self.clicked.connect(guarded(self.ask))  # its own signal, so not in its `links`
        links = Connections(self)
        links.add(self.runner.ended, self._on_ended)
        links.on_end(self.runner.cancel)

    def refresh(self) -> None:
        """Enable the button if there is something to save."""
        source, result = self._source(), self._session.result(self._source())
        name = "" if source is None else source.name
        show_control(self, save_control(name, 0 if result is None else result.n_visible()))

    def ask(self) -> None:
        """Ask for the file and its format, and save the cells as they were before the dialog opened."""
        saving = self._begin()
        if saving is None:
            return
        start = f"{Path(saving.result.name or 'cells').with_suffix('').name}.json"
        path, filter = QFileDialog.getSaveFileName(self, "Save cells", start, ";;".join(filters()))
        if path:
            self._save(saving, path, filter)
        else:
            saving.end()

    def save(self, path: str, filter: str = "") -> None:
        """Save the cells in the format that the filter or the ending says.

        Raises
        ------
        UserError
            If the place cannot be written to.
        """
        saving = self._begin()
        if saving is not None:
            self._save(saving, path, filter)

    def _begin(self) -> _Saving | None:
        shown = self._session.shown(self._source())
        if shown is None or self.runner.is_running:
            return None
        if shown.edits is not None:
            shown.edits.flush()
        return _Saving(shown)

    def _save(self, saving: _Saving, path: str, filter: str) -> None:
        file, format = chosen(path, filter)
        try:
            check_path(file)
        except UserError:
            saving.end()
            raise
        self._saving = saving
        self.runner.start(f"CenterMask: saving {file.name}", save, file, format, saving.cells)

    def _on_ended(self, value: Saved | Failed | None) -> None:
        saving, self._saving = self._saving, None
        if saving is not None:
            saving.end()
        if isinstance(value, Failed):
            notify(value.message, value.page)
        elif isinstance(value, Saved):
            if saving is not None and saving.is_current and value.holds_cells and not value.loss:
                note_saved(saving.result)
            beside = "" if len(value.paths) == 1 else f" and, beside it, {value.paths[1].name}"
            show_info(f"Saved {counted(value.cells, 'cell')} in {value.paths[0]}{beside}.")
            if value.loss:
                show_warning(f"{value.paths[0].name}: {value.loss}")
