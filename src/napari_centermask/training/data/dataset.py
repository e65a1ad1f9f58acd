"""A frozen copy of the data at the start of training, so that corrections can continue meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType

from napari_centermask.core.errors import BadAnnotations
from napari_centermask.core.instances import Instances
from napari_centermask.io.coco.document import check_images, read_coco, write_coco
from napari_centermask.io.coco.image_record import ImageRecord
from napari_centermask.io.files import link_file
from napari_centermask.io.reviewed import PARTIAL, is_partial, truth_of
from napari_centermask.io.trained_on import TrainedOn
from napari_centermask.training.data.split import Split, split

FEWEST_CELLS = 5
"""A choice: with fewer, not one cell would be held out if a fifth is."""
MANY_SOURCES = 10
"""From so many on, a part is kept for the comparison alone: a choice, then a fifth of them is two sources."""


def read_records(source: Path) -> list[ImageRecord]:
    """The reviewed images of a project, or of a folder with images/ and annotations.json.

    A project that is open in another window is read too, including its latest edits.

    Raises
    ------
    BadAnnotations, BadProject
        If there is none, or nothing in it has been reviewed.
    """
    source = Path(source)
    if (source / "project.json").exists():
        records = _of_project(source)
    elif (source / "annotations.json").exists():
        records = read_coco(source / "annotations.json", images_root=source / "images")
        check_images(source / "annotations.json", records)
    else:
        raise BadAnnotations(
            f"{source} is not a project or a folder with images/ and annotations.json. Choose such a folder."
        )
    partial = is_partial(records)
    known = [r for r in records if not truth_of(r, partial=partial).is_empty]
    n_cells = sum(len(truth_of(r, partial=partial).instances) for r in known)
    if n_cells < FEWEST_CELLS:
        raise BadAnnotations(
            f"{source.name} has {n_cells} reviewed or corrected cells; at least {FEWEST_CELLS} are needed. "
            "Correct more cells, or mark a region as reviewed."
        )
    return _with_used_categories(known)


def _with_used_categories(records: Sequence[ImageRecord]) -> list[ImageRecord]:
    """Drop categories that no cell has: a model would get outputs for them, and find each cell twice at first."""
    used = {cell.category for record in records for cell in record.instances}

    def limited(cells: Instances) -> Instances:
        return Instances(cells.shape, cells, categories={k: v for k, v in cells.categories.items() if k in used})

    return [replace(r, instances=limited(r.instances)) for r in records]


def _of_project(folder: Path) -> list[ImageRecord]:
    from napari_centermask.io.coco.records import records_of
    from napari_centermask.io.project.project import Project

    records: list[ImageRecord] = []
    with Project.open(folder) as project:
        for image in project.images:
            if image.problem:
                continue
            extra = {"group": image.group} if image.group else {}
            result = project.result(image.id)
            first = len(records) + 1
            # Cells below the threshold do not count: whoever marked a region as reviewed did not see them.
            new = records_of(result, image.file_name, path=image.path, extra=extra, first_id=first, shown=True)
            records += [r for r in new if len(r.instances) or r.reviewed]
    return records


def freeze_dataset(
    source: Path, out: Path, *, val_part: float = 0.2, seed: int = 0, trained_on: TrainedOn = MappingProxyType({})
) -> Split:
    """Write `out`/images and annotations of the splits train and val from a project or an annotated folder.

    With `MANY_SOURCES` or more there is also a split test, which no choice depends on, for the comparison of models.
    Images are linked if the file system allows it, else copied.

    Parameters
    ----------
    trained_on
        What the models to be compared were trained on, from their cards; see `split`.

    Raises
    ------
    BadAnnotations
        If there is nothing to train on.
    """
    records = read_records(source)
    if is_partial(records):  # also if one half of them would no longer show it
        records = [replace(r, extra=r.extra | {PARTIAL: True}) for r in records]
    held_out = partial(split, val_part=val_part, seed=seed, trained_on=trained_on)
    parts = held_out(_unique(records))
    test: list[ImageRecord] = []
    if parts.n_groups >= MANY_SOURCES and parts.kind == "images":
        inner = held_out(parts.train)
        if inner.kind == "images":  # else too little is left that no model was trained on
            parts, test = replace(parts, train=inner.train), inner.val
    (out / "images").mkdir(parents=True, exist_ok=True)
    for record in {r.file_name: r for r in [*parts.train, *parts.val, *test]}.values():
        link_file(record.path, out / "images" / record.file_name)
    write_coco(out / "annotations_train.json", parts.train)
    write_coco(out / "annotations_val.json", parts.val)
    (out / "annotations_test.json").unlink(missing_ok=True)  # an earlier one may list images that are now in train
    if test:
        write_coco(out / "annotations_test.json", test)
    return parts


def _unique(records: Sequence[ImageRecord]) -> list[ImageRecord]:
    """Unique flat file names: folders become part of the name."""
    return [replace(r, file_name=r.file_name.replace("\\", "/").replace("/", "__")) for r in records]
