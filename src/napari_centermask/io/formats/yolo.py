"""YOLO's segmentation labels, read only: a text file for each image, a line for each cell.

A line is the class from 0 and the corners of a polygon as parts of the image's width and height; boxes (four numbers) have no
outline. Names of classes are in a list beside the labels or above them: `data.yaml`, `dataset.yaml` or `classes.txt`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from napari_centermask.core.counted import counted
from napari_centermask.core.errors import BadAnnotations, MissingExtra
from napari_centermask.core.extras import how_to_install
from napari_centermask.core.progress import Advance, silent
from napari_centermask.io.formats.outlines import result_of
from napari_centermask.io.formats.reading import Reading, find_image, image_header, refusing
from napari_centermask.io.rings import Polygon

NAMES = ("classes.txt", "data.yaml", "dataset.yaml", "data.yml", "dataset.yml")
_LEAST = 6  # numbers of the smallest polygon; four are a box


def read(path: Path, images: Path | None = None, advance: Advance = silent) -> Reading:
    """Cells of a file of labels; boxes are skipped and counted.

    Raises
    ------
    BadAnnotations
        If a line is damaged, or the image, whose size is needed, is missing.
    """
    with refusing(path, "YOLO label file", UnicodeDecodeError):
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    rows = [_row(path, n, line) for n, line in enumerate(lines, start=1) if line.strip()]
    header = image_header(path, images, path.stem)
    if header is None:
        raise BadAnnotations(
            f"{path.name} gives parts of an image, but its image was not found. "
            "Put it into a folder images/ beside labels/, or give --images."
        )
    height, width = header.plane_shape
    names = _names(path)
    outlines: list[tuple[int, list[Polygon]]] = [
        (number, [[points * (width, height)]]) for number, points in rows if len(points) * 2 >= _LEAST
    ]
    n_boxes = sum(len(points) == 2 for _, points in rows)
    notes = (f"{counted(n_boxes, 'line')} with a box only: it has no outline, and is left out.",) * bool(n_boxes)
    return result_of(
        path,
        {
            "image": image.name if (image := find_image(path, images, path.stem)) else path.stem,
            "shape": [height, width],
        },
        images,
        outlines,
        n_all=len(outlines),
        noun="line",
        position=lambda number: (0, 0),
        cell_of=lambda number, _: (_accepted(path, number), names.get(number, f"class {number}")),
        notes=notes,
        advance=advance,
    )


def is_yolo(path: Path) -> bool:
    """Whether a text file begins as a file of labels does; an empty one, of an image without cells, is one in labels/."""
    try:
        with path.open(encoding="utf-8-sig") as stream:
            line = next((line for line in stream if line.strip()), "")
        if not line:
            return "labels" in (part.lower() for part in path.parent.parts[-3:])
        _row(path, 1, line)
    except (OSError, UnicodeDecodeError, BadAnnotations):
        return False
    return True


def _accepted(path: Path, number: int) -> dict[str, Any]:
    return {"category": number + 1, "source": path.name, "status": "accepted", "score": 1.0}


def _row(path: Path, n: int, line: str) -> tuple[int, np.ndarray]:
    """The class and the (n, 2) x, y of a line."""
    try:
        number, points = int(line.split()[0]), np.array(line.split()[1:], np.float64).reshape(-1, 2)
    except ValueError:
        number, points = -1, np.zeros((0, 2))
    if number < 0 or len(points) < 2 or not (np.abs(points) < 2).all():  # a little outside is cut; NaN is no number
        raise BadAnnotations(
            f"Line {n} of {path.name} is not a class and corners between 0 and 1. Is it a file of labels? Export it again."
        )
    return number, points


def _names(path: Path) -> dict[int, str]:
    """Names of the classes by their numbers, as far as a file gives them."""
    for folder in list(path.parents)[:3]:
        for file in (folder / name for name in NAMES):
            if file.is_file():
                text = file.read_text(encoding="utf-8-sig", errors="replace")
                named = dict(enumerate(text.splitlines())) if file.suffix == ".txt" else _in_yaml(text)
                return {k: name.strip() for k, name in named.items() if name.strip()}
    return {}


def yaml_values(text: str) -> dict[str, Any]:
    """The values of a YAML file; empty if it is damaged or something else.

    Raises
    ------
    MissingExtra
        Without PyYAML.
    """
    try:
        import yaml
    except ImportError as error:
        raise MissingExtra(f"YOLO's data.yaml needs PyYAML ({error}): {how_to_install('formats')}") from error
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError:
        return {}
    return {str(key): value for key, value in values.items()} if isinstance(values, dict) else {}


def _in_yaml(text: str) -> dict[int, str]:
    """The list, or the numbered list, under `names:`."""
    named = yaml_values(text).get("names")
    if isinstance(named, dict):
        return {k: str(name) for k, name in named.items() if isinstance(k, int)}
    return dict(enumerate(map(str, named))) if isinstance(named, list) else {}
