"""Classify the cells of an image: the work of the worker thread, and the resulting edit."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QTimer

from napari_centermask.core.classification import classified, with_names
from napari_centermask.core.errors import UserError
from napari_centermask.core.viability import dead_category
from napari_centermask.engines.classifier import load_classifier
from napari_centermask.models.store.zoo import CLASSIFIER as SUFFIX
from napari_centermask.pipeline.classify import classify_steps
from napari_centermask.pipeline.progress import Progress
from napari_centermask.widgets.work.tasks import Failed, answer_for

if TYPE_CHECKING:
    from napari_centermask.core.history import Change, Edit
    from napari_centermask.core.instances import Instance
    from napari_centermask.core.result import Index
    from napari_centermask.widgets.edit.session import EditSession
    from napari_centermask.widgets.viability.threshold import Viability


@dataclass(frozen=True)
class UnclassifiedPlane:
    """Cells of one plane to classify.

    Attributes
    ----------
    image
        (C, H, W) array-like, the channels that the classifier sees.
    """

    index: Index
    image: Any
    cells: Sequence[Instance]


@dataclass(frozen=True)
class Classification:
    """The result of a classifier.

    Attributes
    ----------
    categories
        The names of its K categories.
    probabilities
        (N, K) for each plane, with rows in the order of its cells.
    """

    planes: Sequence[UnclassifiedPlane]
    categories: Sequence[str]
    probabilities: Sequence[np.ndarray]


def classify_planes(
    classifier: str, planes: Sequence[UnclassifiedPlane]
) -> Generator[Progress, None, Classification | Failed]:
    """Classify cells with an installed classifier or one from a file; for the worker thread."""
    name = Path(classifier).name.removesuffix(SUFFIX)
    steps = _classify_planes(classifier, name, planes)
    then = "Choose another one, or train it again."
    return (yield from answer_for(steps, who=f"The classifier {name}", then=then))


def _classify_planes(
    classifier: str, name: str, planes: Sequence[UnclassifiedPlane]
) -> Generator[Progress, None, Classification]:
    yield Progress(0, 0, f"Loading {name}")
    engine = load_classifier(classifier)
    done, total = 0, sum(len(plane.cells) for plane in planes)
    probabilities: list[np.ndarray] = []
    for plane in planes:
        image = np.asarray(plane.image)
        steps = classify_steps(image, image.shape[1:], plane.cells, engine)
        while True:
            try:
                step = next(steps)
            except StopIteration as end:
                probabilities.append(end.value)
                break
            yield Progress(done + step.done, total, f"Cell {done + step.done:,.0f} of {total:,}")
        done += len(plane.cells)
    return Classification(planes, engine.card.model.categories, probabilities)


def apply_classification(viability: Viability, classification: Classification, name: str, *, mean: bool) -> Edit | None:
    """Give the cells their categories and probabilities as one edit; None if that changes nothing.

    Parameters
    ----------
    name
        Name of the edit.
    mean
        Average with the present probabilities of the cells.

    Raises
    ------
    ReadOnlyProject
        If the project is read-only; nothing is changed then.
    """
    edits, result = viability.edits, viability.edits.result
    changes = _changes(viability, classification, mean=mean)
    before = dict(result.categories)
    result.categories = with_names(before, classification.categories)
    try:
        edit = edits.do(name, changes)
    except UserError:
        result.categories = before
        raise
    if edit is None:
        result.categories = before
        return None
    if len(result.categories) > len(before):
        viability.choose(dead_category(result.categories))
        if not result.named_categories:  # those of a project belong to all of its images, and stay
            _undo_names_with(edit, edits, before)
    _name_planes(edits)
    return edit


def _changes(viability: Viability, classification: Classification, *, mean: bool) -> list[Change]:
    result, names = viability.edits.result, classification.categories
    answers = zip(classification.planes, classification.probabilities, strict=True)
    return [
        change
        for plane, probabilities in answers
        for change in classified(result, plane.index, plane.cells, probabilities, names, mean=mean)
    ]


def _name_planes(edits: EditSession) -> None:
    for plane in edits.result.planes.values():
        plane.categories = dict(edits.result.categories)
    session, source = edits.session, edits.source

    def report() -> None:
        if session.shown(source) is not None:
            session.changed.emit(source)

    QTimer.singleShot(0, report)  # redraw the categories in a separate turn of the event loop


def _undo_names_with(edit: Edit, edits: EditSession, before: dict[int, str]) -> None:
    """Remove categories that an edit added when it is undone, unless the list was changed since; redo adds them again."""
    result, after, back = edits.result, dict(edits.result.categories), edit.inverse()

    def follow(applied: Edit) -> None:
        is_undo = applied.changes == back.changes  # cells are compared by identity
        there, wanted = (after, before) if is_undo else (before, after)
        if (is_undo or applied is edit) and result.categories == there and edits.source is not None:
            result.categories = dict(wanted)
            _name_planes(edits)

    edits.history.listen(follow)
