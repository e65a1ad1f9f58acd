"""The images of a project: their entries in project.json, and why some cannot be used."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from napari_centermask.core.errors import BadImage
from napari_centermask.core.progress import Advance, silent
from napari_centermask.io.project.images import ProjectImage, find_images, measure
from napari_centermask.io.project.layout import ImageEntry, Status
from napari_centermask.io.scene_paths import file_of, split


class ImageList:
    """Entries of images in the order in which they were added.

    Parameters
    ----------
    folder
        The project's folder.
    entries
        Entries of project.json; unknown sizes, and those of files that changed, are read.
    advance
        Called with the number of images looked at so far, and of all.
    """

    def __init__(self, folder: Path, entries: Sequence[ImageEntry] = (), *, advance: Advance = silent) -> None:
        self.folder = folder
        self._entries: dict[int, ImageEntry] = {}
        self._problems: dict[int, str] = {}
        for n, entry in enumerate(entries, start=1):
            self.add(entry)
            advance(n, len(entries))

    def __iter__(self) -> Iterator[ImageEntry]:
        return iter(list(self._entries.values()))

    def __contains__(self, id: object) -> bool:
        return id in self._entries

    def __getitem__(self, id: int) -> ImageEntry:
        return self._entries[id]

    def problem(self, id: int) -> str:
        """Why an image cannot be used, in a sentence; empty if it can."""
        return self._problems.get(id, "")

    def image(self, id: int) -> ProjectImage:
        """The image with an id; raises `KeyError` if there is none."""
        e = self._entries[id]
        path = self.folder / e.path
        size, problem = e.pixel_size_um, self.problem(id)
        return ProjectImage(id, e.file_name, path, e.shape, e.leading, e.axes, e.status, e.group, size, problem)

    def add(self, entry: ImageEntry) -> None:
        """Add an image and read its size."""
        self._entries[entry.id] = entry
        self._measure(entry)

    def clear(self) -> None:
        """Remove all images."""
        self._entries, self._problems = {}, {}

    def remove(self, id: int) -> Callable[[], None]:
        """Remove an image; returns a function that puts it back in its place."""
        entries, problems = dict(self._entries), dict(self._problems)
        del self._entries[id]
        self._problems.pop(id, None)

        def put_back() -> None:
            self._entries, self._problems = entries, problems

        return put_back

    def set_status(self, id: int, status: Status) -> bool:
        """Set an image's status; returns whether it changed."""
        is_news = self._entries[id].status != status
        self._entries[id].status = status
        return is_news

    def set_group(self, id: int, group: str) -> None:
        """Set the source that an image comes from."""
        self._entries[id].group = group

    def relocate(self, id: int, path: Path) -> None:
        """Set the new place of a linked image.

        Raises
        ------
        BadImage
            If it is another image, of a different size.
        """
        path = Path(os.path.abspath(path))
        scene = split(self.folder / self._entries[id].path)[1]
        if scene and path.is_file():
            path = path / scene
        inside = path.is_relative_to(self.folder)
        place = path.relative_to(self.folder).as_posix() if inside else str(path)
        entry = self._entries[id].model_copy(update={"path": place})
        problem = measure(entry, path)
        if problem:
            raise BadImage(problem)
        self._entries[id].path = place
        self._measure(self._entries[id])

    def new_files(self) -> list[Path]:
        """Images in the folder that are not part of the project."""
        known = {file_of(self.folder / e.path) for e in self}
        return [p for p in find_images(self.folder).images if p not in known]

    def _measure(self, entry: ImageEntry) -> None:
        self._problems.pop(entry.id, None)
        problem = measure(entry, self.folder / entry.path)
        if problem:
            self._problems[entry.id] = problem
