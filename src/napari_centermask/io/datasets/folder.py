"""Open a folder of annotated images, whatever tool made it: the one way for training, evaluation and comparison."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from napari_centermask.core.errors import BadAnnotations
from napari_centermask.core.progress import silent
from napari_centermask.io.coco.annotated import read_annotated
from napari_centermask.io.coco.image_record import ImageRecord
from napari_centermask.io.datasets.dataset import Dataset
from napari_centermask.io.datasets.reading import read_items
from napari_centermask.io.datasets.recognise import KNOWN, recognise
from napari_centermask.io.formats.reading import find_image
from napari_centermask.io.image_names import is_file


def annotation_path(folder: Path, split: str | None) -> Path:
    """The COCO file of a split, or of all images for None."""
    return Path(folder) / ("annotations.json" if split is None else f"annotations_{split}.json")


def of_other_tool(folder: Path) -> Dataset | None:
    """The data set of another tool in a folder; None if the folder has COCO files or is a project, or nothing is recognised.

    Raises
    ------
    BadAnnotations
        As `recognise`.
    """
    folder = Path(folder)
    has_own = (folder / "project.json").exists() or any(folder.glob("annotations*.json"))
    return None if has_own else recognise(folder)


def read_folder(folder: Path, split: str | None = None, *, say: Callable[[str], None] = silent) -> list[ImageRecord]:
    """The annotated images of a split, or of all of a folder without splits.

    Read are `annotations_SPLIT.json` or `annotations.json` with images in images/ or beside them, or else what another tool
    wrote. Images that COCO files list may be missing.

    Parameters
    ----------
    say
        Called with sentences about what was recognised, and what is left out or repaired.

    Raises
    ------
    BadAnnotations
        If there is none of them, or it cannot be read.
    """
    folder = Path(folder)
    path = annotation_path(folder, split)
    if path.is_file():
        return [_found(r, path) for r in read_annotated(path, images_root=folder / "images", say=say)]
    dataset = of_other_tool(folder)
    if dataset is None:
        raise BadAnnotations(f"{folder} has no {path.name}{_instead(folder)}")
    return read_items(dataset, split, say=say)


def files_of(folder: Path) -> list[Path]:
    """The files of a data folder, whatever tool made it, which no result may replace: cells, images, and lists of them.

    Raises
    ------
    BadAnnotations
        As `recognise`.
    """
    lists = [path for ending in ("json", "yaml", "yml", "txt") for path in Path(folder).glob(f"*.{ending}")]
    return [*lists, *_cells_and_images(Path(folder))]


def is_among_data(place: Path, folders: Iterable[Path]) -> bool:
    """Whether new files in a folder would lie among the images or the cells of data folders.

    Raises
    ------
    BadAnnotations
        As `recognise`.
    """
    if not place.is_dir():
        return False
    return place.resolve() in {path.parent.resolve() for folder in folders for path in _cells_and_images(Path(folder))}


def _cells_and_images(folder: Path) -> list[Path]:
    dataset = of_other_tool(folder)
    if dataset is not None:
        items = [item for items in dataset.splits.values() for item in items]
        return [path for item in items for path in (item.image, item.cells, item.markers) if path is not None]
    names = {name for path in folder.glob("annotations*.json") for name in _image_names(path)}
    return [path for name in names for path in (folder / "images" / name, folder / name) if is_file(path)]


def _image_names(path: Path) -> list[str]:
    """Names of the images in a COCO file; none if it is damaged, which whoever reads it says."""
    try:
        return [image["file_name"] for image in json.loads(path.read_bytes())["images"]]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return []


def _instead(folder: Path) -> str:
    names = sorted(path.name for path in folder.glob("annotations*.json"))
    splits = [name.removeprefix("annotations_").removesuffix(".json") for name in names if name != "annotations.json"]
    if names:
        remedy = f"Choose one with --split: {', '.join(splits)}." if splits else "Leave out --split."
        return f", only {', '.join(names)}. {remedy}"
    return f", and no training data that are recognised: {KNOWN}. Choose another folder, or export COCO there."


def _found(record: ImageRecord, annotations: Path) -> ImageRecord:
    """The record with the image beside the annotations, if there is none in images/."""
    if record.path is not None and is_file(record.path):
        return record
    path = find_image(annotations, None, record.file_name)
    is_same_kind = path is not None and path.suffix.lower() == Path(record.file_name).suffix.lower()
    return replace(record, path=path) if is_same_kind else record
