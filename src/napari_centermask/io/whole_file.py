"""Write files whole or not at all: all of this package writes files here."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from napari_centermask.core.errors import CannotSave
from napari_centermask.io.own_files import check_target

_FULL = (errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC))
KEPT = "Nothing is lost while this window is open."
"""Added to an error if the state is still in memory."""
_LONGEST_NAME = 200  # bytes; with what a temporary name adds still below the 255 of common file systems


@contextmanager
def whole_file(
    path: Path, *, previous: Path | None = None, make_folder: bool = True, is_owner: bool = False
) -> Iterator[Path]:
    """A temporary path beside `path` to write a file or a folder to; it is renamed if the block ends without an error.

    It is flushed to the disk first, and gets the permissions of the file that it replaces, or those of any new file: some
    libraries write files that only their owner can read. If the block fails, the old file stays and the temporary one is
    removed. A killed process leaves its temporary file, whose name ends in ".part".

    Parameters
    ----------
    previous
        Keep the replaced file under this name.
    make_folder
        Create the folder if it is missing.
    is_owner
        Whether a project writes its own file, which nothing else may do.

    Raises
    ------
    CannotSave
        If the target cannot be written, with the reason and what to do. Errors about other files are passed on.
    BadSettings
        If the target is one of a project's own files.
    """
    if not is_owner:
        check_target(Path(path))
    with _writing([Path(path)], make_folder) as (part,):
        yield part
        _sync(part)
        _permit(part, Path(path))
        if previous is not None and Path(path).exists():
            _keep(Path(path), previous)
        _name(part, Path(path))


@contextmanager
def whole_files(paths: Sequence[Path]) -> Iterator[list[Path]]:
    """As `whole_file`, for files that belong together: either all are renamed, or none changes.

    Raises
    ------
    CannotSave, BadSettings
        As `whole_file`.
    """
    paths = [Path(p) for p in paths]
    for path in paths:
        check_target(path)
    with _writing(paths, True) as parts:
        yield parts
        for part, path in zip(parts, paths, strict=True):
            _sync(part)
            _permit(part, path)
        _name_together(parts, paths)


@contextmanager
def _writing(paths: Sequence[Path], make_folder: bool) -> Iterator[list[Path]]:
    """Temporary paths, removed at the end; errors while writing become `CannotSave`."""
    for path in paths:
        _check(path, make_folder)
    parts = [_beside(p, "part") for p in paths]
    try:
        yield parts
    except OSError as error:
        about = next((p for p, part in zip(paths, parts, strict=True) if error.filename in _names(p, part)), None)
        if error.errno is None or (about is None and error.filename is not None):
            raise
        raise CannotSave(cannot_save(about or paths[0], error)) from error
    finally:
        for part in parts:
            _remove(part)


def _names(*paths: Path) -> set[str | Path]:
    return {*paths, *map(str, paths)}


def _check(path: Path, make_folder: bool) -> None:
    """Refuse, before the work, a target that could not be written after it."""
    if "\0" in str(path):
        raise CannotSave(f"Cannot write {str(path)!r}: the name holds a NUL character. Choose another one.")
    try:
        if make_folder:
            path.parent.mkdir(parents=True, exist_ok=True)
        mode = path.stat().st_mode
    except FileNotFoundError:
        return
    except OSError as error:
        raise CannotSave(cannot_save(path, error)) from error
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise CannotSave(f"Cannot write {path}: it is a device, not a file. Choose the name of a file.")


def _beside(path: Path, word: str) -> Path:
    name = path.name.encode()[:_LONGEST_NAME].decode(errors="ignore")
    return path.with_name(f".{name}.{os.getpid()}.{word}")


def _name(part: Path, path: Path) -> None:
    """Rename, replacing what is there; a folder replaces only a folder."""
    if part.is_dir() and path.is_dir() and not path.is_symlink():
        before = _beside(path, "before.part")
        os.replace(path, before)
        try:
            os.replace(part, path)
        except OSError:
            os.replace(before, path)
            raise
        shutil.rmtree(before)
    else:
        os.replace(part, path)
    sync_folder(path.parent)


def _name_together(parts: Sequence[Path], paths: Sequence[Path]) -> None:
    former = {path: _beside(path, "before.part") for path in paths if path.exists()}
    done: list[Path] = []
    try:
        for path, before in former.items():
            _keep(path, before)
        for part, path in zip(parts, paths, strict=True):
            _name(part, path)
            done.append(path)
    except OSError:
        for path in done:
            if path in former:
                os.replace(former[path], path)
            else:
                path.unlink()
        raise
    finally:
        for before in former.values():
            before.unlink(missing_ok=True)


def _remove(part: Path) -> None:
    if part.is_dir():
        shutil.rmtree(part)
    else:
        part.unlink(missing_ok=True)


def _keep(path: Path, previous: Path) -> None:
    """Give the file a second name; it is never missing in between."""
    part = _beside(previous, "part")
    try:
        link_or_copy(path, part)
        os.replace(part, previous)
    finally:
        part.unlink(missing_ok=True)


def link_or_copy(path: Path, target: Path) -> None:
    """Link a file to a second name, or copy it if the file system has no hard links."""
    target.unlink(missing_ok=True)
    try:
        os.link(path, target)
    except OSError:  # another disk, or a file system without links
        shutil.copy2(path, target)


def cannot_save(path: Path, error: OSError) -> str:
    """The error to show: which file, why, and what to do."""
    if error.errno in _FULL:
        advice = f"Make room on the disk of {path.parent}"
    elif error.errno == errno.ENAMETOOLONG:
        advice = "Choose a shorter name"
    elif error.errno in (errno.ENOENT, errno.ENOTDIR, errno.EEXIST):
        advice = f"Choose another folder, or bring {path.parent} back"
    elif error.errno in (errno.EISDIR, errno.ENOTEMPTY):
        advice = "Choose a name that no folder has"
    else:
        advice = f"Unlock the folder {path.parent} or choose another one"
    return f"Cannot write {path}: {error.strerror or error}. {advice}, then try again."


def _sync(part: Path) -> None:
    """Flush a file's content to the disk; a folder's files are left to the system."""
    if part.is_dir():
        return
    descriptor = os.open(part, os.O_RDWR | getattr(os, "O_BINARY", 0))  # Windows cannot sync a file opened for reading
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _permit(part: Path, path: Path) -> None:
    """Give a file the permissions of the one that it replaces, or of a new one; its owner can always read and write it."""
    if os.name == "nt" or part.is_dir():
        return
    try:
        mode = path.stat().st_mode
    except OSError:
        mode = _mode_of_new(part)
    with suppress(OSError):  # some network file systems have none
        part.chmod(stat.S_IMODE(mode) | stat.S_IRUSR | stat.S_IWUSR)


def _mode_of_new(part: Path) -> int:
    """The mode that a new file gets here."""
    probe = _beside(part, "mode.part")
    descriptor = os.open(probe, os.O_CREAT | os.O_WRONLY, 0o666)
    try:
        return os.fstat(descriptor).st_mode
    finally:
        os.close(descriptor)
        probe.unlink()


def sync_folder(folder: Path) -> None:
    """Flush renames in a folder to the disk, if the system can."""
    if os.name == "nt":
        return
    with suppress(OSError):  # some network file systems cannot; the rename itself is done
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
