"""Open, save, add, remove, import and export files of a project, with the questions to ask."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from napari.utils.notifications import show_info
from qtpy.QtWidgets import QFileDialog, QMessageBox, QWidget

from napari_centermask.core.errors import Cancelled, ChangedOutside, ReadOnlyProject, UserError
from napari_centermask.io.bio import is_bio
from napari_centermask.io.own_files import PROJECT as PROJECT_FILE
from napari_centermask.io.project.images import find_images
from napari_centermask.widgets.parts.progress_window import progress_window
from napari_centermask.widgets.parts.scenes import ask_scenes
from napari_centermask.widgets.project.import_dialog import import_annotations
from napari_centermask.widgets.viewer.samples import PROJECT, copy_samples
from napari_centermask.widgets.work.gate import attempt

if TYPE_CHECKING:
    from napari_centermask.core.quality import Finding
    from napari_centermask.io.project import Project, ProjectImage
    from napari_centermask.widgets.parts.message_bar import MessageBar
    from napari_centermask.widgets.project.session import ProjectSession


class ProjectFiles:
    """Actions on the files of the project that is open in a viewer.

    Parameters
    ----------
    parent
        Parent of dialogs.
    message
        Shows questions and messages.
    """

    def __init__(self, parent: QWidget, session: ProjectSession, message: MessageBar) -> None:
        self._parent, self._session, self._message = parent, session, message

    def ask_and_open(self) -> None:
        """Ask for a folder and open it."""
        folder = QFileDialog.getExistingDirectory(self._parent, "Open a project or a folder of images")
        if folder:
            self.open(Path(folder))

    def ask_and_open_samples(self, project: str = PROJECT) -> None:
        """Ask for a folder, copy a project of sample images into it, and open it."""
        folder = QFileDialog.getExistingDirectory(self._parent, f"Where should the folder '{project}' go?")
        if folder:
            self.open(copy_samples(Path(folder), project))

    def open(self, folder: Path) -> None:
        """Open a project, or make one from a folder of images; an error becomes a notification."""
        is_new = not (folder / PROJECT_FILE).exists()
        try:
            with progress_window(f"Opening {folder.name}", self._parent) as advance:
                attempt(self._session.open, folder, advance)
        except Cancelled as cancelled:
            show_info(str(cancelled))
            return
        if is_new and (folder / PROJECT_FILE).exists():
            found = find_images(folder)
            if found.note:
                show_info(f"{found.note} To use them anyway, add them with 'Add images'.")
            for text in filter(None, (found.broken, found.missing)):
                show_info(text)

    def save(self, *, overwrite: bool = False) -> bool:
        """Save the project; asks if another program changed its files, and shows why if it cannot be saved."""
        try:
            self._session.save(overwrite=overwrite)
        except ChangedOutside as error:
            choices = [
                ("Load theirs", lambda: self._replace(lambda project: project.reload())),
                ("Replace theirs", lambda: self.save(overwrite=True)),
                ("Not now", lambda: None),
            ]
            self._message.show_message(str(error), choices, grave=True)
        except UserError as error:
            self._message.show_message(str(error), grave=True)
        else:
            show_info(f"Saved {self._session.require().folder.name}.")
            return True
        return False

    def _replace(self, state: Callable[[Project], Project]) -> None:
        self._session.flush()
        self._session.replace(state(self._session.require()))

    def add(self) -> None:
        """Ask for images and add them."""
        from napari_centermask.io.images import SUFFIXES

        kinds = " ".join(f"*{s}" for s in SUFFIXES)
        files, _ = QFileDialog.getOpenFileNames(self._parent, "Add images", filter=f"Images ({kinds})")
        images: list[Path] = []
        for file in map(Path, files):
            try:
                images += ask_scenes(file, self._parent, ticked=None) if is_bio(file) else [file]
            except UserError as error:
                show_info(str(error))
        if images:
            self._add(images)

    def _add(self, paths: list[Path]) -> None:
        for text in self._session.require().add_images(paths):
            show_info(text)

    def remove(self, id: int, *, asked: bool = False) -> None:
        """Remove an image from the project after a question; its cells are kept, and come back with it.

        Parameters
        ----------
        asked
            Whether the question has been answered with yes.

        Raises
        ------
        ReadOnlyProject
            If the project is read-only.
        """
        project = self._session.require()
        if project.read_only:
            raise ReadOnlyProject(project.read_only)
        image = project.image(id)
        if not asked and not _agrees(self._parent, image):
            return
        try:
            self._session.remove(id)
        except UserError as error:
            self._message.show_message(str(error), grave=True)
            return
        put_back = ("Put it back", lambda: self._add([image.path]))
        self._message.show_message(
            f"{image.path.name} was removed from the project.", [put_back, ("Close", lambda: None)]
        )
        following = None if self._session.current else self._session.neighbour(1)
        if following is not None:
            self._session.show_soon(following)

    def bring(self) -> None:
        """Ask for a file and import its cells."""
        import_annotations(self._session, self._parent)

    def export(self) -> tuple[int, Finding] | None:
        """Check and export; returns the image id and the finding to go to instead, None otherwise."""
        from napari_centermask.widgets.project.export_dialog import ExportDialog

        self._session.flush()
        try:
            dialog = ExportDialog(self._session.require(), self._parent)
        except Cancelled as cancelled:
            show_info(str(cancelled))
            return None
        dialog.exec()
        return dialog.wanted

    def greet(self, problems: list[str]) -> None:
        """Show messages after opening, and `problems` that came up."""
        project = self._session.require()
        if project.read_only:
            self._message.show_message(project.read_only)
        elif project.recovered:
            n = "1 edit was" if project.recovered == 1 else f"{project.recovered:,} edits were"
            choices = [
                ("Keep them", lambda: self.save()),
                ("Go back to the saved state", lambda: self._replace(lambda project: project.discard_recovered())),
            ]
            text = f"napari was not closed properly last time; {n} recovered from the journal."
            self._message.show_message(" ".join([text, *project.notes]), choices)
        elif project.notes or problems:
            self._message.show_message(" ".join([*project.notes, *problems]))


def _agrees(parent: QWidget, image: ProjectImage) -> bool:
    """Ask whether to remove an image from the project."""
    text = (
        f"Remove {image.path.name} from the project?\n\nThe image file stays where it is. Its cells are kept in "
        "annotations.json and come back if you add the image again. The project is saved."
    )
    answer = QMessageBox.question(parent, "Remove an image", text)
    return answer == QMessageBox.StandardButton.Yes
