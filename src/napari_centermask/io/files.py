"""Files replaced, copied and linked, and how to notice that another program changed them."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from napari_centermask.core.errors import CannotSave
from napari_centermask.io.whole_file import KEPT, cannot_save, link_or_copy, whole_file


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
            now = path.stat()
            return cls(now.st_size, now.st_mtime_ns, sha256_of(path))
        except FileNotFoundError:
            return cls()

    def fits(self, path: Path) -> bool:
        """Whether the file still is what it was: same size and time, or at least the same content."""
        try:
            now = path.stat()
        except FileNotFoundError:
            return self.size < 0
        if (now.st_size, now.st_mtime_ns) == (self.size, self.mtime_ns):
            return True
        return now.st_size == self.size and Stamp.of(path).sha256 == self.sha256


def replace_file(path: Path, chunks: Iterable[bytes], *, previous: Path | None = None) -> Stamp:
    """Write what lies in memory with `whole_file`, in a folder that is there.

    Returns
    -------
    Stamp
        Of the new file.

    Raises
    ------
    CannotSave
        If the disk is full or the folder protected or gone. The file is as it was then.
    """
    digest = hashlib.sha256()
    try:
        with whole_file(path, previous=previous, make_folder=False, is_owner=True) as part, part.open("wb") as stream:
            for chunk in chunks:
                digest.update(chunk)
                stream.write(chunk)
    except CannotSave as error:
        raise CannotSave(f"{error} {KEPT}") from error
    now = path.stat()
    return Stamp(now.st_size, now.st_mtime_ns, digest.hexdigest())


def copy_file(path: Path, target: Path) -> Path:
    """Copy a file with `whole_file`; returns the target.

    Raises
    ------
    CannotSave
        If the file cannot be read, the disk is full or the folder protected. The target is as it was then.
    """
    with whole_file(target) as part:
        try:
            shutil.copyfile(path, part)
        except OSError as error:
            raise CannotSave(cannot_save(target, error)) from error
    return target


def link_file(path: Path, target: Path) -> None:
    """Give a file a second name in place of what lies there; where the file system knows no hard links, copy it."""
    with whole_file(target) as part:
        link_or_copy(path.resolve(), part)


def remove_parts(folder: Path, names: Iterable[str]) -> None:
    """Remove what a killed process left of writing these files; only while no other process writes them."""
    for name in names:
        for part in (*folder.glob(f".{name}*.part"), *folder.glob(f"{name}*.part")):
            part.unlink(missing_ok=True)
