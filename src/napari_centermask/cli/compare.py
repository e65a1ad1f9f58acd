"""`compare`: compare two models on the same annotated images, with a test of significance."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial, reduce
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from napari_centermask.cli.output import busy, check_writable, notice
from napari_centermask.cli.segment import Flag
from napari_centermask.core.errors import BadSettings
from napari_centermask.io.whole_file import whole_file

if TYPE_CHECKING:
    from napari_centermask.io.trained_on import TrainedOn


def compare(
    old: str,
    new: str,
    /,
    *,
    data: list[Path],
    split: str | None = None,
    held_out: Flag = False,
    known: list[Path] | None = None,
    engine: str = "auto",
    device: str = "auto",
    json: Path | None = None,
    pictures: Path | None = None,
) -> int:
    """Compare two models on the same images; the new one is recommended only if it is significantly better.

    For example:

      napari-centermask compare nuclei runs/first/best.safetensors --data fields --split test --pictures differences

      napari-centermask compare nuclei mine --data my_project --held-out

    Parameters
    ----------
    old, new
        Names of installed models, or model files.
    data
        Folders with images/ and annotations.json, or annotations_SPLIT.json, or training data of another tool as they are. The
        new model must not have been trained on them.
    split
        train, val or test; all images of folders without splits when not given.
    held_out
        Compare on a held-out part of each folder that, where possible, neither model was trained on;
        the folders may be projects.
    known
        Folders of the kind of image the old model was made for: a new model that loses more there than it gains is not
        recommended.
    engine, device
        As in `segment`.
    json
        JSON file for all figures.
    pictures
        Folder for pictures of the images on which the models differ most.
    """
    from napari_centermask.engines.load import load_engine
    from napari_centermask.evaluation.compare_models import compare_models

    for flag, folders in (("--data", data), ("--known", known or [])):
        if missing := next((f for f in folders if not f.is_dir()), None):
            raise BadSettings(f"{flag}: {missing} is not a folder with images/ and annotations. Choose such a folder.")
    if held_out and split:
        raise BadSettings("--held-out chooses the images itself. Leave out --split.")
    check_writable([json, pictures and pictures / "old.png"], data=[*data, *(known or ())])
    # Both in one precision, whatever was picked for either of them.
    loaded = partial(load_engine, engine=engine, device=device, precision="float32")
    with busy(f"Loading {old} and {new}"):
        before, after = loaded(old), loaded(new)
    with TemporaryDirectory(prefix="centermask-", ignore_cleanup_errors=True) as temporary:
        if held_out:
            data, split = hold_out(data, Path(temporary), [before.card.trained_on, after.card.trained_on])
        with busy("Comparing") as show:
            watch = lambda number, n, name: show(f"Comparing on image {number + 1} of {n}: {name}")  # noqa: E731
            result = compare_models(data, split, before, after, known=known or (), pictures=pictures, watch=watch)
    if held_out:
        for row in result.per_image:
            del row["path"]  # it was in the temporary folder
    for line in table(result.to_json(), old, new):
        print(line)
    if json:
        write_comparison(json, result.to_json() | {"models": {"old": old, "new": new}, "split": split})
    if pictures:
        notice(f"Pictures: {pictures}")
    return 0


def hold_out(folders: Sequence[Path], out: Path, trained_on: Sequence[TrainedOn]) -> tuple[list[Path], str]:
    """Make data folders in `out`, each with a held-out split that no model was trained on; return them and its name."""
    from napari_centermask.io.trained_on import merged
    from napari_centermask.training.data.dataset import freeze_dataset

    known = reduce(merged, trained_on)
    places = [out / str(number) for number in range(len(folders))]
    for folder, place in zip(folders, places, strict=True):
        freeze_dataset(folder, place, trained_on=known, say=notice)
    return places, judging_split(places)


def judging_split(folders: Sequence[Path]) -> str:
    """The split to compare on: test, which no choice was based on, if every folder has one; else val."""
    return "test" if all((folder / "annotations_test.json").exists() for folder in folders) else "val"


def write_comparison(path: Path, value: dict[str, Any]) -> None:
    """Write a comparison's figures as JSON, whole or not at all."""
    import json as json_module

    with whole_file(path) as part:
        part.write_text(json_module.dumps(value, indent=1, allow_nan=False), encoding="utf-8")


def table(values: dict[str, Any], old: str, new: str) -> list[str]:
    """Both models' figures side by side, and the verdict."""
    rows = [
        ("bioimage AP, mean .50-.90", ("bioimage_ap_mean",)),
        ("bioimage AP at 0.50", ("bioimage_ap", "0.50")),
        ("F1 at 0.50", ("f1",)),
        ("PQ", ("pq",)),
        ("COCO AP (a different measure)", ("coco", "AP")),
        ("overlapping cells found", ("overlap", "recall50")),
        ("overlapping cells, mean IoU", ("overlap", "mean_iou")),
        ("cells cut by border, found", ("border", "cut", "recall50")),
        ("cells cut by border, mean IoU", ("border", "cut", "mean_iou")),
        ("cells inside, found", ("border", "inside", "recall50")),
        ("cells inside, mean IoU", ("border", "inside", "mean_iou")),
        ("area, predicted / annotated", ("area_ratio",)),
    ]
    width = max(12, len(Path(old).name), len(Path(new).name)) + 2
    lines = [f"{'':<30}{Path(old).name:>{width}}{Path(new).name:>{width}}"]
    for title, keys in rows:
        pair = [_at(values[side], keys) for side in ("old", "new")]
        lines.append(f"{title:<30}" + "".join(f"{'-' if v is None else f'{v:.4f}':>{width}}" for v in pair))
    verdict = values["verdict"]
    low, high = verdict["interval"]
    return [
        *lines,
        "",
        f"difference {verdict['difference']:+.4f}, 95 % interval {low:+.4f} to {high:+.4f}",
        verdict["sentence"],
    ]


def _at(values: dict[str, Any], keys: tuple[str, ...]) -> float | None:
    figure: Any = values
    for key in keys:
        figure = figure[key]
    return None if figure is None else float(figure)
