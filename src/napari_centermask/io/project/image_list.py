"""The part of a project that lists its images."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from napari_centermask.core.errors import BadImage, UserError
from napari_centermask.io.project.images import ProjectImage, find_images, measure, new_entries
from napari_centermask.io.project.layout import STATUSES, ImageEntry
from napari_centermask.io.project.state import State


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

    def remove_image(self, id: int) -> None:
        """Take an image out of the project and save it; raises as `Project.save`, and the image stays then.

        Its file stays where it is. Its cells are kept in annotations.json, apart from the others, and come back when the
        file is added again.
        """
        self._check_writable()
        entry = self._entries[id]
        if id in self._touched():
            self._put(id)
        place = self._file.images.index(entry)
        self._file.images.remove(entry)
        self._entries = {e.id: e for e in self._file.images}
        self._store.set_aside(entry.file_name, entry.model_dump(mode="json"))
        dirty = id in self._dirty
        result, self._results = self._results, {k: r for k, r in self._results.items() if k != id}
        self._dirty.discard(id)
        try:
            self.save()
        except UserError:
            self._file.images.insert(place, entry)
            self._entries = {e.id: e for e in self._file.images}
            self._store.bring_back(entry.file_name, entry.path)
            self._results = result
            self._dirty |= {id} if dirty else set()
            raise
        for kept in (self._histories, self._thresholds, self._problems):
            kept.pop(id, None)
        self.changed.emit(0)

    def __contains__(self, id: int) -> bool:
        return id in self._entries

    def _bring_back(self, entries: Iterable[ImageEntry]) -> None:
        """Give images that were part of the project before their cells and status again."""
        for entry in entries:
            former = self._store.bring_back(entry.file_name, entry.path)
            if former is not None:
                entry.status = former.get("status") if former.get("status") in STATUSES else "in work"
                entry.group = str(former.get("group") or "")
                self._dirty.add(entry.id)

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
        self._bring_back(e for e in entries if not self._problems.get(e.id))
        self._entries = {e.id: e for e in self._file.images}

    def _measure(self, entry: ImageEntry) -> None:
        problem = measure(entry, self.folder / entry.path)
        self._problems.pop(entry.id, None)
        if problem:
            self._problems[entry.id] = problem
