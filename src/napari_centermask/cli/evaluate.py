"""`evaluate`: compare a model, or predictions, with annotated images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from napari_centermask.cli.flags import check_segment_flags, only_score
from napari_centermask.cli.output import annotations_in, check_writable, follow, notice
from napari_centermask.core.errors import BadSettings
from napari_centermask.core.left_out import LeftOut
from napari_centermask.io.whole_file import whole_file
from napari_centermask.settings import SegmentSettings

if TYPE_CHECKING:
    from napari_centermask.core.instances import Instances
    from napari_centermask.evaluation.folder import Predict
    from napari_centermask.io.coco.image_record import ImageRecord


def evaluate(
    *,
    data: Path,
    split: str | None = None,
    predictions: Path | None = None,
    json: Path | None = None,
    maps: Path | None = None,
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
        Folder with images/ and annotations.json, or annotations_SPLIT.json.
    split
        train, val or test; all of annotations.json when not given.
    predictions
        COCO file to evaluate instead of a model; images are matched by file name. All its cells count unless
        --score is given.
    json
        JSON file for the figures.
    maps
        Folder for one PNG per image, with true, missed, false, merged and split cells in colour.
    coco_detections
        Largest number of detections per image for COCO AP; the usual 100 would drop most cells of a dense field.
    """
    from napari_centermask.evaluation.folder import channel_names_in, evaluate_folder, evaluate_predictions
    from napari_centermask.evaluation.report import format_table
    from napari_centermask.pipeline.channels import named

    if not data.is_dir():
        raise BadSettings(f"--data: {data} is not a folder with images/ and annotations. Choose such a folder.")
    check_writable([json, maps and maps / "errors.png"], inputs=[predictions, *annotations_in(data)])
    if predictions is None:
        check_segment_flags(settings)
        if settings.channel_names is None:
            settings = named(settings, channel_names_in(data, split))
        predict, score = _predictor(settings)
    else:
        check_segment_flags(settings, [], also=only_score("--predictions are evaluated, and no model runs"))
        score = settings.score if "score" in settings.model_fields_set else 0.0
    left_out = LeftOut[str](lambda why: notice(f"Error: {why}"), but=(BadSettings,))
    watch = _map_writer(maps, score, left_out) if maps else None
    options: dict[str, Any] = {"score": score, "max_detections": coco_detections, "watch": watch, "left_out": left_out}
    if predictions is None:
        report = evaluate_folder(data, split, predict, **options)
    else:
        report = evaluate_predictions(data, split, predictions, **options)
    print(format_table(report))
    if json:
        source = {"predictions": str(predictions)} if predictions else {"model": settings.model}
        _write_json(
            json,
            report.to_json()
            | source
            | {"data": str(data), "split": split, "score": score, "failed": left_out.sentences},
        )
    if maps:
        notice(f"Error maps: {maps}")
    return 2 if left_out else 0


def _predictor(settings: SegmentSettings) -> tuple[Predict, float]:
    """What a model predicts, and the lowest score of cells that count; loads the engine, so that no image is charged for it."""
    from napari_centermask.engines.load import load_engine
    from napari_centermask.evaluation.folder import predictor
    from napari_centermask.pipeline import with_card_defaults

    engine = load_engine(settings.model, engine=settings.engine, device=settings.device)
    notice(f"{settings.model} on {engine.name}, {engine.device}")
    score = with_card_defaults(settings, engine.card).score
    return predictor(engine, settings, run=lambda steps: follow(steps, "image")), score


def _map_writer(
    folder: Path, score: float, left_out: LeftOut[str]
) -> Callable[[ImageRecord, Instances, int, int], None]:
    """Writes one error map after each image."""
    written: set[Path] = set()

    def watch(record: ImageRecord, predicted: Instances, number: int, total: int) -> None:
        from napari_centermask.evaluation.error_maps import write_error_map
        from napari_centermask.io.images import read_plane

        path = _map_file(folder, Path(record.file_name).with_suffix("").parts, record.plane)
        if path in written:  # two images differ only in their suffix
            path = _map_file(folder, Path(record.file_name).parts, record.plane)
        written.add(path)
        with left_out.unless_done(f"The error map {path.name}"):
            folder.mkdir(parents=True, exist_ok=True)
            image = read_plane(record.path, record.plane)
            write_error_map(path, image, record.instances, predicted.filter(min_score=score))

    return watch


def _map_file(folder: Path, name: Sequence[str], plane: Sequence[int]) -> Path:
    return folder / "_".join([*(part for part in name if part not in ("/", "..")), *map(str, plane), "errors.png"])


def _write_json(path: Path, value: dict[str, Any]) -> None:
    import json as json_module

    with whole_file(path) as part:
        part.write_text(json_module.dumps(value, indent=1, allow_nan=False), encoding="utf-8")
