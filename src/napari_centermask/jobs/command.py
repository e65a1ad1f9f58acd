"""Make the run folder of settings, and the command line that trains in it."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from pathlib import Path

from napari_centermask.core.errors import BadSettings
from napari_centermask.io.datasets.folder import is_among_data
from napari_centermask.io.own_files import check_target
from napari_centermask.io.whole_file import whole_file
from napari_centermask.jobs.child import own_command
from napari_centermask.jobs.place import is_elsewhere
from napari_centermask.settings import TrainSettings

RUN_FILE = "run.json"
_WRITTEN = ("decoded", "pictures", "samples", "start", "unlabelled")
"""Folders that a run writes; `training.run.copies` gives its copies of data a name that is free."""


def new_run_folder(runs: Path, name: str | None = None) -> Path:
    """A path for a new run folder in `runs`: the name or today's date, and a number if that is taken."""
    stem = name or datetime.date.today().isoformat()
    path, number = Path(runs) / stem, 1
    while path.exists():
        number += 1
        path = Path(runs) / f"{stem}-{number}"
    return path


def check_new_run(folder: Path, left: Sequence[str] = ("last.pt",), *, data: Sequence[Path] = ()) -> None:
    """Raise an error if something of an earlier run would be overwritten, or files of the run would lie among its data.

    Parameters
    ----------
    data
        Folders that the run reads, as they were given.

    Raises
    ------
    BadSettings
        If one of the files `left` is there, the folder is a project itself or a file, or data lie where the run writes.
    """
    check_target(folder)
    if folder.is_file():
        raise BadSettings(f"{folder} is a file, and a run needs a folder. Choose another --out.")
    if earlier := next((name for name in left if (folder / name).exists()), None):
        raise BadSettings(
            f"{folder} has {earlier} of an earlier run, which would be overwritten. Choose another --out, "
            f"or continue that run: napari-centermask train {folder / RUN_FILE} --resume"
        )
    places = {path.resolve(): path for path in map(Path.expanduser, data)}
    written = [folder, *(folder / name for name in _WRITTEN)]
    if taken := next((places[path] for place in written if (path := place.expanduser().resolve()) in places), None):
        raise BadSettings(
            f"{taken} has data, and the run would write its files among them. Choose another --out, such as "
            f"{folder / 'runs' / 'first'}."
        )
    if is_among_data(folder.expanduser(), places):
        raise BadSettings(
            f"{folder} has images or cells of the data, and the run would write its files among them. Choose another --out."
        )


FOLDERS = ("data", "replay", "unlabelled")
"""Settings that name folders."""


def write_run(settings: TrainSettings) -> Path:
    """Make the run folder and the run file in it, with absolute paths; return the file.

    Raises
    ------
    CannotSave
        If the folder cannot be written.
    """
    folder = settings.out.expanduser().resolve()
    places: dict[str, object] = {name: [_absolute(p) for p in getattr(settings, name)] for name in FOLDERS}
    if settings.start is not None and _absolute(Path(settings.start)).is_file():
        places["start"] = str(_absolute(Path(settings.start)))
    settings = settings.model_copy(update={"out": folder, **places})
    path = folder / RUN_FILE
    with whole_file(path) as part:
        part.write_text(settings.model_dump_json(indent=1), encoding="utf-8")
    return path


def _absolute(path: Path) -> Path:
    return path.expanduser().resolve()


def command_line(run_file: Path) -> list[str]:
    """The arguments of the training process; they also work in a shell or on another machine.

    A run that trains elsewhere is attended by a process that reports the same events.
    """
    if is_elsewhere(run_file.parent):
        return own_command("remote", "run", str(run_file.parent), "--json")
    return own_command("train", str(run_file), "--json")
