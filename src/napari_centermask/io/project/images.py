"""The images of a project: find them, read their sizes without their pixels, copy and link them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from napari_centermask.core.errors import BadProject, CannotSave, UserError
from napari_centermask.core.left_out import explain
from napari_centermask.io.bio import is_bio
from napari_centermask.io.files import copy_file
from napari_centermask.io.image_files import FolderImages, images_in
from napari_centermask.io.images import SUFFIXES, read_header
from napari_centermask.io.project.layout import (
    NEW_CATEGORY,
    Category,
    CategoryEntry,
    ImageEntry,
    ProjectFile,
    Status,
    new_category,
)
from napari_centermask.io.project.store import Store
from napari_centermask.io.scene_paths import exists, file_of, is_zarr_name, split
from napari_centermask.io.scenes import images_of

IMAGES = "images"


@dataclass(frozen=True, slots=True)
class ProjectImage:
    """An image of a project.

    Attributes
    ----------
    file_name
        Its name in the annotations; unique.
    path
        Path of the file.
    shape, leading, axes
        (H, W), the sizes of the t and z axes, and the letters of all axes. None and empty if it cannot be read.
    status
        "untouched", "predicted", "in work" or "reviewed".
    group
        Images of one group never go to different splits; if empty, the name decides.
    problem
        Why it cannot be used, in a sentence; empty if it can.
    """

    id: int
    file_name: str
    path: Path
    shape: tuple[int, int] | None
    leading: tuple[int, ...]
    axes: str
    status: Status
    group: str = ""
    pixel_size_um: float | None = None
    problem: str = ""


def find_images(folder: Path) -> FolderImages:
    """Images of a folder in natural order; those of its folder "images" if it has none itself."""
    outside = images_in(folder)
    inside = folder / IMAGES
    return images_in(inside) if not outside.images and inside.is_dir() else outside


def measure(entry: ImageEntry, path: Path) -> str:
    """Read an image's size and axes into its entry unless known; returns why it cannot be used, or an empty text."""
    try:
        stat = file_of(path).stat()
    except OSError:
        return f"{entry.file_name} is missing. Put it back, or choose where it is now."
    if entry.shape is not None and (entry.size, entry.mtime_ns) == (stat.st_size, stat.st_mtime_ns):
        return ""
    try:
        header = read_header(path, leading=None if entry.shape is None else entry.leading)
    except Exception as error:  # one bad file must not keep a project from opening
        return explain(error)
    sizes = dict(zip(header.axes, header.data.shape, strict=True))
    shape, leading = (sizes["Y"], sizes["X"]), header.leading
    if entry.shape is not None and (entry.shape, entry.leading) != (shape, leading):
        return (
            f"{entry.file_name} had {entry.leading + entry.shape} pixels when its cells were drawn, but now "
            f"has {leading + shape}. Put the old image back, or add the new one under another name."
        )
    entry.shape, entry.leading, entry.axes, entry.pixel_size_um = shape, leading, header.axes, header.pixel_size_um
    entry.size, entry.mtime_ns = stat.st_size, stat.st_mtime_ns
    return ""


def new_entries(
    folder: Path, paths: Iterable[Path], known: Iterable[ImageEntry], *, copy: bool
) -> tuple[dict[Path, ImageEntry], list[str]]:
    """Entries for images that the project does not have yet, by path, and why others were left out.

    Raises
    ------
    BadProject
        If a path is not an image file.
    """
    known = list(known)
    names = {e.file_name for e in known}
    places = {_absolute(folder, e.path) for e in known}
    next_id = max((e.id for e in known), default=0) + 1
    entries: dict[Path, ImageEntry] = {}
    left_out: list[str] = []
    copies: dict[Path, str] = {}  # files of several images that were copied, with their names here
    for given in _with_scenes(paths, left_out):
        path = Path(os.path.abspath(given))
        file, scene = split(path)
        if not (is_zarr_name(file) or file.suffix.lower() in SUFFIXES) or not exists(path):
            raise BadProject(f"{path} is not an image ({', '.join(SUFFIXES)}). Choose image files.")
        if path in places:
            left_out.append(f"{path.name} is already in the project.")
            continue
        name = f"{copies[file]}/{scene}" if file in copies else _free_name(folder, path, names, copy)
        if copy and not path.is_relative_to(folder):
            try:
                path = _copy(file, scene, folder, name) if file not in copies else folder / name
            except CannotSave as error:
                left_out.append(str(error))
                continue
            if scene:
                copies[file] = name.removesuffix(f"/{scene}")
        inside = path.is_relative_to(folder)
        place = PurePosixPath(path.relative_to(folder)).as_posix() if inside else str(path)
        entries[given] = ImageEntry(id=next_id, file_name=name, path=place)
        names.add(name)
        places.add(path)
        next_id += 1
    return entries, left_out


def _with_scenes(paths: Iterable[Path], left_out: list[str]) -> Iterable[Path]:
    """The images, those of a file that holds several each by itself; TIFFs are not looked into, as there may be many."""
    for path in paths:
        if not (is_bio(path) or is_zarr_name(path)):
            yield path
            continue
        try:
            yield from images_of(path)
        except UserError as error:
            left_out.append(str(error))


def _copy(file: Path, scene: str, folder: Path, name: str) -> Path:
    """Copy an image's file into a project; the path of the image there."""
    if file.is_dir():
        raise CannotSave(f"{file.name} is a folder of OME-Zarr and cannot be copied. Add it without copying.")
    copied = copy_file(file, folder / name.removesuffix(f"/{scene}") if scene else folder / name)
    return copied / scene if scene else copied


def _absolute(folder: Path, path: str) -> Path:
    return Path(os.path.abspath(folder / path))


def _free_name(folder: Path, path: Path, names: set[str], copy: bool) -> str:
    if path.is_relative_to(folder):
        return PurePosixPath(path.relative_to(folder)).as_posix()
    prefix = f"{IMAGES}/" if copy else ""
    file, scene = split(path)
    ending = f"/{scene}" if scene else ""
    candidates = [f"{prefix}{file.name}", f"{prefix}{file.parent.name}_{file.name}"]
    candidates += [f"{prefix}{file.stem} ({n}){file.suffix}" for n in range(2, len(names) + 4)]
    return next(f"{c}{ending}" for c in candidates if f"{c}{ending}" not in names and not (folder / c).exists())


def file_of_folder(folder: Path, store: Store) -> ProjectFile:
    """A new project.json for a folder: its images, and the categories of annotations.json if there is one."""
    categories: dict[int, Category] = {}
    for item in store.categories:
        if isinstance(item, dict) and type(item.get("id")) is int and item["id"] > 0 and item["id"] not in categories:
            id, category = new_category(str(item.get("name") or item["id"])[:200], categories, id=item["id"])
            categories[id] = category
    if not categories:
        categories[1] = new_category(NEW_CATEGORY, {})[1]
    entries = list(new_entries(folder, find_images(folder).images, [], copy=False)[0].values())
    by_base: dict[str, list[str]] = {}
    for name in store.images:
        by_base.setdefault(Path(name.replace("\\", "/")).name, []).append(name)
    for entry in entries:
        same = by_base.get(Path(entry.file_name).name, [])
        if entry.file_name not in store.images and len(same) == 1:
            entry.file_name = same[0]
        if entry.file_name in store.images:
            raw = store.images[entry.file_name]
            entry.status = "in work" if raw.shown or raw.hidden else "untouched"
            entry.group = str(raw.records[0].get("group") or "")
    listed = [CategoryEntry.of(i, c) for i, c in categories.items()]
    return ProjectFile(categories=listed, images=entries)
