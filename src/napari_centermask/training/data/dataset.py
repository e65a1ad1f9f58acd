"""A frozen copy of the data at the start of training, so that corrections can continue meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from napari_centermask.core.errors import BadAnnotations
from napari_centermask.core.instances import Instance, Instances
from napari_centermask.core.progress import silent
from napari_centermask.evaluation.compare import FEW_SOURCES
from napari_centermask.io.coco.document import check_images, write_coco
from napari_centermask.io.coco.image_record import ImageRecord
from napari_centermask.io.datasets.folder import annotation_path, of_other_tool, read_folder
from napari_centermask.io.files import link_file
from napari_centermask.io.groups import sources_of
from napari_centermask.io.reviewed import PARTIAL, is_partial, truths_of
from napari_centermask.io.scene_paths import file_of, flat, is_zarr_name
from napari_centermask.io.scene_paths import split as split_path
from napari_centermask.io.trained_on import TrainedOn
from napari_centermask.training.data.split import Split, hold_out

FEWEST_CELLS = 5
"""A choice: with fewer, not one cell would be held out if a fifth is."""
MANY_SOURCES = 2 * FEW_SOURCES
"""Held-out sources from which on half of them are kept for the comparison alone, so that each half has `FEW_SOURCES`."""


def read_records(
    source: Path, split: str | None = None, *, fewest: int = FEWEST_CELLS, say: Callable[[str], None] = silent
) -> list[ImageRecord]:
    """The reviewed images of a project, or of a folder of annotated images as `io.datasets.folder.read_folder` reads it.

    A project that is open in another window is read too, including its latest edits.

    Parameters
    ----------
    fewest
        Cells that are needed.
    say
        Called with sentences about what was recognised, and annotations that are left out or repaired.

    Raises
    ------
    BadAnnotations, BadProject
        If there is none, or nothing in it has been reviewed.
    """
    source = Path(source)
    if (source / "project.json").exists():
        if split is not None:
            raise BadAnnotations(f"{source.name} is a project, which has no split {split!r}. Leave --split out.")
        records = _of_project(source)
    else:
        records = read_folder(source, split, say=say)
        check_images(annotation_path(source, split), records)
    known, n_cells = [], 0
    for record, truth in truths_of(records):
        known.append(record)
        n_cells += len(truth.instances)
    if n_cells < fewest:
        raise BadAnnotations(
            f"{source.name} has {n_cells} reviewed or corrected cells; at least {fewest} are needed. "
            "Correct more cells, or mark a region as reviewed."
        )
    return _with_used_categories(known)


def records_to_train_on(source: Path, split: str | None = None) -> list[ImageRecord]:
    """What `freeze_dataset` divides, or of another tool's own splits, the one to train on; see `read_records`."""
    return read_records(source, split or ("train" if _own_splits(source) else None))


def _with_used_categories(records: Sequence[ImageRecord]) -> list[ImageRecord]:
    """Drop categories that no cell has: a model would get outputs for them, and find each cell twice at first."""
    used = {cell.category for record in records for cell in record.instances}

    def limited(cells: Instances) -> Instances:
        return cells.with_categories({k: v for k, v in cells.categories.items() if k in used})

    def named(regions: Sequence[Instance]) -> tuple[Instance, ...]:  # whatever they hold, it is not background
        return tuple(c if c.category in used else replace(c, category=min(used)) for c in regions)

    return [replace(r, instances=limited(r.instances), crowds=named(r.crowds)) for r in records]


def _of_project(folder: Path) -> list[ImageRecord]:
    from napari_centermask.io.coco.records import records_of
    from napari_centermask.io.project.project import Project

    records: list[ImageRecord] = []
    with Project.open(folder) as project:
        for image in project.images:
            if image.problem:
                continue
            extra = {"group": image.group} if image.group else {}
            result, crowds = project.result(image.id), project.crowds(image.id)
            first = len(records) + 1
            # Cells below the threshold do not count: whoever marked a region as reviewed did not see them.
            new = records_of(
                result, image.file_name, path=image.path, extra=extra, first_id=first, shown=True, crowds=crowds
            )
            records += [r for r in new if len(r.instances) or r.reviewed]
    return records


