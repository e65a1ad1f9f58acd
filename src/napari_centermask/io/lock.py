"""One writer per folder: the first to open it gets a lock that ends with its process, however that ends."""

from __future__ import annotations

import errno
import json
import os
import socket
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from napari_centermask.core.errors import CannotSave
from napari_centermask.io.own_files import LOCK

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

RUN_LOCK = ".centermask-run.lock"
_BYTE = 2**30  # Windows locks bytes; one far behind the text leaves that readable
_PAUSE_S = 0.05  # between two looks at a lock that another run holds: a choice
_BUSY = (errno.EACCES, errno.EAGAIN, errno.EWOULDBLOCK, errno.EDEADLK)


class FolderLock:
    """The lock of a folder; made by `lock_folder` and `lock_for_run`.

    Parameters
    ----------
    temporary
        The lock's file, if it is to be removed with the lock.
    """

    def __init__(self, descriptor: int, temporary: Path | None = None) -> None:
        self._descriptor: int | None = descriptor
        self._temporary = temporary

    def release(self) -> None:
        """Release the lock; may be called twice."""
        if self._descriptor is None:
            return
        with suppress(OSError):
            os.ftruncate(self._descriptor, 0)
        with suppress(OSError):  # Windows cannot remove an open file; an empty one does no harm
            if self._temporary is not None:
                self._temporary.unlink()
        os.close(self._descriptor)  # this also ends the lock
        self._descriptor = None


def lock_for_run(folder: Path, *, patience_s: float = 0.0) -> FolderLock:
    """Lock a folder while a command writes many files into it; the lock's file is removed afterwards.

    Parameters
    ----------
    patience_s
        How long to wait for another run that holds the lock.

    Raises
    ------
    CannotSave
        If another run holds the lock, with its process, or the folder cannot be written.
    """
    path, last = Path(folder) / RUN_LOCK, time.monotonic() + patience_s
    while True:
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise CannotSave(
                f"Cannot write to {folder}: {error.strerror}. Unlock it or choose another --out."
            ) from error
        holder = _take(descriptor)
        if holder is not None:
            if time.monotonic() < last:
                time.sleep(_PAUSE_S)
                continue
            raise CannotSave(
                f"Another run ({_process(holder)}) is writing to {folder}. Wait until it ends, or choose another --out."
            )
        if _is_named(path, descriptor):
            return FolderLock(descriptor, path)
        os.close(descriptor)  # the previous holder removed the file while it was being opened


def _is_named(path: Path, descriptor: int) -> bool:
    """Whether an open file still has its name."""
    try:
        now, ours = path.stat(), os.fstat(descriptor)
    except FileNotFoundError:
        return False
    return (now.st_dev, now.st_ino) == (ours.st_dev, ours.st_ino)


def lock_folder(folder: Path, *, sentence: str = "The project {name} is open in {holder}.") -> FolderLock | str:
    """Lock a folder for this process.

    The operating system holds the lock and releases it when the process ends, so none is ever left behind. On file systems
    without locks, the process named in the file counts: the lock of a dead process on this machine is taken over.

    Parameters
    ----------
    sentence
        What to say if another window has the lock.

    Returns
    -------
    FolderLock or str
        The lock, or a sentence that says why the folder cannot be written now.
    """
    path = Path(folder) / LOCK
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        return f"The folder {Path(folder).name} cannot be written: {error.strerror}."
    holder = _take(descriptor)
    if holder is not None:
        return sentence.format(name=Path(folder).name, holder=_described(holder))
    return FolderLock(descriptor)


def _take(descriptor: int) -> dict[str, Any] | None:
    """Lock an open file and write the holder into it. If another process holds it, close the file and return the holder."""
    try:
        _lock(descriptor)
    except OSError as error:
        holder = _holder(descriptor)
        if error.errno in _BUSY or _alive(holder):
            os.close(descriptor)
            return holder
    with suppress(OSError):  # on a full disk, the lock works, but does not name its holder
        os.ftruncate(descriptor, 0)
        os.lseek(descriptor, 0, os.SEEK_SET)
        os.write(descriptor, json.dumps({"pid": os.getpid(), "host": socket.gethostname()}).encode())
    return None


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
    return f"another window ({_process(holder)})"


def _process(holder: dict[str, Any]) -> str:
    if not isinstance(holder.get("pid"), int):
        return "of an unknown process"
    here = holder.get("host") == socket.gethostname()
    return f"process {holder['pid']}{'' if here else ' on ' + str(holder.get('host'))}"


def _alive(holder: dict[str, Any]) -> bool:
    """Whether the process named in the file may be running; on another machine, this cannot be known."""
    pid = holder.get("pid")
    if not isinstance(pid, int) or pid <= 0:
        return False
    if holder.get("host") != socket.gethostname():
        return True
    if os.name == "nt":
        return True  # Windows always has locks; probing a process could end it there
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True
