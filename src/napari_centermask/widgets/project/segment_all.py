"""Segment many images of a project: one bad file does not stop the rest, and stopping loses nothing."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from napari_centermask.core.counted import counted
from napari_centermask.core.errors import BadModel, UserError
from napari_centermask.core.left_out import LeftOut
from napari_centermask.core.predictions import clear_predictions
from napari_centermask.io.run_file import RunFile, stamp, unfinished
from napari_centermask.models.store.zoo import find_model
from napari_centermask.pipeline.image_file import FileCells
from napari_centermask.pipeline.progress import Progress, scaled_to
from napari_centermask.settings import SegmentSettings
from napari_centermask.widgets.project.predictions import take
from napari_centermask.widgets.segment.many import CHOICES, NOT_REVIEWED, SELECTED, UNTOUCHED, ManyState
from napari_centermask.widgets.work.run_time import duration
from napari_centermask.widgets.work.runner import Runner
from napari_centermask.widgets.work.tasks import Failed, segment_image

if TYPE_CHECKING:
    from psygnal import SignalInstance

    from napari_centermask.io.project import Project, ProjectImage
    from napari_centermask.widgets.segment.many import ManySlot

RUN_NAME = ".centermask-segment.jsonl"
"""In the project's folder while a run is not finished: its settings, and the images that are done."""
_CORRECTED = ("in work", "reviewed")


class Opened(Protocol):
    """What has a project, as `session.ProjectSession`."""

    project: Project | None

    @property
    def changed(self) -> SignalInstance: ...

    @property
    def project_changed(self) -> SignalInstance: ...

    @property
    def images(self) -> list[ProjectImage]: ...

    def open(self, folder: Path) -> Project: ...

    def require(self) -> Project: ...

    def flush(self) -> None: ...


@dataclass(frozen=True)
class Segmented:
    """An image that is done, or why it could not be."""

    id: int
    cells: FileCells | None
    why: str = ""


def segment_images(
    images: Sequence[tuple[int, Path, tuple[int, ...]]], settings: SegmentSettings
) -> Generator[Progress | Segmented, None, bool]:
    """Segment image files one after another; for the worker thread, which stops between tiles."""
    left_out = LeftOut[int]()
    for n, (id, path, leading) in enumerate(images):
        done: FileCells | Failed | None = None
        title = f"{path.name} ({n + 1} of {len(images)}): "
        with left_out.unless_done(id, path.name):
            done = yield from scaled_to(segment_image(path, settings, leading=leading), n, len(images), title)
        if isinstance(done, Failed):
            left_out.add(id, done.message, path.name)
        yield Segmented(id, done if isinstance(done, FileCells) else None, left_out.why.get(id, ""))
    return True


def _free(images: list[ProjectImage], *, with_corrected: bool) -> list[ProjectImage]:
    """Those whose cells nobody corrected, or all."""
    return images if with_corrected else [i for i in images if i.status not in _CORRECTED]


def _stamps(settings: SegmentSettings) -> list[list[Any]]:
    """The files of the model with their sizes and times; none if it is missing, which loading it says."""
    try:
        return [[path.name, stamp(path)] for path in find_model(settings.model).paths]
    except BadModel:
        return []


