"""Run our own command line as a child process, and read its output."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import psutil

from napari_centermask.core.errors import UserError

NICE = 10
"""Niceness of child processes, so that windows stay responsive."""
_LOOK_EVERY_S = 0.1  # a choice, at once for a person
_TAIL_BYTES = 4000  # of what a process said last: a choice, a traceback of some forty lines
_WINDOWS_BELOW_NORMAL, _WINDOWS_NEW_GROUP = 0x4000, 0x200  # Windows' process creation flags


class ChildFailed(UserError):
    """One of our commands ended with an error; the message is its own."""


def own_command(*arguments: str) -> list[str]:
    """The command line that runs `napari-centermask` with arguments on this Python."""
    return [sys.executable, "-m", "napari_centermask", *arguments]


def launch(
    argv: Sequence[str], out: BinaryIO, errors: BinaryIO, *, nice: int = NICE, outlives_us: bool = False
) -> subprocess.Popen[bytes]:
    """Start a command at low CPU priority, without standard input, with its output in two files.

    Parameters
    ----------
    outlives_us
        Start it in a session of its own, so that it survives Ctrl-C and the end of this program.
    """
    options: dict[str, Any] = {"start_new_session": outlives_us}
    if sys.platform == "win32":
        options = {"creationflags": _WINDOWS_BELOW_NORMAL | (_WINDOWS_NEW_GROUP if outlives_us else 0)}
    environment = os.environ | {"PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"}
    process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=errors, env=environment, **options)
    if sys.platform != "win32":
        with suppress(psutil.Error):  # it has already ended
            child = psutil.Process(process.pid)
            child.nice(max(nice, child.nice()))
        if outlives_us:
            lower_session(process.pid, nice)
    return process


def lower_session(pid: int, nice: int) -> None:
    """Lower the CPU priority of the whole session of a process.

    With "autogroup", Linux shares the cores among sessions first, and `nice` only counts within one: without this, a
    training run takes half of the CPU time that napari needs for drawing (sched(7), "The autogroup feature").
    """
    with suppress(OSError):  # another operating system, or a kernel without it
        Path(f"/proc/{pid}/autogroup").write_text(str(nice), encoding="ascii")


def run_child(arguments: Sequence[str]) -> Generator[str, None, str]:
    """Run `napari-centermask` with arguments; closing the generator ends the process.

    Parameters
    ----------
    arguments
        Without the program's name: `["models", "add", ...]`.

    Yields
    ------
    str
        While it runs, the last line that it wrote to standard error: what it is doing.

    Returns
    -------
    str
        All of standard output.

    Raises
    ------
    ChildFailed
        With the last line that the command printed.
    """
    with tempfile.TemporaryDirectory(prefix="centermask-", ignore_cleanup_errors=True) as folder:
        out, errors = Path(folder) / "out", Path(folder) / "errors"
        with out.open("wb") as stdout, errors.open("wb") as stderr:
            process = launch(own_command(*arguments), stdout, stderr)
        try:
            while process.poll() is None:
                yield last_words(tail(errors))
                time.sleep(_LOOK_EVERY_S)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        if process.returncode:
            words = last_words(tail(errors)).removeprefix("Error: ")
            raise ChildFailed(words or _how_it_ended(process.returncode))
        return out.read_text(encoding="utf-8", errors="replace")


def _how_it_ended(code: int) -> str:
    """Why a command that said nothing ended; a negative code is a signal, such as that of a crash in a library."""
    if code in (-signal.SIGSEGV, -signal.SIGABRT, -getattr(signal, "SIGBUS", signal.SIGSEGV)):
        return "A library crashed in the child process, probably because of a damaged file. napari goes on; try another file."
    if code == -getattr(signal, "SIGKILL", 9):
        return "The operating system ended the child process, probably because memory ran out. Try something smaller."
    return f"The command ended with code {code}."


def tail(path: Path) -> str:
    """The end of a file that a command wrote; empty if it cannot be read."""
    try:
        with path.open("rb") as stream:
            stream.seek(max(0, stream.seek(0, os.SEEK_END) - _TAIL_BYTES))
            return stream.read().decode("utf-8", "replace")
    except OSError:
        return ""


def last_words(text: str) -> str:
    """The last line that is not empty, where a failing command says why."""
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")
