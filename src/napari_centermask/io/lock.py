"""One writer per folder: the first to open it holds a lock that ends with its process, however that ends."""

from __future__ import annotations

import errno
import json
import os
import socket
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from napari_centermask.io.own_files import LOCK

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_BYTE = 2**30  # Windows locks bytes; one far behind the text leaves that readable
_BUSY = (errno.EACCES, errno.EAGAIN, errno.EWOULDBLOCK, errno.EDEADLK)


class FolderLock:
    """The lock of a folder; made by `lock_folder`."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor

    def release(self) -> None:
        """Let the next one write; doing it twice does no harm."""
        if self._descriptor is None:
            return
        with suppress(OSError):
            os.ftruncate(self._descriptor, 0)
        os.close(self._descriptor)  # this also ends the lock
        self._descriptor = None


def lock_folder(folder: Path) -> FolderLock | str:
    """Lock a folder for this process.

    The operating system holds the lock: it ends when the process ends, so that none is ever left behind. Where a file
    system knows no locks, the process named in the file decides: a dead one of this machine is taken over.

    Returns
    -------
    FolderLock or str
        The reason, in a sentence for a person, if the folder cannot be written now.
    """
    path = Path(folder) / LOCK
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        return f"The folder {Path(folder).name} cannot be written: {error.strerror}."
    try:
        _lock(descriptor)
    except OSError as error:
        holder = _holder(descriptor)
        if error.errno in _BUSY or _alive(holder):
            os.close(descriptor)
            return f"The project {Path(folder).name} is open in {_described(holder)}."
    with suppress(OSError):  # a full disk: the lock holds all the same, only its holder has no name
        os.ftruncate(descriptor, 0)
        os.lseek(descriptor, 0, os.SEEK_SET)
        os.write(descriptor, json.dumps({"pid": os.getpid(), "host": socket.gethostname()}).encode())
    return FolderLock(descriptor)


def _lock(descriptor: int) -> None:
    if sys.platform == "win32":
        os.lseek(descriptor, _BYTE, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    else:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _holder(descriptor: int) -> dict[str, Any]:
    os.lseek(descriptor, 0, os.SEEK_SET)
    try:
        holder = json.loads(os.read(descriptor, 4096))
    except ValueError:
        return {}
    return holder if isinstance(holder, dict) else {}


def _described(holder: dict[str, Any]) -> str:
    if not isinstance(holder.get("pid"), int):
        return "another window"
    if holder["pid"] == os.getpid():
        return "another window of this napari"
    here = holder.get("host") == socket.gethostname()
    return f"another window (process {holder['pid']}{'' if here else ' on ' + str(holder.get('host'))})"


def _alive(holder: dict[str, Any]) -> bool:
    """Whether the process named in the file may be running; on another machine nobody can tell."""
    pid = holder.get("pid")
    if not isinstance(pid, int) or pid <= 0:
        return False
    if holder.get("host") != socket.gethostname():
        return True
    if os.name == "nt":
        return True  # Windows always has locks; asking for a process could end it there
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True
