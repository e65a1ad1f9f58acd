"""Replace, copy and link files, and notice when another program changed them."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from napari_centermask.core.errors import CannotSave
from napari_centermask.io.whole_file import KEPT, cannot_save, link_or_copy, whole_file


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's content in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@dataclass(frozen=True, slots=True)
class Stamp:
    """State of a file: size in bytes, time in ns, and the SHA-256 of its content; empty if there is no file."""

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
        """Whether the file is unchanged: same size and time, or at least the same content."""
        try:
            now = path.stat()
        except FileNotFoundError:
            return self.size < 0
        if (now.st_size, now.st_mtime_ns) == (self.size, self.mtime_ns):
            return True
        return now.st_size == self.size and Stamp.of(path).sha256 == self.sha256


def replace_file(path: Path, chunks: Iterable[bytes], *, previous: Path | None = None) -> Stamp:
    """Write bytes with `whole_file`, in a folder that exists.

    Returns
    -------
    Stamp
        The stamp of the new file.

    Raises
    ------
    CannotSave
        If the disk is full, or the folder is protected or gone. The file is then unchanged.
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
        If the file cannot be read, the disk is full or the folder is protected. The target is then unchanged.
    """
    with whole_file(target) as part:
        try:
            shutil.copyfile(path, part)
        except OSError as error:
            raise CannotSave(cannot_save(target, error)) from error
    return target


def link_file(path: Path, target: Path) -> None:
    """Link a file to a second name, replacing what is there; copy it if the file system has no hard links."""
    with whole_file(target) as part:
        link_or_copy(path.resolve(), part)


def remove_parts(folder: Path, names: Iterable[str]) -> None:
    """Remove temporary files that a killed process left; only while no other process writes these files."""
    for name in names:
        for part in (*folder.glob(f".{name}*.part"), *folder.glob(f"{name}*.part")):
            part.unlink(missing_ok=True)
