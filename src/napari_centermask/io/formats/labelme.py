"""LabelMe's JSON, read only: polygons, rectangles, circles and masks that were drawn on one image.

Source: the files that LabelMe 5 writes. Coordinates are continuous, with (0, 0) at the outer corner of the first pixel, as here.
"""

from __future__ import annotations

import base64
import binascii
import io
import json
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import numpy as np

from napari_centermask.core.errors import BadAnnotations
from napari_centermask.core.progress import Advance, silent
from napari_centermask.io.formats import fields
from napari_centermask.io.formats.outlines import result_of
from napari_centermask.io.formats.reading import Reading, refusing
from napari_centermask.io.rings import LARGEST_MASK, Polygon, trace

_CIRCLE = 64  # corners: the polygon covers 0.998 of the circle


def read(path: Path, images: Path | None = None, advance: Advance = silent) -> Reading:
    """Cells of a LabelMe file; shapes of one label and group are one cell, points and lines are skipped and counted.

    Raises
    ------
    BadAnnotations
        If it is damaged.
    """
    with refusing(path, "LabelMe file", ValueError, RecursionError, MemoryError):
        data = json.loads(path.read_text(encoding="utf-8-sig"))
    shapes = data.get("shapes") if isinstance(data, dict) else None
    if not isinstance(shapes, list) or not all(isinstance(s, dict) for s in shapes):
        raise BadAnnotations(f"{path.name} has no list of shapes. Save it again in LabelMe.")
    cells: dict[Hashable, tuple[str, list[Polygon]]] = {}
    n_skipped = 0
    for k, shape in enumerate(shapes):
        polygons = _polygons(path, shape)
        label = str(shape.get("label") or "cell")
        group = shape.get("group_id")
        _, parts = cells.setdefault((label, group) if isinstance(group, (int, str)) else k, (label, []))
        parts += polygons
        n_skipped += not polygons
    return result_of(
        path,
        {"image": data.get("imagePath"), "shape": [data.get("imageHeight"), data.get("imageWidth")]},
        images,
        [(label, polygons) for label, polygons in cells.values() if polygons],
        n_all=sum(bool(polygons) for _, polygons in cells.values()) + n_skipped,
        noun="shape",
        position=lambda label: (0, 0),
        cell_of=lambda label, categories: (_accepted(path, label, categories), label),
        advance=advance,
    )


def _accepted(path: Path, label: str, categories: dict[int, str]) -> dict[str, Any]:
    category = fields.category_named(categories, label, None)
    return {"category": category, "source": path.name, "status": "accepted", "score": 1.0}


def _polygons(path: Path, shape: dict[str, Any]) -> list[Polygon]:
    """The outlines of a shape; none if it has no area."""
    kind = shape.get("shape_type") or "polygon"
    points = _points(path, shape.get("points"))
    if kind == "mask":
        return _of_mask(path, shape.get("mask"), points)
    if kind == "rectangle" and len(points) == 2:
        (x0, y0), (x1, y1) = points
        return [[np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)])]]
    if kind == "circle" and len(points) == 2:
        angle = np.linspace(0, 2 * np.pi, _CIRCLE, endpoint=False)
        radius = np.hypot(*(points[1] - points[0]))
        return [[points[0] + radius * np.stack([np.cos(angle), np.sin(angle)], axis=1)]]
    return [[points]] if kind in ("polygon", "rectangle") and len(points) > 2 else []


def _points(path: Path, given: object) -> np.ndarray:
    try:
        points = np.array(given, np.float64).reshape(-1, 2)
    except (TypeError, ValueError):
        points = np.full((1, 2), np.nan)
    if not np.isfinite(points).all():
        raise BadAnnotations(f"{path.name} has points that are not two numbers. Save it again in LabelMe.")
    return points


def _of_mask(path: Path, text: object, points: np.ndarray) -> list[Polygon]:
    """The outlines of a mask that is kept as a PNG in base64; its first pixel is at the first point."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(base64.b64decode(str(text), validate=True))) as picture:
            if picture.width * picture.height > LARGEST_MASK:
                raise ValueError("it is too large")
            mask = np.asarray(picture) != 0
        x, y = (int(v) for v in points[0])
    except (binascii.Error, OSError, ValueError, IndexError) as error:
        raise BadAnnotations(
            f"{path.name} has a mask that cannot be read: {error}. Save it again in LabelMe."
        ) from None
    return trace(mask, (y, x)) if mask.ndim == 2 and mask.any() else []
