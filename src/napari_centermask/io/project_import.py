"""Import annotations of other programs into a project: match images, check everything, then apply it as edits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from napari_centermask.core.errors import ReadOnlyProject
from napari_centermask.core.left_out import explain
from napari_centermask.core.progress import Advance, silent
from napari_centermask.core.viability import renamed
from napari_centermask.io.coco.image_record import ImageRecord
from napari_centermask.io.coco.merge import DUPLICATE_IOU, Merge, merge, merge_categories
from napari_centermask.io.coco.records import by_image
from napari_centermask.io.coco.report import ImportReport
from napari_centermask.io.image_names import Find, match_names
from napari_centermask.io.import_source import records_to_import
from napari_centermask.io.project import Project
from napari_centermask.io.project.layout import new_category


def import_into(
    project: Project,
    path: Path,
    *,
    whole_folder: bool = False,
    find: Find | None = None,
    add_images: bool = True,
    copy: bool = False,
    duplicate_iou: float = DUPLICATE_IOU,
    crowds: str = "auto",
    boxes: bool = False,
    advance: Advance = silent,
) -> ImportReport:
    """Merge a COCO file, or cells in another format, into a project, with one edit for each image, which can be undone.

    Everything is read and compared before anything changes. Images are matched by name (`image_names.match_names`); those
    that the project lacks are added if their files are found. Cells that are already there are not added twice
    (`coco.merge.merge`); a manual cell replaces a prediction.

    Parameters
    ----------
    whole_folder
        Of formats with a file for each image, such as labels, LabelMe and YOLO, also import the other files in the folder.
    find, crowds, boxes
        As for `coco.importing.import_coco`, for COCO alone.
    add_images, copy
        Add images that the project lacks; copy them into its folder instead of linking them.
    advance
        Called with the number of annotations read so far, and of all; what it raises leaves the project unchanged.

    Raises
    ------
    BadAnnotations
        If the file cannot be read; the project is then unchanged.
    ReadOnlyProject
        If the project is read-only.
    """
    if project.read_only:
        raise ReadOnlyProject(project.read_only)
    known = _known(project)
    imported = records_to_import(
        Path(path), whole_folder=whole_folder, find=find, known=known, crowds=crowds, boxes=boxes, advance=advance
    )
    report, images = imported.report, by_image(imported.records)
    ids = _matched(project, images)
    plans = {}
    names = {id: c.name for id, c in project.categories.items()}
    merged, here = merge_categories(names, _categories(images))
    for name, records in list(images.items()):
        images[name] = [_renamed(r, merged, here) for r in records]
        if name in ids:
            plans[name] = _plan(project, ids[name], images[name], duplicate_iou, report)
    new = {n: r[0].path for n, r in images.items() if n not in ids and r[0].path is not None} if add_images else {}
    for name in images.keys() - ids.keys() - new.keys():
        report.refuse("its image is not in the project", name)
    for id in merged.keys() - names.keys():
        project.set_category(id, new_category(merged[id], project.categories, id=id)[1])
    for name, id in _added(project, new, copy=copy, report=report).items():
        ids[name] = id
        plans[name] = _plan(project, id, images[name], duplicate_iou, report)
    report.images = report.cells = 0
    for name, plan in plans.items():
        if plan is not None:
            _apply(project, ids[name], plan, f"import of {Path(path).name}", report)
            _keep_crowds(project, ids[name], images[name], report)
    return report


def _known(project: Project) -> Find:
    """Files of the project's images, by the names that other programs give them."""
    places = {i.file_name: i.path for i in project.images if not i.problem}
    return lambda name: next((places[ours] for ours in match_names(places, [name]).values()), None)


def _matched(project: Project, images: Mapping[str, list[ImageRecord]]) -> dict[str, int]:
    """Name in the file -> id in the project: the same file on disk, else by name."""
    known = {i.file_name: i.id for i in project.images}
    places = {i.path.resolve(): i.id for i in project.images}
    ids = {n: places[p] for n, r in images.items() if (p := r[0].path and r[0].path.resolve()) in places}
    left = [name for name, id in known.items() if id not in ids.values()]
    by_name = match_names(left, [n for n in images if n not in ids])
    return ids | {theirs: known[ours] for theirs, ours in by_name.items()}


def _categories(images: Mapping[str, list[ImageRecord]]) -> dict[int, str]:
    """Categories that cells have or may have; others are not imported."""
    categories: dict[int, str] = {}
    for records in images.values():
        for record in records:
            used = {c.category for c in record.instances}
            all_used = any(c.probabilities for c in record.instances)
            categories |= {id: name for id, name in record.instances.categories.items() if id in used or all_used}
    return categories


def _renamed(record: ImageRecord, merged: dict[int, str], here: dict[int, int]) -> ImageRecord:
    """The record with the project's category ids."""
    cells = [renamed(c, here, record.instances.categories, merged) for c in record.instances]
    any_category = min(merged, default=1)  # whatever a crowd region holds, it is not background
    crowds = tuple(replace(c, category=here.get(c.category, any_category)) for c in record.crowds)
    instances = type(record.instances)(record.shape, cells, categories=merged)
    return replace(record, instances=instances, crowds=crowds)


def _plan(
    project: Project, id: int, records: list[ImageRecord], duplicate_iou: float, report: ImportReport
) -> Merge | None:
    try:
        return merge(project.result(id), records, duplicate_iou=duplicate_iou)
    except Exception as error:  # one bad image must not keep the others out
        report.refuse(explain(error), records[0].file_name)
        return None


def _added(project: Project, new: Mapping[str, Path], *, copy: bool, report: ImportReport) -> dict[str, int]:
    """Add images to the project; returns their ids."""
    if not new:
        return {}
    ids, reasons = project.add_files(new.values(), copy=copy)
    for reason in reasons:
        report.refuse(reason)
    return {name: ids[path] for name, path in new.items() if path in ids}


def _apply(project: Project, id: int, plan: Merge, name: str, report: ImportReport) -> None:
    project.history(id).do(name, plan.changes, regions=plan.regions)
    report.images += 1
    report.cells += plan.added + plan.replaced
    for _ in range(plan.replaced):
        report.repair("a prediction was replaced by a manual cell", project.image(id).file_name)
    for _ in range(plan.duplicates):
        report.refuse("the project already has this cell", project.image(id).file_name)


def _keep_crowds(project: Project, id: int, records: list[ImageRecord], report: ImportReport) -> None:
    """Keep regions in which training and evaluation ignore everything."""
    for _ in range(project.add_crowds(id, {r.plane: r.crowds for r in records if r.crowds})):
        report.repair("a crowd region is kept as a region that is ignored", project.image(id).file_name)
