"""Cells from Shapes and Labels layers of any origin, in the planes of an image."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_centermask.core.compose import from_label_image
from napari_centermask.core.counted import counted
from napari_centermask.core.instances import Instance
from napari_centermask.io.fill_many import fill_all
from napari_centermask.pipeline.progress import Progress

if TYPE_CHECKING:
    from napari.layers import Labels, Shapes

    from napari_centermask.core.result import Index
    from napari_centermask.widgets.edit.placement import Placement

_AREAS = ("polygon", "rectangle", "ellipse")
_SAME = 1e-6  # pixels by which grids of one place may differ
_STEP = 0.5  # pixels between the corners of an ellipse: finer than a mask can show


@dataclass
class Found:
    """Cells that a layer gave, with their planes.

    Attributes
    ----------
    categories
        Names of the categories that the layer knows, by position in `cells`.
    notes
        What was left out or understood, in sentences.
    """

    cells: list[tuple[Index, Instance]] = field(default_factory=list)
    categories: dict[int, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class ShapesRead:
    """What the worker needs of a Shapes layer: vertices in pixels of the image, and what its features say."""

    name: str
    rings: list[np.ndarray]
    planes: list[Index]
    owners: list[tuple[int, int, int]]
    names: list[str]
    notes: list[str]


def read_shapes(layer: Shapes, place: Placement) -> ShapesRead:
    """The areas of a Shapes layer; paths and lines have none."""
    read = ShapesRead(layer.name, [], [], [], [], [])
    n_open, n_beyond = 0, 0
    features = layer.features
    for k, (vertices, kind) in enumerate(zip(layer.data, layer.shape_type, strict=True)):
        if kind not in _AREAS:
            n_open += 1
            continue
        points = place.to_image(vertices)
        index = place.index(points.mean(axis=0))
        is_flat = len({place.index(p) for p in points}) == 1
        if index is None or not is_flat:
            n_beyond += 1
            continue
        read.rings.append(_ring(points[:, -2:], kind))
        read.planes.append(index)
        row = {name: features[name].iloc[k] for name in ("cell", "part", "parts", "category") if name in features}
        read.owners.append((_whole(row.get("cell")), _whole(row.get("part")), _whole(row.get("parts"))))
        read.names.append(row["category"] if isinstance(row.get("category"), str) else "")
    read.notes.extend(
        [f"{counted(n_open, 'line or path', 'lines and paths')} without an area left out."] * bool(n_open)
    )
    read.notes.extend([f"{counted(n_beyond, 'shape')} in no plane of the image left out."] * bool(n_beyond))
    return read


def _whole(value: Any) -> int:
    return int(value) if isinstance(value, (int, float, np.number)) and np.isfinite(value) else 0


def _ring(points: np.ndarray, kind: str) -> np.ndarray:
    """(n, 2) x, y along the edges of pixels of a shape given by y, x at their centres."""
    if kind == "ellipse":
        centre, a, b = points.mean(axis=0), (points[1] - points[0]) / 2, (points[3] - points[0]) / 2
        n = int(np.clip(2 * np.pi * max(np.hypot(*a), np.hypot(*b)) / _STEP, 16, 4096))
        angle = np.linspace(0, 2 * np.pi, n, endpoint=False)[:, None]
        points = centre + np.cos(angle) * a + np.sin(angle) * b
    ring: np.ndarray = points[:, ::-1] + 0.5
    return ring


def cells_of_shapes(read: ShapesRead, shape: tuple[int, int]) -> Generator[Progress, None, Found]:
    """A cell for each area; parts that were one cell before are one cell again."""
    yield Progress(0, 1, f"Reading '{read.name}'")
    found, groups = Found(notes=list(read.notes)), _groups(read)
    outlines = [[[read.rings[k]] for k in group] for group in groups]
    names = [f"Shape {group[0] + 1} of '{read.name}'" for group in groups]
    n_outside = 0
    for group, crop in zip(groups, fill_all(outlines, shape, names), strict=True):
        if crop is None:
            n_outside += 1
            continue
        y0, x0, mask = crop
        if read.names[group[0]]:
            found.categories[len(found.cells)] = read.names[group[0]]
        cell = Instance(0, y0, x0, mask, source=read.name, status="accepted")
        found.cells.append((read.planes[group[0]], cell))
    found.notes.extend([f"{counted(n_outside, 'shape')} without a pixel of the image left out."] * bool(n_outside))
    return found


def _groups(read: ShapesRead) -> list[list[int]]:
    """Positions of the shapes that are one cell: all parts of a cell, each once, or a shape alone.

    napari copies the features with a shape, so a copied cell has the same parts twice: those are cells of their own.
    """
    by_cell: dict[tuple[Index, int, int], list[int]] = {}
    for k, (index, (cell, _, parts)) in enumerate(zip(read.planes, read.owners, strict=True)):
        key = (index, cell, parts) if cell and parts > 1 else (index, -k - 1, 1)
        by_cell.setdefault(key, []).append(k)
    groups: list[list[int]] = []
    for (_, _, parts), members in by_cell.items():
        is_whole = sorted(read.owners[k][1] for k in members) == list(range(1, parts + 1))
        groups += [members] if is_whole or parts == 1 else [[k] for k in members]
    return sorted(groups)


@dataclass(frozen=True)
class LabelsRead:
    """What the worker needs of a Labels layer: its array, and where each of its planes lies."""

    name: str
    array: Any
    planes: list[tuple[tuple[int, ...], Index]]
    matrix: np.ndarray
    offsets: list[np.ndarray]
    notes: list[str]


def read_labels(layer: Labels, place: Placement) -> LabelsRead:
    """The planes of a Labels layer that lie in one of the image's; the first of several, such as channels of one plane."""
    array = layer.data[0] if layer.multiscale else layer.data
    planes: list[tuple[tuple[int, ...], Index]] = []
    offsets: list[np.ndarray] = []
    n_beyond = 0
    for leading in np.ndindex(*array.shape[:-2]):
        corner = place.to_image(np.array([[*leading, 0, 0]], float))[0]
        index = place.index(corner)
        n_beyond += index is None
        if index is not None and index not in [known for _, known in planes]:
            planes.append((leading, index))
            offsets.append(corner[-2:])
    notes = [f"{counted(n_beyond, 'plane')} beyond the image left out."] * bool(n_beyond)
    return LabelsRead(layer.name, array, planes, place.matrix[-2:, -2:], offsets, notes)


