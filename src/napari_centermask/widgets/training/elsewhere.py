"""What a run on Azure has beside one here: its log there, and a place for its model in the workspace."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

from qtpy.QtWidgets import QDialog, QPlainTextEdit, QPushButton, QVBoxLayout, QWidget

from napari_centermask.core.errors import UserError
from napari_centermask.jobs.child import run_child
from napari_centermask.widgets.parts.layout import column, even, quiet_label
from napari_centermask.widgets.work.connections import Connections
from napari_centermask.widgets.work.gate import notify
from napari_centermask.widgets.work.runner import Runner
from napari_centermask.widgets.work.tasks import Failed

_LOG_SIZE = 700, 500  # pixels of the window, a choice


def asked(*arguments: str) -> Generator[object, None, str | Failed]:
    """What one of our commands prints, which talks to Azure; for the worker thread."""
    try:
        return (yield from run_child(arguments))
    except (UserError, OSError) as error:
        return Failed.of(error)


class ElsewhereBox(QWidget):
    """Reads the log of the shown run, and registers its model, each by a process of its own.

    Attributes
    ----------
    runner
        Runs one of them at a time.
    """

    def __init__(self) -> None:
        super().__init__()
        self.log, self.register = QPushButton("Log…"), QPushButton("Register on Azure")
        self.log.setToolTip("Show what the run prints there.")
        self.status = quiet_label()
        self.runner = Runner()
        self._folder: Path | None = None
        self._name = ""
        self._has_model = self._is_log = False
        self._window: QDialog | None = None
        layout = column(self)
        layout.addWidget(even(self.log, self.register))
        layout.addWidget(self.status)
        links = Connections(self)
        links.add(self.log.clicked, self.read_log)
        links.add(self.register.clicked, self.register_model)
        links.add(self.runner.ended, self._on_ended)
        links.on_end(self.runner.cancel)
        self.show_run(None, "", has_model=False)

    def show_run(self, folder: Path | None, name: str, *, has_model: bool) -> None:
        """Show the buttons for a run that trains elsewhere; hide for None.

        Parameters
        ----------
        name
            For the model in the workspace.
        has_model
            Whether the run has ended with one.
        """
        if folder != self._folder:
            self.status.setText("")
        self._folder, self._name, self._has_model = folder, name, has_model
        self._refresh()

    def _refresh(self) -> None:
        is_free = not self.runner.is_running
        self.setVisible(self._folder is not None)
        self.status.setVisible(bool(self.status.text()))
        self.log.setEnabled(is_free)
        self.register.setEnabled(is_free and self._has_model and bool(self._name))
        does = f"Register the model in the workspace as '{self._name}', as its next version."
        self.register.setToolTip(does if self._has_model else "The run has no model here yet.")

    def read_log(self) -> None:
        """Read the log and show it in a window."""
        self._ask("Reading the log…", "remote", "logs")

    def register_model(self) -> None:
        """Register the model in the workspace."""
        self._ask("Registering the model…", "remote", "register", name=self._name)

    def _ask(self, text: str, *command: str, name: str = "") -> None:
        if self._folder is None or self.runner.is_running:
            return
        self._is_log = not name
        self.runner.start("", asked, *command, str(self._folder), *([name] if name else []))
        self.status.setText(text)
        self._refresh()

    def _on_ended(self, value: str | Failed | None) -> None:
        if isinstance(value, Failed):
            notify(value.message, value.page)
        elif value is not None and self._is_log:
            self._show(value or "There is no log yet. It begins when the job runs.")
        self.status.setText(value.strip() if isinstance(value, str) and not self._is_log else "")
        self._refresh()

    def _show(self, text: str) -> None:
        self._window = QDialog(self)
        self._window.setWindowTitle("Log of the run on Azure")
        self._window.resize(*_LOG_SIZE)
        shown = QPlainTextEdit(text)
        shown.setReadOnly(True)
        QVBoxLayout(self._window).addWidget(shown)
        self._window.show()
