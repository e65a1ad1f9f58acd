"""`viability`: compare how well models tell living from dead cells."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from napari_centermask.cli.flags import check_segment_flags, one_model, only_score
from napari_centermask.cli.output import check_writable, notice
from napari_centermask.core.counted import counted
from napari_centermask.core.errors import BadAnnotations, BadImage, BadSettings
from napari_centermask.core.left_out import LeftOut
from napari_centermask.io.whole_file import whole_file
from napari_centermask.models.idle_settings import Idle
from napari_centermask.models.store.zoo import find_model
from napari_centermask.settings import SegmentSettings

if TYPE_CHECKING:
    from napari_centermask.evaluation.methods import Method, MethodCells
    from napari_centermask.evaluation.viability import Judged
    from napari_centermask.io.coco.image_record import ImageRecord

# The names in viability.csv.
COLUMNS = ("way", "found", "f1", "precision", "recall", "balanced_accuracy", "roc_auc", "average_precision")
MORE = ("calibration_error", "temperature", "viability_error", "box_ap50")


def viability(
    methods: list[str],
    /,
    *,
    data: Path,
    split: str = "test",
    positive: str = "dead",
    ensemble: str = "none",
    weights: list[float] | None = None,
    calibrate: str = "val",
    out: Path | None = None,
    figures: str = "png",
    samples: int = 1000,
    settings: Annotated[SegmentSettings, Parameter(name="*")] = SegmentSettings(),  # noqa: B008  a frozen default
) -> int:
    """Compare methods that assign categories to cells, on annotated images.

    Cells are matched by their boxes at an IoU of 0.5. Classification is measured on the cells that were found.

    For example:

      napari-centermask viability live-dead live-dead+live-dead --data fields

      napari-centermask viability live-dead my-unet --data fields --ensemble mean --out report

    Parameters
    ----------
    methods
        MODEL, or MODEL+CLASSIFIER. MODEL can also be a COCO file of cells, or "truth" for the annotated cells;
        CLASSIFIER can be a model that includes one.
    data
        Folder with images/ and annotations_SPLIT.json.
    split
        train, val or test.
    positive
        The category to detect, usually the rare one.
    ensemble
        Combine all methods on the cells of the first one: mean of the probabilities, vote, or none.
    weights
        Weight of each method in the ensemble.
    calibrate
        Split to fit the temperature of each method on, or none.
    out
        Folder for viability.json, viability.csv and the curves.
    figures
        png, svg or none.
    samples
        Number of bootstrap draws over images, for the intervals.
    """
    from napari_centermask.evaluation.folder import read_truth
    from napari_centermask.evaluation.methods import Method
    from napari_centermask.evaluation.viability import report

    _check(ensemble, figures, methods, weights)
    names = ("viability.json", "viability.csv", f"curves.{figures}")
    given = [path for text in methods if (path := Path(text.partition("+")[0])).is_file()]
    check_writable([out and out / name for name in names], inputs=given, data=[data])
    _check_flags(methods, settings)
    left_out = LeftOut[str](lambda why: notice(f"Error: {why}"), but=(BadSettings, BadAnnotations))
    records = read_truth(data, split, left_out, say=notice)
    categories = _categories(records, positive)
    fit_on = read_truth(data, calibrate, left_out, say=notice) if calibrate not in ("none", split) else None
    loaded = [Method(text, settings) for text in methods]
    by_method: dict[str, Any] = {}
    temperatures: dict[str, float] = {}
    known: dict[tuple[str, str | None], MethodCells] = {}
    try:
        for method in loaded:
            notice(f"{method.name} ...")
            by_method[method.name] = method.run(records, split, known, left_out)
            if left_out.stopped:
                break
            if fit_on is not None:
                fitting = {method.name: method.run(fit_on, calibrate, known, left_out)}
                kept, fitting = _without(left_out, fit_on, fitting)
                temperatures[method.name] = _fit(method, fitting[method.name], kept, categories)
            if left_out.stopped:
                break
    except KeyboardInterrupt:  # before the first image of a method, or while a temperature is fitted
        if not by_method:
            raise
        left_out.stopped = True
    records, by_method = _without(left_out, records, by_method)
    judged = _judged(records, by_method, categories, temperatures)
    if ensemble != "none" and len(by_method) == len(methods):
        name = f"{ensemble} of {len(methods)}"
        tempered = [_at(by_method[w], temperatures.get(w, 1.0)) for w in methods]
        own = _joined(tempered, categories, weights, ensemble)
        judged |= _judged(records, {name: own}, categories, {})
    rows = {name: report(j, positive=positive, samples=samples) for name, j in judged.items()}
    for name, row in rows.items():
        row["temperature"] = temperatures.get(name)
    _show(rows, positive)
    if out is not None:
        _write(out, rows, judged, positive, figures, {"data": str(data), "split": split, "calibrate": calibrate})
    if left_out.stopped:
        notice(f"These are the figures of {counted(len(by_method), 'method')} on {counted(len(records), 'image')}.")
        raise KeyboardInterrupt
    return 2 if left_out else 0


def _without(
    left_out: LeftOut[str], records: list[ImageRecord], by_method: dict[str, MethodCells]
) -> tuple[list[ImageRecord], dict[str, MethodCells]]:
    """The images that no method left out, and the cells of each method in them."""
    from napari_centermask.evaluation.folder import image_name

    why = left_out.why  # by image, or by its planes
    kept = [k for k, record in enumerate(records) if not {record.file_name, image_name(record)} & why.keys()]
    if not kept:
        raise BadImage(f"None of the images can be evaluated. {left_out.sentences[0]}")
    return [records[k] for k in kept], {
        name: replace(m, cells=[m.cells[k] for k in kept]) for name, m in by_method.items()
    }


def _check(ensemble: str, figures: str, methods: list[str], weights: list[float] | None) -> None:
    if ensemble not in ("none", "mean", "vote"):
        raise BadSettings(f"--ensemble must be mean, vote or none, not '{ensemble}'.")
    if figures not in ("png", "svg", "none"):
        raise BadSettings(f"--figures must be png, svg or none, not '{figures}'.")
    if weights is not None and (len(weights) != len(methods) or min(weights) < 0 or sum(weights) <= 0):
        raise BadSettings(f"--weights must be {len(methods)} numbers of 0 or more, one for each method, not {weights}.")
    if len(set(methods)) < len(methods):
        raise BadSettings("A method is given twice. Give each one once.")


def _check_flags(methods: list[str], settings: SegmentSettings) -> None:
    from napari_centermask.evaluation.methods import is_model

    cards = [find_model(name).card for method in methods if is_model(name := method.partition("+")[0])]
    why = "the methods name the models"
    named = {"model": Idle(why)} | one_model(why)
    check_segment_flags(settings, cards, also=named if cards else only_score("no method has a model that segments"))


def _categories(records: list[ImageRecord], positive: str) -> tuple[str, ...]:
    names = tuple(records[0].instances.categories.values())
    if positive not in names:
        raise BadSettings(f"--positive: the data have no category '{positive}'. Choose one of: {', '.join(names)}.")
    if len(names) < 2:
        raise BadSettings(
            f"The annotations have only the category {', '.join(names)}; two or more are needed. Choose other data."
        )
    return names


def _judged(
    records: list[ImageRecord],
    by_method: dict[str, MethodCells],
    categories: tuple[str, ...],
    temperatures: dict[str, float],
) -> dict[str, Judged]:
    from napari_centermask.evaluation.viability import judge

    return {
        name: judge(
            zip((r.instances for r in records), _at(f, temperatures.get(name, 1.0)).cells, strict=True),
            categories,
            score=f.score,
        )
        for name, f in by_method.items()
    }


def _fit(method: Method, own: MethodCells, records: list[ImageRecord], categories: tuple[str, ...]) -> float:
    """A method's temperature."""
    from napari_centermask.evaluation.viability import fit_temperature

    return fit_temperature(_judged(records, {method.name: own}, categories, {})[method.name])


