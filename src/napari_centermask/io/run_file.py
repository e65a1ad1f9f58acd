"""What a command over many files has done so far, so that the same command goes on after it was stopped."""

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


class RunFile:
    """The items that are done, a JSON line for each, appended as soon as it is; made by `open_run`.

    A process that is killed leaves at most its last line torn, which is not read.

    Attributes
    ----------
    done
        What was noted, by key; that of an earlier run of the same command too.
    planned
        The files that the run was to write when it began.
    going_on
        Whether the same command was stopped before.
    """

    def __init__(self, folder: Path, command: Mapping[str, Any], planned: Iterable[Path]) -> None:
        self.path = folder / RUN_FILE
        self._command = json.loads(json.dumps(dict(command)))
        self.planned = [str(p) for p in planned]
        self.done: dict[str, Any] = {}
        self.going_on = False
        self.other: int | None = None
        self._stream: FileIO | None = None
        self._read()

    def _read(self) -> None:
        try:
            lines = self.path.read_bytes().split(b"\n")[:-1]
            first, *noted = [json.loads(line) for line in lines]
            known = {line["key"]: line["value"] for line in noted}
            is_same = first["command"] == self._command
        except FileNotFoundError:
            return
        except (OSError, ValueError, KeyError, TypeError):
            self.other = 0
            return
        if is_same:
            self.done, self.planned, self.going_on = known, first["planned"], True
        else:
            self.other = len(known)

    def begin(self) -> None:
        """Write the head of a new run, or cut what a killed process left torn.

        Raises
        ------
        CannotSave
            If the disk refuses.
        """
        try:
            self._stream = FileIO(self.path, "r+" if self.going_on else "w")
            if self.going_on:
                self._stream.truncate(self._stream.seek(self.path.read_bytes().rfind(b"\n") + 1))
        except OSError as error:
            raise CannotSave(cannot_save(self.path, error)) from error
        if not self.going_on:
            self._append({"command": self._command, "planned": self.planned})

    def note(self, key: str, value: Any) -> None:
        """Note what is done; where the disk refuses, the item is done again after a stop."""
        self.done[key] = value
        self._append({"key": key, "value": value})

    def _append(self, line: Mapping[str, Any]) -> None:
        if self._stream is None:
            return
        # A full disk: only what goes on after a stop gets less. A line is there whole or not at all.
        start, rest = self._stream.tell(), json.dumps(line).encode() + b"\n"
        try:
            while rest:
                rest = rest[self._stream.write(rest) :]
        except OSError:
            self._stream.truncate(self._stream.seek(start))

    def close(self, *, finished: bool) -> None:
        """Remove the file of a run that is finished; keep that of another one."""
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
    """Hold a folder for a command that writes many files into it, and read what the same command did before.

    Parameters
    ----------
    command
        What makes two commands the same one, as JSON.
    planned
        The files that are to be written.
    overwrite
        Begin anew where another command was stopped.

    Raises
    ------
    CannotSave
        If another run is writing there, another command was stopped there, or the folder cannot be written.
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
                f"Another command was stopped in {folder} after {run.other} of its files. Repeat that command to go on, "
                "choose another --out, or add --overwrite to begin anew."
            )
        yield run
    except KeyboardInterrupt:
        made = False  # the command is to go on here
        raise
    finally:
        lock.release()
        if made:
            with suppress(OSError):  # something was written
                folder.rmdir()
