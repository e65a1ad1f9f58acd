"""Read the COCO file of annotated images, or of predictions, from any program."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from napari_centermask.core.collection import paused_collection
from napari_centermask.core.progress import silent
from napari_centermask.io.coco.document import load_json, parse_coco
from napari_centermask.io.coco.extension import KEY
from napari_centermask.io.coco.image_record import ImageRecord
from napari_centermask.io.coco.importing import import_coco
from napari_centermask.io.coco.in_parts import parse_parted
from napari_centermask.io.coco.parted import parted


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
    parts = parted(path)
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
