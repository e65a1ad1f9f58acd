"""How good a compressed model is: AP on annotated images, or agreement with the cells of the model that it was made from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from napari_centermask.core.errors import BadSettings, Cancelled
from napari_centermask.core.instances import Instances
from napari_centermask.core.progress import silent
from napari_centermask.engines import AnyEngine
from napari_centermask.evaluation.folder import predict_records, predictor
from napari_centermask.evaluation.report import evaluate
from napari_centermask.io.coco.image_record import ImageRecord
from napari_centermask.io.images import read_image
from napari_centermask.io.reviewed import unreviewed_part
from napari_centermask.pipeline import score_of
from napari_centermask.settings import SegmentSettings


@dataclass(frozen=True)
class Scores:
    """The figures of a model on the images of a judge; None where there is nothing to measure.

    Attributes
    ----------
    ap50, ap_mean
        Bioimage AP, TP / (TP + FP + FN), at IoU 0.50 and its mean over .50:.05:.90.
    coco_ap, coco_ap50
        COCO AP, mean over IoU .50:.05:.95, and at .50.
    same50, same90
        F1 against the cells of the start model at IoU 0.5 and 0.9: 1 where both find the same cells.
    images
        On how many images all this was measured; 0 if that is not known.
    """

    ap50: float | None
    ap_mean: float | None
    coco_ap: float | None
    coco_ap50: float | None
    same50: float | None
    same90: float | None
    images: int = 0


class Judge:
    """Scores models on the same images.

    Parameters
    ----------
    records
        Annotated images. Without annotations (see `unannotated`) the cells of the start model are the truth.
    settings
        Of the segmentation.
    annotated
        Whether the records' cells are the truth.
    say
        Called with how far it is.
    """

    def __init__(
        self,
        records: Sequence[ImageRecord],
        settings: SegmentSettings,
        *,
        annotated: bool = True,
        say: Callable[[str], None] = silent,
        is_stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        if not records:
            raise BadSettings("There are no images to judge the model on. Choose a folder with images.")
        self.records, self._settings, self.annotated = list(records), settings, annotated
        self._say, self._is_stopped = say, is_stopped
        self._start: dict[int, Instances] = {}
        self.report: dict[str, Any] = {}

    def start(self, engine: AnyEngine) -> Scores:
        """Score the start model, with whose cells all others are compared."""
        cells = self._predict(engine)
        score = score_of(self._settings, engine)
        self._start = {id: _from_score(found, score) for id, found in cells.items()}
        if not self.annotated:
            self.records = [replace(record, instances=self._start[record.id]) for record in self.records]
        return self._scores(cells, score)

    def score(self, engine: AnyEngine) -> Scores:
        """Score another model; `report` then holds all of its figures."""
        return self._scores(self._predict(engine), score_of(self._settings, engine))

    def _predict(self, engine: AnyEngine) -> dict[int, Instances]:
        found: dict[int, Instances] = {}
        for number, (record, cells, _) in enumerate(
            predict_records(self.records, predictor(engine, self._settings)), 1
        ):
            found[record.id] = cells
            self._say(f"Judging on image {number} of {len(self.records)}")
            if self._is_stopped():
                raise Cancelled
        return found

    def _scores(self, cells: dict[int, Instances], score: float) -> Scores:
        report = evaluate(
            ((record.instances, cells[record.id], None) for record in self.records),
            score=score,
            crowds=(record.crowds for record in self.records),
            unreviewed=(unreviewed_part(record) for record in self.records) if self.annotated else None,
            details=False,
        )
        same = evaluate(self._beside_start(cells), score=score, details=False) if self._start else None
        self.report = {k: v for k, v in report.to_json().items() if k != "per_image"}
        coco = report.coco
        return Scores(
            ap50=report.counts[0.5].ap,
            ap_mean=self.report["bioimage_ap_mean"],
            coco_ap=coco.get("AP"),
            coco_ap50=coco.get("AP50"),
            same50=None if same is None else same.counts[0.5].f1,
            same90=None if same is None else same.counts[0.9].f1,
            images=len(self.records),
        )

    def _beside_start(self, cells: dict[int, Instances]) -> Iterator[tuple[Instances, Instances, None]]:
        return ((self._start[record.id], cells[record.id], None) for record in self.records)


def unannotated(paths: Sequence[Path]) -> list[ImageRecord]:
    """Images without annotations: the first plane of each file."""
    records = []
    for number, path in enumerate(paths, start=1):
        shape = read_image(path).plane_shape
        records.append(ImageRecord(number, path.name, path, shape, Instances(shape)))
    return records


def _from_score(cells: Instances, score: float) -> Instances:
    kept = Instances(cells.shape, categories=cells.categories)
    for cell in cells:
        if cell.score >= score:
            kept.add(cell)
    return kept
