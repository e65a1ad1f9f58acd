"""What the parts of a project share."""

from __future__ import annotations

from pathlib import Path

from psygnal import Signal

from napari_centermask.core.errors import ReadOnlyProject
from napari_centermask.core.history import History
from napari_centermask.core.result import Result
from napari_centermask.io.files import Stamp
from napari_centermask.io.journal import Journal
from napari_centermask.io.lock import FolderLock
from napari_centermask.io.project.layout import Category, ImageEntry, ProjectFile
from napari_centermask.io.project.store import Store


class State:
    """Attributes of a project, filled by `Project`; see there for the public ones."""

    changed = Signal(int)
    troubled = Signal(str)

    folder: Path
    read_only: str
    _lock: FolderLock | None
    _journal: Journal | None
    _file: ProjectFile
    _store: Store
    _entries: dict[int, ImageEntry]
    _categories: dict[int, Category]
    _results: dict[int, Result]
    _thresholds: dict[int, float]
    _histories: dict[int, History]
    _dirty: set[int]
    _problems: dict[int, str]
    _annotations_stamp: Stamp
    _file_stamp: Stamp
    _is_new: bool

    def _check_writable(self) -> None:
        if self.read_only:
            raise ReadOnlyProject(self.read_only)
