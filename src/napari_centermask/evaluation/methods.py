"""Methods that assign categories to cells - models, classifiers on a model's cells, ensembles - on the same images."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from napari_centermask.core.errors import BadAnnotations, BadSettings
from napari_centermask.core.instances import Instances
from napari_centermask.core.left_out import LeftOut
from napari_centermask.core.probabilities import mixed, tempered
from napari_centermask.engines.classifier import ClassifierEngine, load_classifier
from napari_centermask.engines.load import load_chosen
from napari_centermask.evaluation.folder import check_shape, image_name, of_same_images, predict_records, predictor
from napari_centermask.evaluation.matching import match, pair_boxes
from napari_centermask.evaluation.viability import MATCH, probabilities_of
from napari_centermask.io.coco.image_record import ImageRecord
from napari_centermask.io.images import read_plane
from napari_centermask.pipeline import with_card_defaults
from napari_centermask.pipeline.classify import classify
from napari_centermask.settings import SegmentSettings

TRUTH = "truth"


@dataclass(frozen=True)
class MethodCells:
    """The cells of one method.

    Attributes
    ----------
    cells
        The cells of each image.
    score
        Lowest score of a cell that counts.
    """

    cells: list[Instances]
    score: float = 0.0


def is_model(name: str) -> bool:
    """Whether the cells come from a model, and not from a file or the annotations."""
    return name != TRUTH and not name.endswith(".json")


class Method:
    """MODEL, or MODEL+CLASSIFIER: a model finds the cells, and a classifier assigns their categories if given.

    Parameters
    ----------
    text
        MODEL is a model, a COCO file of its cells ({split} in its name stands for the split), or "truth": the annotated
        cells. CLASSIFIER is a file, or a model that comes with one.
    settings
        How the model segments.

    Raises
    ------
    BadModel, BadSettings
        If one is missing, or "truth" has no classifier.
    """

    def __init__(self, text: str, settings: SegmentSettings) -> None:
        model, _, classifier = text.partition("+")
        if model == TRUTH and not classifier:
            raise BadSettings("'truth' needs a classifier: truth+CLASSIFIER.")
        self.name, self.settings, self._model = text, settings, model
        self._classifier: ClassifierEngine | None = load_classifier(classifier) if classifier else None
        self._engine = load_chosen(model, settings) if is_model(model) else None

    def run(
        self,
        records: Sequence[ImageRecord],
        split: str | None,
        known: dict[tuple[str, str | None], MethodCells] | None = None,
        left_out: LeftOut[str] | None = None,
    ) -> MethodCells:
        """The cells of annotated images.

        Parameters
        ----------
        left_out
            Collects the names of images that fail, for which no cells are returned, and of those that are not reached when a
            person stops the work; without it, the first failure is raised.
        known
            Cells of models that have run; those of this one are added, so that methods with the same model run it once.
        """
        known = {} if known is None else known
        if (key := (self._model, split)) not in known:
            known[key] = self._cells(records, split, left_out)
        by_model = known[key]
        if self._classifier is None:
            return by_model
        cells_of = list(by_model.cells)
        done = range(len(records)) if left_out is None else left_out.until_stopped(range(len(records)))
        k = 0
        for k in done:
            record = records[k]
            with nullcontext() if left_out is None else left_out.unless_done(image_name(record)):
                plane = np.asarray(read_plane(record.path, record.plane))
                cells_of[k] = classify(plane, _unjudged(cells_of[k]), self._classifier)
        if left_out is not None and left_out.stopped:
            left_out.skip(map(image_name, records[k + 1 :]))
        return replace(by_model, cells=cells_of)

    def _cells(self, records: Sequence[ImageRecord], split: str | None, left_out: LeftOut[str] | None) -> MethodCells:
        if self._engine is not None:
            predict = predictor(self._engine, self.settings)
            score = with_card_defaults(self.settings, self._engine.card).score
            steps = predict_records(records, predict, left_out)
            done = steps if left_out is None else left_out.until_stopped(steps)
            predicted = {id(record): cells for record, cells, _ in done}
            if left_out is not None and left_out.stopped:
                left_out.skip(image_name(r) for r in records if id(r) not in predicted)
            return MethodCells([predicted.get(id(r), Instances(r.shape)) for r in records], score)
        if self._model == TRUTH:
            return MethodCells([r.instances for r in records])
        path = Path(self._model.replace("{split}", split or ""))
        score = self.settings.score if "score" in self.settings.model_fields_set else 0.0
        return MethodCells(_of_file(path, records), score)


def _of_file(path: Path, records: Sequence[ImageRecord]) -> list[Instances]:
    """The cells of each image in a COCO file; none for an image that it lacks."""
    theirs, _ = of_same_images(records, path)
    if not theirs:
        raise BadAnnotations(
            f"{path.name} has no cells of {records[0].file_name} and the others. Choose "
            "another file or --split, write {split} in its name where each has its own, or --calibrate none without val."
        )
    categories = next(iter(theirs.values())).instances.categories
    instances = []
    for record in records:
        own = theirs.get(record.id)
        if own is not None:
            check_shape(record, own.shape)
        instances.append(Instances(record.shape, categories=categories) if own is None else own.instances)
    return instances


def _unjudged(cells: Instances) -> Instances:
    """The cells as if predicted: the classifier must not know their annotated categories."""
    return Instances(cells.shape, (replace(c, status="predicted") for c in cells), categories=cells.categories)


def at_temperature(cells: Instances, temperature: float) -> Instances:
    """The cells with tempered probabilities; their order, and so the categories, stay the same."""
    classified = (
        replace(c, probabilities=tuple(tempered(np.array(c.probabilities), temperature).tolist()))
        if c.probabilities
        else c
        for c in cells
    )
    return Instances(cells.shape, classified, categories=cells.categories)


def together(
    methods: Sequence[Instances],
    categories: Sequence[str],
    *,
    weights: Sequence[float] | None = None,
    vote: bool = False,
) -> Instances:
    """The cells of the first method with the joined probabilities of all, matched by boxes.

    Parameters
    ----------
    methods
        The cells of one image, for each method.
    categories
        Names, in the order of the result's probabilities.
    weights, vote
        As of `core.probabilities.mixed`.
    """
    first = list(methods[0])
    said = []
    for cells in methods:
        others = list(cells)
        answer = np.full((len(first), len(categories)), np.nan)
        t, p, _ = match(pair_boxes(first, others), MATCH)
        answer[t] = probabilities_of(cells, others, categories)[p]
        said.append(answer)
    joined = mixed(said, weights, vote=vote) if first else np.zeros((0, len(categories)))
    names = dict(enumerate(categories, start=1))
    own = probabilities_of(methods[0], first, categories)
    joined = np.where(np.isnan(joined), own, joined)
    classified = (
        replace(c, category=int(p.argmax()) + 1, probabilities=tuple(p.tolist()))
        for c, p in zip(first, joined, strict=True)
    )
    return Instances(methods[0].shape, classified, categories=names)
