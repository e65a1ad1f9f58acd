"""Files that must not be overwritten: those of a project, and those that are being read."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from pathlib import Path

from napari_centermask.core.errors import BadSettings
from napari_centermask.io.scene_paths import file_of

PROJECT = "project.json"
PREVIOUS_PROJECT = "project.previous.json"
ANNOTATIONS = "annotations.json"
PREVIOUS = "annotations.previous.json"
JOURNAL = "journal.jsonl"
LOCK = ".lock"
FORMAT = "napari-centermask project"
_NAMES = {PROJECT, PREVIOUS_PROJECT, ANNOTATIONS, PREVIOUS, JOURNAL, LOCK}
_COPIES = re.compile(r"(annotations|project) .+\.json|journal .+\.jsonl", re.IGNORECASE)
"""Copies that a project keeps, as "annotations changed outside.json"."""


def check_targets(targets: Iterable[Path], inputs: Iterable[Path] = ()) -> None:
    """Refuse, before any work is done, to overwrite a project's own files or files that are read.

    Parameters
    ----------
    targets
        Files to write, including those that do not exist yet.
    inputs
        Files that are read.

    Raises
    ------
    BadSettings
        With the file and what to do.
    """
    keys, folders = set(), set[str]()
    for path in map(file_of, map(Path, inputs)):
        keys.add(_key(path))
        place = _place(path)
        while place not in folders:  # each folder once, however many files are read from it
            folders.add(place)
            place = os.path.dirname(place)
    for target in map(Path, targets):
        if _place(target) in folders or _key(target) in keys:
            raise BadSettings(f"{target} is read here, and writing would replace it. Choose another name or folder.")
        check_target(target)


def _place(path: Path) -> str:
    return os.path.normcase(os.path.realpath(path))


def check_target(path: Path) -> None:
    """Refuse to overwrite a project's own files: its annotations, its images, its journal, or its whole folder.

    Raises
    ------
    BadSettings
        With the file and what to do.
    """
    if "\0" in str(path):
        return  # no file can have this name
    path = Path(path)
    absolute = Path(os.path.realpath(path.parent), path.name)
    for folder in (absolute, *absolute.parents):
        if is_project(folder) and (absolute == folder or _belongs(absolute, folder)):
            raise BadSettings(
                f"{path} belongs to the project in {folder}, and writing would replace what was saved there. "
                f"Choose another folder, such as {folder / 'export'}."
            )


def is_project(folder: Path) -> bool:
    """Whether a folder holds a project of ours."""
    return any(FORMAT in _text(folder / name) for name in (PROJECT, PREVIOUS_PROJECT))


def _belongs(path: Path, folder: Path) -> bool:
    name = path.name.casefold()
    if path.parent == folder and (name in _NAMES or (_COPIES.fullmatch(name) and path.exists())):
        return True
    return path.exists() and _key(path) in {_key(file_of(folder / image)) for image in _images(folder)}


def _images(folder: Path) -> list[str]:
    """Paths of a project's images; none if its file is damaged."""
    for name in (PROJECT, PREVIOUS_PROJECT):
        try:
            return [image["path"] for image in json.loads(_text(folder / name))["images"]]
        except (ValueError, KeyError, TypeError, RecursionError):
            continue
    return []


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _key(path: Path) -> tuple[int, int] | str:
    """A key that is the same for all names of a file."""
    try:
        stat = Path(path).stat()
        return stat.st_dev, stat.st_ino
    except (OSError, ValueError):
        return os.path.realpath(path)
