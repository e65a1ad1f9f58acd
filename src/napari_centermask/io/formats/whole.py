"""Files and folders that appear whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole_path(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` to write a file or a folder to; it gets its name when the block ends well.

    What was there before is replaced then, and kept if the block fails.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield part
        if path.is_dir() and not path.is_symlink():
            before = path.with_name(f".{path.name}.{os.getpid()}.before")
            os.replace(path, before)
            os.replace(part, path)
            shutil.rmtree(before)
        else:
            os.replace(part, path)
    finally:
        if part.is_dir():
            shutil.rmtree(part)
        else:
            part.unlink(missing_ok=True)
