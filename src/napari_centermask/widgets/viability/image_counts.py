"""Counts and viability of every image of a project, counted one after another while they are shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QTimer, Signal
from qtpy.QtGui import QHideEvent, QShowEvent
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from napari_centermask.core.counted import counted
from napari_centermask.core.errors import UserError
from napari_centermask.core.viability import CellProbabilities, Counts
from napari_centermask.widgets.viability.counts_table import CountsTable, percent
from napari_centermask.widgets.work.connections import Connections

if TYPE_CHECKING:
    from napari_centermask.widgets.project.session import ProjectSession


class ImageCounts(QWidget):
    """A row for each image of the open project.

    Attributes
    ----------
    picked
        Emitted with the id of an image that was clicked.
    """

    picked = Signal(int)

    def __init__(self, projects: ProjectSession) -> None:
        super().__init__()
        self._projects = projects
        self._dead: int | None = None
        self._known: dict[int, Counts] = {}
        self._listed: list[int] = []
        self._waiting: list[int] = []
        self.table = CountsTable(
            "Each image of a project that has cells gets a row here. Open one in the Project dock."
        )
        self.total = QLabel()
        self.total.setObjectName("quiet")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 6, 0, 0)
        layout.addWidget(self.table, 1)
        layout.addWidget(self.total)
        self._timer = QTimer(self)
        self._timer.setInterval(0)
        self._timer.timeout.connect(self._count_next)
        self.table.picked.connect(lambda line: self.picked.emit(self._listed[line]))
        links = Connections(self)
        links.add(projects.changed, self._on_changed)
        links.add(projects.project_changed, self._on_project_changed)

    def set_category(self, dead: int | None) -> None:
        """Choose which category is dead."""
        if dead != self._dead:
            self._dead = dead
            self._on_project_changed()

    def _on_project_changed(self) -> None:
        self._known.clear()
        self._show()  # the lines of another project cannot be clicked
        self._begin()

    def _on_changed(self, id: int) -> None:
        if id:
            self._known.pop(id, None)
        else:
            self._known.clear()
        self._begin()

    def showEvent(self, event: QShowEvent) -> None:
        """Count the remaining images."""
        super().showEvent(event)
        self._begin()

    def hideEvent(self, event: QHideEvent) -> None:
        """Stop counting while hidden."""
        super().hideEvent(event)
        self._timer.stop()

    def _begin(self) -> None:
        project = self._projects.project
        if not self.isVisible() or project is None:
            return
        images = [i for i in project.images if not i.problem and i.status != "untouched"]
        self._waiting = [i.id for i in images if i.id not in self._known]
        self._timer.start()

    def _count_next(self) -> None:
        project = self._projects.project
        if not self._waiting or project is None:
            self._timer.stop()
            self._show()
            return
        id = self._waiting.pop(0)
        try:
            self._known[id] = CellProbabilities(project.result(id), self._dead).counts()
        except UserError:
            return  # the project dock says what is wrong with it

    def _show(self) -> None:
        project = self._projects.project
        images = [] if project is None else [i for i in project.images if i.id in self._known]
        self._listed = [i.id for i in images]
        ids = sorted({c for i in self._listed for c in self._known[i].categories})
        numbers = np.array([self._of(i, ids) for i in self._listed], int).reshape(len(self._listed), len(ids))
        together = Counts(numbers, tuple(ids), self._dead)
        names = [project.categories[c].name if c in project.categories else str(c) for c in ids]
        lines = [i.file_name for i in images]
        self.table.counts.show_counts("Image", lines, names, numbers, together.viability(numbers))
        text = f"{counted(int(numbers.sum()), 'cell')} in {counted(len(lines), 'image')}"
        viability = (
            "" if self._dead is None or not ids else f", viability {percent(together.viability(together.total))}"
        )
        self.total.setText(text + viability)

    def _of(self, id: int, ids: list[int]) -> list[int]:
        own = dict(zip(self._known[id].categories, self._known[id].total.tolist(), strict=True))
        return [own.get(c, 0) for c in ids]
