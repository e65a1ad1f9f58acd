"""Copies of data that `train` cannot read as they lie, frozen and with splits, as fine-tuning makes them. Needs no torch."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import MappingProxyType

from napari_centermask.core.errors import CannotSave
from napari_centermask.core.progress import silent
from napari_centermask.io.lock import RUN_LOCK, lock_for_run
from napari_centermask.io.own_files import LOCK
from napari_centermask.io.trained_on import TrainedOn
from napari_centermask.io.whole_file import cannot_save, whole_file
from napari_centermask.models.store.zoo import find_model
from napari_centermask.settings import TrainSettings
from napari_centermask.training.data.dataset import freeze_dataset
from napari_centermask.training.run.folder import start_of

_MADE_OF = "made_of.json"
_FIELDS = ("data", "replay")
_PATIENCE_S = 60.0  # to wait while another process removes a copy: a choice


def with_copies(
    settings: TrainSettings, *, place: Path | None = None, say: Callable[[str], None] = silent
) -> TrainSettings:
    """The settings with copies in place of the folders in `data` and `replay` that `train` cannot read as they lie.

    Parameters
    ----------
    place
        Where the copies go, into `data` and `replay` there; the run folder when not given.
    say
        As of `readable`.

    Raises
    ------
    BadAnnotations, BadImage
        As `readable`.
    """
    if all(map(_is_readable, (folder for field in _FIELDS for folder in getattr(settings, field)))):
        return settings
    place = (settings.out if place is None else place).expanduser()
    start = start_of(settings)
    card = None if start is None else find_model(start).card
    known = {} if card is None else card.trained_on
    changes = {
        field: readable(
            getattr(settings, field),
            _place_of(field, place, settings),
            trained_on=known,
            out=settings.out,
            is_kept=settings.resume,
            say=say,
        )
        for field in _FIELDS
    }
    return settings.model_copy(update=changes)


def _place_of(field: str, place: Path, settings: TrainSettings) -> Path:
    """The folder of the copies; beside it if that is a folder of data itself, into which no copy of earlier versions was put."""
    given = {Path(folder).expanduser().resolve() for name in _FIELDS for folder in getattr(settings, name)}
    taken = (place / field).resolve() in given and not any((place / field).glob(f"*/{_MADE_OF}"))
    return place / (f"{field}-copy" if taken else field)


def readable(
    folders: Sequence[Path],
    place: Path,
    *,
    trained_on: TrainedOn = MappingProxyType({}),
    out: Path | None = None,
    is_kept: bool = False,
    say: Callable[[str], None] = silent,
) -> list[Path]:
    """The folders, and in place of each that has no annotations_SPLIT.json a copy that has.

    Such are projects, folders with annotations.json alone, and those of other tools. Their own splits are kept; without any, a
    fifth of the cells is held out, and always the same (`freeze_dataset`). Images are linked if the file system can. A copy that
    is there is used again if nothing has changed.

    Parameters
    ----------
    place
        Folder of the copies.
    trained_on
        What the start model was trained on, from its card.
    out
        The run folder, which is no part of the data if it lies in their folder.
    is_kept
        Whether a copy is used again even if something has changed, as a run that goes on needs it.
    say
        Called with what was recognised in each folder, and what is left out.

    Raises
    ------
    BadAnnotations, BadImage
        If there is nothing to train on, or a file cannot be read.
    CannotSave
        If a copy cannot be written.
    """
    found: list[Path] = []
    taken: set[str] = set()
    for folder in (Path(f).expanduser() for f in folders):
        if _is_readable(folder):
            found.append(folder)
            continue
        name = _free(folder.resolve().name, taken, place)
        made_of = {"folder": str(folder.resolve()), "files": _stamps(folder, out)}
        known = _read(place / name / _MADE_OF)
        if known is None or not (is_kept or known == made_of):
            _make(place / name, made_of, partial(freeze_dataset, folder, trained_on=trained_on, say=say))
            copied = f"The cells of {folder} are copied to {place / name}, and its images linked"
            say(f"{copied}: the run trains on them as they are now.")
        found.append(place / name)
    return found


def _is_readable(folder: Path) -> bool:
    """Whether a folder has splits in COCO; one that is missing, too, of which `train` itself says so."""
    folder = Path(folder).expanduser()
    return not folder.is_dir() or any(folder.glob("annotations_*.json"))


def freeze_in(place: Path, freeze: Callable[[Path], object], name: str = "data") -> Path:
    """Freeze the data of a run in a folder of its folder, in place of those frozen there before.

    Parameters
    ----------
    place
        The run folder.
    freeze
        Writes the data into a folder, as `freeze_dataset` does.
    name
        Of the folder.

    Returns
    -------
    Path
        `place`/`name`; if there is a folder of that name that was not made here, `place`/`name`-2 and so on.

    Raises
    ------
    CannotSave
        If they cannot be written.
    """
    target = place / _free(name, set(), place)
    _make(target, {"time_ns": time.time_ns()}, freeze)
    return target


def _make(target: Path, made_of: object, freeze: Callable[[Path], object]) -> None:
    part = target.with_name(f".{target.name}.{os.getpid()}.part")  # of each process its own, under torchrun
    try:
        freeze(part)
        with whole_file(part / _MADE_OF) as file:
            file.write_text(json.dumps(made_of), encoding="utf-8")
        _put(part, target, made_of)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _put(part: Path, target: Path, made_of: object) -> None:
    """Rename the copy, unless another process of the run was faster; one at a time, as one may replace an old copy.

    The old one is renamed before it is removed: half removed under its name, it would look like a folder of somebody else.
    """
    old = part.with_suffix(".old")
    lock = lock_for_run(target.parent, patience_s=_PATIENCE_S)
    try:
        if _read(target / _MADE_OF) == made_of:
            return
        if target.exists():
            target.rename(old)
        part.rename(target)
        if old.exists():
            shutil.rmtree(old)
    except OSError as error:
        raise CannotSave(cannot_save(target, error)) from error
    finally:
        lock.release()


def _free(name: str, taken: set[str], place: Path) -> str:
    """A name that no other copy has, and no folder that is none: with `out` beside it, that may be the data themselves."""
    free, n = name, 1
    while free in taken or ((place / free).exists() and not (place / free / _MADE_OF).exists()):
        n += 1
        free = f"{name}-{n}"
    taken.add(free)
    return free


def _stamps(folder: Path, out: Path | None) -> list[list[str | int]]:
    """Path, size and time of all files in a folder, but not of run folders in it, nor of locks, which reading changes."""
    left_out = {(folder / "runs").resolve(), *([] if out is None else [out.expanduser().resolve()])}
    found: list[list[str | int]] = []
    for root, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if Path(root, name).resolve() not in left_out]
        for path in (Path(root, name) for name in files if name not in (LOCK, RUN_LOCK)):
            with suppress(OSError):
                now = path.stat()
                found.append([path.relative_to(folder).as_posix(), now.st_size, now.st_mtime_ns])
    return sorted(found, key=str)


def _read(path: Path) -> object:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
