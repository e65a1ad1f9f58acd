"""A short command of ours in a process of its own, driven by a generator: compare, install, export."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import psutil

from napari_centermask.core.errors import UserError
from napari_centermask.events import parse

NICE = 10
_LOOK_EVERY_S = 0.1


class ChildFailed(UserError):
    """A command of ours ended with an error; the message is its own."""


def run_child(arguments: Sequence[str]) -> Generator[dict[str, Any] | None, None, str]:
    """Run `napari-centermask` with arguments; closing the generator ends the process.

    Parameters
    ----------
    arguments
        Without the program's name: `["models", "add", ...]`.

    Yields
    ------
    dict or None
        Events as they come on standard output; None while there are none.

    Returns
    -------
    str
        All of standard output.

    Raises
    ------
    ChildFailed
        With the last words of the command.
    """
    argv = [sys.executable, "-m", "napari_centermask", *arguments]
    environment = os.environ | {"PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"}
    with tempfile.TemporaryDirectory(prefix="centermask-", ignore_cleanup_errors=True) as folder:
        out, errors = Path(folder) / "out", Path(folder) / "errors"
        with out.open("wb") as stdout, errors.open("wb") as stderr:
            process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, env=environment)
        try:
            _stand_back(process.pid)
            read = 0
            while process.poll() is None:
                read, events = _new_events(out, read)
                yield from events or [None]
                time.sleep(_LOOK_EVERY_S)
            yield from _new_events(out, read)[1]
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        if process.returncode:
            raise ChildFailed(_last_words(errors) or f"The command ended with code {process.returncode}.")
        return out.read_text(encoding="utf-8", errors="replace")


def _stand_back(pid: int) -> None:
    """Let the window go first on the CPU."""
    try:
        process = psutil.Process(pid)
        process.nice(psutil.BELOW_NORMAL_PRIORITY_CLASS if sys.platform == "win32" else max(NICE, process.nice()))
    except psutil.Error:
        return  # it has ended already


def _new_events(path: Path, start: int) -> tuple[int, list[dict[str, Any]]]:
    """Where to read on, and the events in the complete lines from byte `start`."""
    with path.open("rb") as stream:
        stream.seek(start)
        content = stream.read()
    complete = content[: content.rfind(b"\n") + 1]
    events = [event for line in complete.splitlines() if (event := parse(line)) is not None]
    return start + len(complete), events


def _last_words(path: Path) -> str:
    """The last line that a command wrote on standard error, without its "Error: "."""
    lines = [line.strip() for line in path.read_text(encoding="utf-8", errors="replace").splitlines()]
    return next((line.removeprefix("Error: ") for line in reversed(lines) if line), "")