def _at(of_method: MethodCells, temperature: float) -> MethodCells:
    from napari_centermask.evaluation.methods import MethodCells, at_temperature

    return MethodCells([at_temperature(c, temperature) for c in of_method.cells], of_method.score)


def _joined(
    of_methods: list[MethodCells], categories: tuple[str, ...], weights: list[float] | None, how: str
) -> MethodCells:
    from napari_centermask.evaluation.methods import MethodCells, together

    images = zip(*(f.cells for f in of_methods), strict=True)
    return MethodCells(
        [together(c, categories, weights=weights, vote=how == "vote") for c in images], of_methods[0].score
    )


def _row(name: str, values: dict[str, Any], positive: str) -> list[Any]:
    own = values["per_category"][positive]
    part = {**values, **own, "way": name, "found": f"{values['found']} of {values['cells']}"}
    part |= {"viability_error": values["viability"]["mean_absolute"], "box_ap50": values["box_ap"]["AP50"]}
    return [part[key] for key in COLUMNS + MORE]


def _show(rows: dict[str, Any], positive: str) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"'{positive}', of the cells found")
    for key in ("method", *COLUMNS[1:], *MORE):
        table.add_column(key.replace("_", " "))
    for name, values in rows.items():
        table.add_row(
            *("-" if v is None else f"{v:.3f}" if isinstance(v, float) else v for v in _row(name, values, positive))
        )
    Console(width=200).print(table)
    for name, values in rows.items():
        spans = (f"{k} {v[0]:.3f} to {v[1]:.3f}" for k, v in values["intervals"].items() if v)
        print(f"{name}: 95 % intervals, by images: {', '.join(spans)}")


def _write(
    out: Path, rows: dict[str, Any], judged: dict[str, Judged], positive: str, figures: str, source: dict[str, Any]
) -> None:
    import json

    with whole_file(out / "viability.json") as part:
        part.write_text(json.dumps(source | {"ways": rows}, indent=1, allow_nan=False), encoding="utf-8")
    with whole_file(out / "viability.csv") as part, part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS + MORE)
        writer.writerows(_row(name, values, positive) for name, values in rows.items())
    if figures != "none":
        from napari_centermask.evaluation.figures import draw_curves

        draw_curves(out / f"curves.{figures}", judged, positive=positive)
    notice(f"Written: {out}")
