"""Check paths that a person typed: impossible ones are refused with a clear message, before anything is read or written."""

from __future__ import annotations

import os
from pathlib import Path

from napari_centermask.core.errors import BadSettings

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
