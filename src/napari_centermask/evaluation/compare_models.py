"""Run two models over the same annotated images and compare them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from napari_centermask.core.errors import BadAnnotations
from napari_centermask.core.instances import Instances
from napari_centermask.core.regions import rectangles
from napari_centermask.engines import AnyEngine
from napari_centermask.evaluation.compare import Comparison, Judged, compare, differing
from napari_centermask.evaluation.error_maps import write_error_map
from napari_centermask.evaluation.folder import NOTHING_REVIEWED, image_name, read_truth
from napari_centermask.evaluation.report import evaluate
from napari_centermask.io.coco.image_record import ImageRecord
from napari_centermask.io.groups import sources_of
from napari_centermask.io.images import read_channel_names, read_plane
from napari_centermask.io.reviewed import Truth, centred_within, is_partial, truth_of
from napari_centermask.io.trained_on import overlap, places_in
from napari_centermask.pipeline import segment, with_card_defaults
from napari_centermask.pipeline.channels import named
from napari_centermask.settings import LOWEST_SCORE, PreprocessSettings, SegmentSettings

KNOWN_IMAGES = 20
"""Largest number of images of a folder of the old model's kind; a choice: more would take longer than the comparison itself."""
_NO_FILE_NAME = r"[^\w.-]+"
Watch = Callable[[int, int, str], None]


def compare_models(
    folders: Sequence[Path],
    split: str | None,
    old: AnyEngine,
    new: AnyEngine,
    *,
    known: Sequence[Path] = (),
    pictures: Path | None = None,
    watch: Watch | None = None,
    microscope: PreprocessSettings | None = None,
) -> Comparison:
    """Compare two models on annotated images, each at the diameter that it estimates, as it will be used.

    In a partly reviewed image, only cells centred in a reviewed region count. If both models assign categories to
    the cells, a cell counts as found only with the right one.

    Parameters
    ----------
    folders, split
        Data folders, and the split of their annotations.
    known
        Data folders of the old model's kind of image: how much the new one forgot is measured on their `val`.
    microscope
        The flat field of the data folders, used together with each model's own preprocessing.
    pictures
        Folder for pictures of the images on which the models differ most, `<image>_old.png` and `<image>_new.png`.
    watch
        Called before each image with its number from 0, the number of images, and its name.

    Raises
    ------
    BadAnnotations
        If there are no images to compare on.
    """
    entries = _named([e for folder in folders for e in _entries(Path(folder), split)])
    if not entries:
        raise BadAnnotations(NOTHING_REVIEWED)
    judged = []
    for number, entry in enumerate(entries):
        if watch is not None:
            watch(number, len(entries), entry.record.file_name)
        judged.append(_judge(entry, old, new, microscope))
    lost = forgotten(known, old, new) if known else None
    scores = {"old": _score(old), "new": _score(new)}
    result = compare(
        judged,
        old_score=scores["old"],
        new_score=scores["new"],
        categories=_categories(entries, old, new),
        forgotten=lost,
        trained_on=(_n_trained_on(entries, old), _n_trained_on(entries, new)),
    )
    for row, entry in zip(result.per_image, entries, strict=True):
        row["path"] = str(entry.record.path)
    if pictures is not None:
        _draw(result, judged, entries, pictures, scores)
    return result


def forgotten(folders: Sequence[Path], old: AnyEngine, new: AnyEngine, *, most: int = KNOWN_IMAGES) -> float:
    """By how much the mean bioimage AP falls on at most `most` validation images per folder; negative if it rises."""
    falls = []
    for folder in folders:
        entries = _entries(Path(folder), "val")
        entries = entries[:: max(1, -(-len(entries) // most))]
        judged = [_judge(entry, old, new) for entry in entries]
        crowds = [j.crowds for j in judged]
        aps = []
        for side, engine in (("old", old), ("new", new)):
            pairs = ((j.truth, getattr(j, side), None) for j in judged)
            aps.append(evaluate(pairs, score=_score(engine), crowds=crowds, details=False).to_json())
        falls.append((aps[0]["bioimage_ap_mean"] or 0.0) - (aps[1]["bioimage_ap_mean"] or 0.0))
    return float(np.mean(falls))


@dataclass(frozen=True)
class _Entry:
    """An image with its annotations, its name, and its source."""

    folder: Path
    record: ImageRecord
    truth: Truth
    name: str
    source: str


def _entries(folder: Path, split: str | None) -> list[_Entry]:
    """The images of a folder that were reviewed at least in part; others cannot be used for comparison."""
    records = read_truth(folder, split)
    partial = is_partial(records)
    entries = [
        _Entry(folder, r, truth_of(r, partial=partial), image_name(r), f"{folder}/{source}")
        for r, source in zip(records, sources_of(records), strict=True)
    ]
    return [e for e in entries if e.truth.reviewed != ()]


def _named(entries: list[_Entry]) -> list[_Entry]:
    """The name, with the folder if several share it."""
    counts = Counter(e.name for e in entries)
    return [replace(e, name=f"{e.folder}/{e.name}") if counts[e.name] > 1 else e for e in entries]


def _judge(entry: _Entry, old: AnyEngine, new: AnyEngine, microscope: PreprocessSettings | None = None) -> Judged:
    record, truth = entry.record, entry.truth
    image = np.asarray(read_plane(record.path, record.plane))
    names = read_channel_names(record.path)
    cells = centred_within(truth.instances, truth.reviewed)
    region = None if truth.reviewed is None else rectangles(truth.reviewed)

    def predict(engine: AnyEngine) -> Instances:
        light = microscope or PreprocessSettings()
        settings = named(SegmentSettings(preprocess=light), names)
        return segment(image, engine, settings, region=region, min_score=LOWEST_SCORE)

    return Judged(entry.name, cells, predict(old), predict(new), entry.source, record.crowds)


def _categories(entries: Sequence[_Entry], old: AnyEngine, new: AnyEngine) -> list[str]:
    """Categories that both models know, if the cells have no others."""
    known = set(old.card.model.categories) & set(new.card.model.categories)
    wanted = {e.truth.instances.categories.get(c.category) for e in entries for c in e.truth.instances}
    return sorted(known) if len(known) > 1 and wanted <= known else []


def _n_trained_on(entries: Sequence[_Entry], engine: AnyEngine) -> int:
    """Number of the compared images that a model was trained on."""
    places = [
        (e.truth.reviewed or ((0, 0, *e.record.shape),), places_in(e.record, engine.card.trained_on)) for e in entries
    ]
    return sum(overlap(judged, known) for judged, known in places)


def _score(engine: AnyEngine) -> float:
    return with_card_defaults(SegmentSettings(), engine.card).score


def _draw(
    result: Comparison, judged: list[Judged], entries: list[_Entry], folder: Path, scores: dict[str, float]
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    by_name = {j.name: (j, e.record) for j, e in zip(judged, entries, strict=True)}
    for row in differing(result):
        case, record = by_name[row["name"]]
        image = np.asarray(read_plane(record.path, record.plane))
        for side, cells in (("old", case.old), ("new", case.new)):
            path = folder / f"{re.sub(_NO_FILE_NAME, '_', row['name'])}_{side}.png"
            write_error_map(path, image, case.truth, cells.filter(min_score=scores[side]))
            row[f"picture_{side}"] = str(path)
