"""The part of a project that lists its images."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from ...core.errors import BadImage
from .images import ProjectImage, find_images, measure, new_entries
from .layout import ImageEntry
from .state import State


class ImageList(State):
    """Images of a project: those it has, those it could have, and where they lie."""

    @property
    def images(self) -> list[ProjectImage]:
        """All images, in the order in which they were added."""
        return [self.image(id) for id in self._entries]

    def image(self, id: int) -> ProjectImage:
        """One image.

        Raises
        ------
        KeyError
            If there is none with this id.
        """
        e = self._entries[id]
        path = self.folder / e.path
        problem = self._problems.get(id, "")
        return ProjectImage(
            id, e.file_name, path, e.shape, e.leading, e.axes, e.status, e.group, e.pixel_size_um, problem
        )

    def add_images(self, paths: Iterable[Path], *, copy: bool = False) -> list[str]:
        """Link or copy more images; returns why some were left out.

        Raises
        ------
        BadProject, CannotSave, ReadOnlyProject
            If one is no image, cannot be copied, or the project is read-only.
        """
        self._check_writable()
        entries, left_out = new_entries(self.folder, paths, self._file.images, copy=copy)
        self._add(entries)
        self._write_file()
        self.changed.emit(0)
        return left_out

    def new_files(self) -> list[Path]:
        """Images that lie in the folder and are not part of the project."""
        known = {self.folder / e.path for e in self._file.images}
        return [p for p in find_images(self.folder) if p not in known]

    def relocate(self, id: int, path: Path) -> None:
        """Say where a linked image lies now.

        Raises
        ------
        BadImage
            If that is another image: its size differs.
        """
        self._check_writable()
        path = Path(os.path.abspath(path))
        inside = path.is_relative_to(self.folder)
        place = path.relative_to(self.folder).as_posix() if inside else str(path)
        entry = self._entries[id].model_copy(update={"path": place})
        problem = measure(entry, path)
        if problem:
            raise BadImage(problem)
        self._entries[id].path = place
        self._measure(self._entries[id])
        self._write_file()
        self.changed.emit(id)

    def _add(self, entries: list[ImageEntry]) -> None:
        for entry in entries:
            self._file.images.append(entry)
            self._measure(entry)
        self._entries = {e.id: e for e in self._file.images}

    def _measure(self, entry: ImageEntry) -> None:
        problem = measure(entry, self.folder / entry.path)
        self._problems.pop(entry.id, None)
        if problem:
            self._problems[entry.id] = problem
