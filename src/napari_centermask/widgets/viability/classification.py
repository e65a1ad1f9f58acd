"""Cells of an image classified off the GUI thread: what the worker does, and the one edit that comes of it."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.utils.notifications import show_error

from napari_centermask.core.classification import classified, to_classify, with_names
from napari_centermask.core.errors import UserError
from napari_centermask.core.viability import dead_category
from napari_centermask.engines.classifier import load_classifier
from napari_centermask.models.store.classifier_card import SUFFIX
from napari_centermask.pipeline.classify import classify_steps
from napari_centermask.pipeline.progress import Progress
from napari_centermask.widgets.parts.pickers import hint
from napari_centermask.widgets.viability.classify_box import ClassifyBox
from napari_centermask.widgets.viewer.planes import channel_names
from napari_centermask.widgets.work.connections import Connections
from napari_centermask.widgets.work.runner import Runner
from napari_centermask.widgets.work.tasks import Failed, answer_for

if TYPE_CHECKING:
    from napari_centermask.core.history import Edit
    from napari_centermask.core.instances import Instance
    from napari_centermask.core.result import Index
    from napari_centermask.widgets.edit.session import EditSession
    from napari_centermask.widgets.viability.threshold import Viability

_CAN = "Let the classifier tell the categories of all cells and how likely each is: one edit, which undo takes back."
_BUSY = "Cells are being classified."
_ALL_JUDGED = "No cell is left to classify: you judged them all. Tick 'Also cells that I judged' to classify those."


@dataclass(frozen=True)
class CropJob:
    """The cells of one plane.

    Attributes
    ----------
    image
        (C, H, W) array-like, the channels that the classifier sees.
    """

    index: Index
    image: Any
    cells: Sequence[Instance]


@dataclass(frozen=True)
class Told:
    """What a classifier said.

    Attributes
    ----------
    names
        Its K categories.
    said
        Of each job (N, K) probabilities.
    """

    jobs: Sequence[CropJob]
    names: Sequence[str]
    said: Sequence[np.ndarray]


def tell(classifier: str, jobs: Sequence[CropJob]) -> Generator[Progress, None, Told | Failed]:
    """Ask a classifier about cells; for the worker thread."""
    name = Path(classifier).name.removesuffix(SUFFIX)
    steps = _tell(classifier, name, jobs)
    then = "Choose another one, or train it again."
    return (yield from answer_for(steps, who=f"The classifier {name}", then=then))


def _tell(classifier: str, name: str, jobs: Sequence[CropJob]) -> Generator[Progress, None, Told]:
    yield Progress(0, 0, f"Loading {name}")
    engine = load_classifier(classifier)
    done, total, said = 0, sum(len(job.cells) for job in jobs), []
    for job in jobs:
        image = np.asarray(job.image)
        steps = classify_steps(image, image.shape[1:], job.cells, engine)
        while True:
            try:
                step = next(steps)
            except StopIteration as end:
                said.append(end.value)
                break
            yield Progress(done + step.done, total, f"Cell {done + step.done:,.0f} of {total:,}")
        done += len(job.cells)
    return Told(jobs, engine.card.model.categories, said)


class Classifying:
    """The part of the viability dock that asks a classifier about the cells of the image in view.

    Parameters
    ----------
    settle
        Gives the cells the categories of a threshold that is being tried; called before cells are taken or changed.
    """

    def __init__(self, settle: Callable[[], None]) -> None:
        self._settle = settle
        self._found: Viability | None = None
        self._asked: tuple[Viability, str, bool] | None = None
        self._was_opened = False
        self.box, self.runner = ClassifyBox(), Runner()
        self.box.run.start.clicked.connect(self.start)
        self.box.run.cancel.clicked.connect(self.runner.cancel)
        self._links = Connections()
        self._links.add(self.runner.advanced, self._on_advanced)
        self._links.add(self.runner.ended, self._on_ended)
        self._problem = ""

    def close(self) -> None:
        """The dock has died: stop, and tell nobody."""
        self._links.end()
        self.runner.cancel()

    def show(self, found: Viability | None, *, problem: str, tells: bool = True) -> None:
        """Turn to an image.

        Parameters
        ----------
        problem
            Why nothing can be classified; empty if it can.
        tells
            Whether its cells tell probabilities; if none does, the box unfolds once.
        """
        if found is not self._found:
            self._found = found
            self._show_channels()
            self.box.report("")
        if not (problem or tells or self._was_opened):
            self._was_opened = True
            self.box.fold.expand(False)
        self._problem = problem
        self._show_buttons()

    def _show_channels(self) -> None:
        shown = self._found and self._found.edits.shown
        source = shown and shown.source()
        self.box.set_channels(channel_names(source, channel_axis=shown.planes.channel_axis) if source else [])
        self.box.channels.set_value(shown.settings.channels if shown and shown.settings else None)

    def _show_buttons(self) -> None:
        busy, run = self.runner.is_running, self.box.run
        reason = _BUSY if busy else self._problem
        hint(run.start, reason or _CAN, enabled=not reason)
        hint(run.cancel, "Stop; no cell changes." if busy else "Nothing is being classified.", enabled=busy)
        run.progress.setVisible(busy)

    def start(self) -> None:
        """Classify the cells of all planes; what they become is one edit at the end."""
        self._settle()
        found, chosen = self._found, self.box.classifier.chosen
        if chosen is None:
            show_error(
                "Expected a classifier, none is chosen. Choose one under 'Classifier', or make one: "
                "napari-centermask train-classifier"
            )
            return
        found.edits.flush()
        planes, channels = found.edits.planes, self.box.channels.value()
        waiting = to_classify(found.edits.result, judged=self.box.judged.isChecked())
        if not waiting:
            self.box.report(_ALL_JUDGED)
            return
        everything = slice(None) if channels is None else channels
        jobs = [CropJob(index, planes.plane(index)[everything], cells) for index, cells in waiting.items()]
        self._asked = found, self.box.classifier.currentText(), self.box.mean.isChecked()
        self.box.report("Starting")
        self.box.run.show_start()
        self.runner.start("CenterMask: classifying", tell, chosen, jobs)
        self._show_buttons()

    def _on_advanced(self, step: Progress) -> None:
        self.box.run.show_progress(step.part, step.message)

    def _on_ended(self, value: Any) -> None:
        asked, self._asked = self._asked, None
        text = "Cancelled; no cell changed." if self.runner.cancelled else "Stopped by an error."
        if isinstance(value, Told):
            try:
                text = self._take(value, *asked)
            except UserError as error:  # a project that is read-only
                value = Failed(str(error))
        if isinstance(value, Failed):
            text = value.message
            show_error(text)
        self.box.run.show_end()
        self.box.report(text)
        self._show_buttons()

    def _take(self, told: Told, found: Viability, name: str, mean: bool) -> str:
        """Give the cells what the classifier said; returns what to report."""
        edits = found.edits
        source = edits and edits.source
        if source is None or edits.session.shown(source) is not edits.shown:
            return "The image has other cells by now; nothing was changed."
        self._settle()
        edits.flush()
        edit = put(found, told, f"classification with {name}", mean=mean)
        if edit is None:
            return f"{name} says nothing new; no cell changed."
        n = sum(edits.result.shows(change.after) for change in edit.changes)
        left = edits.result.n_visible() - n
        stay = f"; {left:,} stay as they are" if left else ""
        return f"{n:,} {'cell' if n == 1 else 'cells'} classified with {name}{stay}."


def put(found: Viability, told: Told, name: str, *, mean: bool) -> Edit | None:
    """Make what a classifier said one edit; None if it changes nothing.

    Raises
    ------
    ReadOnlyProject
        If the project is read-only; all is as before.
    """
    edits, result = found.edits, found.edits.result
    changes = [
        change
        for job, said in zip(told.jobs, told.said, strict=True)
        for change in classified(result, job.index, job.cells, said, told.names, mean=mean)
    ]
    before = dict(result.categories)
    result.categories = with_names(before, told.names)
    try:
        edit = edits.do(name, changes)
    except UserError:
        result.categories = before
        raise
    if edit is None:
        result.categories = before
        return None
    if len(result.categories) > len(before):
        found.choose(dead_category(result.categories))
        if not result.named_categories:  # those of a project belong to all of its images, and stay
            _undo_names_with(edit, edits, before)
    _name_planes(edits)
    return edit


def _name_planes(edits: EditSession) -> None:
    for plane in edits.result.planes.values():
        plane.categories = dict(edits.result.categories)
    edits.session.changed.emit(edits.source)


def _undo_names_with(edit: Edit, edits: EditSession, before: dict[int, str]) -> None:
    """Take the categories that an edit brought back when it is undone, unless somebody changed the list; redo brings them."""
    result, after, back = edits.result, dict(edits.result.categories), edit.inverse()

    def follow(applied: Edit) -> None:
        is_undo = applied.changes == back.changes  # cells are compared by identity
        there, wanted = (after, before) if is_undo else (before, after)
        if (is_undo or applied is edit) and result.categories == there and edits.source is not None:
            result.categories = dict(wanted)
            _name_planes(edits)

    edits.history.listen(follow)
