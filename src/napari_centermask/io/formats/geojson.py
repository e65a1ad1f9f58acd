"""QuPath's GeoJSON: a feature for each cell, along pixel edges, with holes and parts; masks are kept exactly.

QuPath reads `objectType`, `classification`, `measurements` and the plane, and ignores what it does not know. So a cell's
other values are under `napari_centermask` in its properties, and those of the image beside the features
(RFC 7946, section 6.1, allows foreign members).
"""

from __future__ import annotations

import gzip
import io
import json
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache, partial
from pathlib import Path
from typing import IO, Any

import numpy as np

from napari_centermask.core.errors import BadAnnotations
from napari_centermask.core.instances import Instance
from napari_centermask.core.progress import Advance, counting, silent
from napari_centermask.core.result import Index, Result
from napari_centermask.io.coco.cell_text import own_text
from napari_centermask.io.coco.extension import KEY
from napari_centermask.io.formats import fields, qupath
from napari_centermask.io.formats.outlines import image_of, result_of
from napari_centermask.io.formats.reading import MOST_PLANES, Reading, refusing
from napari_centermask.io.rings import Polygon
from napari_centermask.io.rings_many import trace_all
from napari_centermask.io.whole_file import whole_file

_DAMAGED = (ValueError, RecursionError, MemoryError, EOFError, zipfile.BadZipFile, zlib.error)
_LARGEST_FILE = 1 << 31  # bytes: a choice; parsing takes several times as much memory


def read(path: Path, images: Path | None = None, advance: Advance = silent) -> Reading:
    """Cells of a GeoJSON file; objects without an area are skipped and counted.

    Raises
    ------
    BadAnnotations
        If it is damaged or describes no image.
    """
    with refusing(path, "GeoJSON", *_DAMAGED):
        data = json.loads(_text(path))
    own = data.get(KEY) if isinstance(data, dict) else None
    features, notes = qupath.cells_of(_features(path, data))
    to_image = qupath.region_of(image_of(path, images, own))
    cells = [
        (f, [[to_image(ring) for ring in p] for p in polygons])
        for f in features
        if (polygons := list(_polygons(path, f.get("geometry"))))
    ]
    return result_of(
        path,
        own,
        images,
        cells,
        n_all=len(features),
        noun="object",
        position=_position,
        cell_of=partial(_cell_of, path),
        advance=advance,
        notes=notes,
    )


def is_zipped(path: Path) -> bool:
    """Whether a zip file holds GeoJSON, as QuPath can export it."""
    return bool(_zipped_names(path))


def _zipped_names(path: Path) -> list[str]:
    if not zipfile.is_zipfile(path):
        return []
    with zipfile.ZipFile(path) as archive:
        names = [
            n for n in archive.namelist() if n.lower().endswith((".geojson", ".json")) and not n.startswith("__MACOSX")
        ]
        is_imagej = any(n.lower().endswith(".roi") for n in archive.namelist())
    return [] if is_imagej else names


def _text(path: Path) -> str:
    """The text of a file, or of the file in a zip, up to a largest size."""
    names = _zipped_names(path)
    if len(names) > 1:
        raise ValueError(f"it holds {len(names)} files of GeoJSON; unpack it and read them one by one")
    if path.suffix.lower() == ".gz":
        with gzip.open(path) as stream:
            return _limited(stream)
    if not names:
        if path.stat().st_size > _LARGEST_FILE:
            raise ValueError("it is larger than 2 GiB")
        return path.read_text(encoding="utf-8-sig")
    with zipfile.ZipFile(path) as archive, archive.open(names[0]) as stream:
        return _limited(stream)


def _limited(stream: IO[bytes] | gzip.GzipFile) -> str:
    data = stream.read(_LARGEST_FILE + 1)
    if len(data) > _LARGEST_FILE:
        raise ValueError("it is larger than 2 GiB")
    return data.decode("utf-8-sig")


def _features(path: Path, data: object) -> list[dict[str, Any]]:
    """The features of a collection, of QuPath's plain list, or of a single one."""
    if isinstance(data, dict) and data.get("type") == "FeatureCollection":
        data = data.get("features")
    elif isinstance(data, dict) and data.get("type") == "Feature":
        data = [data]
    if not isinstance(data, list) or not all(isinstance(f, dict) for f in data):
        raise BadAnnotations(f"{path.name} is not a collection of GeoJSON features. Export it from QuPath.")
    return data


def _polygons(path: Path, geometry: object) -> Iterator[Polygon]:
    """All polygons of a geometry, however deeply nested."""
    waiting = [geometry]
    while waiting:
        shape = waiting.pop()
        if not isinstance(shape, dict):
            continue
        parts = shape.get("coordinates")
        if shape.get("type") == "GeometryCollection" and isinstance(shape.get("geometries"), list):
            waiting += reversed(shape["geometries"])
        elif shape.get("type") == "Polygon":
            yield [_ring(path, r) for r in _list(path, parts)]
        elif shape.get("type") == "MultiPolygon":
            yield from ([_ring(path, r) for r in _list(path, p)] for p in _list(path, parts))


def _list(path: Path, value: object) -> list[Any]:
    if not isinstance(value, list):
        raise BadAnnotations(
            f"{path.name} has a {type(value).__name__} instead of a list of coordinates. Export it again."
        )
    return value


