"""Where what engines build for this machine is kept: TensorRT's engines and timings, and which runtime was the fastest."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path


def cache_folder() -> Path:
    """The folder; the environment variable NAPARI_CENTERMASK_HOME moves it, as it moves the models."""
    home = os.environ.get("NAPARI_CENTERMASK_HOME")
    if home:
        return Path(home).expanduser() / "engines"
    import platformdirs

    return Path(platformdirs.user_cache_dir("napari-centermask", appauthor=False)) / "engines"


def engine_folder(*files: Path) -> Path:
    """A folder for what is built from some files, made if missing; other contents have another folder."""
    folder = cache_folder() / fingerprint(*files)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def fingerprint(*files: Path) -> str:
    """16 letters that depend on the contents of files, in their order."""
    digest = hashlib.sha256()
    for path in files:
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]
