"""The command that makes a COCO file of another tool's training data, for messages where one is missing."""

from __future__ import annotations

import shlex
from pathlib import Path

from napari_centermask.io.formats.files import guess
from napari_centermask.io.formats.labels import is_label_name

_OTHERS = {"cellpose", "geojson", "imagej", "labelme", "yolo"}


def how_to_convert(folder: Path) -> str | None:
    """The command for a folder of images with cells of another tool, if there are some; it writes annotations.json.

    Known are masks/ and labels/ beside images/, files beside the images (`a_masks.tif`, LabelMe, Cellpose), and a sequence of the
    Cell Tracking Challenge, with its truth in NAME_GT/SEG.
    """
    folder = Path(folder)
    truth = folder.parent / f"{folder.name}_GT" / "SEG"
    for place in (folder / "masks", folder / "labels", truth, folder):
        name = _format_in(place, is_for_labels=place != folder)
        if name:
            chosen = " --from labels" if name == "labels" else ""
            target = folder / "annotations.json"
            return f"napari-centermask convert {shlex.quote(str(place))} {shlex.quote(str(target))}{chosen}"
    return None


def _format_in(folder: Path, *, is_for_labels: bool) -> str | None:
    """The format of the cells in a folder. Where images lie too, an image is of labels only if its name says so."""
    if not folder.is_dir():
        return None
    known = {path: guess(path) for path in sorted(folder.iterdir()) if path.is_file()}
    names = {
        format.name
        for path, format in known.items()
        if format and (is_for_labels or is_label_name(path) or format.name != "labels")
    }
    others = names & _OTHERS
    return others.pop() if len(others) == 1 else "labels" if names == {"labels"} else None