def cells_of_labels(read: LabelsRead, shape: tuple[int, int]) -> Generator[Progress, None, Found]:
    """A cell for each label of each plane; of a layer with one value, a cell for each separate part."""
    found, all_planes = Found(notes=list(read.notes)), []
    values: set[int] = set()
    for k, (leading, index) in enumerate(read.planes):
        yield Progress(k, len(read.planes), f"Reading '{read.name}'")
        plane = _in_image(np.asarray(read.array[leading]), read.matrix, read.offsets[k], shape)
        values |= set(np.unique(plane[plane > 0])[:2].tolist())
        all_planes.append((index, plane))
    n_parts = 0
    for index, plane in all_planes:
        labels = np.where(plane > 0, plane, 0)
        if len(values) == 1:
            labels, n = _parts(labels)
            n_parts += n
        cells = from_label_image(labels, source=read.name, status="accepted")
        found.cells += [(index, cell) for cell in cells]
    if n_parts > len(all_planes):
        found.notes.append(f"All pixels have one value: {counted(n_parts, 'separate part')} are taken for cells.")
    return found


def _parts(labels: np.ndarray) -> tuple[np.ndarray, int]:
    from scipy.ndimage import label

    parts, n = label(labels, np.ones((3, 3)))
    return parts, int(n)


def _in_image(plane: np.ndarray, matrix: np.ndarray, offset: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """The labels on the image's grid: as they are, or the nearest to each of its pixels."""
    if plane.dtype == bool:
        plane = plane.astype(np.uint8)
    is_same = np.allclose(matrix, np.eye(2), atol=_SAME) and np.allclose(offset, 0, atol=_SAME)
    if is_same and plane.shape == shape:
        return plane
    back = np.linalg.inv(matrix)
    out = np.zeros(shape, plane.dtype)
    for y in range(shape[0]):
        points = np.stack([np.full(shape[1], y), np.arange(shape[1])], axis=1) - offset
        ys, xs = np.rint(points @ back.T).astype(np.int64).T
        inside = (ys >= 0) & (xs >= 0) & (ys < plane.shape[0]) & (xs < plane.shape[1])
        out[y, inside] = plane[ys[inside], xs[inside]]
    return out
