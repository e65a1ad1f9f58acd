"""ImageJ's ROIs (`.roi`, and `.zip` of the ROI Manager) by `roifile`: outlines along pixel edges, so masks are kept exactly.

A cell of one part without holes becomes a traced ROI, as from ImageJ's wand; others become a composite of several paths.
Values that ImageJ has no field for are in each ROI's properties, and those of the image in an entry that ImageJ ignores.
"""

from __future__ import annotations

import json
import logging
import mmap
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np

from napari_centermask.core.errors import MissingExtra
from napari_centermask.core.extras import how_to_install
from napari_centermask.core.progress import Advance, counting, silent
from napari_centermask.core.result import Result
from napari_centermask.io.formats import fields
from napari_centermask.io.formats.imagej_rois import CLOSE, CUBIC, LINE, MOVE, QUADRATIC, Packer
from napari_centermask.io.formats.outlines import result_of
from napari_centermask.io.formats.reading import MOST_PLANES, Reading, refusing
from napari_centermask.io.rings import Polygon, Ring
from napari_centermask.io.rings_many import trace_all
from napari_centermask.io.whole_file import whole_file
from napari_centermask.io.zip_writer import ZipWriter

_IMAGE_ENTRY = "napari_centermask.json"
# Of an archive: choices, so that a small damaged or malicious one does not fill the memory.
_MOST_ROIS = 1_000_000
_LARGEST_ROI, _LARGEST_ALL = 1 << 26, 1 << 31  # bytes, unpacked
_NUMBERS = ("id", "score", "mask_quality", "order", "category_id", "track", "parent")
_LIST = "probabilities"
_POINTS = {MOVE: 1, LINE: 1, QUADRATIC: 2, CUBIC: 3, CLOSE: 0}
_ERRORS = (
    *(zipfile.BadZipFile, zlib.error, struct.error, NotImplementedError, EOFError, RecursionError),
    *(ValueError, TypeError, IndexError, KeyError, OverflowError, MemoryError),
)


def _roifile() -> Any:
    try:
        import roifile
    except ImportError:
        raise MissingExtra(f"ImageJ ROIs need the package roifile: {how_to_install('formats')}") from None
    logging.getLogger("roifile").setLevel(logging.CRITICAL)  # its warnings repeat our error
    return roifile


def has_rois(path: Path) -> bool:
    """Whether a file is an ROI, or a zip with ROIs."""
    if path.suffix.lower() == ".roi":
        return True
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.lower().endswith(".roi") for name in archive.namelist())


def read(path: Path, images: Path | None = None, advance: Advance = silent) -> Reading:
    """Cells of an ROI or a zip of ROIs; lines, points and text are skipped and counted.

    Raises
    ------
    BadAnnotations
        If it is damaged.
    MissingExtra
        Without roifile.
    """
    _roifile()
    with np.errstate(invalid="ignore"), refusing(path, "ImageJ ROIs", *_ERRORS):
        entries = list(_entries(path)) if zipfile.is_zipfile(path) else [("a.roi", path.read_bytes())]
        own = next((_json(data) for name, data in entries if name == _IMAGE_ENTRY), None)
        parse = _roifile().ImagejRoi.frombytes
        rois = [parse(data) for name, data in entries if name.lower().endswith(".roi")]
        if not rois and own is None:
            raise ValueError("it holds no ROIs")
        outlines = [(roi, polygons) for roi in rois if (polygons := _polygons(roi))]
    return result_of(
        path,
        own,
        images,
        outlines,
        n_all=len(rois),
        noun="ROI",
        position=_position,
        cell_of=partial(_cell_of, path),
        advance=advance,
    )


def _entries(path: Path) -> Iterator[tuple[str, bytes]]:
    """Names and bytes of a zip's entries, up to a largest size."""
    total = 0
    with (
        zipfile.ZipFile(path) as archive,
        path.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as whole,
    ):
        infos = archive.infolist()
        if len(infos) > _MOST_ROIS:
            raise ValueError(f"it has {len(infos):,} entries")
        for info in infos:
            if not (info.filename == _IMAGE_ENTRY or info.filename.lower().endswith(".roi")):
                continue
            data = _inflated(whole, info)
            if data is None:
                with archive.open(info) as stream:
                    data = stream.read(_LARGEST_ROI + 1)
            total += len(data)
            if len(data) > _LARGEST_ROI or total > _LARGEST_ALL:
                raise ValueError(f"the entry {info.filename[:60]} is too large")
            yield info.filename, data


def _inflated(whole: mmap.mmap, info: zipfile.ZipInfo) -> bytes | None:
    """A small sound entry, without the layers of zipfile, which take most of the time; None leaves it to zipfile."""
    at = info.header_offset
    is_plain = info.compress_type == zipfile.ZIP_DEFLATED and not info.flag_bits & 1 and info.file_size <= _LARGEST_ROI
    if not is_plain or whole[at : at + 4] != b"PK\3\4":
        return None
    at += 30 + sum(struct.unpack("<2H", whole[at + 26 : at + 30]))
    try:
        data = zlib.decompressobj(-15).decompress(whole[at : at + info.compress_size], info.file_size + 1)
    except zlib.error:
        return None
    return data if len(data) == info.file_size and zlib.crc32(data) == info.CRC else None


