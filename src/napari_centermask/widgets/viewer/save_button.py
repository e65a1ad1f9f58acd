"""The button "Save cells…" of several docks: it asks for a file, and saves the cells of an image off the GUI thread."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import ref

from napari.utils.notifications import show_error, show_info, show_warning
from qtpy.QtWidgets import QFileDialog, QPushButton

from napari_centermask.core.counted import counted
from napari_centermask.io.files import check_path
from napari_centermask.widgets.parts.pickers import show_control
from napari_centermask.widgets.viewer.saving import Saved, Snapshot, chosen, filters, save, save_control
from napari_centermask.widgets.viewer.state import note_saved
from napari_centermask.widgets.work.connections import Connections
from napari_centermask.widgets.work.runner import Runner
from napari_centermask.widgets.work.tasks import Failed

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_centermask.core.result import Result
    from napari_centermask.widgets.viewer.session import Session


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
        self._saving: ref[Result] | None = None
        self.runner = Runner()
        links = Connections(self)
        links.add(self.clicked, self.ask)
        links.add(self.runner.ended, self._on_ended)
        links.on_end(self.runner.cancel)

    def refresh(self) -> None:
        """Enable the button if there is something to save."""
        source, result = self._source(), self._session.result(self._source())
        name = "" if source is None else source.name
        show_control(self, save_control(name, 0 if result is None else result.n_visible()))

    def ask(self) -> None:
        """Ask for the file and its format, and save."""
        result = self._session.result(self._source())
        if result is None:
            return
        start = str(Path(result.name).with_suffix("").name) + ".json"
        path, filter = QFileDialog.getSaveFileName(self, "Save cells", start, ";;".join(filters()))
        if path:
            self.save(path, filter)

    def save(self, path: str, filter: str = "") -> None:
        """Save the cells in the format that the filter or the ending says.

        Raises
        ------
        UserError
            If the place cannot be written to.
        """
        shown = self._session.shown(self._source())
        if shown is None or self.runner.is_running:
            return
        if shown.edits is not None:
            shown.edits.flush()
        file, format = chosen(path, filter)
        check_path(file)
        self._saving = ref(shown.result)
        self.runner.start(f"CenterMask: saving {file.name}", save, file, format, Snapshot.of(shown))

    def _on_ended(self, value: Saved | Failed | None) -> None:
        if isinstance(value, Failed):
            show_error(value.message)
        elif isinstance(value, Saved):
            result = None if self._saving is None else self._saving()
            if result is not None and not value.loss:
                note_saved(result)
            beside = "" if len(value.paths) == 1 else f" and, beside it, {value.paths[1].name}"
            show_info(f"Saved {counted(value.cells, 'cell')} in {value.paths[0]}{beside}.")
            if value.loss:
                show_warning(f"{value.paths[0].name}: {value.loss}")