def freeze_dataset(
    source: Path,
    out: Path,
    *,
    split: str | None = None,
    val_part: float = 0.2,
    seed: int = 0,
    trained_on: TrainedOn = MappingProxyType({}),
    say: Callable[[str], None] = silent,
) -> Split:
    """Write `out`/images and annotations of the splits train and val from a project or an annotated folder.

    The splits of another tool's folder stay as they are, as far as it has them. Otherwise part of the images is held out, at most
    `val_part` of the cells. If these are `MANY_SOURCES` or more, half of them are the split test, which no choice depends on, for
    the comparison of models.
    Images are linked if the file system allows it, else copied.

    Parameters
    ----------
    split
        Use only this split of an annotated folder, and hold part of it out.
    trained_on
        What the models to be compared were trained on, from their cards; see `hold_out`.
    say
        As of `read_records`.

    Raises
    ------
    BadAnnotations
        If there is nothing to train on.
    """
    own = [] if split else _own_splits(source)
    records = _all_of(source, "train" if own else split, say=say)
    val, test = (_all_of(source, name, fewest=0, say=say) if name in own else [] for name in ("val", "test"))
    if val:
        parts = Split(records, val, "images", len(set(sources_of([*records, *val]))))
    else:
        parts = hold_out(records, val_part=val_part, seed=seed, trained_on=trained_on)
    if parts.kind == "images" and not own and len(set(sources_of(parts.val))) >= MANY_SOURCES:
        halves = hold_out(parts.val, val_part=0.5, seed=seed)
        parts, test = replace(parts, val=halves.train), halves.val
    (out / "images").mkdir(parents=True, exist_ok=True)
    for target, file in dict(_linked(r, out / "images") for r in [*parts.train, *parts.val, *test]).items():
        link_file(file, target)
    write_coco(out / "annotations_train.json", parts.train)
    write_coco(out / "annotations_val.json", parts.val)
    (out / "annotations_test.json").unlink(missing_ok=True)  # an earlier one may list images that are now in train
    if test:
        write_coco(out / "annotations_test.json", test)
    return parts


def _own_splits(source: Path) -> list[str]:
    """The splits of another tool's folder; empty without a part to train on."""
    dataset = of_other_tool(source)
    names = [] if dataset is None else dataset.split_names
    return names if "train" in names else []


def _all_of(
    source: Path, split: str | None, *, fewest: int = FEWEST_CELLS, say: Callable[[str], None]
) -> list[ImageRecord]:
    """The records of a split under unique names, which say whether the split is partly reviewed; none if it has no cells."""
    records = read_records(source, split, fewest=fewest, say=say)
    if not any(len(record.instances) for record in records):
        say(f"{split} of {source.name} has no cells: left out.")
        return []
    if is_partial(records):  # also if one half of them would no longer show it
        records = [replace(r, extra=r.extra | {PARTIAL: True}) for r in records]
    return _unique(records)


def _unique(records: Sequence[ImageRecord]) -> list[ImageRecord]:
    """Unique flat file names: folders become part of the name."""
    return [replace(r, file_name=_flat(r)) for r in records]


def _flat(record: ImageRecord) -> str:
    """The name without folders; an image in a file with several stays in it, one in an OME-Zarr gets a folder of its own."""
    name = record.file_name.replace("\\", "/")
    file, scene = split_path(record.path) if record.path is not None else (Path(name), "")
    if not scene:
        return name.replace("/", "__")
    holder = name.removesuffix(f"/{scene}").replace("/", "__")
    return flat(Path(holder, scene)).name if is_zarr_name(file) else f"{holder}/{scene}"


def _linked(record: ImageRecord, images: Path) -> tuple[Path, Path]:
    """Where the file of an image is linked to, and the file: of several images in one, their file; of an OME-Zarr, its folder."""
    target, path = images / record.file_name, Path(record.path or record.file_name)
    return (target, path) if is_zarr_name(file_of(path)) else (file_of(target), file_of(path))