def _json(data: bytes) -> Any:
    try:
        return json.loads(data.decode("utf-8"))
    except ValueError:
        return None


def _polygons(roi: Any) -> list[Polygon]:
    """The area of an ROI; empty for lines, points and text."""
    kinds = type(roi.roitype)
    if roi.multi_coordinates is not None:
        return [[_finite(ring) for ring in _paths(roi.multi_coordinates)]]
    if roi.roitype in (kinds.POLYGON, kinds.FREEHAND, kinds.TRACED) and roi.integer_coordinates is not None:
        if roi.subpixel_coordinates is None:
            return [[roi.integer_coordinates.astype(np.float64) + (roi.left, roi.top)]]
        return [[_finite(roi.subpixel_coordinates.astype(np.float64))]]
    if roi.roitype in (kinds.RECT, kinds.OVAL):
        x0, y0, width, height = roi.left, roi.top, roi.right - roi.left, roi.bottom - roi.top
        if roi.subpixelrect:
            x0, y0, width, height = roi.xd, roi.yd, roi.widthd, roi.heightd
        corners = np.array([(0, 0), (1, 0), (1, 1), (0, 1)], np.float64)
        if roi.roitype == kinds.OVAL:
            angles = np.linspace(0, 2 * np.pi, 720, endpoint=False)
            corners = 0.5 + 0.5 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
        return [[_finite(corners * (width, height) + (x0, y0))]]
    return []


def _finite(ring: np.ndarray) -> Ring:
    if not np.isfinite(ring).all():
        raise ValueError("an ROI has points that are not finite")
    return ring


def _paths(values: np.ndarray) -> list[Ring]:
    """Rings of a composite, a Java path of segment types and points; a curve becomes eight lines."""
    rings: list[list[np.ndarray]] = []
    flat, at = values.astype(np.float64).tolist(), 0
    while at < len(flat):
        kind = int(flat[at])
        n = 2 * _POINTS[kind]
        points = np.array(flat[at + 1 : at + 1 + n]).reshape(-1, 2)
        if len(points) != _POINTS[kind]:
            raise ValueError("a composite ROI is cut short")
        if kind == MOVE:
            rings.append([points[0]])
        elif kind != CLOSE:
            rings[-1].extend(_curve(rings[-1][-1], points) if len(points) > 1 else points)
        at += 1 + n
    return [np.array(r) for r in rings]


def _curve(start: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Points on a Bezier curve, by de Casteljau's construction."""
    t = np.linspace(0, 1, 9)[1:, None, None]
    hull = np.broadcast_to(np.vstack([start, points]), (8, len(points) + 1, 2))
    while hull.shape[1] > 1:
        hull = hull[:, :-1] * (1 - t) + hull[:, 1:] * t
    return hull[:, 0]


def _position(roi: Any) -> tuple[int, int]:
    """(t, z) in a hyperstack, or the position in a plain stack; ImageJ counts from 1, and 0 means all planes."""
    t, z = max(0, roi.t_position - 1), max(0, (roi.z_position or roi.position) - 1)
    return (t, z) if max(t, z) < MOST_PLANES else (0, 0)


def _cell_of(path: Path, roi: Any, categories: dict[int, str]) -> tuple[dict[str, Any], str]:
    """Values from an ROI's properties, and the name of its category, which is its group unless the properties have one."""
    own: dict[str, Any] = {}
    for line in roi.props.splitlines():
        key, _, value = line.partition(": ")
        own[key] = _number(value) if key in _NUMBERS else _json(value.encode()) if key == _LIST else unquote(value)
    name, id = own.get("category"), own.get("category_id")
    values = fields.read_cell_fields(own, source=path.name)
    if isinstance(name, str) and name:
        return values | {"category": fields.category_named(categories, name, id)}, name
    group = max(1, int(roi.group))
    return values | {"category": group}, f"group {group}" if roi.group else "cell"


def _number(text: str) -> float | int | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return int(value) if fields.is_whole(value) else value


def write(path: Path, results: Sequence[Result], advance: Advance = silent) -> None:
    """Write a zip of ROIs as ImageJ's ROI Manager opens it.

    Raises
    ------
    MissingExtra
        Without roifile.
    """
    roifile = _roifile()
    (result,) = results
    pack = Packer(roifile, result)
    with whole_file(path) as part, part.open("wb") as stream, ZipWriter(stream) as archive:
        done, total = 0, len(result)
        for index, plane in result.planes.items():
            cells = list(plane)
            for cell, polygons in zip(cells, counting(trace_all(cells), total, advance, before=done), strict=True):
                archive.add(f"{cell.id:06d}.roi", pack(index, cell, polygons))
            done += len(cells)
        archive.add(_IMAGE_ENTRY, json.dumps(fields.image_fields(result), allow_nan=False).encode())
