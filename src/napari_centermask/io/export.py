"""Export a project as COCO: one file, a file for each image, or splits; with or without copies of the images."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from napari_centermask.core.errors import BadProject, BadSettings
from napari_centermask.core.progress import Advance, part_of, silent
from napari_centermask.io import scene_paths
from napari_centermask.io.coco.document import write_coco
from napari_centermask.io.coco.image_place import with_place
from napari_centermask.io.coco.image_record import ImageRecord
from napari_centermask.io.coco.records import records_of
from napari_centermask.io.files import check_path, copy_file
from napari_centermask.io.groups import group_of, joined, same_files, split_groups
from napari_centermask.io.own_files import check_targets

if TYPE_CHECKING:
    from napari_centermask.io.project import Project, ProjectImage

EXPORTED = ("predicted", "in work", "reviewed")


@dataclass
class Exported:
    """The outcome of an export.

    Attributes
    ----------
    files
        The COCO files.
    images, cells
        How many, by split; without splits, the split is "".
    left_out
        Why images were left out, a sentence each.
    """

    files: list[Path] = field(default_factory=list)
    images: dict[str, int] = field(default_factory=dict)
    cells: dict[str, int] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)


def export(
    project: Project,
    path: Path,
    *,
    per_image: bool = False,
    copy_images: bool = False,
    splits: Mapping[str, float] | None = None,
    seed: int = 0,
    statuses: Collection[str] = EXPORTED,
    polygons: float | None = None,
    advance: Advance = silent,
) -> Exported:
    """Write the cells that are shown; files of an earlier export are replaced, but never other files.

    Parameters
    ----------
    path
        A folder for annotations.json, or annotations_train.json and so on. Without `per_image` and `splits`, a name that
        ends in .json is the file itself.
    per_image
        A file for each image; with splits, in a folder for each split.
    copy_images
        Copy the images into the folder images/ beside the files; otherwise the files say where the images are.
    splits
        Fractions by name, {"train": 0.7, "val": 0.15, "test": 0.15}; images of one source (`groups.group_of`, the group of
        an image, equal files) stay together.
    statuses
        Statuses of the images to export; an untouched image would count as one without cells.
    polygons
        As in `coco.write_coco`; by default RLE.
    advance
        Called with the number of images done so far, and of all; what it raises ends the export before the next file.

    Raises
    ------
    BadProject
        If there is nothing to export.
    BadSettings
        If the splits cannot be made, a file of another program already exists, or the project's own files would be replaced.
    CannotSave
        If a file cannot be written.
    """
    path = Path(os.path.abspath(check_path(Path(path))))
    exported = Exported()
    images = list(_images(project, statuses, exported))
    if not images:
        raise BadProject(f"There are no images that are {' or '.join(statuses)}. Segment or draw cells first.")
    single = path.suffix.lower() == ".json" and not per_image and not splits
    planned = list(_targets(images, _splits(images, splits, seed), path, single, per_image))
    check_targets([target for target, _, _ in planned], [i.path for i in images])
    for target, split, members in planned:
        _check_free(target)
        further = part_of(advance, sum(exported.images.values()), len(images))
        copies = target.parent / "images" if copy_images else None
        records = _records(project, members, split, target, copies, further)
        write_coco(target, records, polygons=polygons)
        exported.files.append(target)
        exported.images[split] = exported.images.get(split, 0) + len(members)
        exported.cells[split] = exported.cells.get(split, 0) + sum(len(r.instances) for r in records)
    return exported


def _images(project: Project, statuses: Collection[str], exported: Exported) -> Iterator[ProjectImage]:
    for image in project.images:
        if image.status not in statuses:
            continue
        if image.problem:
            exported.left_out.append(image.problem)
        else:
            yield image


def _splits(images: list[ProjectImage], splits: Mapping[str, float] | None, seed: int) -> list[str]:
    if not splits:
        return [""] * len(images)
    for name in splits:
        if not name or name != PurePosixPath(name).name or name in (".", "..") or "\\" in name:
            raise BadSettings(f"The split name {name!r} is not a plain word. Choose another.")
    groups = [i.group or group_of(i.file_name) for i in images]
    return split_groups(joined(groups, same_files([i.path for i in images])), splits, seed=seed)


def _targets(
    images: list[ProjectImage], splits: list[str], path: Path, single: bool, per_image: bool
) -> Iterator[tuple[Path, str, list[ProjectImage]]]:
    """Each file with its split and its images."""
    if single:
        yield path, "", images
        return
    for split in dict.fromkeys(splits):
        members = [i for i, s in zip(images, splits, strict=True) if s == split]
        if not per_image:
            yield path / (f"annotations_{split}.json" if split else "annotations.json"), split, members
            continue
        names = _flat_names([str(PurePosixPath(i.file_name).with_suffix("")) for i in members])
        for image, name in zip(members, names, strict=True):
            yield path / split / f"{name}.json", split, [image]


def _flat_names(names: list[str]) -> list[str]:
    """A different file name for each path."""
    flat: list[str] = []
    for name in names:
        base = name.replace("\\", "/").replace("/", "_")
        candidates = [base, *(f"{base}_{n}" for n in range(2, len(names) + 2))]
        flat.append(next(c for c in candidates if c.casefold() not in {f.casefold() for f in flat}))
    return flat


def _check_free(target: Path) -> None:
    if target.exists():
        with target.open("rb") as stream:
            start = stream.read(200)
        if b'"description": "napari-centermask"' not in start:
            raise BadSettings(
                f"{target.parent} already has a file {target.name} from another program. Choose another folder."
            )


def _records(
    project: Project, images: list[ProjectImage], split: str, target: Path, copies: Path | None, advance: Advance
) -> list[ImageRecord]:
    records: list[ImageRecord] = []
    files = {i.id: scene_paths.split(i.path) for i in images}
    bases = {
        i.id: i.file_name.removesuffix(f"/{files[i.id][1]}") for i in images
    }  # of several images in a file, the file
    flats = dict(zip(dict.fromkeys(bases.values()), _flat_names(list(dict.fromkeys(bases.values()))), strict=True))
    for n, image in enumerate(images, start=1):
        name = image.file_name
        if copies is not None:
            (file, scene), flat = files[image.id], flats[bases[image.id]]
            name = "/".join(filter(None, (copies.name, flat, scene)))
            _copy(file, copies / flat)
        extra = {
            "group": image.group or group_of(image.file_name),
            "pixel_size_um": image.pixel_size_um,
            "split": split,
        }
        known = with_place({k: v for k, v in extra.items() if v}, None if copies else image.path, target, name)
        result, crowds = project.result(image.id), project.crowds(image.id)
        records += records_of(result, name, first_id=len(records) + 1, extra=known, shown=True, crowds=crowds)
        advance(n, len(images))
    return records


def _copy(path: Path, target: Path) -> None:
    if path.is_dir():
        raise BadSettings(
            f"{path.name} is a folder of OME-Zarr and cannot be copied. Export without copies of the images."
        )
    if not target.exists():
        copy_file(path, target)
    elif same_files([path, target]) != [0, 0]:
        raise BadSettings(f"{target.parent} already has another image {target.name}. Choose another folder.")
