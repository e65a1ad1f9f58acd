"""Record what a command over many files has done, so that the same command can continue after it was stopped."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path
from typing import Any

from napari_centermask.core.errors import CannotSave
from napari_centermask.io.lock import lock_for_run
from napari_centermask.io.whole_file import cannot_save

RUN_FILE = ".centermask-run.jsonl"
_DAMAGED = (OSError, ValueError, KeyError, TypeError)


def stamp(path: Path) -> list[int] | None:
    """Size and time of a file, by which a run sees that it was changed; None if there is none."""
    try:
        now = path.stat()
    except OSError:
        return None
    return [now.st_size, now.st_mtime_ns]


def unfinished(folder: Path, *, name: str = RUN_FILE) -> tuple[dict[str, Any], set[str]] | None:
    """The command of a run that was stopped in a folder, and the keys of what it has done; None if there is none."""
    try:
        first, noted = _lines(folder / name)
        return dict(first["command"]), set(noted)
    except _DAMAGED:
        return None


def _lines(path: Path) -> tuple[Any, dict[str, Any]]:
    """The header of a run's file, and what is noted by key; raises one of `_DAMAGED`."""
    first, *noted = [json.loads(line) for line in path.read_bytes().split(b"\n")[:-1]]
    return first, {line["key"]: line["value"] for line in noted}


class RunFile:
    """The items that are done: a JSON line for each, appended at once; made by `open_run` for a folder of files.

    If the process is killed, at most the last line is incomplete, and is not read.

    Parameters
    ----------
    name
        Name of its file in the folder.

    Attributes
    ----------
    done
        Results by key, including those of an earlier run of the same command.
    planned
        The files that the run was going to write when it began.
    is_continued
        Whether it continues a stopped run of the same command.
    """

    def __init__(
        self, folder: Path, command: Mapping[str, Any], planned: Iterable[Path], *, name: str = RUN_FILE
    ) -> None:
        self.path = folder / name
        self._command = json.loads(json.dumps(dict(command)))
        self.planned = [str(p) for p in planned]
        self.done: dict[str, Any] = {}
        self.is_continued = False
        self.other: int | None = None
        self._stream: FileIO | None = None
        self._read()

    def _read(self) -> None:
        try:
            first, known = _lines(self.path)
            is_same = first["command"] == self._command
        except FileNotFoundError:
            return
        except _DAMAGED:
            self.other = 0
            return
        if is_same:
            self.done, self.planned, self.is_continued = known, first["planned"], True
        else:
            self.other = len(known)

    def begin(self) -> None:
        """Write the header of a new run, or remove an incomplete line that a killed process left.

        Raises
        ------
        CannotSave
            If the file cannot be written.
        """
        try:
            self._stream = FileIO(self.path, "r+" if self.is_continued else "w")
            if self.is_continued:
                self._stream.truncate(self._stream.seek(self.path.read_bytes().rfind(b"\n") + 1))
        except OSError as error:
            raise CannotSave(cannot_save(self.path, error)) from error
        if not self.is_continued:
            self._append({"command": self._command, "planned": self.planned})

    def note(self, key: str, value: object) -> None:
        """Note that an item is done. If that cannot be written, the item is done again after a stop."""
        self.done[key] = value
        self._append({"key": key, "value": value})

    def _append(self, line: Mapping[str, Any]) -> None:
        if self._stream is None:
            return
        # On a full disk, more has to be done again after a stop. A line is written whole or not at all.
        start, rest = self._stream.tell(), json.dumps(line).encode() + b"\n"
        try:
            while rest:
                rest = rest[self._stream.write(rest) :]
        except OSError:
            self._stream.truncate(self._stream.seek(start))

    def close(self, *, finished: bool) -> None:
        """Remove the file of a finished run; keep that of a stopped one."""
        if self._stream is not None:
            self._stream.close()
            if finished or not self.done:
                self.path.unlink(missing_ok=True)


@contextmanager
def open_run(
    folder: Path,
    command: Mapping[str, Any],
    planned: Iterable[Path],
    *,
    overwrite: bool,
) -> Iterator[RunFile]:
    """Lock a folder for a command that writes many files into it, and read what the same command did before.

    Parameters
    ----------
    command
        The command as JSON; commands are the same if it is equal.
    planned
        The files that the command will write.
    overwrite
        Start over even if another command was stopped there.

    Raises
    ------
    CannotSave
        If another run is writing there, another command was stopped there, or the folder cannot be written to.
    """
    made = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CannotSave(f"Cannot make {folder}: {error.strerror}. Choose another --out.") from error
    lock = lock_for_run(folder)
    try:
        run = RunFile(folder, command, planned)
        if run.other is not None and not overwrite:
            raise CannotSave(
                f"Another command was stopped in {folder} after {run.other} of its files. Repeat that command to continue, "
                "choose another --out, or add --overwrite to start over."
            )
        yield run
    except KeyboardInterrupt:
        made = False  # the command can be continued here
        raise
    finally:
        lock.release()
        if made:
            with suppress(OSError):  # something was written
                folder.rmdir()
