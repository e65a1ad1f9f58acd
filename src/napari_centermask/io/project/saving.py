"""Save project.json and annotations.json: written whole, with the previous ones kept; changes of others are never lost."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from uuid import uuid4

from napari_centermask.core.errors import BadProject, CannotSave, ChangedOutside
from napari_centermask.io.files import Stamp, copy_file, replace_file
from napari_centermask.io.own_files import ANNOTATIONS, PREVIOUS, PREVIOUS_PROJECT, PROJECT
from napari_centermask.io.project.categories import Categories
from napari_centermask.io.project.images import file_of_folder
from napari_centermask.io.project.layout import FOLDERS, ImageEntry, read_project_file
from napari_centermask.io.project.store import Store
from napari_centermask.io.whole_file import cannot_save


class ProjectFiles:
    """The two files of a project, as they were last read or written.

    Attributes
    ----------
    file
        The content of project.json; for a new project, what it will be.
    store
        The content of annotations.json.
    is_new
        Whether the folder has no project.json yet.

    Raises
    ------
    BadProject, BadAnnotations
        If a file is damaged.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        file = read_project_file(folder)
        self._annotations = Stamp.of(folder / ANNOTATIONS)
        self.store = Store.read(folder / ANNOTATIONS)
        self.is_new = file is None
        self.file = file or file_of_folder(folder, self.store)
        self._project = Stamp.of(folder / PROJECT)

    @property
    def edits(self) -> tuple[int, int]:
        """Numbers of the last records of the journal that annotations.json and project.json contain."""
        return self.store.edits, self.file.edits

    def note(self) -> str:
        """A sentence about a change that another program made to annotations.json; empty if there was none.

        Raises
        ------
        BadProject
            If it is gone but the previous one exists, so that nobody continues without cells by mistake.
        """
        now = self._annotations.sha256
        if self.is_new or now in self.file.known:
            return ""
        if now:
            return f"{ANNOTATIONS} was changed by another program; the changed cells are shown."
        if (self.folder / PREVIOUS).exists():
            raise BadProject(
                f"{ANNOTATIONS} is missing in {self.folder}. Rename {PREVIOUS} to that name, or move it away as well to "
                "start without cells."
            )
        return ""

    def changed_outside(self) -> list[str]:
        """Names of files that another program changed since they were last read or written here.

        A file that is gone is not one of them: saving replaces nothing, and brings it back.
        """
        stamps = {ANNOTATIONS: self._annotations, PROJECT: self._project}
        paths = {self.folder / name: stamp for name, stamp in stamps.items()}
        return [path.name for path, stamp in paths.items() if path.exists() and not stamp.fits(path)]

    def check_outside(self, *, overwrite: bool) -> None:
        """Refuse to replace files that another program wrote; with `overwrite`, keep copies instead.

        Raises
        ------
        ChangedOutside
            With the names of the files.
        CannotSave
            If the folder is gone or closed, or a copy cannot be written.
        """
        try:
            os.stat(self.folder / ".")
            names = self.changed_outside()
        except OSError as error:
            raise CannotSave(cannot_save(self.folder / ANNOTATIONS, error)) from error
        if names and not overwrite:
            raise ChangedOutside(
                f"Another program changed {' and '.join(names)}. Load them again (the state "
                "here is kept beside them), or replace them (a copy of theirs is kept)."
            )
        for name in names:
            keep_copy(self.folder / name, "changed outside")

    def write_lists(self, images: Iterable[ImageEntry], categories: Categories) -> None:
        """Write project.json only, without saving: it still contains the same edits.

        Raises
        ------
        ChangedOutside, CannotSave
            If another program changed it, or it cannot be written.
        """
        if not self._project.fits(self.folder / PROJECT):
            self.check_outside(overwrite=False)
        self._write_project(images, categories)

    def begin(self, images: Iterable[ImageEntry], categories: Categories) -> None:
        """Write project.json in a folder that has none; raises `CannotSave`."""
        self.file.known = [self._annotations.sha256]
        self._write_project(images, categories)
        self.is_new = False

    def write(self, annotations: bytes, images: Iterable[ImageEntry], categories: Categories, *, edits: int) -> None:
        """Write both files, which then contain the journal up to the record `edits`; raises `CannotSave`."""
        self.file.known = [hashlib.sha256(annotations).hexdigest(), self._annotations.sha256]
        self.file.edits = edits
        self._write_project(images, categories)
        path = self.folder / ANNOTATIONS
        self._annotations = replace_file(path, [annotations], previous=self.folder / PREVIOUS)
        self.store.edits, self.is_new = edits, False
        for name in FOLDERS:
            (self.folder / name).mkdir(exist_ok=True)

    def _write_project(self, images: Iterable[ImageEntry], categories: Categories) -> None:
        self.file.images, self.file.categories = list(images), categories.entries()
        self.file.uid = self.file.uid or uuid4().hex
        path, previous = self.folder / PROJECT, self.folder / PREVIOUS_PROJECT
        self._project = replace_file(path, self.file.encoded(), previous=previous)


def free_name(path: Path, word: str) -> Path:
    """A free name beside `path`: "annotations changed outside.json", then with numbers."""
    names = (path.with_name(f"{path.stem} {word}{'' if n == 1 else f' {n}'}{path.suffix}") for n in range(1, 10_000))
    return next(p for p in names if not p.exists())


def keep_copy(path: Path, word: str) -> str:
    """Copy a file beside itself, if there is one; returns the copy's name, and raises `CannotSave`."""
    target = free_name(path, word)
    if path.exists():
        copy_file(path, target)
    return target.name
