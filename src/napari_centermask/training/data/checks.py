"""Checks of the data before training starts; each error names the file and a remedy. Needs no torch."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from napari_centermask.core.errors import BadAnnotations, BadImage, BadSettings
from napari_centermask.core.size_levels import size_levels
from napari_centermask.io.coco.annotated import read_annotated
from napari_centermask.io.coco.document import check_images
from napari_centermask.io.coco.image_record import ImageRecord, left_out
from napari_centermask.io.images import read_header
from napari_centermask.io.reviewed import centred_within, is_partial, truth_of
from napari_centermask.models.families import check_new
from napari_centermask.settings import TrainSettings
from napari_centermask.training.data.inputs import order_of
from napari_centermask.training.data.loader import annotation_file, judging
from napari_centermask.training.data.scales import add_whole_diameters, medians


def check_data(settings: TrainSettings) -> list[str]:
    """Check the annotations and the headers of the images of all data folders; no pixel is read.

    Returns
    -------
    list of str
        What of the annotations is left out, a sentence for each file, and a warning of sizes that do not fit one scale.

    Raises
    ------
    BadAnnotations
        If masks differ in size from their image, a cell has a category that the model lacks, or there are no cells.
    BadImage
        If the channels of an image do not fit the model.
    BadSettings
        If a new model has categories that no cell has, or its network does not suit its training.
    """
    check_new(settings)
    notes: list[str] = []
    sizes: dict[str, array[float]] = {}
    for split in ("train", "val"):
        counts: Counter[str] = Counter()
        folders = judging(settings.data) if split == "val" else [Path(folder) for folder in settings.data]
        for folder in folders:
            counts += _checked(folder, split, settings, notes, sizes if split == "train" else None)
        _check_cells(counts, split, settings, folders)
        for folder in map(Path, settings.replay):
            _checked(folder, split, settings, notes)
    return notes + _about_sizes(sizes, settings)


def _about_sizes(sizes: Mapping[str, array[float]], settings: TrainSettings) -> list[str]:
    """Whether the sizes of the categories fit the number of scales, if there is something to say."""
    if len(settings.model.categories) < 2:
        return []
    levels = size_levels(medians(sizes))
    if settings.diameters == "one" and len(levels) > 1:
        shown = " and ".join(f"{', '.join(level.categories)} ({level.diameter:.0f} px)" for level in levels)
        return [f"{shown} are too different in size for one scale. Set diameters to per-category to find them all."]
    return []


def _checked(
    folder: Path, split: str, settings: TrainSettings, notes: list[str], sizes: dict[str, array[float]] | None = None
) -> Counter[str]:
    """Check a split of a folder; return the number of usable cells per category (in val, only where all are reviewed).

    The diameters of its cells are added to `sizes`, where a model has several categories.
    """
    path = annotation_file(folder, split)
    records = read_annotated(path, images_root=folder / "images", say=notes.append)
    check_images(path, records)
    if note := left_out(records):
        notes.append(f"{path}: {note}")
    partial = is_partial(records)
    counts: Counter[str] = Counter()
    for record in records:
        truth = truth_of(record, partial=partial)
        if truth.is_empty:
            continue
        _check_image(record, path, settings)
        if sizes is not None and len(settings.model.categories) > 1:
            add_whole_diameters(truth.instances, sizes)
        names = truth.instances.categories
        judged = centred_within(truth.instances, truth.reviewed) if split == "val" else truth.instances
        own = Counter(names.get(c.category, str(c.category)) for c in judged)
        _check_categories(own, record, path, settings)
        counts += own
    return counts


def _check_image(record: ImageRecord, path: Path, settings: TrainSettings) -> None:
    header = read_header(record.path, leading=record.leading)
    sizes = dict(zip(header.axes, header.data.shape, strict=True))
    of_file = sizes["Y"], sizes["X"]
    if of_file != tuple(record.shape):
        raise BadAnnotations(
            f"Masks and image differ in size: {path} has {_size(record.shape)} (height x width) for "
            f"{record.file_name}, the file has {_size(of_file)}. Put back the image that they were drawn on, or export "
            "the annotations again."
        )
    wanted, channels = settings.model.in_channels, sizes.get("C", 1)
    if settings.channel_names:
        order_of(channels, header.channel_names, settings, where=str(record.path))
    elif channels not in (1, wanted) and not (channels == 3 and wanted == 1):
        remedy = (
            "Choose another start model, or keep only its channels in the images."
            if settings.start
            else f"Set model.in_channels to {channels}, or keep only the model's channels in the images."
        )
        some = "1 channel" if wanted == 1 else f"1 or {wanted} channels"
        raise BadImage(f"This model needs {some}, but {record.path} has {channels}. {remedy}")


def _check_categories(counts: Counter[str], record: ImageRecord, path: Path, settings: TrainSettings) -> None:
    known = settings.model.categories
    strange = sorted(set(counts) - set(known))
    if len(known) > 1 and strange:  # a model of one category uses all cells
        raise BadAnnotations(
            f"The model only has the categories {', '.join(known)}, but {record.file_name} in {path} has "
            f"{', '.join(strange)}. Rename or remove these cells, or add the category to model.categories."
        )


def _check_cells(counts: Counter[str], split: str, settings: TrainSettings, data: Sequence[Path]) -> None:
    folders = ", ".join(str(annotation_file(f, split)) for f in data)
    if not counts.total():
        raise BadAnnotations(
            f"There are no cells in the {split} images of {folders}. Annotate some cells, or choose another folder."
        )
    known = settings.model.categories
    missing = [name for name in known if not counts[name]]
    if split == "train" and settings.start is None and len(known) > 1 and missing:
        there = ", ".join(name for name in known if counts[name])
        raise BadSettings(
            f"{folders} has {there} but no cells of {', '.join(missing)}. "
            "Annotate some, or leave the category out of model.categories."
        )


def _size(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))