class SegmentAll:
    """The run over many images of the project that is open in a viewer; what the Segment dock offers.

    Attributes
    ----------
    selected
        Ids of the images that are selected in the list.
    """

    def __init__(self, session: Opened, slot: ManySlot) -> None:
        self._session, self._slot = session, slot
        self.selected: tuple[int, ...] = ()
        self.runner = Runner()
        self.runner.advanced.connect(self._on_advanced)
        self.runner.ended.connect(self._on_ended)
        self._project: Project | None = None
        self._settings = SegmentSettings()
        self._run: RunFile | None = None
        self._with_corrected = False
        self._began, self._part, self._message = 0.0, 0.0, ""
        self._why: dict[int, str] = {}
        self._n_images = self._n_cells = self._n_wanted = 0
        session.changed.connect(self._on_project_changed)
        session.project_changed.connect(self._on_project_changed)
        slot.many = self

    def open(self, folder: Path) -> bool:
        """Open a folder as a project; returns whether it is open now. Raises as `ProjectSession.open`."""
        project = self._session.project
        if project is None or project.folder != Path(folder).absolute():
            self._session.open(folder)
        return self._session.project is not None

    def select(self, ids: tuple[int, ...]) -> None:
        """These images are selected in the list."""
        if ids != self.selected:
            self.selected = ids
            self._slot.changed.emit()

    def images(self, choice: str, *, with_corrected: bool) -> tuple[list[ProjectImage], int]:
        """The images that a run takes, and how many with corrected cells it leaves alone."""
        chosen = self._chosen(choice, self._usable())
        free = _free(chosen, with_corrected=with_corrected)
        return free, len(chosen) - len(free)

    def _usable(self) -> list[ProjectImage]:
        return [i for i in self._session.images if not i.problem]

    def _chosen(self, choice: str, usable: list[ProjectImage]) -> list[ProjectImage]:
        if choice == SELECTED:
            return [i for i in usable if i.id in self.selected]
        if choice == UNTOUCHED:
            return [i for i in usable if i.status == "untouched"]
        return [i for i in usable if choice != NOT_REVIEWED or i.status != "reviewed"]

    def state(self, *, with_corrected: bool) -> ManyState:
        """What the Segment dock shows; it is asked after every edit."""
        project = self._session.project
        if project is None:
            return ManyState()
        counts, predicted, usable = {}, {}, self._usable()
        for choice in CHOICES:
            chosen = self._chosen(choice, usable)
            n = len(_free(chosen, with_corrected=with_corrected))
            counts[choice] = n, len(chosen) - n
            predicted[choice] = sum(i.status != "untouched" for i in chosen)
        return ManyState(
            project=project.folder.name,
            closed=project.read_only,
            counts=counts,
            predicted=predicted,
            left=0 if self.runner.is_running else len(self._left()[0]),
            is_running=self.runner.is_running,
            part=self._part,
            message=self._message,
            details=tuple(self._why.values()),
        )

    def start(self, choice: str, settings: SegmentSettings, *, with_corrected: bool) -> None:
        """Segment images with these settings.

        Raises
        ------
        CannotSave
            If the run cannot be noted in the project's folder.
        RuntimeError
            If a run is in progress.
        """
        images, _ = self.images(choice, with_corrected=with_corrected)
        command = {
            "settings": settings.model_dump(mode="json", exclude_unset=True),
            "with_corrected": with_corrected,
            "model": _stamps(settings),
        }
        self._begin(images, settings, command | {"images": [i.file_name for i in images]})

    def _left(self) -> tuple[list[ProjectImage], dict[str, Any]]:
        """The images that a stopped run has not done, and its command."""
        project = self._session.project
        stopped = None if project is None or project.read_only else unfinished(project.folder, name=RUN_NAME)
        if stopped is None:
            return [], {}
        command, done = stopped
        try:
            settings = SegmentSettings.model_validate(command["settings"])
        except (KeyError, ValueError):  # written by another version, or damaged: there is nothing to go on with
            return [], {}
        if "model" in command and command["model"] != _stamps(settings):
            return [], {}  # trained again under its name: its cells are not those of the images that are done
        wanted = set(command.get("images", ())) - done
        free = _free(self._usable(), with_corrected=bool(command.get("with_corrected")))
        return [i for i in free if i.file_name in wanted], command

    def go_on(self) -> None:
        """Go on with a stopped run, with its own settings; raises as `start`."""
        images, command = self._left()
        if images:
            self._begin(images, SegmentSettings.model_validate(command["settings"]), command)

    def _begin(self, images: list[ProjectImage], settings: SegmentSettings, command: dict[str, Any]) -> None:
        project = self._session.require()
        if not images:
            self._message, self._why = "There was no image to segment.", {}
            self._slot.changed.emit()
            return
        self._session.flush()
        self._run = RunFile(project.folder, command, (), name=RUN_NAME)
        self._run.begin()
        self._project, self._settings = project, settings
        self._with_corrected = bool(command.get("with_corrected"))
        self._began, self._part = time.monotonic(), 0.0
        self._why = {i.id: i.problem for i in self._session.images if i.problem}
        self._n_images, self._n_cells, self._n_wanted = 0, 0, len(images)
        self._message = f"Starting with {counted(len(images), 'image')}."
        wanted = [(i.id, i.path, i.leading) for i in images]
        self.runner.start(
            f"CenterMask: {counted(len(images), 'image')}", segment_images, wanted, settings, on_yield=self._on_done
        )
        self._slot.changed.emit()

    def cancel(self) -> None:
        """Stop within one tile; images that are done stay done."""
        self.runner.cancel()

    def clear(self, choice: str) -> None:
        """Remove the predictions of images, in each as one edit, which can be undone there or for all of them."""
        project, edits = self._session.require(), 0
        self._session.flush()
        for image in self._chosen(choice, self._usable()):
            if image.status != "untouched" and (changes := clear_predictions(project.result(image.id))):
                project.history(image.id).do("clear predictions", changes)
                edits += 1
        self._message, self._why = f"Cleared the predictions of {counted(edits, 'image')}; Undo brings them back.", {}
        self._slot.changed.emit()

    def _on_project_changed(self, *_: object) -> None:
        if self._session.project is not self._project and self._project is not None:
            self.runner.cancel()
            self._message, self._why, self._project = "", {}, None
        self._slot.changed.emit()

    def _on_advanced(self, progress: Progress) -> None:
        self._part, self._message = progress.part, progress.message
        self._slot.changed.emit()

    def _on_done(self, done: Segmented) -> None:
        """Put the cells of an image into the project."""
        project = self._project
        if project is None or project is not self._session.project or done.id not in project:
            return
        self._session.flush()  # what is being painted counts as a correction, and new predictions would wipe it away
        image = project.image(done.id)
        if done.cells is None:
            self._why[done.id] = done.why
        elif image.status in _CORRECTED and not self._with_corrected:
            self._why[done.id] = f"{image.path.name}: you corrected it meanwhile, so it was left alone."
        else:
            self._take(project, image, done.cells)
        self._slot.changed.emit()

    def _take(self, project: Project, image: ProjectImage, cells: FileCells) -> None:
        try:
            take(project, image.id, self._settings, cells)
        except (UserError, ValueError) as error:
            self._why[image.id] = f"{image.path.name}: {error}"
            return
        self._n_images += 1
        self._n_cells += project.result(image.id).n_visible()
        if cells.left_out:
            self._why[image.id] = f"{image.path.name} has no cells in {cells.left_out[0]}"
        if self._run is not None:
            self._run.note(image.file_name, {"cells": len(project.result(image.id))})

    def _on_ended(self, value: object) -> None:
        run, self._run = self._run, None
        if run is not None:
            run.close(finished=bool(value))
        took = duration(time.monotonic() - self._began)
        found = f"{counted(self._n_cells, 'cell')} in {self._n_images:,} of {counted(self._n_wanted, 'image')}, {took}."
        why = "Done: " if value else "Cancelled: " if self.runner.cancelled else "Stopped by an error: "
        self._message = why + found
        self._part = 0.0
        self._slot.changed.emit()
