"""Check names of files, replace, copy and link files, and notice when another program changed them."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from napari_centermask.core.errors import BadSettings, CannotSave
from napari_centermask.io.whole_file import KEPT, cannot_save, link_or_copy, whole_file

_LONGEST_NAME = 255  # bytes, of ext4, APFS, XFS and Btrfs; NTFS counts 255 UTF-16 units
_LONGEST_PATH = 4096 if os.name != "nt" else 32_767  # PATH_MAX of Linux; Windows' limit for long paths


def check_path(path: Path) -> Path:
    """Check that a file or folder can have a path; returns the path.

    Raises
    ------
    BadSettings
        If it has a NUL character, is too long, or names a device.
    """
    text = str(path)
    if "\0" in text:
        raise BadSettings(
            f"{text.replace(chr(0), '␀')!r} has a NUL character, which no file name can have. Choose another name."
        )
    longest = max((len(os.fsencode(part)) for part in path.parts), default=0)
    if longest > _LONGEST_NAME or len(os.fsencode(text)) > _LONGEST_PATH:
        raise BadSettings(f"The name {_short(text)} is too long: at most {_LONGEST_NAME} bytes. Choose a shorter one.")
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise BadSettings(f"{path} is neither a file nor a folder. Choose another place.")
    return path


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:40]}…{text[-10:]}"


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
    """Link a file, or all files of a folder, to a second name, replacing what is there; copy where there are no hard links."""
    path = path.resolve()
    with whole_file(target) as part:
        if path.is_dir():
            shutil.copytree(path, part, copy_function=lambda file, copy: link_or_copy(Path(file), Path(copy)))
        else:
            link_or_copy(path, part)


def remove_parts(folder: Path, names: Iterable[str]) -> None:
    """Remove temporary files that a killed process left; only while no other process writes these files."""
    for name in names:
        for part in (*folder.glob(f".{name}*.part"), *folder.glob(f"{name}*.part")):
            part.unlink(missing_ok=True)
