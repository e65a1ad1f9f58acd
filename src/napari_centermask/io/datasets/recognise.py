"""What a folder of training data is, by the names of what lies in it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from napari_centermask.core.errors import BadAnnotations
from napari_centermask.io.datasets.ctc import from_challenge
from napari_centermask.io.datasets.dataset import Dataset
from napari_centermask.io.datasets.pairs import find_places, from_pairs
from napari_centermask.io.datasets.yolo import places_in_yaml

KNOWN = (
    "images/ and masks/ (StarDist), NAME_masks or NAME_seg.npy beside the images (Cellpose), LabelMe's JSON, YOLO's labels/ with "
    "images/, 01 and 01_GT (Cell Tracking Challenge)"
)
"""What is recognised, for messages."""


def recognise(folder: Path) -> Dataset | None:
    """The data set of another tool in a folder; None if nothing is recognised, or there is no folder.

    Raises
    ------
    BadAnnotations
        If it could be read in several ways, or parts of it are missing.
    """
    folder = Path(folder)
    if not folder.is_dir():
        return None
    found = from_challenge(folder)
    found = found or _listed(folder) or from_pairs(folder, find_places(folder))
    if len(found) > 1:
        ways = "; ".join(f"{d.title} ({d.example})" for d in found)
        raise BadAnnotations(
            f"{folder} can be read in several ways: {ways}. Keep one kind of cells there, or make a COCO file of the "
            "right one with `napari-centermask convert`."
        )
    return found[0] if found else None


def _listed(folder: Path) -> list[Dataset]:
    """What YOLO's `data.yaml` names."""
    places, notes = places_in_yaml(folder)
    return [
        replace(dataset, notes=(*notes, *dataset.notes))
        for dataset in from_pairs(folder, places)
        if dataset.format == "yolo"
    ]
