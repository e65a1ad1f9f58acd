"""Predictions for the next images of a project, computed while you work on the current one."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from psygnal import Signal

from napari_centermask.core.errors import UserError
from napari_centermask.pipeline import Progress, with_card_defaults
from napari_centermask.pipeline.image_file import FileCells
from napari_centermask.settings import SegmentSettings
from napari_centermask.widgets.work.runner import Runner
from napari_centermask.widgets.work.tasks import Failed, segment_image

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_centermask.io.project import Project, ProjectImage
    from napari_centermask.models.store.card import ModelCard

HOW_MANY = 3  # images ahead: a choice; more would be predicted with a model that corrections may soon replace


@dataclass(frozen=True)
class _Task:
    """An image to predict."""

    project: Project
    id: int
    settings: SegmentSettings


def predict(
    path: Path, settings: SegmentSettings, leading: tuple[int, ...] | None = None
) -> Generator[Progress, None, FileCells | Failed]:
    """Read an image, with these planes if they are known, and segment them all; for the worker thread.

    Channels have the names of the file, else those of the current image.
    """
    unnamed = settings.model_copy(update={"channel_names": None})
    return (yield from segment_image(path, unnamed, names=settings.channel_names or (), leading=leading))


class Predictions:
    """Segments the untouched images after the current one, one at a time.

    Parameters
    ----------
    images
        Returns the project's images in the order of the list.

    Attributes
    ----------
    changed
        Emitted with a sentence that says which image is being predicted, or why the last one failed; empty when all are done.
    failed
        Images that could not be predicted, and why.
    """

    changed = Signal(str)

    def __init__(self, images: Callable[[], Sequence[ProjectImage]]) -> None:
        self._images = images
        self.runner = Runner()
        self.runner.advanced.connect(self._on_advanced)
        self.runner.ended.connect(self._on_ended)
        self.failed: dict[int, str] = {}
        self._project: Project | None = None
        self._settings: Callable[[], SegmentSettings | None] = lambda: None
        self._current = 0
        self._task: _Task | None = None

    def start(self, project: Project, settings: Callable[[], SegmentSettings | None]) -> None:
        """Work on a project's images with the present `settings`; None from it means to wait."""
        if project is not self._project:
            self.stop()
            self.failed.clear()
        self._project, self._settings = project, settings
        self._go_on()

    def stop(self) -> None:
        """Stop within one tile; unfinished images are discarded."""
        self._project = None
        self.runner.cancel()

    def follow(self, current: int) -> None:
        """Set the current image; those after it come next."""
        self._current = current
        if self._task is not None and self._task.id == current:
            self.runner.cancel()
        self._go_on()

    def next_images(self) -> list[int]:
        """Ids of the images to predict: the untouched ones among the next few after the current one."""
        project = self._project
        if project is None or project.read_only:
            return []
        ids = [i.id for i in self._images() if not i.problem and i.id not in self.failed]
        at = ids.index(self._current) + 1 if self._current in ids else 0
        return [i for i in ids[at : at + HOW_MANY] if project.status(i) == "untouched"]

    def _go_on(self) -> None:
        if self._task is not None:
            return
        waiting = self.next_images()
        settings = self._settings() if waiting else None
        if settings is None:
            self.changed.emit(self._last_failure() if self._project is not None else "")
            return
        task = self._task = _Task(self._project, waiting[0], settings)
        image = task.project.image(task.id)
        path = image.path
        self.changed.emit(f"Predicting {path.name} in the background.")
        self.runner.start(f"CenterMask: {path.name}", predict, path, settings, image.leading)

    def _on_advanced(self, progress: Progress) -> None:
        if self._task is not None:
            name = self._task.project.image(self._task.id).path.name
            self.changed.emit(f"Predicting {name} in the background: {progress.message}.")

    def _last_failure(self) -> str:
        if not self.failed:
            return ""
        id, why = list(self.failed.items())[-1]
        return f"{self._project.image(id).path.name} was left out: {why}"

    def _on_ended(self, value: object) -> None:
        task, self._task = self._task, None
        if isinstance(value, FileCells):
            there = task.project is self._project and task.id in task.project
            if there and task.project.status(task.id) == "untouched":
                self._take(task, value)
        elif not self.runner.cancelled:
            self.failed[task.id] = (
                value.message if isinstance(value, Failed) else "The prediction was stopped by an error."
            )
        self._go_on()

    def _take(self, task: _Task, done: FileCells) -> None:
        try:
            take(task.project, task.id, task.settings, done)
        except (UserError, ValueError) as error:  # such as a file that has another size by now
            self.failed[task.id] = str(error)


def take(project: Project, id: int, settings: SegmentSettings, done: FileCells) -> None:
    """Put the predicted cells of an image into its project, as an edit; what a person decided on stays."""
    result = project.result(id)
    result.threshold = settings.score
    cells = {plane.plane.index: plane.cells for plane in done.planes}
    project.set_predictions(id, cells, model=Path(settings.model).stem)
    result.seams.update({plane.plane.index: plane.seams for plane in done.planes})


def settings_for(card: ModelCard, *, last: SegmentSettings | None, layer: Image | None) -> SegmentSettings:
    """Settings for a prediction with a model: the last ones if they were for it, else its own with the layer's channels."""
    if last is not None and last.model == card.name:
        return last
    names = [] if layer is None else layer.metadata.get("channel_names")
    return with_card_defaults(SegmentSettings(model=card.name, channel_names=names or None), card)
