"""Files of many cells of other kinds than `conversion.py` makes: of other programs, overlapping, in parts, in many images.

Each maker writes a file or folder with about `n` cells, and each kind names what it is converted to.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

Make = Callable[[Path, int], Path]


def _result(n: int, name: str = "field.tif", *, side: int = 26, pitch: int = 0, planes: int = 1, parts: bool = False):
    """Cells of 64 outlines on a grid of `pitch` pixels, by default so that none touch."""
    from napari_centermask.core.instances import Instance, Instances
    from napari_centermask.core.result import Result

    rng, pitch, per_plane = np.random.default_rng(n), pitch or side, n // planes
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    angle, distance = np.arctan2(y, x), np.hypot(y, x) * 26 / side
    masks = [distance < 9.5 + 2 * np.cos(2 * angle + t) + np.cos(5 * angle + 2 * t) for t in np.linspace(0, 6, 64)]
    for mask in masks:
        mask[side // 2 - 1 : side // 2 + 1] &= not parts
    crops = [Instance.from_mask(m) for m in masks]
    row = int(np.ceil(np.sqrt(per_plane)))
    result = Result((pitch * row + side,) * 2, leading=(planes,) * (planes > 1), name=name)
    for plane in range(planes):
        cells = []
        for k in range(per_plane):
            crop, id = crops[(7 * k + plane) % 64], plane * per_plane + k + 1
            at = pitch * (k // row) + crop.y0, pitch * (k % row) + crop.x0
            cells.append(Instance(id, *at, crop.mask, score=float(rng.random()), source="benchmark"))
        result.put((plane,) * (planes > 1), Instances(result.shape, cells, are_checked=True), keep_ids=True)
    return result


def _write(format: str, name: str, folder: Path, n: int, **options) -> Path:
    from napari_centermask.io.formats import FORMATS

    FORMATS[format].write(folder / name, [_result(n, **options)])
    return folder / name


def _images(folder: Path, n: int) -> Path:
    """A thousand label images."""
    for k in range(1000):
        _write("labels", f"field{k:04d}_labels.tif", folder, n // 1000)
    return folder


def _outlines(n: int, points: int):
    """(k, y0, x0, outline) of cells of unequal size, the outline (points, 2) x, y with two digits."""
    rng, row = np.random.default_rng(1), int(np.ceil(np.sqrt(n)))
    angle = np.linspace(0, 2 * np.pi, points, endpoint=False)
    for k in range(n):
        y0, x0 = 26 * (k // row), 26 * (k % row)
        radius = (9.5 + 2 * np.cos(2 * angle + rng.uniform(0, 6))) * rng.uniform(0.4, 1.1)
        outline = [x0 + 13, y0 + 13] + radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
        yield k, y0, x0, outline.round(2)


def _coco(folder: Path, n: int, *, points: int = 0) -> Path:
    """COCO of another program: polygons with so many points, or run lengths as lists."""
    from napari_centermask.io import rle

    side = 26 * int(np.ceil(np.sqrt(n)))
    if points:
        segmentations = [[outline.ravel().tolist()] for *_, outline in _outlines(n, points)]
    else:
        cells = _result(n)
        segmentations = [{"size": [side, side], "counts": rle.encode(cell, (side, side))} for cell in cells]
    annotations = [
        {"id": k, "image_id": 1, "category_id": 1, "segmentation": s, "iscrowd": 0}
        for k, s in enumerate(segmentations, 1)
    ]
    image = {"id": 1, "file_name": "field.tif", "height": side, "width": side}
    text = json.dumps({"images": [image], "annotations": annotations, "categories": [{"id": 1, "name": "cell"}]})
    (folder / "a.json").write_text(text)
    return folder / "a.json"


def _qupath(folder: Path, n: int, *, kind: str) -> Path:
    """Objects of QuPath, printed with indents and with measurements."""
    features = []
    for k, _, _, outline in _outlines(n, 24):
        points = outline.tolist()
        geometry = {"type": "Polygon", "coordinates": [[*points, points[0]]]}
        values = {f"Nucleus: {name}": k / 7 for name in ("Area", "Length", "Circularity", "Solidity")}
        properties = {"objectType": kind, "classification": {"name": "Tumor"}, "measurements": values}
        features.append({"type": "Feature", "id": f"{k:032x}", "geometry": geometry, "properties": properties})
    (folder / "a.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": features}, indent=2))
    return folder / "a.geojson"


def _noise(folder: Path, n: int) -> Path:
    """A tenth of the cells, each of many specks."""
    import tifffile

    side = int(np.sqrt(n // 10))
    labels = np.arange(1, side * side + 1, dtype=np.int32).reshape(side, side).repeat(26, 0).repeat(26, 1)
    labels[np.random.default_rng(0).random(labels.shape) < 0.45] = 0
    tifffile.imwrite(folder / "a_labels.tif", labels, compression="zlib")
    return folder / "a_labels.tif"


KINDS: dict[str, tuple[str, Make, tuple[str, ...]]] = {
    "overlapping": ("coco", partial(_write, "coco", "a.json", pitch=13), ("labels", "geojson", "imagej", "ome-zarr")),
    "overlapping in OME-Zarr": ("ome-zarr", partial(_write, "ome-zarr", "a.ome.zarr", pitch=13), ("coco",)),
    "large image": ("labels", partial(_write, "labels", "a_labels.tif", side=66), ("coco", "cellpose")),
    "1,000 planes": ("labels", partial(_write, "labels", "a_labels.tif", planes=1000), ("coco", "ome-zarr")),
    "1,000 images": ("labels", _images, ("coco", "imagej")),
    "polygons": ("coco", partial(_coco, points=24), ("coco", "labels")),
    "polygons of 300 points": ("coco", partial(_coco, points=300), ("coco",)),
    "run lengths as lists": ("coco", _coco, ("coco",)),
    "two parts": ("coco", partial(_write, "coco", "a.json", parts=True), ("geojson", "imagej")),
    "two parts in GeoJSON": ("geojson", partial(_write, "geojson", "a.geojson", parts=True), ("coco",)),
    "specks": ("labels", _noise, ("geojson",)),
    "QuPath's detections": ("geojson", partial(_qupath, kind="detection"), ("coco",)),
    "QuPath's annotations": ("geojson", partial(_qupath, kind="annotation"), ("coco",)),
}
"""Title -> format, maker, and the formats to convert to."""
