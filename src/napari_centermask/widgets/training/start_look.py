"""A look at the images to train on, off the GUI thread: which kinds they are of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING

from psygnal import Signal

from napari_centermask.core.errors import UserError
from napari_centermask.io.datasets.folder import of_other_tool
from napari_centermask.io.image_files import images_in
from napari_centermask.pipeline.kinds import file_kind, some_of
from napari_centermask.widgets.work.runner import Runner

if TYPE_CHECKING:
    from napari_centermask.core.image_kind import Kind
    from napari_centermask.widgets.training.plan import DataFolder

Asked = tuple["DataFolder", tuple[Path, ...]]


class StartLook:
    """The kinds of the images of data folders, found once.

    Attributes
    ----------
    changed
        Emitted when the kinds of a folder were found.
    """

    changed = Signal()

    def __init__(self) -> None:
        self._found: dict[Asked, Counter[Kind]] = {}
        self._asked: Asked | None = None
        self._wanted: Asked | None = None
        self._runner = Runner()
        self._runner.ended.connect(self._on_ended)

    @property
    def is_running(self) -> bool:
        """Whether images are being looked at."""
        return self._runner.is_running

    def kinds(self, source: DataFolder | None, paths: tuple[Path, ...]) -> Counter[Kind]:
        """How many of some images are of each kind; empty while that is not known, which starts the look.

        Parameters
        ----------
        paths
            Images of an open project; without any, those in the folder.
        """
        if source is None:
            return Counter()
        asked = source, paths
        if asked not in self._found:
            self._wanted = asked
            if not self.is_running:
                self._begin(asked)
        return self._found.get(asked, Counter())

    def cancel(self) -> None:
        """Stop looking."""
        self._wanted = None
        self._runner.cancel()

    def _begin(self, asked: Asked) -> None:
        self._asked = asked
        self._runner.start("", _look, asked[0].folder, asked[1])

    def _on_ended(self, found: Counter[Kind] | None) -> None:
        asked, wanted = self._asked, self._wanted
        if asked is not None and wanted is not None:
            self._found[asked] = found or Counter()
            if wanted not in self._found:
                self._begin(wanted)
            self.changed.emit()


def _look(folder: Path, paths: tuple[Path, ...]) -> Generator[None, None, Counter[Kind]]:
    """How many of some images are of each kind; none if one cannot be read, which the check of the data says."""
    found: Counter[Kind] = Counter()
    try:
        for path in some_of(paths or _images(folder)):
            yield
            kind = file_kind(path)
            found.update([kind] if kind else [])
    except (UserError, OSError):
        return Counter()
    return found


def _images(folder: Path) -> list[Path]:
    dataset = of_other_tool(folder)
    if dataset is not None:
        return [item.image for items in dataset.splits.values() for item in items if item.image is not None]
    return list(images_in(folder / "images" if (folder / "images").is_dir() else folder).images)
