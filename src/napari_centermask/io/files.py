"""Files that are replaced whole or not at all, and how to notice that another program changed them."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from napari_centermask.core.errors import CannotSave


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's content, hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@dataclass(frozen=True, slots=True)
class Stamp:
    """A file at one moment: bytes, time in ns, and the SHA-256 of its content; all empty if there is none."""

    size: int = -1
    mtime_ns: int = 0
    sha256: str = ""

    @classmethod
    def of(cls, path: Path) -> Stamp:
        """Read the file's stamp."""
        try:
            stat = path.stat()
            return cls(stat.st_size, stat.st_mtime_ns, sha256_of(path))
        except FileNotFoundError:
            return cls()

    def fits(self, path: Path) -> bool:
        """Whether the file still is what it was: same size and time, or at least the same content."""
        try:
            stat = path.stat()
        except FileNotFoundError:
            return self.size < 0
        if (stat.st_size, stat.st_mtime_ns) == (self.size, self.mtime_ns):
            return True
        return stat.st_size == self.size and Stamp.of(path).sha256 == self.sha256


def replace_file(path: Path, chunks: Iterable[bytes], *, previous: Path | None = None) -> Stamp:
    """Write a file under a temporary name, bring it to the disk and rename it, so that no half file is ever seen.

    Parameters
    ----------
    previous
        What the file was before is kept under this name.

    Returns
    -------
    Stamp
        Of the new file.

    Raises
    ------
    CannotSave
        If the disk is full or the folder protected. The file is as it was then.
    """
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    digest = hashlib.sha256()
    try:
        with part.open("wb") as stream:
            for chunk in chunks:
                digest.update(chunk)
                stream.write(chunk)
            stream.flush()
            os.fsync(stream.fileno())
        if previous is not None and path.exists():
            _keep(path, previous)
        os.replace(part, path)
    except OSError as error:
        raise CannotSave(cannot_save(path, error)) from error
    finally:
        part.unlink(missing_ok=True)
    sync_folder(path.parent)
    stat = path.stat()
    return Stamp(stat.st_size, stat.st_mtime_ns, digest.hexdigest())


def copy_file(path: Path, target: Path) -> Path:
    """Copy a file under a temporary name and rename it; folders are made. Returns the target.

    Raises
    ------
    CannotSave
        If the disk is full or the folder protected. The target is as it was then.
    """
    part = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, part)
        os.replace(part, target)
    except OSError as error:
        raise CannotSave(cannot_save(target, error)) from error
    finally:
        part.unlink(missing_ok=True)
    return target


def link_file(path: Path, target: Path) -> None:
    """Give a file a second name in place of what lies there; where the file system knows no hard links, copy it."""
    target.unlink(missing_ok=True)
    path = path.resolve()
    try:
        os.link(path, target)
    except OSError:  # another disk, or a file system without links
        shutil.copyfile(path, target)


def _keep(path: Path, previous: Path) -> None:
    """Give the file a second name; where the file system knows no hard links, copy it. It is never missing meanwhile."""
    part = previous.with_name(f"{previous.name}.{os.getpid()}.part")
    try:
        try:
            os.link(path, part)
        except OSError:
            shutil.copy2(path, part)
        os.replace(part, previous)
    finally:
        part.unlink(missing_ok=True)


def remove_parts(folder: Path, names: Iterable[str]) -> None:
    """Remove what a killed process left of writing these files; only while no other process writes them."""
    for name in names:
        for part in folder.glob(f"{name}*.part"):
            part.unlink(missing_ok=True)


def cannot_save(path: Path, error: OSError) -> str:
    """The sentence for a person."""
    return (
        f"Expected to write {path.name}, the disk says: {error.strerror or error}. Nothing is lost while this window is open: "
        f"make room on the disk of {path.parent} or unlock the folder; then save again."
    )


def sync_folder(folder: Path) -> None:
    """Bring renames in a folder to the disk, where the system can."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError:  # some network file systems cannot; the rename itself is done
        pass
    finally:
        os.close(descriptor)
