"""`evaluate`: compare a model, or predictions, with annotated images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from napari_centermask.cli.flags import check_class_maps, check_segment_flags, only_score
from napari_centermask.cli.output import busy, check_writable, follow, notice
from napari_centermask.cli.segment import Flag
from napari_centermask.core.errors import BadSettings
from napari_centermask.core.left_out import LeftOut
from napari_centermask.io.whole_file import whole_file
from napari_centermask.settings import SegmentSettings

if TYPE_CHECKING:
    from napari_centermask.core.instances import Instances
    from napari_centermask.evaluation.report import Report
    from napari_centermask.io.coco.image_record import ImageRecord


def evaluate(
    *,
    data: Path,
    split: str | None = None,
    predictions: Path | None = None,
    json: Path | None = None,
    maps: Path | None = None,
    figure: Path | None = None,
    class_maps: Flag = False,
    coco_detections: int = 1000,
    settings: Annotated[SegmentSettings, Parameter(name="*")] = SegmentSettings(),  # noqa: B008  a frozen default
) -> int:
    """Compare the cells of a model, or of a COCO file, with annotations.

    For example:

      napari-centermask evaluate --model nuclei --data fields --split test --json report.json

      napari-centermask evaluate --predictions theirs.json --data fields --maps errors

    Parameters
    ----------
    data
        Folder with images/ and annotations.json, or annotations_SPLIT.json, or training data of another tool as they are.
    split
        train, val or test; all images of a folder without splits when not given.
    predictions
        COCO file to evaluate instead of a model; images are matched by file name. All its cells count unless
        --score is given.
    json
        JSON file for the figures.
    maps
        Folder for one PNG per image, with true, missed, false, merged and split cells in colour.
    figure
        PNG, SVG or PDF file: AP by IoU and by cell size, the classes of the class map, and the AP over the training of the
        model as far as its card has it.
    class_maps
        Judge the class maps of a U-Net itself, as `segment --maps` writes them, instead of class maps drawn from its cells;
        takes twice as long.
    coco_detections
        Largest number of detections per image for COCO AP; the usual 100 would drop most cells of a dense field.
    """
    from napari_centermask.evaluation.figures import blank
    from napari_centermask.evaluation.report_figure import draw_report
    from napari_centermask.evaluation.table import format_table, training_lines
    from napari_centermask.evaluation.training_curve import ap_points
    from napari_centermask.models.store.zoo import find_model

    if not data.is_dir():
        raise BadSettings(f"--data: {data} is not a folder with images/ and annotations. Choose such a folder.")
    check_writable([json, figure, maps and maps / "errors.png"], inputs=[predictions], data=[data])
    if figure:
        blank(1, 1)  # before the work is done
    left_out = LeftOut[str](lambda why: notice(f"Error: {why}"), but=(BadSettings,))
    options: dict[str, Any] = {"max_detections": coco_detections, "left_out": left_out, "say": notice}

    def watch(score: float) -> Any:
        return _map_writer(maps, score, left_out) if maps else None

    if predictions is None:
        report, score = _judge_model(settings, data, split, class_maps=class_maps, watch=watch, options=options)
    else:
        report, score = _judge_predictions(
            settings, data, split, predictions, class_maps=class_maps, watch=watch, options=options
        )
    points = [] if predictions else ap_points(find_model(settings.model).card.training.get("curves") or [])
    print("\n".join([format_table(report), *training_lines(points)]))
    if json:
        source = {"predictions": str(predictions)} if predictions else {"model": settings.model}
        facts = {"data": str(data), "split": split, "score": score, "failed": left_out.sentences}
        facts |= {"stopped": left_out.stopped}
        facts |= {"training_curve": [asdict(point) for point in points]}
        facts |= {"class_maps_of": "network" if class_maps else "cells"}
        _write_json(json, report.to_json() | source | facts)
    if figure:
        draw_report(figure, report, points)
        notice(f"Figure: {figure}")
    if maps:
        notice(f"Error maps: {maps}")
    if left_out.stopped:
        n = report.n_images
        notice(f"These are the figures of the {'one image that was' if n == 1 else f'{n} images that were'} done.")
        raise KeyboardInterrupt
    return 2 if left_out else 0


Watching = Callable[[float], Any]
"""What to call after each image, for a lowest score of cells that count."""


def _judge_model(
    settings: SegmentSettings,
    data: Path,
    split: str | None,
    *,
    class_maps: bool,
    watch: Watching,
    options: dict[str, Any],
) -> tuple[Report, float]:
    """The report of a model, and the lowest score of its cells; loads the engine first, so that no image is charged for it."""
    from napari_centermask.engines.ensemble import engines_of
    from napari_centermask.engines.load import load_engines
    from napari_centermask.evaluation.folder import channel_names_in, class_mapper, evaluate_folder, predictor
    from napari_centermask.models.store.zoo import find_model
    from napari_centermask.pipeline import score_of
    from napari_centermask.pipeline.channels import named

    check_segment_flags(settings)
    if class_maps:
        check_class_maps(find_model(settings.model).card, "--class-maps", settings=settings)
    if settings.channel_names is None:
        settings = named(settings, channel_names_in(data, split))
    with busy(f"Loading {settings.model}"):
        engine = load_engines(settings, say=notice)
    if class_maps:
        options = options | {"class_maps": class_mapper(engines_of(engine)[0], settings)}
    notice(f"{' + '.join([settings.model, *settings.more_models])} on {engine.name}, {engine.device}")
    score = score_of(settings, engine)
    number = count(1)
    predict = predictor(engine, settings, run=lambda steps: follow(steps, f"image {next(number)}"))
    return evaluate_folder(data, split, predict, score=score, watch=watch(score), **options), score


def _judge_predictions(
    settings: SegmentSettings,
    data: Path,
    split: str | None,
    predictions: Path,
    *,
    class_maps: bool,
    watch: Watching,
    options: dict[str, Any],
) -> tuple[Report, float]:
    """The report of a file of cells, and the lowest score of those that count."""
    from napari_centermask.evaluation.folder import evaluate_predictions

    why = "--predictions are evaluated, and no model runs"
    check_segment_flags(settings, [], also=only_score(why))
    if class_maps:
        raise BadSettings(f"--class-maps has no effect: {why}. Leave it out.")
    score = settings.score if "score" in settings.model_fields_set else 0.0
    return evaluate_predictions(data, split, predictions, score=score, watch=watch(score), **options), score


def _map_writer(
    folder: Path, score: float, left_out: LeftOut[str]
) -> Callable[[ImageRecord, Instances, int, int], None]:
    """Writes one error map after each image."""
    written: set[Path] = set()

    def watch(record: ImageRecord, predicted: Instances, number: int, total: int) -> None:
        from napari_centermask.evaluation.error_maps import write_error_map
        from napari_centermask.io.images import read_plane
        from napari_centermask.io.reviewed import unreviewed_part

        path = _map_file(folder, Path(record.file_name).with_suffix("").parts, record.plane)
        if path in written:  # two images differ only in their suffix
            path = _map_file(folder, Path(record.file_name).parts, record.plane)
        written.add(path)
        with left_out.unless_done(f"The error map {path.name}"):
            folder.mkdir(parents=True, exist_ok=True)
            image = read_plane(record.path, record.plane)
            rest = unreviewed_part(record)
            unknown = record.crowds if rest is None else (*record.crowds, rest)
            write_error_map(path, image, record.instances, predicted.filter(min_score=score), unknown=unknown)

    return watch


def _map_file(folder: Path, name: Sequence[str], plane: Sequence[int]) -> Path:
    return folder / "_".join([*(part for part in name if part not in ("/", "..")), *map(str, plane), "errors.png"])


def _write_json(path: Path, value: dict[str, Any]) -> None:
    import json as json_module

    with whole_file(path) as part:
        part.write_text(json_module.dumps(value, indent=1, allow_nan=False), encoding="utf-8")
