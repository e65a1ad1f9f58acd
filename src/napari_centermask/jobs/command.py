"""Make the run folder of settings, and the command line that trains in it."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from pathlib import Path

from napari_centermask.core.errors import BadSettings
from napari_centermask.io.own_files import check_target
from napari_centermask.io.whole_file import whole_file
from napari_centermask.jobs.child import own_command
from napari_centermask.jobs.place import is_elsewhere
from napari_centermask.settings import TrainSettings

RUN_FILE = "run.json"


def new_run_folder(runs: Path, name: str | None = None) -> Path:
    """A path for a new run folder in `runs`: the name or today's date, and a number if that is taken."""
    stem = name or datetime.date.today().isoformat()
    path, number = Path(runs) / stem, 1
    while path.exists():
        number += 1
        path = Path(runs) / f"{stem}-{number}"
    return path


def check_new_run(folder: Path, left: Sequence[str] = ("last.pt",)) -> None:
    """Raise an error if something of an earlier run would be overwritten.

    Raises
    ------
    BadSettings
        If one of the files `left` is there, or the folder is a project itself.
    """
    check_target(folder)
    if earlier := next((name for name in left if (folder / name).exists()), None):
        raise BadSettings(
            f"{folder} has {earlier} of an earlier run, which would be overwritten. Choose another --out, "
            f"or continue that run: napari-centermask train {folder / RUN_FILE} --resume"
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
