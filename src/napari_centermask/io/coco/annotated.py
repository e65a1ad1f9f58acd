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


def read_annotated(
    path: Path, *, images_root: Path | None = None, say: Callable[[str], None] = silent
) -> list[ImageRecord]:
    """Read a COCO instances file: our own strictly, those of other programs repaired as in an import.

    So evaluation and training read what `convert` and projects read. Crowd regions are kept in `ImageRecord.crowds`.

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
    with paused_collection():
        data = load_json(path)
        info = data.get("info")
        if isinstance(info, dict) and KEY in info:
            return parse_coco(data, path, images_root=images_root)
        imported = import_coco(path, images_root=images_root, data=data)
    for note in imported.report.sentences():
        say(f"{path.name}: {note}")
    return imported.records
