"""The dock Project: images with their status, categories, background predictions, saving and export."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari.utils.notifications import show_info
from qtpy.QtCore import QSize, Qt, QTimer
from qtpy.QtWidgets import QApplication, QTabWidget, QVBoxLayout, QWidget

from napari_centermask.core.errors import UserError
from napari_centermask.widgets.edit.correction import edit_session_of
from napari_centermask.widgets.parts.layout import WIDTH, scroll_column
from napari_centermask.widgets.parts.message_bar import MessageBar
from napari_centermask.widgets.parts.pickers import show_control
from napari_centermask.widgets.project.background import Background, BackgroundBox
from napari_centermask.widgets.project.categories import CategoryEditor, apply_keys
from napari_centermask.widgets.project.category_box import CategoryBox
from napari_centermask.widgets.project.files import ProjectFiles
from napari_centermask.widgets.project.image_list import ImageList
from napari_centermask.widgets.project.session import project_session_of
from napari_centermask.widgets.project.state import controls, progress_text
from napari_centermask.widgets.project.view import HeadBox, NavigationBox
from napari_centermask.widgets.viewer.dock import Dock
from napari_centermask.widgets.viewer.samples import TUTORIAL
from napari_centermask.widgets.viewer.save_button import SaveButton
from napari_centermask.widgets.work.gate import notify

if TYPE_CHECKING:
    from napari.layers import Image
    from qtpy.QtGui import QHideEvent, QShowEvent

    from napari_centermask.core.quality import Finding
    from napari_centermask.io.project import Project

_WATCH_MS = 2000  # the journal is written by another thread, which must not touch widgets


class ProjectDock(Dock):
    """Work on a folder of images.

    The dock is a view: the project belongs to the viewer's `ProjectSession`, which outlives it.
    """

    title = "Project"
    hint = "Open a folder of images to make it a project. The images are not changed, and every edit is saved at once."

    def _set_up(self) -> None:
        self.session, self.in_use = project_session_of(self._viewer), self._state.in_use
        self._problem = ""
        self._finding: tuple[int, Finding] | None = None
        self._build()
        self._background = Background(self.background, self.session, self.links)
        self._categories = CategoryEditor(self.categories, self.session, self.links)
        self.files = ProjectFiles(self, self.session, self.message)
        self.open, self.save = self.files.open, self.files.save
        self._connect()
        self._on_project_changed()

    @property
    def project(self) -> Project | None:
        """The open project."""
        return self.session.project

    def _build(self) -> None:
        self.head, self.message = HeadBox(), MessageBar()
        self.navigation, self.images = NavigationBox(), ImageList()
        self.background, self.categories = BackgroundBox(), CategoryBox()
        self.background.models.choose(self.in_use.name)
        page = QWidget()
        column = QVBoxLayout(page)
        column.setContentsMargins(0, 6, 0, 0)
        column.addWidget(self.images, 1)
        column.addWidget(self.background)
        self.tabs = QTabWidget()
        self.tabs.addTab(page, "Images")
        self.tabs.addTab(self.categories, "Categories")
        layout = scroll_column(self)
        layout.setSpacing(8)
        for part in (self.head, self.message, self.navigation):
            layout.addWidget(part)
        self.save_cells = SaveButton(self.session.session, lambda: self.session.layer)
        layout.addWidget(self.tabs, 1)
        layout.addWidget(self.save_cells)

    def sizeHint(self) -> QSize:
        """As wide as the Segment dock."""
        return QSize(WIDTH, 640)

    def _connect(self) -> None:
        session, files, add = self.session, self.files, self.links.add
        add(self.head.open.clicked, files.ask_and_open)
        add(self.head.save.clicked, lambda: session.when_packed(files.save))
        add(self.head.samples.clicked, lambda: files.ask_and_open_samples())
        add(self.head.tutorial.clicked, lambda: files.ask_and_open_samples(TUTORIAL))
        add(self.head.add.clicked, files.add)
        add(self.head.bring.clicked, files.bring)
        add(self.head.export.clicked, self._on_export)
        add(self.navigation.previous.clicked, lambda: self.show_image(session.neighbour(-1)))
        add(self.navigation.next.clicked, lambda: self.show_image(session.neighbour(1)))
        add(self.navigation.done.clicked, self._on_done)
        add(self.images.picked, self.show_image)
        add(self.images.selection, self._on_selection)
        add(self.images.unwanted, lambda id: files.remove(id))
        add(self.tabs.currentChanged, self._categories.show)
        add(self.in_use.changed, self.background.models.choose)
        add(session.session.changed, self._on_result_changed)
        add(session.project_changed, self._on_project_changed)
        add(session.changed, self._on_changed)
        add(session.shown, self._on_shown)
        add(session.loader.changed, self._on_loading)
        add(session.load_failed, self._on_load_failed)
        self._watch = QTimer(self)
        self._watch.setInterval(_WATCH_MS)
        add(self._watch.timeout, self.check_journal)
        self._watch.start()

    def show_image(self, id: int | None) -> None:
        """Show an image of the project; an error becomes a notification."""
        if id is None:
            return
        QApplication.setOverrideCursor(Qt.CursorShape.WaitCursor)
        try:
            self.session.show_soon(id)
        except UserError as error:
            self._on_load_failed(str(error))
        finally:
            QApplication.restoreOverrideCursor()

    def _on_selection(self, ids: tuple[int, ...]) -> None:
        self.session.segment_all.select(ids)

    def _on_load_failed(self, why: str) -> None:
        notify(why)
        self.images.show_current(self.session.current)

    def _on_loading(self, id: int) -> None:
        self.images.show_loading(id)
        self.images.show_current(id or self.session.current)
        self._refresh()

    def _on_export(self) -> None:
        wanted = self.files.export()
        if wanted is not None:
            self.look_at(*wanted)

    def look_at(self, id: int, finding: Finding) -> None:
        """Go to a finding of the check, as soon as its image is loaded."""
        self._finding = id, finding
        self.show_image(id)
        self._select_finding()

    def _select_finding(self) -> None:
        id, finding = self._finding or (0, None)
        if finding is None or self.session.current != id:
            return
        self._finding = None
        if finding.ids:
            edit_session_of(self.session.session, self.session.layer).select(finding.ids, centre=True)

    def _on_done(self) -> None:
        if self.session.finish() is None:
            show_info("All images after this one are reviewed.")

    def _on_project_changed(self) -> None:
        """Show the open project, or that there is none."""
        session, project = self.session, self.project
        self.message.clear()
        self.images.set_images(session.images)
        self._background.show_order()
        self._categories.show()
        self._refresh()
        if project is None:
            return
        self.files.greet(apply_keys(project.categories))
        self.images.load_pictures(project)
        self._background.predict()
        self.images.show_current(session.loading or session.current)
        if not session.current and not session.loading:
            first = next((i.id for i in session.images if not i.problem and i.status != "reviewed"), None)
            self.show_image(first)

    def _on_changed(self, id: int) -> None:
        if self.project is None:
            return
        if id:
            self.images.update_image(self.project.image(id))
        else:
            self.images.set_images(self.session.images)
            self.images.show_loading(self.session.loading)
            self.images.show_current(self.session.loading or self.session.current)
            self._categories.show()
            self.images.load_pictures(self.project)
        self._refresh()

    def _on_result_changed(self, source: Image) -> None:
        self.save_cells.refresh()
        if self.project is None:
            self._categories.show()

    def _on_shown(self, id: int) -> None:
        self.images.show_current(id or self.session.loading)
        self._select_finding()
        self._refresh()

    def check_journal(self) -> None:
        """Show when the journal cannot be written, and when it can again; a timer calls this."""
        problem = "" if self.project is None else self.project.problem
        if problem != self._problem:
            self._problem = problem
            if problem:
                self.message.show_message(problem, grave=True)
            else:
                self.message.clear()

    def _refresh(self) -> None:
        """Show the project and its progress, and update the buttons."""
        project, state = self.project, self.session.state()
        self.head.name.setText("<b>No project</b>" if project is None else f"<b>{project.folder.name}</b>")
        self.head.name.setToolTip("" if project is None else str(project.folder))
        self.head.tries.setVisible(project is None)
        shown = controls(state)
        show_control(self.background.wanted, shown.pop("predict"))
        for name, control in shown.items():
            show_control(getattr(self.head, name, None) or getattr(self.navigation, name), control)
        self.navigation.count.setText(progress_text(state))
        self.save_cells.refresh()

    def hideEvent(self, event: QHideEvent | None) -> None:
        """Stop making thumbnails while they are hidden."""
        self.images.stop_pictures()
        super().hideEvent(event)

    def showEvent(self, event: QShowEvent | None) -> None:
        """Make missing thumbnails."""
        super().showEvent(event)
        if self.project is not None:
            self.images.load_pictures(self.project)