def _ring(path: Path, given: object) -> np.ndarray:
    points = _list(path, given)
    try:
        ring = _array(points)
    except (TypeError, ValueError, IndexError, KeyError, OverflowError):
        ring = np.full((1, 2), np.nan)
    if not np.isfinite(ring).all():
        raise BadAnnotations(f"{path.name} has points that are not two numbers. Export it again.")
    closed = len(ring) > 1 and ring[0, 0] == ring[-1, 0] and ring[0, 1] == ring[-1, 1]
    return ring[:-1] if closed else ring


def _array(points: list[Any]) -> np.ndarray:
    """(n, 2) x, y; what else a point has is left out."""
    try:
        ring = np.array(points, np.float64)
    except (TypeError, ValueError):
        ring = np.zeros(0)
    if ring.ndim == 2 and ring.shape[1] > 1:
        return ring if ring.shape[1] == 2 else ring[:, :2].copy()
    return np.array([(p[0], p[1]) for p in points], np.float64).reshape(-1, 2)


def _position(feature: dict[str, Any]) -> tuple[int, int]:
    """(t, z) by QuPath's `plane` member of the geometry."""
    plane = feature["geometry"].get("plane")
    if not isinstance(plane, dict):
        return 0, 0
    t, z = (int(v) if fields.is_whole(v := plane.get(k, 0)) and 0 <= v < MOST_PLANES else 0 for k in "tz")
    return t, z


def _class(feature: dict[str, Any]) -> str:
    """QuPath's class; two names are joined, as in "Tumor: Positive"."""
    properties = feature.get("properties")
    named = properties.get("classification") if isinstance(properties, dict) else None
    if isinstance(named, str) and named:
        return named
    if not isinstance(named, dict):
        return "cell"
    names = named.get("names")
    names = names if isinstance(names, list) else [named.get("name")]
    return ": ".join(n for n in names if isinstance(n, str)) or "cell"


def _cell_of(path: Path, feature: dict[str, Any], categories: dict[int, str]) -> tuple[dict[str, Any], str]:
    """Our own values with the present class in QuPath, and that class."""
    properties = feature.get("properties")
    own = properties.get(KEY) if isinstance(properties, dict) else None
    values, named = fields.read_cell_fields(own, source=path.name), _class(feature)
    return values | {"category": fields.category_named(categories, named, values.get("category"))}, named


def write(path: Path, results: Sequence[Result], advance: Advance = silent) -> None:
    """Write a FeatureCollection of detections; gzipped if the name ends with .gz."""
    (result,) = results
    with whole_file(path) as part, _opened(part, is_packed=path.suffix.lower() == ".gz") as stream:
        head = {"type": "FeatureCollection", KEY: fields.image_fields(result)}
        stream.write(json.dumps(head, allow_nan=False)[:-1] + ', "features": [')
        separator = "\n"
        quoted: dict[str, str] = {}
        done, total = 0, len(result)
        for index, plane in result.planes.items():
            cells = list(plane)
            for cell, polygons in zip(cells, counting(trace_all(cells), total, advance, before=done), strict=True):
                stream.write(separator + _feature(result, index, cell, polygons, quoted))
                separator = ",\n"
            done += len(cells)
        stream.write("\n]}\n")


@contextmanager
def _opened(path: Path, *, is_packed: bool) -> Iterator[IO[str]]:
    """A text file for writing."""
    if not is_packed:
        with path.open("w", encoding="utf-8") as stream:
            yield stream
        return
    with (
        path.open("wb") as file,
        gzip.GzipFile("", "wb", fileobj=file, mtime=0) as packed,  # neither the temporary name nor the time is kept
        io.TextIOWrapper(packed, encoding="utf-8") as stream,
    ):
        yield stream


def _feature(result: Result, index: Index, cell: Instance, outlines: Sequence[Polygon], quoted: dict[str, str]) -> str:
    """A cell as JSON: as text at once, which is three times as fast as by way of dictionaries."""
    polygons = [f"[{', '.join(map(_closed, rings))}]" for rings in outlines]
    kind, coordinates = ("Polygon", polygons[0]) if len(polygons) == 1 else ("MultiPolygon", f"[{', '.join(polygons)}]")
    t, z = fields.position_of(index)
    plane = f', "plane": {{"c": -1, "z": {z}, "t": {t}}}' if index else ""
    name = result.categories.get(cell.category, str(cell.category))
    own = own_text(cell, quoted)  # refuses numbers that JSON does not know
    return (
        f'{{"type": "Feature", "geometry": {{"type": "{kind}", "coordinates": {coordinates}{plane}}}, '
        f'"properties": {{"objectType": "detection", "classification": {{"name": {_quoted(name, quoted)}}}, '
        f'"measurements": {{"Score": {float(cell.score)!r}, "Mask quality": {float(cell.mask_quality)!r}'
        f'{_probabilities(result, cell)}}}, "{KEY}": {own[:-1]}, "category": {cell.category}}}}}}}'
    )


def _closed(ring: np.ndarray) -> str:
    """The points of a ring of whole numbers as JSON, with the first at the end again."""
    values = ring.ravel().tolist()
    return _form(len(ring) + 1) % (*values, *values[:2])


@lru_cache(4096)
def _form(n: int) -> str:
    return f"[{', '.join(['[%d, %d]'] * n)}]"


def _quoted(text: str, known: dict[str, str]) -> str:
    return known.get(text) or known.setdefault(text, json.dumps(text))


def _probabilities(result: Result, cell: Instance) -> str:
    """A measurement for each category, for QuPath's maps and tables."""
    named = zip(sorted(result.categories), cell.probabilities, strict=False) if cell.probabilities else ()
    values = {f"Probability: {result.categories[id]}": float(p) for id, p in named}
    return f", {json.dumps(values)[1:-1]}" if values else ""
