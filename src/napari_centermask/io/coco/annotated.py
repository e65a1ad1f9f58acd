"""Read the COCO file of annotated images, or of predictions, from any program."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from napari_centermask.core.collection import paused_collection
from napari_centermask.core.progress import silent
from napari_centermask.io.coco.document import load_json, parse_coco
from napari_centermask.io.coco.extension import KEY
from napari_centermask.io.coco.image_record import ImageRecord
from napari_centermask.io.coco.importing import import_coco
from napari_centermask.io.coco.in_parts import parse_parted
from napari_centermask.io.coco.parted import LARGEST_WHOLE, Parted, parted


def read_annotated(
    path: Path, *, images_root: Path | None = None, say: Callable[[str], None] = silent
) -> list[ImageRecord]:
    """Read a COCO instances file: our own strictly, those of other programs repaired as in an import.

    So evaluation and training read what `convert` and projects read. Crowd regions are kept in `ImageRecord.crowds`. The cells
    of a file above `parted.LARGEST_WHOLE` stay in it and are read where they are asked for (`core.later_instances`).

    Parameters
    ----------
    images_root
        Folder of the images; the file's own folder when not given.
    say
        Called with a sentence about each kind of entry that was left out or repaired.

    Raises
    ------
    BadAnnotations
        As `document.read_coco` for our own files, `importing.import_coco` for others.
    """
    path = Path(path)
    parts = _parted(path)
    with paused_collection():
        data = load_json(path) if parts is None else parts.data
        info = data.get("info")
        if isinstance(info, dict) and KEY in info:
            if parts is not None:
                return parse_parted(parts, images_root=path.parent if images_root is None else images_root)
            return parse_coco(data, path, images_root=images_root)
        imported = import_coco(path, images_root=images_root, data=data if parts is None else parts)
    for note in imported.report.sentences():
        say(f"{path.name}: {note}")
    return imported.records


def _parted(path: Path) -> Parted | None:
    if not path.is_file() or path.stat().st_size <= LARGEST_WHOLE:
        return None
    about = path.stat()
    return _found(path.absolute(), about.st_mtime_ns, about.st_size)


@lru_cache(
    maxsize=4
)  # a choice: a run asks for the same few files several times, and only says where their annotations are
def _found(path: Path, _mtime_ns: int, _size: int) -> Parted | None:
    return parted(path)
