"""QuPath's objects: which ones are cells, and where a region lies in its slide.

QuPath's names: https://qupath.readthedocs.io, "Objects" and "Exporting images"; `objectType` is annotation, detection, cell,
tile or tmaCore, and a cell has its nucleus as `nucleusGeometry` beside its geometry.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import chain
from typing import Any

import numpy as np

from napari_centermask.core.counted import counted

_REGION = re.compile(r"\[(?:d=(?P<d>[\d.]+),)?x=(?P<x>-?\d+),y=(?P<y>-?\d+),w=\d+,h=\d+\]")
_REGIONS = re.compile(r".*\*|(tissue|region|roi|background|ignore)\b.*")
_NO_CELLS = ("tile", "tmaCore", "root")
NUCLEUS = "nucleus"
"""The category of the nuclei of cells."""

Feature = dict[str, Any]


def cells_of(features: Sequence[Feature]) -> tuple[list[Feature], tuple[str, ...]]:
    """The cells among QuPath's objects, with each nucleus as an object of its own, and notes.

    Annotations are cells if there are no other objects, as when cells were drawn with QuPath's brush. Beside detections, if
    they contain other objects, and if their class says so, they are regions such as a tissue.
    """
    kinds = [_kind(f) for f in features]
    detected = any(k in ("detection", "cell") for k in kinds)
    is_mixed = not detected and "annotation" in kinds
    holding = _holding(features) if is_mixed else np.zeros(len(features), bool)
    chosen: list[Feature] = []
    left_out = 0
    for n, (feature, kind) in enumerate(zip(features, kinds, strict=True)):
        is_region = kind == "annotation" and (detected or holding[n] or _is_named_region(feature))
        if is_region or kind in _NO_CELLS:
            left_out += 1
            continue
        chosen.append(feature)
        if isinstance(feature.get("nucleusGeometry"), dict):
            chosen.append(_nucleus(feature))
    n_nuclei = len(chosen) + left_out - len(features)
    notes: tuple[str, ...] = ()
    if left_out:
        notes += (
            f"Left out {counted(left_out, 'object')}: annotations, tiles and cores that mark regions are not cells.",
        )
    if n_nuclei:
        notes += (
            f"Read {counted(n_nuclei, 'nucleus of a cell', 'nuclei of cells')} as cells of the category '{NUCLEUS}'.",
        )
    return chosen, notes


def region_of(image_name: str) -> Callable[[np.ndarray], np.ndarray]:
    """Convert a slide's (x, y) points to those of a region that QuPath exported and named in the file name."""
    match = _REGION.search(image_name)
    if match is None:
        return lambda points: points
    origin, downsample = np.array([float(match["x"]), float(match["y"])]), float(match["d"] or 1.0) or 1.0
    return lambda points: (points - origin) / downsample


def _kind(feature: Feature) -> str:
    properties = feature.get("properties")
    kind = properties.get("objectType", properties.get("object_type")) if isinstance(properties, dict) else None
    return kind if isinstance(kind, str) else "detection"


def _is_named_region(feature: Feature) -> bool:
    """Whether an annotation's class is that of a region; QuPath itself ignores those with a star."""
    properties = feature.get("properties")
    named = properties.get("classification") if isinstance(properties, dict) else None
    name = named.get("name") if isinstance(named, dict) else named
    return isinstance(name, str) and bool(_REGIONS.fullmatch(name.strip().casefold()))


def _nucleus(feature: Feature) -> Feature:
    geometry = dict(feature["nucleusGeometry"])
    plane = (feature.get("geometry") or {}).get("plane")
    if plane is not None:
        geometry.setdefault("plane", plane)
    properties = {"objectType": "detection", "classification": {"name": NUCLEUS}}
    return {"type": "Feature", "geometry": geometry, "properties": properties}


def _box(feature: Feature) -> tuple[float, float, float, float] | None:
    """(x0, y0, x1, y1) of an object; None if its geometry is not valid."""
    points: list[tuple[float, float]] = []
    geometry = feature.get("geometry")
    waiting = [geometry.get("coordinates")] if isinstance(geometry, dict) else []
    while waiting:
        part = waiting.pop()
        if isinstance(part, list) and len(part) >= 2 and all(isinstance(v, int | float) for v in part[:2]):
            points.append((part[0], part[1]))
        elif isinstance(part, list):
            waiting += part
    if not points:
        return None
    (x0, y0), (x1, y1) = np.min(points, axis=0), np.max(points, axis=0)
    return x0, y0, x1, y1


def _boxes(features: Sequence[Feature]) -> np.ndarray:
    """(n, 4) x0, y0, x1, y1 of all objects, those of plain polygons at once; NaN where the geometry is not valid."""
    boxes = np.full((len(features), 4), np.nan)
    plain = {n: found for n, feature in enumerate(features) if (found := _plain_points(feature))}
    try:
        points = np.array(list(chain.from_iterable(plain.values())), np.float64)
    except OverflowError:  # a whole number beyond all others
        plain = {}
    if plain:
        sizes = np.array([len(p) for p in plain.values()])
        starts = np.cumsum(sizes) - sizes
        low, high = np.minimum.reduceat(points, starts), np.maximum.reduceat(points, starts)
        boxes[list(plain)] = np.concatenate([low, high], axis=1)
    for n, feature in enumerate(features):
        if n not in plain and (box := _box(feature)) is not None:
            with suppress(OverflowError):
                boxes[n] = box
    return boxes


def _plain_points(feature: Feature) -> list[list[float]] | None:
    """The points of a polygon without holes, if each is a pair of numbers."""
    geometry = feature.get("geometry")
    rings = geometry.get("coordinates") if isinstance(geometry, dict) and geometry.get("type") == "Polygon" else None
    if not isinstance(rings, list) or len(rings) != 1 or not isinstance(rings[0], list):
        return None
    points = rings[0]
    are_pairs = all(type(p) is list and len(p) == 2 for p in points)
    return points if are_pairs and set(map(type, chain.from_iterable(points))) <= {int, float} else None


def _holding(features: Sequence[Feature]) -> np.ndarray:
    """(n,) bool: whether two other objects or more lie within an object's box; a cell holds its nucleus at most."""
    boxes = _boxes(features)
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    holding = np.zeros(len(features), bool)
    if np.isnan(areas).all():
        return holding
    order = np.argsort(boxes[:, 0])  # what lies within a box begins between its sides
    boxes, areas = boxes[order], areas[order]
    large = np.flatnonzero(areas > 2 * np.nanmedian(areas))
    first = np.searchsorted(boxes[:, 0], boxes[large, 0], "left")
    last = np.searchsorted(boxes[:, 0], boxes[large, 2], "right")
    for n, begin, end in zip(large.tolist(), first.tolist(), last.tolist(), strict=True):
        near = boxes[begin:end]
        inside = (near[:, :2] >= boxes[n, :2]).all(axis=1) & (near[:, 2:] <= boxes[n, 2:]).all(axis=1)
        holding[order[n]] = np.count_nonzero(inside & (areas[begin:end] < areas[n])) >= 2
    return holding
