"""Ways to tell the categories of cells - models, classifiers on their cells, several together - on the same images."""

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
from napari_centermask.engines.load import load_engine
from napari_centermask.evaluation.folder import check_shape, key_of, predict_records, predictor, records_by_key
from napari_centermask.evaluation.matching import match, pair_boxes
from napari_centermask.evaluation.viability import MATCH, probabilities_of
from napari_centermask.io.coco.document import read_coco
from napari_centermask.io.coco.image_record import ImageRecord
from napari_centermask.io.images import read_plane
from napari_centermask.pipeline import with_card_defaults
from napari_centermask.pipeline.classify import classify
from napari_centermask.settings import SegmentSettings

TRUTH = "truth"


@dataclass(frozen=True)
class Found:
    """The cells of one way.

    Attributes
    ----------
    cells
        Of each image.
    score
        From which they count.
    """

    cells: list[Instances]
    score: float = 0.0


def is_model(name: str) -> bool:
    """Whether what finds the cells of a way is a model, and not a file of cells or the annotations."""
    return name != TRUTH and not name.endswith(".json")


class Way:
    """MODEL, or MODEL+CLASSIFIER: who finds the cells, and who tells their categories where the model does not.

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
        If one is missing, or "truth" stands alone.
    """

    def __init__(self, text: str, settings: SegmentSettings) -> None:
        model, _, classifier = text.partition("+")
        if model == TRUTH and not classifier:
            raise BadSettings("'truth' needs a classifier: truth+CLASSIFIER.")
        self.name, self.settings, self._model = text, settings, model
        self._classifier: ClassifierEngine | None = load_classifier(classifier) if classifier else None
        self._engine = load_engine(model, engine=settings.engine, device=settings.device) if is_model(model) else None

    def run(
        self,
        records: Sequence[ImageRecord],
        split: str | None,
        known: dict[tuple[str, str | None], Found] | None = None,
        left_out: LeftOut[str] | None = None,
    ) -> Found:
        """The cells of annotated images.

        Parameters
        ----------
        left_out
            Gets the names of images that fail, of which no cells are returned; without it, the first one ends the work.
        known
            What models found already, and a place for what this one finds, so that ways with one model share its work.
        """
        known = {} if known is None else known
        if (key := (self._model, split)) not in known:
            known[key] = self._cells(records, split, left_out)
        found = known[key]
        if self._classifier is None:
            return found
        told = []
        for record, cells in zip(records, found.cells, strict=True):
            told.append(cells)
            with nullcontext() if left_out is None else left_out.unless_done(record.file_name):
                plane = np.asarray(read_plane(record.path, record.plane))
                told[-1] = classify(plane, _unjudged(cells), self._classifier)
        return replace(found, cells=told)

    def _cells(self, records: Sequence[ImageRecord], split: str | None, left_out: LeftOut[str] | None) -> Found:
        if self._engine is not None:
            predict = predictor(self._engine, self.settings)
            score = with_card_defaults(self.settings, self._engine.card).score
            predicted = {id(record): cells for record, cells, _ in predict_records(records, predict, left_out)}
            return Found([predicted.get(id(r), Instances(r.shape)) for r in records], score)
        if self._model == TRUTH:
            return Found([r.instances for r in records])
        path = Path(self._model.replace("{split}", split or ""))
        score = self.settings.score if "score" in self.settings.model_fields_set else 0.0
        return Found(_of_file(path, records), score)


def _of_file(path: Path, records: Sequence[ImageRecord]) -> list[Instances]:
    """The cells that a COCO file has of each image; none of one that it lacks."""
    theirs = records_by_key(path, read_coco(path))
    if not theirs.keys() & set(map(key_of, records)):
        raise BadAnnotations(
            f"{path.name} has no cells of {records[0].file_name} and the others. Choose "
            "another file or --split, write {split} in its name where each has its own, or --calibrate none without val."
        )
    categories = next(iter(theirs.values())).instances.categories
    found = []
    for record in records:
        own = theirs.get(key_of(record))
        if own is not None:
            check_shape(record, own.shape)
        found.append(Instances(record.shape, categories=categories) if own is None else own.instances)
    return found


def _unjudged(cells: Instances) -> Instances:
    """As if a model had found them: annotations must not tell the classifier what they are."""
    return Instances(cells.shape, (replace(c, status="predicted") for c in cells), categories=cells.categories)


def at_temperature(cells: Instances, temperature: float) -> Instances:
    """The cells with tempered probabilities; their order, and so the categories, stay."""
    told = (
        replace(c, probabilities=tuple(tempered(np.array(c.probabilities), temperature).tolist()))
        if c.probabilities
        else c
        for c in cells
    )
    return Instances(cells.shape, told, categories=cells.categories)


def together(
    ways: Sequence[Instances], categories: Sequence[str], *, weights: Sequence[float] | None = None, vote: bool = False
) -> Instances:
    """The cells of the first way with what all ways say of them, matched by boxes.

    Parameters
    ----------
    ways
        Of each way its cells of one image.
    categories
        Names, in the order of the result's probabilities.
    weights, vote
        As of `core.probabilities.mixed`.
    """
    first = list(ways[0])
    said = []
    for cells in ways:
        others = list(cells)
        answer = np.full((len(first), len(categories)), np.nan)
        t, p, _ = match(pair_boxes(first, others), MATCH)
        answer[t] = probabilities_of(cells, others, categories)[p]
        said.append(answer)
    joined = mixed(said, weights, vote=vote) if first else np.zeros((0, len(categories)))
    names = dict(enumerate(categories, start=1))
    own = probabilities_of(ways[0], first, categories)
    joined = np.where(np.isnan(joined), own, joined)
    told = (
        replace(c, category=int(p.argmax()) + 1, probabilities=tuple(p.tolist()))
        for c, p in zip(first, joined, strict=True)
    )
    return Instances(ways[0].shape, told, categories=names)
