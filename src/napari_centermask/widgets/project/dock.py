"""The dock "CenterMask: Project": images with their status, categories, predictions ahead, saving and export."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari.utils.notifications import show_error, show_info
from qtpy.QtCore import QSize, Qt, QTimer
from qtpy.QtWidgets import QApplication, QFileDialog, QMessageBox, QTabWidget, QVBoxLayout, QWidget

from napari_centermask.core.errors import ChangedOutside, UserError
from napari_centermask.widgets.edit.correction import edit_session_of
from napari_centermask.widgets.parts.layout import STYLE, WIDTH, scroll_column
from napari_centermask.widgets.parts.message_bar import MessageBar
from napari_centermask.widgets.parts.pickers import hint
from napari_centermask.widgets.parts.tabs import share_place
from napari_centermask.widgets.project.category_box import CategoryBox
from napari_centermask.widgets.project.category_keys import adopt_keys, set_key, with_keys
from napari_centermask.widgets.project.image_categories import ImageCategories
from napari_centermask.widgets.project.image_list import ImageList
from napari_centermask.widgets.project.import_dialog import import_annotations
from napari_centermask.widgets.project.session import project_session_of
from napari_centermask.widgets.project.thumbnails import pixmap, thumbnails
from napari_centermask.widgets.project.view import AheadBox, HeadBox, NavigationBox
from napari_centermask.widgets.viewer.model_in_use import model_in_use
from napari_centermask.widgets.viewer.samples import PROJECT, copy_samples

if TYPE_CHECKING:
    from napari.layers import Image
    from napari.viewer import Viewer
    from superqt.utils import GeneratorWorker

    from napari_centermask.core.quality import Finding
    from napari_centermask.io.project import Category, Project, ProjectImage
    from napari_centermask.settings import SegmentSettings

_WATCH_MS = 2000  # the journal is written by another thread, which must not touch widgets


class ProjectDock(QWidget):
    """Go through a folder of images.

    The dock is a view: the project belongs to the viewer's `ProjectSession`, which outlives it.
    """

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__()
        self._viewer = getattr(napari_viewer, "__wrapped__", napari_viewer)
        self.session, self.in_use = project_session_of(napari_viewer), model_in_use(napari_viewer)
        self._pictures: GeneratorWorker | None = None
        self._problem = ""
        self._finding: tuple[int, Finding] | None = None
        self._build()
        self._connect()
        self._on_opened()

    @property
    def project(self) -> Project | None:
        """The open project."""
        return self.session.project

    def _build(self) -> None:
        self.head, self.message = HeadBox(), MessageBar()
        self.navigation, self.images = NavigationBox(), ImageList()
        self.ahead, self.categories = AheadBox(), CategoryBox()
        self.ahead.models.choose(self.in_use.name)
        page = QWidget()
        column = QVBoxLayout(page)
        column.setContentsMargins(0, 6, 0, 0)
        column.addWidget(self.images, 1)
        column.addWidget(self.ahead)
        self.tabs = QTabWidget()
        self.tabs.addTab(page, "Images")
        self.tabs.addTab(self.categories, "Categories")
        self.setStyleSheet(STYLE)
        share_place(self, "Project")
        layout = scroll_column(self)
        layout.setSpacing(8)
        for part in (self.head, self.message, self.navigation):
            layout.addWidget(part)
        layout.addWidget(self.tabs, 1)

    def sizeHint(self) -> QSize:
        """As wide as the CenterMask dock."""
        return QSize(WIDTH, 640)

    def _connect(self) -> None:
        self.head.open.clicked.connect(self._on_open)
        self.head.save.clicked.connect(lambda: self.save())
        self.head.samples.clicked.connect(self._on_samples)
        self.head.add.clicked.connect(self._on_add)
        self.head.bring.clicked.connect(lambda: import_annotations(self.session, self))
        self.head.export.clicked.connect(self._on_export)
        self.navigation.previous.clicked.connect(lambda: self.show_image(self.session.neighbour(-1)))
        self.navigation.next.clicked.connect(lambda: self.show_image(self.session.neighbour(1)))
        self.navigation.done.clicked.connect(self._on_done)
        self.images.picked.connect(self.show_image)
        self.images.unwanted.connect(self.remove_image)
        self.ahead.wanted.toggled.connect(self._on_ahead)
        self.ahead.models.currentIndexChanged.connect(self._on_ahead)
        self.ahead.order.activated.connect(self._on_order)
        self.categories.edited.connect(self._on_category_edited)
        self.categories.added.connect(lambda name: self._change(lambda p: p.add_category(name)))
        self.categories.removed.connect(lambda id: self._change(lambda p: p.remove_category(id)))
        self._watch = QTimer(self)
        self._watch.setInterval(_WATCH_MS)
        self._watch.timeout.connect(self.look_for_trouble)
        self._watch.start()
        session = self.session
        self.tabs.currentChanged.connect(self._show_categories)
        links = [
            (session.session.changed, self._on_result_changed),
            (session.opened, self._on_opened),
            (session.changed, self._on_changed),
            (session.shown, self._on_shown),
            (session.reading, self._on_reading),
            (session.failed, self._on_failed),
            (session.ahead.changed, self._on_ahead_changed),
            (session.teaching.told, self._on_teaching),
            (self.in_use.changed, self.ahead.models.choose),
        ]
        for signal, slot in links:
            signal.connect(slot)
        self.destroyed.connect(lambda: _disconnect(links))

    def open(self, folder: Path) -> None:
        """Open a project, or make one of a folder of images; a mistake becomes a notification."""
        QApplication.setOverrideCursor(Qt.CursorShape.WaitCursor)
        try:
            self.session.open(folder)
        except UserError as error:
            show_error(str(error))
        finally:
            QApplication.restoreOverrideCursor()

    def show_image(self, id: int | None) -> None:
        """Bring an image of the project into view; a mistake becomes a notification."""
        if id is None:
            return
        QApplication.setOverrideCursor(Qt.CursorShape.WaitCursor)
        try:
            self.session.show_soon(id)
        except UserError as error:
            self._on_failed(str(error))
        finally:
            QApplication.restoreOverrideCursor()

    def _on_failed(self, why: str) -> None:
        show_error(why)
        self.images.show_current(self.session.current)

    def _on_reading(self, id: int) -> None:
        """Show that an image is being read."""
        self.images.show_coming(id)
        self.images.show_current(id or self.session.current)
        self._refresh()

    def save(self, *, overwrite: bool = False) -> bool:
        """Save the project; asks if another program changed its files, and says so if the disk refuses."""
        try:
            self.session.save(overwrite=overwrite)
        except ChangedOutside as error:
            self.message.show_message(
                str(error),
                [
                    ("Load theirs", lambda: self.session.replace(self.project.reload())),
                    ("Replace theirs", lambda: self.save(overwrite=True)),
                    ("Not now", lambda: None),
                ],
                grave=True,
            )
        except UserError as error:
            self.message.show_message(str(error), grave=True)
        else:
            show_info(f"Saved {self.project.folder.name}.")
            return True
        return False

    def _on_open(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Open a project or a folder of images")
        if folder:
            self.open(Path(folder))

    def _on_samples(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, f"Where shall the folder '{PROJECT}' go?")
        if not folder:
            return
        try:
            self.open(copy_samples(Path(folder)))
        except UserError as error:
            show_error(str(error))

    def _on_add(self) -> None:
        from napari_centermask.io.images import SUFFIXES

        kinds = " ".join(f"*{s}" for s in SUFFIXES)
        files, _ = QFileDialog.getOpenFileNames(self, "Add images", filter=f"Images ({kinds})")
        if files:
            self._change(lambda p: [show_info(text) for text in p.add_images(map(Path, files))])

    def remove_image(self, id: int, *, asked: bool = False) -> None:
        """Take an image out of the project once the person agrees; its cells are kept, and come back with it.

        Parameters
        ----------
        asked
            The person has agreed already.
        """
        project = self.project
        if project.read_only:
            show_error(project.read_only)
            return
        image = project.image(id)
        if not asked and not _agrees(self, image):
            return
        try:
            self.session.remove(id)
        except UserError as error:
            self.message.show_message(str(error), grave=True)
            return
        put_back = ("Put it back", lambda: self._change(lambda p: p.add_images([image.path])))
        self.message.show_message(
            f"{image.path.name} is no part of the project now.", [put_back, ("Close", lambda: None)]
        )
        if not self.session.current:
            self.show_image(self.session.neighbour(1))

    def _on_export(self) -> None:
        from napari_centermask.widgets.project.export_dialog import ExportDialog

        self.session.flush()
        try:
            dialog = ExportDialog(self.project, self)
        except UserError as error:
            show_error(str(error))
            return
        dialog.exec()
        if dialog.wanted is not None:
            self.look_at(*dialog.wanted)

    def look_at(self, id: int, finding: Finding) -> None:
        """Bring what the check found into view, as soon as its image is read."""
        self._finding = id, finding
        self.show_image(id)
        self._select_finding()

    def _select_finding(self) -> None:
        id, finding = self._finding or (0, None)
        if not id or self.session.current != id:
            return
        self._finding = None
        if finding.ids:
            edit_session_of(self.session.session, self.session.layer).select(finding.ids, centre=True)

    def _on_done(self) -> None:
        try:
            if self.session.finish() is None:
                show_info("All images after this one are reviewed.")
        except UserError as error:
            show_error(str(error))

    def _change(self, change) -> None:
        """Change the project, or the categories of an image without one; a mistake is explained under the categories."""
        try:
            change(self._categories())
        except UserError as error:
            self._show_categories()
            self.categories.explain(str(error))

    def _on_category_edited(self, id: int, category: Category) -> None:
        def change(owner: Project | ImageCategories) -> None:
            if category.key != with_keys(owner.categories)[id].key:
                set_key(id, category.key)
            owner.set_category(id, category)

        self._change(change)

    def _on_opened(self) -> None:
        """Show the project that is open now, or that there is none."""
        project = self.project
        self.message.clear()
        self.images.set_images(self.session.images)
        self.ahead.order.setCurrentIndex(1 if self.session.teaching.values else 0)
        self._show_categories()
        self._refresh()
        if project is None:
            return
        self._tell(project, adopt_keys(project.categories))
        self._make_pictures()
        self._on_ahead()
        self.images.show_current(self.session.coming or self.session.current)
        if not self.session.current and not self.session.coming:
            first = next((i.id for i in self.session.images if not i.problem and i.status != "reviewed"), None)
            self.show_image(first)

    def _tell(self, project: Project, problems: list[str]) -> None:
        """Say what the person must know after opening."""
        if project.read_only:
            self.message.show_message(project.read_only)
        elif project.recovered:
            n = "1 edit was" if project.recovered == 1 else f"{project.recovered:,} edits were"
            self.message.show_message(
                f"The last session did not end by itself; {n} recovered from the journal. " + " ".join(project.notes),
                [
                    ("Keep them", lambda: self.save()),
                    ("Back to what was saved", lambda: self.session.replace(project.discard_recovered())),
                ],
            )
        elif project.notes or problems:
            self.message.show_message(" ".join([*project.notes, *problems]))

    def _categories(self) -> Project | ImageCategories | None:
        """Whose categories are edited: the project's, without one those of the image in view."""
        if self.project is not None:
            return self.project
        session = self.session.session
        active = session.shown(self._viewer.layers.selection.active)
        shown = active or (session.editing.shown if session.editing is not None else None)
        return None if shown is None else ImageCategories(session, shown)

    def _show_categories(self, *_) -> None:
        owner = self._categories()
        found = {} if owner is None else with_keys(owner.categories)
        self.categories.show_categories(found, enabled=owner is not None and not owner.read_only)

    def _make_pictures(self) -> None:
        from napari.qt.threading import create_worker

        self._stop_pictures()
        project = self.project
        wanted = [(id, project.image(id).path) for id in self.images.without_picture() if not project.image(id).problem]
        if not wanted:
            return
        self._pictures = create_worker(thumbnails, wanted, _start_thread=False)
        images = self.images
        self._pictures.yielded.connect(lambda found: images.set_picture(found[0], pixmap(found[1])))
        self._pictures.start()

    def _stop_pictures(self) -> None:
        if self._pictures is not None:
            self._pictures.yielded.disconnect()
            self._pictures.quit()
            self._pictures = None

    def _on_changed(self, id: int) -> None:
        if self.project is None:
            return
        if id:
            self.images.update_image(self.project.image(id))
        else:
            self.images.set_images(self.session.images)
            self.images.show_coming(self.session.coming)
            self.images.show_current(self.session.coming or self.session.current)
            self._show_categories()
            self._make_pictures()
        self._refresh()

    def _on_result_changed(self, source: Image) -> None:
        if self.project is None:
            self._show_categories()

    def _on_shown(self, id: int) -> None:
        self.images.show_current(id or self.session.coming)
        self._select_finding()
        self._refresh()

    def look_for_trouble(self) -> None:
        """Say when the disk refuses the journal, and when it is well again; a timer calls this."""
        problem = "" if self.project is None else self.project.problem
        if problem != self._problem:
            self._problem = problem
            if problem:
                self.message.show_message(problem, grave=True)
            else:
                self.message.clear()

    def _on_ahead(self, *_) -> None:
        if self.ahead.wanted.isChecked() and self.project is not None:
            self.session.ahead.start(self.project, self._settings)
        else:
            self.session.ahead.stop()

    def _settings(self) -> SegmentSettings | None:
        card = self.ahead.models.card
        return None if card is None else self.session.settings(card)

    def _on_order(self, *_) -> None:
        settings = self._settings() if self.ahead.order.currentData() and self.project is not None else None
        if settings is None:
            self.ahead.order.setCurrentIndex(0)
            self.session.teaching.stop()
        else:
            self.session.teaching.start(self.project.images, settings)

    def _on_teaching(self, text: str) -> None:
        self.ahead.teaching.setText(text)
        self.ahead.teaching.setVisible(bool(text))
        if not self.session.teaching.is_running and not self.session.teaching.values:
            self.ahead.order.setCurrentIndex(0)

    def _on_ahead_changed(self, text: str) -> None:
        self.ahead.status.setText(text)

    def _refresh(self) -> None:
        """Enable what can work and say why the rest cannot."""
        project, session = self.project, self.session
        none = "There is no project: open a folder of images."
        closed = none if project is None else project.read_only
        self.head.name.setText("<b>No project</b>" if project is None else f"<b>{project.folder.name}</b>")
        self.head.samples.setVisible(project is None)
        self.head.name.setToolTip("" if project is None else str(project.folder))
        hint(self.head.open, "Open a project; a folder of images becomes one. Images stay as they are.")
        hint(self.head.save, closed or "Write annotations.json; the one before is kept.", enabled=not closed)
        hint(self.head.add, closed or "Add images that lie elsewhere; they are linked.", enabled=not closed)
        hint(self.head.bring, closed or "Merge cells of a COCO file, from any program.", enabled=not closed)
        hint(self.head.export, none if project is None else "Write COCO, checked before.", enabled=project is not None)
        for button, step, text in (
            (self.navigation.previous, -1, "The image before."),
            (self.navigation.next, 1, "The next image."),
        ):
            there = project is not None and session.neighbour(step) is not None
            hint(button, text if there else (none if project is None else "There is none."), enabled=there)
        can = not closed and bool(session.current) and not session.coming
        text = "All cells of this image are right and none is missing; on to the next that is not reviewed."
        hint(self.navigation.done, text if can else (closed or "Choose an image first."), enabled=can)
        self._count()

    def _count(self) -> None:
        images = [] if self.project is None else self.project.images
        done = sum(i.status == "reviewed" for i in images)
        text = f"{done:,} of {len(images):,} images reviewed" if images else ""
        if self.session.coming:
            text = f"Opening {self.project.image(self.session.coming).path.name}…"
        self.navigation.count.setText(text)

    def hideEvent(self, event) -> None:
        """Stop making pictures when nobody sees them."""
        self._stop_pictures()
        super().hideEvent(event)

    def showEvent(self, event) -> None:
        """Make the pictures that are missing; save and close the project with the window that holds the dock."""
        super().showEvent(event)
        if self.project is not None and self._pictures is None:
            self._make_pictures()
        window = self.window()
        if window is not self and not getattr(self, "_window_known", False):
            self._window_known = True
            session = self.session
            window.destroyed.connect(lambda: session.close())


def _agrees(parent: QWidget, image: ProjectImage) -> bool:
    """Whether the person wants an image out of the project."""
    text = (
        f"Take {image.path.name} out of the project?\n\nThe image file stays where it is. Its cells are kept in "
        "annotations.json and come back when it is added again. The project is saved."
    )
    answer = QMessageBox.question(parent, "Remove an image", text)
    return answer == QMessageBox.StandardButton.Yes


def _disconnect(links: list[tuple]) -> None:
    for signal, slot in links:
        signal.disconnect(slot, missing_ok=True)
