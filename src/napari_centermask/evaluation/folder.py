"""Evaluate a model, or predictions from a COCO file, on a folder with `images/` and annotations."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import nullcontext
from itertools import groupby
from pathlib import Path

from napari_centermask.core.counted import counted
from napari_centermask.core.errors import BadAnnotations, BadImage
from napari_centermask.core.instances import Instances
from napari_centermask.core.left_out import LeftOut
from napari_centermask.core.progress import silent
from napari_centermask.core.result import Index
from napari_centermask.engines import AnyEngine
from napari_centermask.engines.ensemble import AnySegmenter
from napari_centermask.evaluation.class_maps import ClassMap
from napari_centermask.evaluation.report import MOST_DETECTIONS, Report, evaluate
from napari_centermask.io.coco.annotated import read_annotated
from napari_centermask.io.coco.document import check_images
from napari_centermask.io.coco.image_record import ImageRecord
from napari_centermask.io.coco.image_record import left_out as cells_left_out
from napari_centermask.io.datasets.folder import annotation_path, of_other_tool, read_folder
from napari_centermask.io.image_data import ImageData
from napari_centermask.io.image_names import is_file, match_names
from napari_centermask.io.images import read_channel_names, read_image
from napari_centermask.io.reviewed import unreviewed_part, with_right_cells
from napari_centermask.pipeline import PlaneCells, Progress, planes_of, segment_planes
from napari_centermask.pipeline.channels import named
from napari_centermask.pipeline.progress import run_through
from napari_centermask.settings import LOWEST_SCORE, SegmentSettings

Predict = Callable[[ImageData, Sequence[Index]], Sequence[Instances]]
"""The cells of some planes of an image, including low scores for the COCO metrics."""
NOTHING_REVIEWED = "There are no reviewed images to compare on. Review images in full, or mark reviewed regions."
Watch = Callable[[ImageRecord, Instances, int, int], None]
Say = Callable[[str], None]


def read_truth(
    folder: Path, split: str | None, left_out: LeftOut[str] | None = None, *, say: Say = silent
) -> list[ImageRecord]:
    """The annotated images of a folder, as `io.datasets.folder.read_folder` reads them.

    Parameters
    ----------
    left_out
        Collects images that are missing, if others exist.
    say
        Called with sentences about annotations of other programs that are left out or repaired.

    Raises
    ------
    BadAnnotations
        If the file or an image is missing, or there are no images.
    """
    records = read_folder(folder, split, say=say)
    path = annotation_path(folder, split)
    if not records:
        raise BadAnnotations(f"{path.name} lists no images. Choose another file or folder.")
    if left_out is not None and any(_is_there(r) for r in records):
        for record in records:
            if not _is_there(record):
                left_out.add(image_name(record), f"The image beside {path.name} is missing. Put it back.")
        records = [r for r in records if _is_there(r)]
    check_images(path, records)
    return records


def _is_there(record: ImageRecord) -> bool:
    return record.path is not None and is_file(record.path)


def channel_names_in(folder: Path, split: str | None) -> list[str] | None:
    """Names of the channels of all images of a split, in order; None if no image has names. Damaged images are ignored.

    Raises
    ------
    BadAnnotations
        If two images have different ones.
    """
    first: tuple[str, list[str]] | None = None
    passed_over = LeftOut[str]()
    for file_name, path in _images_in(folder, split, passed_over):
        names = None
        with passed_over.unless_done(file_name):
            names = read_channel_names(path)
        if first is not None and names is not None and names != first[1]:
            raise BadAnnotations(
                f"The channels differ: {first[0]} has {', '.join(first[1])}, {file_name} "
                f"{', '.join(names)}. Save the images with the same channels, or give --channel-names for all."
            )
        if first is None and names:
            first = file_name, names
    return None if first is None else first[1]


def _images_in(folder: Path, split: str | None, left_out: LeftOut[str]) -> list[tuple[str, Path]]:
    """Name and path of each image; cells of other tools, which take long, are not read for that."""
    if (dataset := of_other_tool(folder)) is not None:
        return [(item.image.name, item.image) for item in dataset.items(split)]
    return [
        (record.file_name, record.path) for record in read_truth(folder, split, left_out) if record.path is not None
    ]


def predictor(
    engine: AnySegmenter,
    settings: SegmentSettings,
    *,
    min_score: float | None = LOWEST_SCORE,
    run: Callable[[Generator[Progress, None, list[Instances]]], list[Instances]] = run_through,
) -> Predict:
    """A function that predicts as `segment` does; channel names from the file are used if the settings have none.

    Parameters
    ----------
    min_score
        See `segment_planes`.
    run
        Runs the generator and returns its value; it may show progress.
    """

    def predict(image: ImageData, indices: Sequence[Index]) -> list[Instances]:
        return run(_predict_steps(image, indices, engine, named(settings, image.channel_names), min_score))

    return predict


def _predict_steps(
    image: ImageData, indices: Sequence[Index], engine: AnySegmenter, settings: SegmentSettings, min_score: float | None
) -> Generator[Progress, None, list[Instances]]:
    by_plane: dict[Index, Instances] = {}
    planes = planes_of(image)
    check = len(planes) > 1  # as in `segment`, a blank plane of a stack is skipped, and a blank image has no cells
    for step in segment_planes(planes, engine, settings, only=set(indices), min_score=min_score, check=check):
        if not isinstance(step, PlaneCells):
            yield step
        elif step.problem and not check:
            raise BadImage(step.problem)
        else:
            by_plane[step.plane.index] = step.cells
    return [by_plane[index] for index in indices]


def class_mapper(engine: AnyEngine, settings: SegmentSettings) -> Callable[[ImageRecord], ClassMap]:
    """A function that gives the class map of a U-Net for an annotated image, as `segment --maps` does."""

    def class_map_of(record: ImageRecord) -> ClassMap:
        image = read_image(Path(record.path or record.file_name), leading=record.leading)
        planes, own = planes_of(image), named(settings, image.channel_names)
        only, check = {image.index(record.plane)}, len(planes) > 1
        steps = segment_planes(planes, engine, own, only=only, check=check, classes=True)
        (plane,) = (step for step in steps if isinstance(step, PlaneCells))
        assert plane.classes is not None
        return ClassMap(plane.classes, engine.card.model.categories)

    return class_map_of


def predict_records(
    records: Sequence[ImageRecord], predict: Predict, left_out: LeftOut[str] | None = None
) -> Iterator[tuple[ImageRecord, Instances, float]]:
    """The records in order, each with its prediction and the seconds it took without reading.

    Planes of one file that follow each other are predicted together, so a stack is read once.

    Parameters
    ----------
    left_out
        Collects the names of images that cannot be predicted, which are not yielded; without it, the first failure is raised.

    Raises
    ------
    BadAnnotations
        If an image differs in size from its annotations.
    BadImage
        If one cannot be read or segmented.
    """
    for path, group in groupby(records, key=lambda record: record.path):
        planes = list(group)
        predicted: Sequence[Instances] = ()
        with nullcontext() if left_out is None else left_out.unless_done(planes[0].file_name):
            image = read_image(Path(path or planes[0].file_name), leading=planes[0].leading)
            for record in planes:
                check_shape(record, image.plane_shape)
            start = time.perf_counter()
            predicted = predict(image, [image.index(record.plane) for record in planes])
            seconds = (time.perf_counter() - start) / len(planes)
        for record, cells in zip(planes if predicted else (), predicted, strict=True):
            yield record, cells, seconds


def evaluate_folder(
    folder: Path,
    split: str | None,
    predict: Predict,
    *,
    score: float = 0.4,
    max_detections: int = MOST_DETECTIONS,
    class_maps: Callable[[ImageRecord], ClassMap] | None = None,
    watch: Watch | None = None,
    left_out: LeftOut[str] | None = None,
    say: Say = silent,
) -> Report:
    """Predict every image of a folder and compare.

    Where images were reviewed in part, only cells that are known to be right are missed if they are not found, and what is
    found elsewhere is neither right nor wrong.

    Parameters
    ----------
    predict
        See `predictor`.
    score
        Lowest score that counts for the bioimage metrics.
    class_maps
        See `class_mapper`; without it, class maps are drawn from the predicted cells.
    watch
        Called after each image with its record, prediction, number from 1, and the number of all.
    left_out
        Collects the images that cannot be evaluated, and says whether a person stopped the work after some; without it, the
        first failure is raised.
    say
        As of `read_truth`.

    Raises
    ------
    BadAnnotations, BadImage
        If no image can be evaluated.
    """
    records = _judged_on(read_truth(folder, split, left_out, say=say), say)
    judged: list[ImageRecord] = []

    def pairs() -> Iterator[tuple[Instances, Instances, float | None]]:
        predictions = predict_records(records, predict, left_out)
        done = predictions if left_out is None else left_out.until_stopped(predictions)
        for number, (record, predicted, seconds) in enumerate(done, start=1):
            if watch is not None:
                watch(record, predicted, number, len(records))
            judged.append(record)
            yield record.instances, predicted, seconds

    return _evaluate(judged, pairs(), score, max_detections, left_out, class_maps)


def _judged_on(records: list[ImageRecord], say: Say) -> list[ImageRecord]:
    """The records with what people said of them; those of which nothing is known are left out aloud."""
    known = with_right_cells(records)
    if not known:
        raise BadAnnotations(NOTHING_REVIEWED)
    if n := len(records) - len(known):
        say(f"{counted(n, 'image')} that nobody has reviewed: left out.")
    return known


def _evaluate(
    judged: list[ImageRecord],
    pairs: Iterator[tuple[Instances, Instances, float | None]],
    score: float,
    max_detections: int,
    images_left_out: LeftOut[str] | None,
    class_maps: Callable[[ImageRecord], ClassMap] | None = None,
) -> Report:
    """The report of images; each is in `judged` as soon as its pair is evaluated."""
    report = evaluate(
        pairs,
        score=score,
        max_detections=max_detections,
        names=(image_name(r) for r in judged),
        crowds=(r.crowds for r in judged),
        unreviewed=(unreviewed_part(r) for r in judged),
        class_maps=None if class_maps is None else (class_maps(r) for r in judged),
    )
    if images_left_out and not report.n_images:
        raise BadImage(f"None of the images can be evaluated. {images_left_out.sentences[0]}")
    report.left_out = " ".join(filter(None, (cells_left_out(judged), _in_part(judged))))
    return report


def _in_part(judged: Sequence[ImageRecord]) -> str:
    """How images count that were reviewed only in part, as a sentence; empty if there are none."""
    n = sum(unreviewed_part(r) is not None for r in judged)
    if not n:
        return ""
    where = "one image is" if n == 1 else f"{n:,} images are"
    return f"{where[0].upper()}{where[1:]} annotated in part: other cells found there are neither right nor wrong."


def evaluate_predictions(
    folder: Path,
    split: str | None,
    predictions: Path,
    *,
    score: float = 0.0,
    max_detections: int = MOST_DETECTIONS,
    watch: Watch | None = None,
    left_out: LeftOut[str] | None = None,
    say: Say = silent,
) -> Report:
    """Compare a COCO file of predictions with a folder's annotations, image by image by file name and plane.

    Images without a prediction count as empty.

    Parameters
    ----------
    left_out, say
        As of `evaluate_folder`.

    Raises
    ------
    BadAnnotations
        If no image name is shared, a predicted image is unknown, or sizes differ.
    """
    annotated = read_truth(folder, split, say=say)
    judged: list[ImageRecord] = []
    predicted, unknown = of_same_images(annotated, predictions, say)
    if unknown:
        raise BadAnnotations(
            f"{Path(predictions).name} names images that are not in {Path(folder).name}: "
            f"{', '.join(unknown[:3])}. Choose the right --data and --split."
        )
    records = _judged_on(annotated, say)

    def pairs() -> Iterator[tuple[Instances, Instances, float | None]]:
        done = records if left_out is None else left_out.until_stopped(records)
        for number, record in enumerate(done, start=1):
            cells = Instances(record.shape, categories=record.instances.categories)
            with nullcontext() if left_out is None else left_out.unless_done(image_name(record)):
                if (own := predicted.get(record.id)) is not None:
                    check_shape(record, own.shape)
                    cells = own.instances
            if left_out is not None and image_name(record) in left_out.why:
                continue
            if watch is not None:
                watch(record, cells, number, len(records))
            judged.append(record)
            yield record.instances, cells, None

    return _evaluate(judged, pairs(), score, max_detections, left_out)


def image_name(record: ImageRecord) -> str:
    """The name in reports; for a plane of a stack, with its position."""
    return f"{record.file_name} {list(record.plane)}" if record.plane else record.file_name


def of_same_images(
    records: Sequence[ImageRecord], path: Path, say: Say = silent
) -> tuple[dict[int, ImageRecord], list[str]]:
    """Read a COCO file of cells in annotated images.

    Images are matched by their paths, then by their file names, then without what other programs add to these; and by plane.

    Returns
    -------
    by_id, unknown
        The image with its cells by the id of its annotated record, and the names of images that are not annotated.

    Raises
    ------
    BadAnnotations
        If the file cannot be read, or has an image twice.
    """
    theirs = read_annotated(path, say=say)
    names = match_names((r.file_name for r in records), [r.file_name for r in theirs])
    annotated = {(r.file_name, r.plane): r.id for r in records}
    by_id: dict[int, ImageRecord] = {}
    unknown = []
    for record in theirs:
        id = annotated.get((names.get(record.file_name, ""), record.plane))
        if id is None:
            unknown.append(image_name(record))
        elif id in by_id:
            raise BadAnnotations(f"{Path(path).name} has the image {record.file_name!r} twice. Rename one of them.")
        else:
            by_id[id] = record
    return by_id, sorted(unknown)


def check_shape(record: ImageRecord, shape: tuple[int, int]) -> None:
    """Raise `BadAnnotations` if an image, or its prediction, differs in size from the annotations."""
    if tuple(shape) != record.shape:
        raise BadAnnotations(
            f"{record.file_name} is annotated as {record.shape[0]} x {record.shape[1]}, but it is "
            f"{shape[0]} x {shape[1]}. Correct the size in the annotations, or choose the right image."
        )
