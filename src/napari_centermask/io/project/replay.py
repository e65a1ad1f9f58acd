"""What a project finds when it opens: a folder without project.json, a journal with edits, files changed outside."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from napari_centermask.core.errors import BadAnnotations, BadImage, BadSettings, CannotSave
from napari_centermask.core.history import Edit
from napari_centermask.io.edits import BadRecord, state_of
from napari_centermask.io.files import replace_file
from napari_centermask.io.journal import Contents
from napari_centermask.io.own_files import ANNOTATIONS
from napari_centermask.io.project.images import find_images, new_entries
from napari_centermask.io.project.layout import STATUSES, Category, CategoryEntry, ProjectFile, new_category
from napari_centermask.io.whole_file import cannot_save

if TYPE_CHECKING:
    from napari_centermask.io.project.project import Project
    from napari_centermask.io.project.store import Store


def adopted(folder: Path, store: Store) -> ProjectFile:
    """project.json for a folder that has none: its images, and the categories of annotations.json if there is one."""
    categories: dict[int, Category] = {}
    for item in store.categories:
        if isinstance(item, dict) and type(item.get("id")) is int and item["id"] > 0 and item["id"] not in categories:
            id, category = new_category(str(item.get("name") or item["id"])[:200], categories, id=item["id"])
            categories[id] = category
    if not categories:
        categories[1] = new_category("cell", {})[1]
    entries, _ = new_entries(folder, find_images(folder), [], copy=False)
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
    listed = [CategoryEntry(id=i, name=c.name, colour=c.colour, key=c.key) for i, c in categories.items()]
    return ProjectFile(categories=listed, images=entries)


def apply(project: Project, contents: Contents) -> tuple[int, int]:
    """Apply the journal's records that the files do not contain; returns how many edits, and how many records not."""
    done = refused = 0
    for record in contents.records:
        is_edit = "cells" in record
        if record["n"] <= (project._store.edits if is_edit else project._file.edits):
            continue
        try:
            if is_edit:
                _apply_edit(project, record)
                done += 1
            else:
                _apply_note(project, record)
        except (BadRecord, BadImage, BadAnnotations, ValidationError):
            refused += 1
    return done, refused


def _apply_edit(project: Project, record: dict[str, Any]) -> None:
    image = _image(project, record)
    result = project.result(image)
    state_of(record, result).apply(result)
    project._dirty.add(image)


def _apply_note(project: Project, record: dict[str, Any]) -> None:
    if "category" in record:
        _apply_category(project, record["category"])
    elif record.get("status") in STATUSES:
        project._entries[_image(project, record)].status = record["status"]
    elif isinstance(record.get("group"), str):
        project._entries[_image(project, record)].group = record["group"]
    else:
        raise BadRecord("a record says nothing that is known")


def _apply_category(project: Project, item: Any) -> None:
    if isinstance(item, dict) and item.get("removed") is True:
        id = item.get("id")
        if type(id) is not int or id not in project._categories or len(project._categories) == 1:
            raise BadRecord("there is no such category")
        del project._categories[id]
    else:
        entry = CategoryEntry.model_validate(item)
        project._categories[entry.id] = Category(entry.name, entry.colour, entry.key)
    for result in project._results.values():
        project._name_categories(result)


def _image(project: Project, record: dict[str, Any]) -> int:
    image = record.get("image")
    if type(image) is not int or image not in project._entries:
        raise BadRecord("there is no such image")
    return image


def is_prediction(edit: Edit) -> bool:
    """Whether a model made the edit: it brings cells, and touches none that a person decided on."""
    cells = [cell for change in edit.changes for cell in (change.before, change.after) if cell is not None]
    brings = any(change.after is not None for change in edit.changes)
    return brings and not edit.regions and all(cell.status == "predicted" for cell in cells)


def check_category(id: int, category: Category, existing: Mapping[int, Category]) -> None:
    """Raise BadSettings if a category cannot be as it should."""
    others = [c for k, c in existing.items() if k != id]
    if not category.name.strip() or category.name in {c.name for c in others}:
        raise BadSettings(f"Expected a name that no other category has, got {category.name!r}. Choose another.")
    if category.key and category.key in {c.key for c in others}:
        raise BadSettings(f"Expected a key that no other category has, got {category.key!r}. Choose another.")
    if not re.fullmatch("#[0-9a-fA-F]{6}", category.colour):
        raise BadSettings(f"Expected a colour like #4c9be8, got {category.colour!r}. Choose another.")


def free_name(path: Path, word: str) -> Path:
    """A name beside `path` that no file has: "annotations changed outside.json", then with numbers."""
    names = (path.with_name(f"{path.stem} {word}{'' if n == 1 else f' {n}'}{path.suffix}") for n in range(1, 10_000))
    return next(p for p in names if not p.exists())


def keep_copy(path: Path, word: str) -> str:
    """Copy a file beside itself; returns the copy's name.

    Raises
    ------
    CannotSave
        If the disk refuses.
    """
    target = free_name(path, word)
    if path.exists():
        try:
            shutil.copy2(path, target)
        except OSError as error:
            target.unlink(missing_ok=True)
            raise CannotSave(cannot_save(target, error)) from error
    return target.name


def keep_unsaved(project: Project) -> str:
    """Write the cells as they are in memory beside annotations.json; returns the name."""
    text = project.encoded_annotations(0)
    target = free_name(project.folder / ANNOTATIONS, "unsaved")
    replace_file(target, [text])
    return target.name
